"""Kafka's own command-line tools on transactions, the newer kinds of groups, and administration.

Environment: as in calls.py, and JAVA_PROGRAMS (the folder of our compiled Java programs).
"""

import contextlib
import json
import os
import re
import subprocess
import tempfile

from calls import TOOLS, command, configs, consume, groups, ok, produce, run, topic, topics
from conformance import BOOTSTRAP, Failure, case, eventually, expect, fresh, main, out_of_scope

SERVER = ("--bootstrap-server", BOOTSTRAP)


def transactions(*arguments):
    return ok(TOOLS + "TransactionsCommand", *SERVER, *arguments)


def share_groups(*arguments):
    return ok(TOOLS + "consumer.group.ShareGroupCommand", *SERVER, *arguments)


def broker_id():
    return re.findall(r"Leader: (\d+)", topics("--describe", "--topic", topic()))[0]


@contextlib.contextmanager
def running(tool, *arguments):
    """A tool in the background, its output in a file; ended with the block."""
    with tempfile.NamedTemporaryFile("r") as out:
        with subprocess.Popen(command(tool, *arguments), stdin=subprocess.PIPE, stdout=open(out.name, "w"),
                              stderr=subprocess.STDOUT) as process:
            try:
                yield lambda: open(out.name, encoding="utf-8").read()
            finally:
                process.kill()


@contextlib.contextmanager
def open_transaction(name):
    transactional_id = fresh("held")
    with running("Hold", transactional_id, name) as output:
        eventually("the transaction", lambda: "open" in output().split())
        yield transactional_id


def set_group(group, setting):
    configs("--alter", "--entity-type", "groups", "--entity-name", group, "--add-config", setting)


def json_file(value):
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(value, file)
    file.flush()
    return file


@case
def transactional_message_copier():
    source, sink = topic(), topic()
    lines = "".join(f"{n}\n" for n in range(500))
    produce(source, lines)
    ok(TOOLS + "TransactionalMessageCopier", "--broker-list", BOOTSTRAP, "--input-topic", source,
       "--input-partition", "0", "--output-topic", sink, "--max-messages", "500",
       "--transaction-size", "40", "--transactional-id", fresh("copier"), "--consumer-group",
       fresh("group"), "--enable-random-aborts")
    expect("copied", consume(sink, 500, "--isolation-level", "read_committed"), lines)


@case
def transactional_message_copier_in_a_group():
    source, sink, group = topic(), topic(), fresh("group")
    produce(source, "".join(f"{n}\n" for n in range(200)))
    ok(TOOLS + "TransactionalMessageCopier", "--broker-list", BOOTSTRAP, "--input-topic", source,
       "--input-partition", "0", "--output-topic", sink, "--max-messages", "200", "--transaction-size", "30",
       "--transactional-id", fresh("copier"), "--consumer-group", group, "--group-mode",
       "--use-group-metadata")
    copied = consume(sink, 200, "--isolation-level", "read_committed").split()
    expect("copied", sorted(copied, key=int), [str(n) for n in range(200)])
    text = groups("--describe", "--group", group)
    expect("committed", sum(int(n) for n in re.findall(rf"{source}\s+\d\s+(\d+)", text)), 200)


@case
def transactions_of_an_open_one():
    name = topic()
    with open_transaction(name) as transactional_id:
        expect("listed", bool(re.search(rf"{transactional_id}\s+\d+\s+\d+\s+Ongoing", transactions("list"))), True)
        text = transactions("describe", "--transactional-id", transactional_id)
        for part in ("Ongoing", f"{name}-0", "600000"):
            expect(part, part in text, True)
        text = transactions("describe-producers", "--topic", name, "--partition", "0")
        expect("its start", bool(re.search(r"\d+\s+\d+\s+-?\d+\s+0\s+\d+\s+0\s*$", text.strip())), True)
        hanging = transactions("find-hanging", "--broker-id", broker_id())
        expect("none hangs", transactional_id in hanging or name in hanging, False)
        transactions("abort", "--topic", name, "--partition", "0", "--start-offset", "0")
        produce(name, "after\n")
        expect("only what follows", consume(name, 1, "--isolation-level", "read_committed"), "after\n")


@case
def transactions_terminated_by_force():
    name = topic()
    with open_transaction(name) as transactional_id:
        transactions("forceTerminateTransaction", "--transactionalId", transactional_id)
        eventually("not ongoing", lambda: "Ongoing" not in transactions(
            "describe", "--transactional-id", transactional_id))
    unknown = fresh("none")
    code, out, err = run(TOOLS + "TransactionsCommand", *SERVER, "describe", "--transactional-id", unknown)
    expect("unknown", (code != 0, unknown in out + err), (True, True))


@case
def consumer_group_of_the_new_protocol():
    name, group = topic(2), fresh("group")
    produce(name, "a\nb\nc\n")
    with running(TOOLS + "VerifiableConsumer", *SERVER, "--topic", name, "--group-id", group,
                 "--group-protocol", "consumer", "--reset-policy", "earliest") as output:
        eventually("three records", lambda: sum(json.loads(line)["count"] for line in output().splitlines()
                                                if '"records_consumed"' in line) == 3)
        text = groups("--describe", "--group", group, "--members", "--verbose")
        expect("protocol", f"{name}:0,1" in text.replace(" ", ""), True)
        text = groups("--describe", "--group", group, "--state", "--verbose")
        expect("state", bool(re.search(r"uniform\s+Stable\s+\d+\s+\d+\s+1", text)), True)
        expect("listed", group in groups("--list", "--type", "consumer"), True)
        expect("not as classic", group in groups("--list", "--type", "classic"), False)
        text = ok(TOOLS + "GroupsCommand", *SERVER, "--list", "--consumer")
        expect("among all groups", bool(re.search(rf"{group}\s+Consumer\s+consumer", text)), True)
        eventually("the offsets", lambda: len(re.findall(rf"{name}\s+\d\s+(\d+)\s+\1\s+0", groups(
            "--describe", "--group", group))) >= 1)
    # The member was killed: until its session ends, the group is not empty.
    code, out, err = run(TOOLS + "consumer.group.ConsumerGroupCommand", *SERVER, "--delete", "--group", group)
    expect("delete", "GroupNotEmptyException" in out + err, True)


@case
def console_consumer_of_the_new_protocol():
    name, group = topic(2), fresh("group")
    produce(name, "a\nb\n")
    consume(name, 2, "--group", group, "--command-property", "group.protocol=consumer")
    text = eventually("empty", lambda: (found := groups("--describe", "--group", group)) and name in found and found)
    expect("offsets", sum(int(n) for n in re.findall(rf"{name}\s+\d\s+(\d+)", text)), 2)
    groups("--reset-offsets", "--group", group, "--topic", name, "--to-earliest", "--execute")
    expect("read again", sorted(consume(name, 2, "--group", group, "--command-property",
                                        "group.protocol=consumer").split()), ["a", "b"])
    groups("--delete", "--group", group)


@case
def verifiable_consumers_move_to_the_new_protocol():
    name, group = topic(4), fresh("group")
    arguments = (*SERVER, "--topic", name, "--group-id", group)

    def owned(text):
        lines = [json.loads(line) for line in text.splitlines() if '"partitions_' in line]
        held = set()
        for line in lines:
            parts = {part["partition"] for part in line["partitions"]}
            held = held | parts if line["name"] == "partitions_assigned" else held - parts
        return held

    with running(TOOLS + "VerifiableConsumer", *arguments, "--group-protocol", "classic") as classic:
        eventually("all", lambda: len(owned(classic())) == 4)
        with running(TOOLS + "VerifiableConsumer", *arguments, "--group-protocol", "consumer") as modern:
            eventually("half each", lambda: (len(owned(classic())), len(owned(modern()))) == (2, 2))
            expect("no partition twice", owned(classic()) & owned(modern()), set())
            expect("type", group in groups("--list", "--type", "consumer"), True)


@case
def console_share_consumer():
    name, group = topic(), fresh("share")
    set_group(group, "share.auto.offset.reset=earliest")
    produce(name, "one\ntwo\nthree\n")
    text = ok(TOOLS + "consumer.ConsoleShareConsumer", *SERVER, "--topic", name, "--group", group,
              "--max-messages", "3", "--timeout-ms", "20000")
    expect("lines", text, "one\ntwo\nthree\n")
    produce(name, "four\n")
    rejecting = ok(TOOLS + "consumer.ConsoleShareConsumer", *SERVER, "--topic", name, "--group", group,
                   "--max-messages", "1", "--timeout-ms", "20000", "--reject")
    expect("only the new", rejecting, "four\n")
    produce(name, "five\n")
    text = ok(TOOLS + "consumer.ConsoleShareConsumer", *SERVER, "--topic", name, "--group", group,
              "--max-messages", "1", "--timeout-ms", "20000", "--formatter-property", "print.delivery=true")
    expect("a rejected record is gone", text.split()[-1], "five")


@case
def verifiable_share_consumers():
    name, group = topic(2), fresh("share")
    for mode in ("sync", "async"):
        ok(TOOLS + "VerifiableProducer", *SERVER, "--topic", name, "--max-messages", "200", "--acks", "-1")
        text = ok(TOOLS + "VerifiableShareConsumer", *SERVER, "--topic", name, "--group-id", group,
                  "--max-messages", "200", "--acknowledgement-mode", mode,
                  "--offset-reset-strategy", "earliest")
        events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        acked = sum(e["count"] for e in events if e["name"] == "offsets_acknowledged" and e["success"])
        expect("acknowledged", acked, 200)


@case
def share_consumer_perf_test():
    name, group = topic(2), fresh("share")
    set_group(group, "share.auto.offset.reset=earliest")
    ok(TOOLS + "ProducerPerformance", *SERVER, "--topic", name, "--num-records", "20000", "--record-size",
       "100", "--throughput", "-1")
    text = ok(TOOLS + "ShareConsumerPerformance", *SERVER, "--topic", name, "--group", group,
              "--num-records", "20000")
    row = [line for line in text.splitlines() if re.match(r"\d{4}-", line)][-1].split(", ")
    expect("consumed", max(float(cell) for cell in row[2:] if re.fullmatch(r"[\d.]+", cell)) >= 20000, True)


@case
def share_groups_describe_reset_delete():
    name, group = topic(), fresh("share")
    set_group(group, "share.auto.offset.reset=earliest")
    produce(name, "a\nb\nc\n")
    ok(TOOLS + "consumer.ConsoleShareConsumer", *SERVER, "--topic", name, "--group", group,
       "--max-messages", "3", "--timeout-ms", "20000")
    eventually("empty", lambda: "Empty" in share_groups("--describe", "--group", group, "--state"))
    expect("listed", group in share_groups("--list").split(), True)
    expect("topic", name in share_groups("--describe", "--group", group), True)
    share_groups("--reset-offsets", "--group", group, "--topic", name, "--to-earliest", "--execute")
    text = ok(TOOLS + "consumer.ConsoleShareConsumer", *SERVER, "--topic", name, "--group", group,
              "--max-messages", "3", "--timeout-ms", "20000")
    expect("again", text, "a\nb\nc\n")
    eventually("empty", lambda: "Empty" in share_groups("--describe", "--group", group, "--state"))
    share_groups("--delete-offsets", "--group", group, "--topic", name)
    share_groups("--delete", "--group", group)
    eventually("gone", lambda: group not in share_groups("--list").split())


@case
def share_group_with_a_member():
    name, group = topic(2), fresh("share")
    with running(TOOLS + "VerifiableShareConsumer", *SERVER, "--topic", name, "--group-id", group):
        eventually("a member", lambda: re.search(rf"{name}:0,1", share_groups(
            "--describe", "--group", group, "--members").replace(" ", "")), 30)
        text = ok(TOOLS + "GroupsCommand", *SERVER, "--list", "--share")
        expect("among all groups", bool(re.search(rf"{group}\s+Share\s+share", text)), True)
        code, out, err = run(TOOLS + "consumer.group.ShareGroupCommand", *SERVER, "--delete", "--group", group)
        expect("delete", "GroupNotEmptyException" in out + err or "non-empty" in (out + err).lower()
               or "not empty" in (out + err).lower(), True)


@case
def configs_of_quotas():
    user, client = fresh("user"), fresh("client")
    both = ("--entity-type", "users", "--entity-name", user, "--entity-type", "clients", "--entity-name", client)
    configs("--alter", *both, "--add-config", "producer_byte_rate=1024,consumer_byte_rate=2048")
    text = configs("--describe", *both)
    for part in ("producer_byte_rate=1024.0", "consumer_byte_rate=2048.0", user, client):
        expect(part, part in text, True)
    configs("--alter", "--entity-type", "clients", "--entity-default", "--add-config", "request_percentage=200")
    expect("default", "request_percentage=200.0" in configs("--describe", "--entity-type", "clients",
                                                            "--entity-default"), True)
    configs("--alter", *both, "--delete-config", "producer_byte_rate")
    eventually("deleted", lambda: "producer_byte_rate" not in configs("--describe", *both))


@case
def configs_of_scram_users():
    user = fresh("user")
    entity = ("--entity-type", "users", "--entity-name", user)
    configs("--alter", *entity, "--add-config", "SCRAM-SHA-256=[iterations=8192,password=secret]")
    text = eventually("described", lambda: (found := configs("--describe", *entity)) and "SCRAM" in found and found)
    expect("iterations", "SCRAM-SHA-256=iterations=8192" in text, True)
    configs("--alter", *entity, "--delete-config", "SCRAM-SHA-256")
    eventually("deleted", lambda: "SCRAM" not in configs("--describe", *entity))


@case
def configs_of_groups():
    group = fresh("group")
    entity = ("--entity-type", "groups", "--entity-name", group)
    configs("--alter", *entity, "--add-config", "consumer.session.timeout.ms=50000")
    eventually("set", lambda: "consumer.session.timeout.ms=50000" in configs("--describe", *entity))
    code, _, err = run("kafka.admin.ConfigCommand", *SERVER, "--alter", *entity, "--add-config",
                       "consumer.session.timeout.ms=1")
    expect("too short", (code != 0, "InvalidConfigurationException" in err), (True, True))


@case
def client_metrics():
    name = fresh("subscription")
    tool = TOOLS + "ClientMetricsCommand"
    ok(tool, *SERVER, "--alter", "--name", name, "--metrics", "org.apache.kafka.producer.", "--interval", "20000",
       "--match", "client_software_name=apache-kafka-java")
    eventually("listed", lambda: name in ok(tool, *SERVER, "--list").split())
    text = ok(tool, *SERVER, "--describe", "--name", name)
    for part in ("interval.ms=20000", "org.apache.kafka.producer."):
        expect(part, part in text, True)
    ok(tool, *SERVER, "--delete", "--name", name)
    eventually("gone", lambda: name not in ok(tool, *SERVER, "--list").split())


@case
def features():
    tool = TOOLS + "FeatureCommand"
    text = ok(tool, *SERVER, "describe")
    for name in ("metadata.version", "group.version", "transaction.version", "share.version", "streams.version"):
        expect(name, bool(re.search(rf"Feature: {name}\s", text)), True)
    (level,) = re.findall(r"Feature: group.version\s.*FinalizedVersionLevel: (\d+)", text)
    code, out, err = run(tool, *SERVER, "upgrade", "--feature", "group.version=99", "--dry-run")
    expect("a level nobody knows", code != 0, True)
    code, out, err = run(tool, *SERVER, "upgrade", "--feature", f"group.version={level}", "--dry-run")
    expect("the level it has", (code, f"group.version" in out), (0, True))


@case
def metadata_quorum():
    tool = TOOLS + "MetadataQuorumCommand"
    text = ok(tool, *SERVER, "describe", "--status")
    node = broker_id()
    expect("leader", bool(re.search(rf"LeaderId:\s+{node}\b", text)), True)
    expect("voters", "CurrentVoters:" in text, True)
    text = ok(tool, *SERVER, "describe", "--replication")
    expect("replica", bool(re.search(rf"^{node}\s.*Leader", text, flags=re.M)), True)


@case
def leader_election():
    name = topic(2)
    tool = TOOLS + "LeaderElectionCommand"
    text = ok(tool, *SERVER, "--election-type", "preferred", "--topic", name, "--partition", "0")
    expect("not needed", "Valid replica already elected" in text, True)
    ok(tool, *SERVER, "--election-type", "preferred", "--all-topic-partitions")
    code, out, err = run(tool, *SERVER, "--election-type", "unclean", "--topic", fresh("none"), "--partition", "0")
    expect("unknown topic", (code != 0, "UnknownTopicOrPartition" in out + err), (True, True))


@case
def reassign_partitions():
    name, node = topic(2), broker_id()
    tool = TOOLS + "reassign.ReassignPartitionsCommand"
    with json_file({"version": 1, "topics": [{"topic": name}]}) as move:
        text = ok(tool, *SERVER, "--generate", "--topics-to-move-json-file", move.name, "--broker-list", node)
    plan = json.loads(text.split("Proposed partition reassignment configuration")[1])
    expect("partitions", [one["replicas"] for one in plan["partitions"]], [[int(node)]] * 2)
    with json_file(plan) as file:
        ok(tool, *SERVER, "--execute", "--reassignment-json-file", file.name)
        eventually("done", lambda: ok(tool, *SERVER, "--verify", "--reassignment-json-file", file.name)
                   .count("is completed") == 2)
    expect("none is left", "No partition reassignments found" in ok(tool, *SERVER, "--list"), True)


@case
def acls_without_an_authorizer():
    code, out, err = run(TOOLS + "AclCommand", *SERVER, "--list")
    expect("list", "SecurityDisabledException" in out + err, True)


@case
def client_compatibility():
    name = topic()
    answers = {"offsets-for-times-supported": "True", "cluster-id-supported": "True",
               "expect-record-too-large-exception": "False", "num-cluster-nodes": "1",
               "create-topics-supported": "True", "describe-acls-supported": "True",
               "describe-configs-supported": "True", "idempotent-producer-supported": "True"}
    flags = [part for name_, value in answers.items() for part in (f"--{name_}", value)]
    ok(TOOLS + "ClientCompatibilityTest", *SERVER, "--topic", name, *flags)


out_of_scope("acls", "security is a later part of the broker")

main(os.environ["KAFKA_VERSION"], case_seconds_max=120)
