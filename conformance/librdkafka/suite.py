"""librdkafka's own C test-suite, test by test.

The list of tests is read from the suite's source. A test is run unless this file says why not; one that is
neither run nor explained fails. Tests that need no broker under test (local ones, and those against
librdkafka's built-in mock broker) say nothing about a broker and are not run.

Environment: BOOTSTRAP, LIBRDKAFKA (built tree), ONE_BROKER (what one_broker.c became), KAFKA_VERSION, CLASSPATH (Kafka's tools, which some tests call),
SCENARIO (default or noautocreate), PROTOCOL (of groups: classic or consumer), CASES, FULL (without the suite's quick mode).
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

# The suite leaves tests out when it believes itself in CI; here every test runs everywhere.
os.environ.pop("CI", None)
BOOTSTRAP = os.environ["BOOTSTRAP"]
TESTS = os.path.join(os.environ["LIBRDKAFKA"], "tests")
JARS = os.environ["CLASSPATH"]
SCENARIO = os.environ.get("SCENARIO", "default")
PROTOCOL = os.environ.get("PROTOCOL", "classic")
FULL = bool(os.environ.get("FULL"))
ONLY = {name for name in os.environ.get("CASES", "").split(",") if name}
PARALLEL = "3"
SECONDS_MAX = 1500 if FULL else 400
ALONE_SECONDS_MAX = 300 if FULL else 150

SECURITY = "security is a later part of the broker"
BROKERS = "needs more than one broker"
NO_BROKER = "runs without a broker, or against librdkafka's built-in mock"

NOT_RUN = {
    "0028_long_topicnames": "the suite itself marks it as a known issue of librdkafka",
    "0047_partial_buf_tmout": "the suite itself marks it as a known issue of librdkafka",
    "0079_fork": "the suite itself marks it as a known issue of librdkafka",
    "0055_producer_latency": "a latency test: timings belong to the benchmarks",
    "0077_compaction": "asks for segment.bytes=10000, less than Apache Kafka 4.3 accepts",
    "0092_mixed_msgver": "message format 1 was removed in Apache Kafka 4.0",
    "0097_ssl_verify": SECURITY,
    "0101_fetch_from_follower": BROKERS,
    "0115_producer_auth": SECURITY,
    "0119_consumer_auth": SECURITY,
    "0126_oauthbearer_oidc": SECURITY,
    "0135_sasl_credentials": SECURITY,
    "0142_reauthentication": SECURITY,
    "0139_offset_validation_mock": NO_BROKER,
    "0150_telemetry_mock": NO_BROKER,
    "8000_idle": "a manual test that only idles",
    "8001_fetch_from_follower_mock_manual": NO_BROKER,
}
# One test that has parts in and out of scope is run part by part.
BY_PART = "0081_admin"
PARTS_NOT_RUN = {
    "do_test_AclBinding": SECURITY,
    "do_test_CreateAcls": SECURITY,
    "do_test_DescribeAcls": SECURITY,
    "do_test_DeleteAcls": SECURITY,
    "do_test_DescribeConsumerGroupsAuthorizedOperations": SECURITY,
    "do_test_DescribeConsumerGroups_with_authorized_ops": SECURITY,
    "do_test_AlterConfigs": "sets a Kerberos setting of the broker: " + SECURITY,
    "do_test_IncrementalAlterConfigs": "sets a Kerberos setting of the broker: " + SECURITY,
    "do_test_ElectLeaders": BROKERS,
}


# With the consumer protocol only what has members of a group says anything new.
NO_MEMBER = "no group has a member in it: the run with classic groups covers it"
GROUP_PARTS = ("ConsumerGroup", "DeleteGroups")
CLASSIC_PARTS = {
    "do_test_DescribeConsumerGroups": "the suite runs it for classic groups only",
}

# Told that the broker is this old, a test leaves out its part on ACLs, which are out of scope.
OWN_VERSION = {"0109_auto_create_topics": "2.0.0"}


def say(line):
    print(json.dumps(line), flush=True)


def source(name):
    with open(os.path.join(TESTS, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def all_tests():
    """(name, flags, scenario) of each test, in the suite's order."""
    table = source("test.c").split("struct test tests[] = {")[1].split("{NULL}};")[0]
    table = re.sub(r"/\*.*?\*/|//[^\n]*", "", table, flags=re.S)
    found = []
    for entry in table.split("_TEST(")[1:]:
        name, flags = re.match(r"(\w+),\s*([\w| \n]+)", entry).groups()
        scenario = re.search(r'\.scenario\s*=\s*"([^"]*)"', entry)
        found.append((name, flags, scenario.group(1) if scenario else "default"))
    return found


def parts():
    """Names of the parts of the test that is run part by part."""
    text = source(BY_PART.replace("_", "-") + ".c")
    names = re.findall(r"^(?:static )?void\s+(do_test_\w+)\(|^(do_test_\w+)\(", text, flags=re.M)
    called = text.split("static void do_test_apis")[1]
    return [name for name in dict.fromkeys(a or b for a, b in names)
            if name != "do_test_apis" and name + "(" in called]


def has_members(number):
    """Whether the test's source subscribes a consumer."""
    (path,) = glob.glob(os.path.join(TESTS, f"{number}-*.c*"))
    return "subscribe" in source(path)


def reason_of_protocol(number):
    """Why a test has nothing to say on the chosen group protocol, if so."""
    if PROTOCOL == "classic":
        return None
    return None if has_members(number) else NO_MEMBER


def reason_of_part(part):
    reason = PARTS_NOT_RUN.get(part)
    if reason or PROTOCOL == "classic":
        return reason
    return CLASSIC_PARTS.get(part) if any(word in part for word in GROUP_PARTS) else NO_MEMBER


def plan():
    """(case, test number, part or None, reason not to run or None)."""
    cases = []
    for name, flags, scenario in all_tests():
        if SCENARIO not in scenario.split(","):
            continue
        reason = NOT_RUN.get(name)
        if reason is None and "TEST_F_LOCAL" in flags:
            reason = NO_BROKER
        number = name.split("_")[0]
        if name == BY_PART:
            cases.extend((f"{name}:{part}", number, part, reason_of_part(part)) for part in parts())
        else:
            cases.append((name, number, None, reason or reason_of_protocol(number)))
    return [case for case in cases if not ONLY or case[0] in ONLY]


def write_settings(folder):
    """A working folder beside the sources, as the tests expect, but not in the cache."""
    os.makedirs(os.path.join(folder, "tests"))
    os.symlink(os.path.join(os.environ["LIBRDKAFKA"], "src"), os.path.join(folder, "src"))
    path = os.path.join(folder, "tests", "test.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"metadata.broker.list={BOOTSTRAP}\ntest.topic.random=true\n")
    return path


def write_script(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def write_kafka_shim(folder):
    """The scripts of a Kafka distribution that tests call, over the jars we have."""
    os.makedirs(os.path.join(folder, "bin"))
    java = 'exec java -XX:TieredStopAtLevel=1 -Dconformance.log.level=WARN "$LOG_SETTING" -cp '
    write_script(os.path.join(folder, "bin", "kafka-topics.sh"),
                 java + f"'{JARS}' org.apache.kafka.tools.TopicCommand \"$@\"\n")
    write_script(os.path.join(folder, "bin", "kafka-run-class.sh"),
                 java + f"\"$CLASSPATH\":'{JARS}' \"$@\"\n")


def write_java(folder):
    """The suite's own Java programs, compiled, where its tests look for them."""
    classes = os.path.join(folder, "tests", "java")
    shutil.copytree(os.path.join(TESTS, "java"), classes)
    subprocess.run(["javac", "-nowarn", "-cp", JARS, *glob.glob(os.path.join(classes, "*.java"))], check=True)
    with open(os.path.join(folder, "tests", "Makefile"), "w", encoding="utf-8") as file:
        file.write(".PHONY: java\njava:\n")


def run_suite(folder, numbers, part=None, parallel=PARALLEL, seconds_max=SECONDS_MAX,
              version=os.environ["KAFKA_VERSION"]):
    """One call of the test runner; returns ({test: (state, reason)}, log)."""
    report = tempfile.mktemp(suffix=".json", dir=folder)
    environment = os.environ | {
        "RDKAFKA_TEST_CONF": "test.conf", "TEST_REPORT": report,
        "TESTS": ",".join(numbers), "TEST_KAFKA_VERSION": version,
        "TEST_SCENARIO": SCENARIO, "TEST_CONSUMER_GROUP_PROTOCOL": PROTOCOL, "BROKERS": BOOTSTRAP, "KAFKA_PATH": folder,
        "LD_PRELOAD": os.environ["ONE_BROKER"],
        "LD_LIBRARY_PATH": f"{TESTS}/../src:{TESTS}/../src-cpp",
    }
    if part:
        environment["SUBTESTS"] = f"{part}:"
    quick = [] if FULL else ["-Q"]
    command = [os.path.join(TESTS, "test-runner"), "-L", *quick, f"-p{parallel}", "-r"]
    with tempfile.TemporaryFile(dir=folder) as file:
        with subprocess.Popen(command, cwd=os.path.join(folder, "tests"), env=environment,
                              stdout=file, stderr=subprocess.STDOUT) as runner:
            try:
                ended = f"ended with {runner.wait(seconds_max)}"
            except subprocess.TimeoutExpired:
                runner.kill()
                ended = f"was ended after {seconds_max} s"
        file.seek(0)
        log = file.read().decode(errors="replace")
    log = re.sub(r"\x1b\[[0-9;]*m", "", log) + f"\n=== the runner of {','.join(numbers)} {ended}\n"
    sys.stderr.write(log)
    return results(report, log), log


def results(report, log):
    found = {}
    for name, state in re.findall(r"=+ Test (\w+) (PASSED|FAILED|SKIPPED) =+", log):
        found[name] = [state, ""]
    if os.path.exists(report):
        with open(report, encoding="utf-8") as file:
            for name, test in json.load(file)["tests"].items():
                found[name] = [test["state"], ""]
    for name, why in re.findall(r'### Test "(\w+)[^\n]*\n([^\n]*)', log):
        found[name] = ["FAILED", why]
    for name, why in re.findall(r"^\[(\w+) */[^\]]*\] WARN: SKIPPING TEST: ([^\n\[]*)", log, flags=re.M):
        why = re.sub(r"^[A-Z]+: ", "", why)
        found.setdefault(name, ["SKIPPED", ""])[1] = f"the suite skips it: {why}"
    return found


def tell(case, state, reason):
    result = {"PASSED": "passed", "SKIPPED": "out of scope"}.get(state, "failed")
    if result == "failed" and not reason:
        reason = f"the suite says {state}; see its log"
    say({"case": case, "result": result, "reason": reason})


def run_whole_tests(folder, names, socket_names):
    """Tests side by side, those that meddle with sockets one by one beside them, since they share state.

    A test that fails runs once more alone, since many assert times of an idle machine.
    """
    together = [name for name in names if name not in OWN_VERSION and name not in socket_names]
    one_by_one = [name for name in names if name in socket_names]
    found = {}

    def run_some(chosen, parallel):
        if chosen:
            some, _ = run_suite(folder, [name.split("_")[0] for name in chosen], parallel=parallel)
            found.update((name, some[name]) for name in chosen if name in some)

    threads = [threading.Thread(target=run_some, args=arguments)
               for arguments in ((together, PARALLEL), (one_by_one, "1"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        state, why = found.get(name, ("without a result", ""))
        if state not in ("PASSED", "SKIPPED"):
            version = OWN_VERSION.get(name, os.environ["KAFKA_VERSION"])
            again, _ = run_suite(folder, [name.split("_")[0]], seconds_max=ALONE_SECONDS_MAX,
                                 version=version)
            first = f"beside other tests: {why or state}"
            state, why = again.get(name, ("without a result", ""))
            if name not in OWN_VERSION:
                why = f"passed alone; {first}" if state == "PASSED" else f"{why}; {first}"
        tell(name, state, why)


def run_part(folder, number, part):
    found, log = run_suite(folder, [number], part)
    state, why = found.get(BY_PART, ("without a result", ""))
    if state == "PASSED" and f"[ {part}:" not in log:
        state, why = "FAILED", "no such part was run"
    tell(f"{BY_PART}:{part}", state, why)


def main():
    cases = plan()
    version = source("../src/rdkafka.h").split("#define RD_KAFKA_VERSION 0x")[1][:6]
    version = ".".join(str(int(version[at:at + 2], 16)) for at in (0, 2, 4))
    say({"plan": [case for case, *_ in cases], "version": version})
    for case, _, _, reason in cases:
        if reason:
            say({"case": case, "result": "out of scope", "reason": reason})
    with tempfile.TemporaryDirectory() as folder:
        write_settings(folder)
        write_kafka_shim(folder)
        write_java(folder)
        run_whole_tests(folder, [case for case, _, part, reason in cases if not part and not reason],
                        {name for name, flags, _ in all_tests() if "SOCKEM" in flags})
        for _, number, part, reason in cases:
            if part and not reason:
                run_part(folder, number, part)


main()
