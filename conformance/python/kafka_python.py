"""kafka-python: the pure Python client, with a consumer that polls in one thread."""

import time
import uuid

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, OffsetSpec

from conformance import (
    BOOTSTRAP, Failure, case, eventually, expect, expect_error, fresh, main, out_of_scope,
)

SECONDS = 20
ADMIN = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def topic(partitions=1, **configs):
    name = fresh("kafka-python")
    configs = {key.replace("_", "."): value for key, value in configs.items()}
    ADMIN.create_topics({name: {"num_partitions": partitions, "replication_factor": 1,
                                "configs": configs}}, wait_for_metadata=True)
    return name


def producer(**config):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, **config)


def produce(name, values, client=None, partition=0, **fields):
    own = client or producer()
    futures = [own.send(name, value, partition=partition, **fields) for value in values]
    own.flush(SECONDS)
    offsets = [future.get(SECONDS).offset for future in futures]
    if client is None:
        own.close()
    return offsets


def consumer(group=None, **config):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, **(settings | config))


def read(client, count):
    records = []

    def enough():
        for batch in client.poll(timeout_ms=200).values():
            records.extend(batch)
        return len(records) >= count

    eventually(f"{count} records", enough)
    return records[:count]


def read_from(name, offset, count, partition=0, **config):
    client = consumer(**config)
    at = TopicPartition(name, partition)
    client.assign([at])
    client.seek(at, offset)
    records = read(client, count)
    client.close()
    return records


@case
def metadata_auto_create():
    name = fresh("kafka-python-auto")
    expect("offset", produce(name, [b"a"]), [0])
    expect("listed", name in ADMIN.list_topics(), True)


def acks(level):
    name = topic()
    client = producer(acks=level, enable_idempotence=False)
    offsets = produce(name, [b"%d" % n for n in range(10)], client=client)
    found = read_from(name, 0, 10)
    expect("values", [r.value for r in found], [b"%d" % n for n in range(10)])
    if level != 0:
        expect("offsets", offsets, list(range(10)))
    client.close()


@case
def produce_acks_0():
    acks(0)


@case
def produce_acks_1():
    acks(1)


@case
def produce_acks_all():
    acks("all")


def codec(kind):
    name = topic()
    values = [b"%d " % n * 200 for n in range(100)]
    produce(name, values, client=producer(compression_type=kind, linger_ms=50))
    expect("values", [r.value for r in read_from(name, 0, 100, check_crcs=True)], values)


@case
def codec_none():
    codec(None)


@case
def codec_gzip():
    codec("gzip")


@case
def codec_snappy():
    codec("snappy")


@case
def codec_lz4():
    codec("lz4")


@case
def codec_zstd():
    codec("zstd")


@case
def headers():
    name = topic()
    sent = [("a", b"1"), ("b", b""), ("a", b"2")]
    produce(name, [b"v"], headers=sent)
    expect("headers", [tuple(h) for h in read_from(name, 0, 1)[0].headers], sent)


@case
def null_and_empty_keys_and_values():
    name = topic()
    client = producer()
    pairs = [(None, b"v"), (b"k", None), (b"", b"")]
    for key, value in pairs:
        produce(name, [value], client=client, key=key)
    expect("pairs", [(r.key, r.value) for r in read_from(name, 0, 3)], pairs)


@case
def message_too_large():
    name = topic()
    client = producer(max_request_size=5_000_000)
    expect_error("2 MB on default limit", ("MessageSizeTooLarge", "RecordTooLarge", "MESSAGE_TOO_LARGE"),
                 lambda: produce(name, [b"x" * 2_000_000], client=client))
    narrow = topic(max_message_bytes="1000")
    expect_error("2000 bytes", ("MessageSizeTooLarge", "RecordTooLarge", "MESSAGE_TOO_LARGE"),
                 lambda: produce(narrow, [b"x" * 2000]))


@case
def idempotent_producer():
    name = topic()
    client = producer(enable_idempotence=True)
    values = [b"%d" % n for n in range(1000)]
    expect("offsets", produce(name, values, client=client), list(range(1000)))
    expect("order", [r.value for r in read_from(name, 0, 1000)], values)
    client.close()


@case
def consume_earliest_and_latest():
    name = topic()
    produce(name, [b"a", b"b"])
    at = TopicPartition(name, 0)
    client = consumer()
    client.assign([at])
    client.seek_to_beginning(at)
    expect("earliest", read(client, 1)[0].offset, 0)
    client.seek_to_end(at)
    expect("end", client.position(at), 2)
    produce(name, [b"c"])
    expect("latest", read(client, 1)[0].offset, 2)
    expect("beginning offset", client.beginning_offsets([at]), {at: 0})
    expect("end offset", client.end_offsets([at]), {at: 3})
    client.close()


@case
def offsets_for_timestamps():
    name = topic()
    at = TopicPartition(name, 0)
    client = producer(linger_ms=100)
    futures = [client.send(name, b"%d" % n, partition=0, timestamp_ms=1_600_000_000_000 + n * 1000)
               for n in range(10)]
    client.flush()
    expect("dense", [f.get(SECONDS).offset for f in futures], list(range(10)))
    reader = consumer()
    for asked, expected in ((0, 0), (1, 1), (4500, 5), (9000, 9)):
        found = reader.offsets_for_times({at: 1_600_000_000_000 + asked})[at]
        expect(f"offset for {asked} ms", found.offset, expected)
    expect("after the last", reader.offsets_for_times({at: 1_600_000_100_000})[at], None)
    found = ADMIN.list_partition_offsets({at: OffsetSpec.MAX_TIMESTAMP})[at]
    expect("max timestamp", (found.offset, found.timestamp), (9, 1_600_000_009_000))
    reader.close()


@case
def seek_mid_batch():
    name = topic()
    values = [b"%d" % n for n in range(100)]
    produce(name, values, client=producer(linger_ms=300, batch_size=100_000))
    for start in (1, 42, 99):
        found = read_from(name, start, 100 - start)
        expect("offsets", [r.offset for r in found], list(range(start, 100)))


@case
def fetch_sessions_on_many_partitions():
    name = topic(partitions=20)
    client = consumer(enable_incremental_fetch_sessions=True)
    client.assign([TopicPartition(name, p) for p in range(20)])
    for round_number in range(3):
        for partition in range(0, 20, 3):
            produce(name, [b"%d" % round_number], partition=partition)
        found = sorted(r.partition for r in read(client, 7))
        expect("partitions", found, list(range(0, 20, 3)))
    client.close()


def owned(*members):
    for member in members:
        member.poll(timeout_ms=500)
    return [len(member.assignment()) for member in members]


def rebalance(strategy):
    name, group = topic(partitions=4), fresh("group")
    config = {"partition_assignment_strategy": [strategy], "session_timeout_ms": 6000,
              "heartbeat_interval_ms": 500}
    first, second = consumer(group, **config), consumer(group, **config)
    first.subscribe([name])
    eventually("one member owns all", lambda: owned(first) == [4])
    second.subscribe([name])
    eventually("two members share", lambda: owned(first, second) == [2, 2], 40)
    parts = {p.partition for m in (first, second) for p in m.assignment()}
    expect("every partition has an owner", parts, {0, 1, 2, 3})
    second.close()
    eventually("the one left owns all again", lambda: owned(first) == [4], 40)
    first.close()


@case
def group_rebalance_range():
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    rebalance(RangePartitionAssignor)


@case
def group_rebalance_sticky():
    from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
    rebalance(StickyPartitionAssignor)


@case
def static_membership():
    name, group = topic(partitions=2), fresh("group")
    config = {"group_instance_id": "one", "session_timeout_ms": 20000}
    first = consumer(group, **config)
    first.subscribe([name])
    eventually("the member owns all", lambda: owned(first) == [2])
    members = ADMIN.describe_groups([group])[group]["members"]
    expect("instance ids", [m["group_instance_id"] for m in members], ["one"])
    first.close()


@case
def commit_metadata_fetched_back():
    name, group = topic(partitions=2), fresh("group")
    one, two = TopicPartition(name, 0), TopicPartition(name, 1)
    client = consumer(group)
    client.assign([one, two])
    client.commit({one: OffsetAndMetadata(3, "a note", -1)})
    found = client.committed(one, metadata=True)
    expect("committed", (found.offset, found.metadata), (3, "a note"))
    expect("nothing committed", client.committed(two), None)
    client.close()


@case
def create_describe_delete_topic():
    name = topic(partitions=3)
    (found,) = ADMIN.describe_topics([name])
    expect("partitions", len(found["partitions"]), 3)
    expect_error("again", "TopicAlreadyExists", lambda: ADMIN.create_topics({name: {}}))
    expect_error("bad name", "InvalidTopic", lambda: ADMIN.create_topics({"no good!": {}}))
    ADMIN.delete_topics([name])
    eventually("gone", lambda: name not in ADMIN.list_topics())
    other = fresh("validated")
    ADMIN.create_topics({other: {"num_partitions": 2}}, validate_only=True)
    expect("validated only", other in ADMIN.list_topics(), False)


@case
def describe_topic_by_id():
    name = topic()
    (found,) = ADMIN.describe_topics([name])
    (again,) = ADMIN.describe_topics([uuid.UUID(str(found["topic_id"]))])
    expect("name", again["name"], name)


def configs(name):
    found = ADMIN.describe_configs([ConfigResource("TOPIC", name)], include_synonyms=True,
                                   config_filter="all")
    return list(found.values())[0][name]


@case
def describe_and_alter_configs():
    name = topic(retention_ms="12345")
    expect("own", configs(name)["retention.ms"]["value"], "12345")
    expect("default", configs(name)["cleanup.policy"]["value"], "delete")
    ADMIN.alter_configs([ConfigResource("TOPIC", name, {"segment.ms": "777000",
                                                        "retention.ms": (AlterConfigOp.DELETE, None)})])
    eventually("set", lambda: configs(name)["segment.ms"]["value"] == "777000")
    expect("deleted", configs(name)["retention.ms"]["value"], "604800000")
    ADMIN.alter_configs([ConfigResource("TOPIC", name, {"retention.ms": "99"})], validate_only=True)
    expect("validated only", configs(name)["retention.ms"]["value"], "604800000")


@case
def create_partitions():
    name = topic()
    ADMIN.create_partitions({name: 4})
    eventually("four", lambda: len(ADMIN.describe_topics([name])[0]["partitions"]) == 4)
    expect_error("fewer", "InvalidPartitions", lambda: ADMIN.create_partitions({name: 2}))


@case
def delete_records_moves_log_start():
    name = topic()
    at = TopicPartition(name, 0)
    produce(name, [b"v"] * 10)
    ADMIN.delete_records({at: 6})
    client = consumer()
    expect("beginning", client.beginning_offsets([at]), {at: 6})
    client.assign([at])
    client.seek_to_beginning(at)
    expect("first", read(client, 1)[0].offset, 6)
    client.close()


@case
def list_describe_delete_groups():
    name, group = topic(), fresh("group")
    client = consumer(group, client_id="a-client")
    client.subscribe([name])
    eventually("the member owns it", lambda: owned(client) == [1])
    client.commit({TopicPartition(name, 0): OffsetAndMetadata(0, "", -1)})
    listed = [g for g in ADMIN.list_groups() if g["group_id"] == group]
    expect("listed", [g["protocol_type"] for g in listed], ["consumer"])
    found = ADMIN.describe_groups([group])[group]
    expect("state", str(found["group_state"]).lower().endswith("stable"), True)
    expect("client id", found["members"][0]["client_id"], "a-client")
    client.close()
    eventually("empty", lambda: str(ADMIN.describe_groups([group])[group]["group_state"]).lower()
               .endswith("empty"))
    ADMIN.delete_groups([group])
    expect("gone", [g for g in ADMIN.list_groups() if g["group_id"] == group], [])


@case
def alter_list_delete_group_offsets():
    name, group = topic(partitions=2), fresh("group")
    one, two = TopicPartition(name, 0), TopicPartition(name, 1)
    ADMIN.alter_group_offsets(group, {one: OffsetAndMetadata(4, "m", -1),
                                      two: OffsetAndMetadata(5, "", -1)})
    found = ADMIN.list_group_offsets({group: None})[group]
    expect("offsets", {at: (o.offset, o.metadata) for at, o in found.items()},
           {one: (4, "m"), two: (5, "")})
    ADMIN.delete_group_offsets(group, [one])
    found = ADMIN.list_group_offsets({group: None})[group]
    expect("left", [at for at, o in found.items() if o.offset >= 0], [two])


@case
def keyless_refused_on_compacted_topic():
    name = topic(cleanup_policy="compact")
    expect_error("without key", "InvalidRecord", lambda: produce(name, [b"v"]))
    expect("with key", produce(name, [b"v"], key=b"k"), [0])


@case
def timestamps():
    name = topic()
    produce(name, [b"v"], timestamp_ms=1_500_000_000_123)
    found = read_from(name, 0, 1)[0]
    expect("create time", (found.timestamp, found.timestamp_type), (1_500_000_000_123, 0))
    name = topic(message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000) - 5000
    produce(name, [b"v"], timestamp_ms=1_500_000_000_123)
    found = read_from(name, 0, 1)[0]
    expect("log append time", (found.timestamp >= before, found.timestamp_type), (True, 1))


@case
def describe_log_dirs():
    name = topic()
    produce(name, [b"v" * 1000])
    text = str(ADMIN.describe_log_dirs())
    if name not in text:
        raise Failure(f"{name} is in no log directory: {text[:500]}")


@case
def describe_cluster():
    found = ADMIN.describe_cluster()
    expect("brokers", len(found["brokers"]), 1)
    expect("cluster id", bool(found["cluster_id"]), True)


def transactional(transactional_id=None):
    client = producer(transactional_id=transactional_id or fresh("txn"))
    client.init_transactions()
    return client


def transact(client, name, value):
    client.begin_transaction()
    client.send(name, value, partition=0).get(SECONDS)


def committed_values(name, count):
    return [r.value for r in read_from(name, 0, count, isolation_level="read_committed")]


@case
def transaction_commit_and_abort():
    name, client = topic(), transactional()
    for value, end in ((b"a", client.commit_transaction), (b"b", client.abort_transaction),
                       (b"c", client.commit_transaction)):
        transact(client, name, value)
        end()
    client.close()
    expect("committed", committed_values(name, 2), [b"a", b"c"])


@case
def transaction_commits_offsets():
    name, group, client = topic(), fresh("group"), transactional()
    at = TopicPartition(name, 0)
    reader = consumer(group)
    reader.subscribe([name])
    eventually("an assignment", lambda: reader.poll(timeout_ms=100) or reader.assignment())
    transact(client, name, b"a")
    client.send_offsets_to_transaction({at: OffsetAndMetadata(5, "note", -1)}, reader.group_metadata())
    client.commit_transaction()
    eventually("the offset", lambda: at in (found := ADMIN.list_group_offsets({group: None})[group])
               and found[at].offset == 5)
    reader.close()
    client.close()


@case
def transaction_fencing():
    name, transactional_id = topic(), fresh("txn")
    old = transactional(transactional_id)
    transact(old, name, b"old")
    new = transactional(transactional_id)
    expect_error("commit by the old one", ("Fenced", "Epoch"), old.commit_transaction)
    transact(new, name, b"new")
    new.commit_transaction()
    new.close()
    expect("committed", committed_values(name, 1), [b"new"])


@case
def list_and_describe_transactions():
    name, transactional_id = topic(), fresh("txn")
    client = transactional(transactional_id)
    transact(client, name, b"open")
    listed = [one for found in ADMIN.list_transactions().values() for one in found
              if one.transactional_id == transactional_id]
    expect("state", [str(getattr(one.state, "value", one.state)) for one in listed], ["Ongoing"])
    (found,) = ADMIN.describe_transactions([transactional_id]).values()
    expect("described", str(getattr(found.state, "value", found.state)), "Ongoing")
    at = TopicPartition(name, 0)
    text = str(ADMIN.describe_producers([at]))
    expect("producer", str(found.producer_id) in text, True)
    client.abort_transaction()
    client.close()


@case
def elections_reassignments_quorum():
    name = topic()
    at = TopicPartition(name, 0)
    (node,) = [broker["broker_id"] for broker in ADMIN.describe_cluster()["brokers"]]
    expect("reassigned to itself", ADMIN.alter_partition_reassignments({at: [node]}), {at: None})
    eventually("none is left", lambda: not ADMIN.list_partition_reassignments())
    expect("nothing to elect", "error_code=84" in str(ADMIN.elect_leaders(0, {name: [0]})), True)
    expect("quorum", f"'leader_id': {node}" in str(ADMIN.describe_metadata_quorum()), True)


out_of_scope("acls-sasl", "security is a later part of the broker")
out_of_scope("group-rebalance-cooperative", "the sticky and range assignors cover this client; "
             "cooperative rebalances are driven by librdkafka, Java and Go here")

main(kafka.__version__)
