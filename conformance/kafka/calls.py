"""How every program here calls Kafka's own command-line tools: as the scripts of its distribution do.

Environment: BOOTSTRAP, CLASSPATH (the jars), LOG_SETTING (JVM argument), KAFKA_VERSION.
"""

import os
import subprocess

from conformance import BOOTSTRAP, Failure, fresh

SECONDS = 50
CLASSPATH = os.environ["CLASSPATH"] + ":" + os.environ.get("JAVA_PROGRAMS", "")
TOOLS = "org.apache.kafka.tools."


def command(tool, *arguments):
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dconformance.log.level=WARN",
            os.environ["LOG_SETTING"], "-cp", CLASSPATH, tool, *arguments]


def run(tool, *arguments, stdin=b""):
    done = subprocess.run(command(tool, *arguments), input=stdin, timeout=SECONDS,
                          capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def ok(tool, *arguments, stdin=b""):
    code, out, err = run(tool, *arguments, stdin=stdin)
    if code != 0:
        raise Failure(f"{tool} {' '.join(arguments)} ended with {code}: {out[-300:]} {err[-600:]}")
    return out


def topics(*arguments):
    return ok(TOOLS + "TopicCommand", "--bootstrap-server", BOOTSTRAP, *arguments)


def configs(*arguments):
    return ok("kafka.admin.ConfigCommand", "--bootstrap-server", BOOTSTRAP, *arguments)


def groups(*arguments):
    return ok(TOOLS + "consumer.group.ConsumerGroupCommand", "--bootstrap-server", BOOTSTRAP, *arguments)


def topic(partitions=1, *arguments):
    name = fresh("tools")
    topics("--create", "--topic", name, "--partitions", str(partitions),
           "--replication-factor", "1", *arguments)
    return name


def produce(name, text, *arguments):
    ok(TOOLS + "ConsoleProducer", "--bootstrap-server", BOOTSTRAP, "--topic", name, *arguments,
       stdin=text.encode())


def consume(name, count, *arguments):
    return ok(TOOLS + "consumer.ConsoleConsumer", "--bootstrap-server", BOOTSTRAP, "--topic", name,
              "--from-beginning", "--max-messages", str(count), "--timeout-ms", "20000", *arguments)
