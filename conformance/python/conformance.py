"""What every Python program here shares: named cases in, one JSON line a case out.

The harness sets BOOTSTRAP (host:port) and may set CASES (comma-separated names to run alone).
Lines on standard output:
  {"plan": [names], "version": v}   first, so that a program that dies early cannot hide cases
  {"case": name, "result": "passed" | "failed" | "out of scope", "reason": text}
"""

import json
import os
import signal
import sys
import time
import traceback
import uuid

BOOTSTRAP = os.environ["BOOTSTRAP"]

_cases = []


class Failure(Exception):
    """Something differs from what Kafka does."""


def case(function):
    """Registers a case; its name is the function's, in kebab case."""
    _cases.append((function.__name__.replace("_", "-"), function, None))
    return function


def out_of_scope(name, reason):
    """Declares a case that this client cannot or need not run, and why."""
    _cases.append((name, None, reason))


def fresh(prefix):
    """A name nobody used before."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def expect(what, found, expected):
    """Fails unless both are equal."""
    if found != expected:
        raise Failure(f"{what}: expected {expected!r}, found {found!r}")


def expect_error(what, names, call):
    """Fails unless `call` raises an error whose text contains one of `names`."""
    names = (names,) if isinstance(names, str) else names
    try:
        found = call()
    except Exception as error:  # noqa: BLE001 - each client has its own hierarchy
        text = f"{type(error).__name__} {error!r} {error}"
        if not any(name in text for name in names):
            raise Failure(f"{what}: expected {names}, found {text}") from error
        return
    raise Failure(f"{what}: expected {names}, found success: {found!r}")


def eventually(what, check, seconds=20.0):
    """Polls `check` until it is true; returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s for {what}, in vain; last: {value!r}")
        time.sleep(0.02)


def _too_long(_signal, _frame):
    raise Failure("not done in time")


def _say(line):
    print(json.dumps(line), flush=True)


def main(version, case_seconds_max=60, at_end=lambda: None):
    """Runs the cases in order and reports each; calls `at_end` before the program ends."""
    only = {name for name in os.environ.get("CASES", "").split(",") if name}
    chosen = [entry for entry in _cases if not only or entry[0] in only]
    _say({"plan": [name for name, _, _ in chosen], "version": version})
    signal.signal(signal.SIGALRM, _too_long)
    for name, function, reason in chosen:
        if function is None:
            _say({"case": name, "result": "out of scope", "reason": reason})
            continue
        signal.alarm(case_seconds_max)
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - every end of a case is its result
            signal.alarm(0)
            traceback.print_exc(file=sys.stderr)
            reason = f"{type(error).__name__}: {error}"
            _say({"case": name, "result": "failed", "reason": reason})
            continue
        signal.alarm(0)
        _say({"case": name, "result": "passed", "reason": ""})
    at_end()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a client's background threads cannot hold the program
