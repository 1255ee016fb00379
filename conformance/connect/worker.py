"""Kafka Connect: distributed workers whose three internal topics live on the server, with Kafka's file connectors.

Environment: BOOTSTRAP, CLASSPATH (the jars), LOG_SETTING (JVM argument), KAFKA_VERSION.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

from calls import TOOLS, command, consume, ok, topic
from conformance import BOOTSTRAP, Failure, case, eventually, expect, fresh, main

SECONDS = 40
FOLDER = tempfile.mkdtemp(prefix="connect-")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Worker:
    """One worker process of the cluster `name`, for the length of a `with`."""

    def __init__(self, name):
        self.name, self.port = name, free_port()
        self.log = os.path.join(FOLDER, f"{name}-{self.port}.log")

    def __enter__(self):
        settings = {
            "bootstrap.servers": BOOTSTRAP, "group.id": self.name,
            "listeners": f"http://127.0.0.1:{self.port}",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "config.storage.topic": f"{self.name}-configs", "config.storage.replication.factor": 1,
            "offset.storage.topic": f"{self.name}-offsets", "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 3, "status.storage.topic": f"{self.name}-status",
            "status.storage.replication.factor": 1, "status.storage.partitions": 2,
            "exactly.once.source.support": "enabled", "offset.flush.interval.ms": 300,
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "rebalance.timeout.ms": 6000,
            "scheduled.rebalance.max.delay.ms": 1000, "transaction.timeout.ms": 10000,
            "plugin.discovery": "service_load", "plugin.path": PLUGINS,
        }
        path = os.path.join(FOLDER, f"{self.name}-{self.port}.properties")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command("org.apache.kafka.connect.cli.ConnectDistributed", path),
                                            stdout=log, stderr=subprocess.STDOUT)
        eventually("the worker", self.is_up, SECONDS)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def is_up(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8") as log:
                raise Failure(f"the worker ended: {log.read()[-1500:]}")
        try:
            return self.ask("GET", "/connectors") is not None
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def create(self, connector, kind, **config):
        config = {key.replace("_", "."): value for key, value in config.items()}
        config["connector.class"] = f"org.apache.kafka.connect.file.FileStream{kind}Connector"

        def put():
            try:
                return self.ask("PUT", f"/connectors/{connector}/config", config | {"tasks.max": "1"})
            except urllib.error.HTTPError as error:
                if error.code not in (409, 500):
                    raise Failure(f"{error.code}: {error.read().decode()}") from error
                return None  # a rebalance is under way

        eventually(f"{connector} to be taken", put, SECONDS)
        eventually(f"{connector} to run", lambda: self.state(connector) == ["RUNNING", "RUNNING"], SECONDS)

    def state(self, connector):
        try:
            found = self.ask("GET", f"/connectors/{connector}/status")
        except urllib.error.HTTPError:
            return []
        return [found["connector"]["state"], *(task["state"] for task in found["tasks"])]


def plugin_folder():
    """The file connectors alone, linked where the worker looks for plug-ins."""
    jars = os.path.dirname(os.environ["CLASSPATH"])
    folder = os.path.join(FOLDER, "plugins", "file")
    os.makedirs(folder)
    for jar in os.listdir(jars):
        if jar.startswith("connect-file-"):
            os.symlink(os.path.join(jars, jar), os.path.join(folder, jar))
    return os.path.dirname(folder)


PLUGINS = plugin_folder()


def append(path, lines):
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def text_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().split()


@case
def file_to_topic_to_file():
    name, source, sink = topic(), os.path.join(FOLDER, fresh("in")), os.path.join(FOLDER, fresh("out"))
    append(source, range(50))
    with Worker(fresh("connect")) as worker:
        worker.create("from-file", "Source", file=source, topic=name)
        worker.create("to-file", "Sink", file=sink, topics=name)
        numbers = [str(n) for n in range(100)]
        append(source, range(50, 100))
        eventually("every line", lambda: text_of(sink) == numbers, SECONDS)
        for part, partitions in (("configs", 1), ("offsets", 3), ("status", 2)):
            text = ok(TOOLS + "TopicCommand", "--bootstrap-server", BOOTSTRAP, "--describe", "--topic",
                      f"{worker.name}-{part}")
            expect(part, (f"PartitionCount: {partitions}" in text, "cleanup.policy=compact" in text), (True, True))
        offsets = worker.ask("GET", "/connectors/from-file/offsets")["offsets"]
        expect("position in the file", offsets[0]["offset"], {"position": os.path.getsize(source)})
        worker.ask("PUT", "/connectors/from-file/pause")
        eventually("paused", lambda: worker.state("from-file") == ["PAUSED", "PAUSED"], SECONDS)
        worker.ask("PUT", "/connectors/from-file/resume")
        eventually("resumed", lambda: worker.state("from-file") == ["RUNNING", "RUNNING"], SECONDS)
        worker.ask("DELETE", "/connectors/to-file")
        eventually("deleted", lambda: worker.ask("GET", "/connectors") == ["from-file"], SECONDS)
        worker.stop()


@case
def worker_resumes_exactly_once():
    name, source, cluster = topic(), os.path.join(FOLDER, fresh("in")), fresh("connect")
    append(source, range(200))
    with Worker(cluster) as worker:
        worker.create("from-file", "Source", file=source, topic=name)
        consume(name, 200, "--isolation-level", "read_committed")
    # It was killed. Another takes the connector over from what the topics say.
    append(source, range(200, 300))
    with Worker(cluster) as worker:
        eventually("it runs again", lambda: worker.state("from-file") == ["RUNNING", "RUNNING"], SECONDS)
        found = consume(name, 300, "--isolation-level", "read_committed").split()
        expect("each line once, in order", found, [str(n) for n in range(300)])
        worker.stop()


@case
def two_workers_share_connectors():
    names, cluster = [topic() for _ in range(4)], fresh("connect")
    sources = [os.path.join(FOLDER, fresh("in")) for _ in names]
    with Worker(cluster) as first:
        for n, (name, source) in enumerate(zip(names, sources)):
            append(source, range(10))
            first.create(f"from-file-{n}", "Source", file=source, topic=name)

        def owners(worker):
            found = [worker.ask("GET", f"/connectors/from-file-{n}/status") for n in range(4)]
            states = [task["state"] for one in found for task in one["tasks"]]
            return states == ["RUNNING"] * 4 and {task["worker_id"] for one in found for task in one["tasks"]}

        with Worker(cluster) as second:
            eventually("tasks at both", lambda: len(owners(second) or ()) == 2, SECONDS)
            first.stop()
            eventually("tasks at the one left", lambda: len(owners(second) or ()) == 1, SECONDS)
            for name, source in zip(names, sources):
                append(source, range(10, 15))
                found = consume(name, 15, "--isolation-level", "read_committed").split()
                expect("each line once", found, [str(n) for n in range(15)])
            second.stop()


main(os.environ["KAFKA_VERSION"], case_seconds_max=120,
     at_end=lambda: shutil.rmtree(FOLDER, ignore_errors=True))
