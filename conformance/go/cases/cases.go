// Package cases is what every Go program here shares: named cases in, one JSON line a case out,
// in the form that conformance.py describes.
package cases

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"
)

const caseSecondsMax = 90

// Bootstrap is the server's host and port.
var Bootstrap = os.Getenv("BOOTSTRAP")

// Case is one named fact; Reason is set when it is out of scope.
type Case struct {
	Name   string
	Run    func()
	Reason string
}

type failure struct{ text string }

// Fail ends the case.
func Fail(format string, values ...any) {
	panic(failure{fmt.Sprintf(format, values...)})
}

// Must ends the case on an error.
func Must(err error) {
	if err != nil {
		Fail("unexpected error: %v", err)
	}
}

// Get returns the value or ends the case on an error.
func Get[T any](value T, err error) T {
	Must(err)
	return value
}

// Expect ends the case unless both are equal.
func Expect(what string, found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		Fail("%s: expected %v, found %v", what, expected, found)
	}
}

// ExpectError ends the case unless the error is there and names the text.
func ExpectError(what, text string, err error) {
	if err == nil || !strings.Contains(err.Error(), text) {
		Fail("%s: expected an error with %q, found %v", what, text, err)
	}
}

// Eventually polls until the check is true.
func Eventually(what string, check func() bool) {
	deadline := time.Now().Add(40 * time.Second)
	for !check() {
		if time.Now().After(deadline) {
			Fail("waited 40 s for %s, in vain", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Fresh is a name that nobody used before.
func Fresh(prefix string) string {
	return fmt.Sprintf("%s-%012x", prefix, rand.Int63n(1<<47))
}

// Version of a dependency as built in.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "unknown"
}

func say(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func result(one Case) (outcome, reason string) {
	if one.Run == nil {
		return "out of scope", one.Reason
	}
	end := make(chan string, 1)
	go func() {
		defer func() {
			switch caught := recover().(type) {
			case nil:
				end <- ""
			case failure:
				end <- caught.text
			default:
				end <- fmt.Sprintf("panic: %v\n%s", caught, debug.Stack())
			}
		}()
		one.Run()
	}()
	select {
	case reason = <-end:
	case <-time.After(caseSecondsMax * time.Second):
		reason = fmt.Sprintf("not done after %d s", caseSecondsMax)
	}
	if reason != "" {
		return "failed", reason
	}
	return "passed", ""
}

// Main runs the cases that CASES names, all when it is empty.
func Main(version string, all []Case) {
	only := os.Getenv("CASES")
	names := []string{}
	chosen := []Case{}
	for _, one := range all {
		if only == "" || strings.Contains(","+only+",", ","+one.Name+",") {
			chosen = append(chosen, one)
			names = append(names, one.Name)
		}
	}
	say(map[string]any{"plan": names, "version": version})
	for _, one := range chosen {
		outcome, reason := result(one)
		say(map[string]string{"case": one.Name, "result": outcome, "reason": reason})
	}
	os.Exit(0)
}
