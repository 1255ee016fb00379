"""Kafka's own command-line tools on topics, groups, configs and records."""

import json
import os
import re
import tempfile

from calls import TOOLS, configs, consume, groups, ok, produce, run, topic, topics
from conformance import BOOTSTRAP, Failure, case, eventually, expect, fresh, main, out_of_scope


@case
def topics_create_list_describe_alter_delete():
    name = topic(2, "--config", "retention.ms=12345")
    expect("listed", name in topics("--list").split(), True)
    text = topics("--describe", "--topic", name)
    for part in ("PartitionCount: 2", "ReplicationFactor: 1", "retention.ms=12345", "TopicId: "):
        expect(part, part in text, True)
    topics("--alter", "--topic", name, "--partitions", "5")
    eventually("five", lambda: "PartitionCount: 5" in topics("--describe", "--topic", name))
    topics("--delete", "--topic", name)
    eventually("gone", lambda: name not in topics("--list").split())
    code, _, err = run(TOOLS + "TopicCommand", "--bootstrap-server", BOOTSTRAP, "--describe",
                       "--topic", name)
    expect("describe of none", (code, "does not exist" in err), (1, True))


@case
def topics_under_replicated_is_empty():
    topic(2)
    for question in ("--under-replicated-partitions", "--unavailable-partitions",
                     "--under-min-isr-partitions"):
        expect(question, topics("--describe", question).strip(), "")


@case
def console_producer_and_consumer():
    name = topic()
    produce(name, "one\ntwo\nthree\n")
    expect("lines", consume(name, 3), "one\ntwo\nthree\n")


@case
def console_keys_headers_timestamps():
    name = topic()
    produce(name, "h=1\tk:v\n", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
            "--reader-property", "parse.headers=true", "--reader-property", "headers.key.separator==")
    text = consume(name, 1, "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
                   "--formatter-property", "print.offset=true", "--formatter-property", "print.timestamp=true")
    if not re.fullmatch(r"CreateTime:\d+\tOffset:0\th:1\tk\tv\n", text):
        raise Failure(f"unexpected line {text!r}")


@case
def console_producer_each_codec():
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        name = topic()
        produce(name, "squeeze me\n" * 50, "--compression-codec", codec)
        expect(codec, consume(name, 50), "squeeze me\n" * 50)


@case
def console_consumer_in_a_group():
    name, group = topic(), fresh("group")
    produce(name, "a\nb\nc\n")
    expect("first", consume(name, 2, "--group", group), "a\nb\n")
    eventually("the offset", lambda: re.search(rf"{name}\s+0\s+2\s+3\s+1", groups(
        "--describe", "--group", group)))


@case
def configs_of_topics():
    name = topic()
    entity = ("--entity-type", "topics", "--entity-name", name)
    configs("--alter", *entity, "--add-config", "retention.ms=99000,cleanup.policy=[compact,delete]")
    text = eventually("both", lambda: (found := configs("--describe", *entity)) and
                      "retention.ms=99000" in found and found)
    expect("list", "cleanup.policy=compact,delete" in text, True)
    text = configs("--describe", "--all", *entity)
    expect("all", "max.message.bytes=1048588" in text, True)
    configs("--alter", *entity, "--delete-config", "retention.ms")
    eventually("deleted", lambda: "retention.ms" not in configs("--describe", *entity))


@case
def configs_of_brokers():
    (broker,) = re.findall(r"Leader: (\d+)", topics("--describe", "--topic", topic()))
    text = configs("--describe", "--all", "--entity-type", "brokers", "--entity-name", broker)
    expect("message.max.bytes", "message.max.bytes=1048588" in text, True)


@case
def groups_list_describe_reset_delete():
    name, group = topic(2), fresh("group")
    produce(name, "a\n" * 10)
    consume(name, 10, "--group", group)
    expect("listed", group in groups("--list").split(), True)
    state = groups("--describe", "--group", group, "--state")
    expect("state", "Empty" in state, True)
    dry = groups("--reset-offsets", "--group", group, "--topic", name, "--to-earliest", "--dry-run")
    expect("plan", len(re.findall(rf"{name}\s+\d\s+0", dry)), 2)
    groups("--reset-offsets", "--group", group, "--topic", name, "--to-earliest", "--execute")
    expect("read again", len(consume(name, 10, "--group", group).split()), 10)
    groups("--reset-offsets", "--group", group, "--topic", name, "--by-duration", "PT1H", "--execute")
    groups("--delete-offsets", "--group", group, "--topic", name)
    groups("--delete", "--group", group)
    eventually("gone", lambda: group not in groups("--list").split())


@case
def get_offsets():
    name = topic(2)
    produce(name, "a\nb\nc\n", "--producer-property", "linger.ms=0")
    tool = TOOLS + "GetOffsetShell"
    end = ok(tool, "--bootstrap-server", BOOTSTRAP, "--topic", name, "--time", "-1")
    expect("end", sum(int(line.split(":")[2]) for line in end.split()), 3)
    start = ok(tool, "--bootstrap-server", BOOTSTRAP, "--topic", name, "--time", "-2")
    expect("start", sorted(start.split()), [f"{name}:0:0", f"{name}:1:0"])


@case
def delete_records():
    name = topic()
    produce(name, "a\n" * 5)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"version": 1, "partitions": [{"topic": name, "partition": 0, "offset": 3}]}, file)
        file.flush()
        text = ok(TOOLS + "DeleteRecordsCommand", "--bootstrap-server", BOOTSTRAP,
                  "--offset-json-file", file.name)
    expect("low watermark", "low_watermark: 3" in text, True)


@case
def producer_and_consumer_perf_test():
    name = topic(4)
    text = ok(TOOLS + "ProducerPerformance", "--bootstrap-server", BOOTSTRAP, "--topic", name,
              "--num-records", "50000", "--record-size", "200", "--throughput", "-1",
              "--command-property", "acks=all")
    expect("sent", "50000 records sent" in text, True)
    text = ok(TOOLS + "ConsumerPerformance", "--bootstrap-server", BOOTSTRAP, "--topic", name,
              "--num-records", "50000")
    row = [line for line in text.splitlines() if re.match(r"\d{4}-", line)][-1].split(", ")
    expect("consumed", int(row[4]) >= 50000, True)


@case
def verifiable_producer_and_consumer():
    name, group = topic(2), fresh("group")
    text = ok(TOOLS + "VerifiableProducer", "--bootstrap-server", BOOTSTRAP, "--topic", name,
              "--max-messages", "500", "--acks", "-1")
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    acked = [e for e in events if e["name"] == "producer_send_success"]
    expect("acknowledged", len(acked), 500)
    text = ok(TOOLS + "VerifiableConsumer", "--bootstrap-server", BOOTSTRAP, "--topic", name,
              "--group-id", group, "--max-messages", "500", "--reset-policy", "earliest", "--verbose")
    events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    read = {(e["partition"], e["offset"]): e["value"] for e in events if e["name"] == "record_data"}
    sent = {(e["partition"], e["offset"]): e["value"] for e in acked}
    expect("read back", read == sent, True)


@case
def api_versions():
    text = ok(TOOLS + "BrokerApiVersionsCommand", "--bootstrap-server", BOOTSTRAP)
    for api in ("Produce(0)", "Fetch(1)", "ListOffsets(2)", "Metadata(3)", "ApiVersions(18)"):
        expect(api, api in text, True)
    expect("usable", "Produce(0): 0 to 13 [usable: 13]" in text, True)


@case
def log_dirs():
    name = topic()
    produce(name, "a\n")
    text = ok(TOOLS + "LogDirsCommand", "--bootstrap-server", BOOTSTRAP, "--describe",
              "--topic-list", name)
    expect("partition", f'"partition":"{name}-0"' in text, True)


@case
def cluster_id():
    text = ok(TOOLS + "ClusterTool", "cluster-id", "--bootstrap-server", BOOTSTRAP)
    expect("cluster id", "Cluster ID: " in text, True)


@case
def end_to_end_latency():
    name = topic()
    text = ok(TOOLS + "EndToEndLatency", "--bootstrap-server", BOOTSTRAP, "--topic", name,
              "--num-records", "200", "--producer-acks", "all", "--record-size", "100")
    expect("percentiles", "Percentiles" in text, True)


out_of_scope("delegation-tokens", "security is a later part of the broker")

main(os.environ["KAFKA_VERSION"])
