"""confluent-kafka: librdkafka as most Python programs use it."""

import threading
import time

import confluent_kafka
from confluent_kafka import (
    Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition,
)
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, IsolationLevel
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions, NewTopic,
    OffsetSpec, ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from confluent_kafka import TopicCollection

from conformance import (
    BOOTSTRAP, Failure, case, eventually, expect, expect_error, fresh, main, out_of_scope,
)

SECONDS = 20


ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def admin():
    return ADMIN


def done(futures):
    """Waits for the one future of an admin call."""
    (future,) = futures.values()
    return future.result(timeout=SECONDS)


def topic(partitions=1, **config):
    name = fresh("confluent")
    config = {key.replace("_", "."): value for key, value in config.items()}
    done(admin().create_topics([NewTopic(name, partitions, 1, config=config)]))
    described(name)
    return name


def described(name):
    """The topic as the broker describes it; a broker may learn of it a moment after its creation."""

    def ask():
        try:
            return done(admin().describe_topics(TopicCollection([name])))
        except KafkaException as error:
            if error.args[0].name() != "UNKNOWN_TOPIC_OR_PART":
                raise
            return None

    return eventually(f"topic {name}", ask)


def producer(**config):
    settings = {"bootstrap.servers": BOOTSTRAP, "message.timeout.ms": 15000}
    return Producer(settings | {key.replace("_", "."): value for key, value in config.items()})


def produce(name, values, partition=0, client=None, **fields):
    """Produces values in one go; returns the reports (offset or error) in order."""
    client = client or producer()
    reports = []

    def report(error, message):
        if error is not None:
            reports.append(error)
        else:
            reports.append(message.offset())

    for value in values:
        client.produce(name, value=value, partition=partition, on_delivery=report, **fields)
    if client.flush(SECONDS) != 0:
        raise Failure("flush left messages behind")
    return reports


def offsets_of(reports):
    for report in reports:
        if isinstance(report, confluent_kafka.KafkaError):
            raise KafkaException(report)
    return reports


def consumer(group=None, on_error=None, **config):
    settings = {
        "bootstrap.servers": BOOTSTRAP, "group.id": group or fresh("group"),
        "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "error_cb": on_error or (lambda error: None),
    }
    return Consumer(settings | {key.replace("_", "."): value for key, value in config.items()})


def read(client, count, seconds=SECONDS):
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        if time.monotonic() > deadline:
            raise Failure(f"read {len(messages)} of {count} messages in {seconds} s")
        message = client.poll(0.1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        messages.append(message)
    return messages


def read_from(name, offset, count, partition=0, **config):
    client = consumer(**config)
    client.assign([TopicPartition(name, partition, offset)])
    messages = read(client, count)
    client.close()
    return messages


@case
def metadata_auto_create():
    name = fresh("confluent-auto")
    offsets_of(produce(name, [b"a"]))
    found = admin().list_topics(name, timeout=SECONDS).topics[name]
    expect("error", found.error, None)
    expect("partitions", len(found.partitions) >= 1, True)
    expect("leader", found.partitions[0].leader in found.partitions[0].replicas, True)


@case
def metadata_unknown_topic():
    name = fresh("confluent-none")
    client = consumer(allow_auto_create_topics=False)
    expect_error("offsets of an unknown topic", ("UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"),
                 lambda: client.get_watermark_offsets(TopicPartition(name, 0), timeout=5))
    client.close()


def acks(level):
    name = topic()
    offsets = offsets_of(produce(name, [b"%d" % n for n in range(10)], client=producer(acks=level)))
    found = read_from(name, OFFSET_BEGINNING, 10)
    expect("values", [m.value() for m in found], [b"%d" % n for n in range(10)])
    if level != "0":
        expect("offsets", offsets, list(range(10)))


@case
def produce_acks_0():
    acks("0")


@case
def produce_acks_1():
    acks("1")


@case
def produce_acks_all():
    acks("all")


def codec(codec_name):
    name = topic()
    values = [b"%d " % n * 200 for n in range(100)]
    client = producer(compression_type=codec_name, linger_ms=50)
    offsets_of(produce(name, values, client=client))
    found = read_from(name, OFFSET_BEGINNING, 100, check_crcs=True)
    expect("values", [m.value() for m in found], values)
    expect("offsets", [m.offset() for m in found], list(range(100)))


@case
def codec_none():
    codec("none")


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
def topic_compression_type_converts():
    for kind in ("gzip", "zstd", "uncompressed"):
        name = topic(compression_type=kind)
        values = [b"x" * 500] * 20
        offsets_of(produce(name, values, client=producer(compression_type="snappy", linger_ms=50)))
        expect(kind, [m.value() for m in read_from(name, OFFSET_BEGINNING, 20)], values)


@case
def headers():
    name = topic()
    sent = [("a", b"1"), ("b", None), ("a", b"2"), ("empty", b"")]
    offsets_of(produce(name, [b"v"], headers=sent))
    expect("headers", read_from(name, 0, 1)[0].headers(), sent)


@case
def null_and_empty_keys_and_values():
    name = topic()
    client = producer()
    for key, value in ((None, b"v"), (b"k", None), (None, None), (b"", b"")):
        offsets_of(produce(name, [value], client=client, key=key))
    found = [(m.key(), m.value()) for m in read_from(name, 0, 4)]
    expect("pairs", found, [(None, b"v"), (b"k", None), (None, None), (b"", b"")])


@case
def large_message():
    name = topic()
    value = bytes(range(256)) * 3600  # 900 KiB, below the default limit of 1 MiB and a bit
    offsets_of(produce(name, [value], client=producer(message_max_bytes=2_000_000)))
    expect("value", read_from(name, 0, 1)[0].value() == value, True)


@case
def message_too_large():
    name = topic()
    big = producer(message_max_bytes=5_000_000)
    expect_error("2 MB on default limit", "MSG_SIZE_TOO_LARGE",
                 lambda: offsets_of(produce(name, [b"x" * 2_000_000], client=big)))
    expect("after the refusal", offsets_of(produce(name, [b"ok"], client=big)), [0])


@case
def topic_max_message_bytes():
    name = topic(max_message_bytes="1000")
    expect_error("2000 bytes", "MSG_SIZE_TOO_LARGE",
                 lambda: offsets_of(produce(name, [b"x" * 2000])))
    expect("small", offsets_of(produce(name, [b"x" * 100])), [0])
    wide = topic(max_message_bytes="3000000")
    big = producer(message_max_bytes=4_000_000)
    expect("2 MB on a wider topic", offsets_of(produce(wide, [b"x" * 2_000_000], client=big)), [0])
    expect("read back", len(read_from(wide, 0, 1)[0].value()), 2_000_000)


@case
def idempotent_producer():
    name = topic(partitions=3)
    client = producer(enable_idempotence=True)
    for partition in range(3):
        values = [b"%d" % n for n in range(1000)]
        offsets = offsets_of(produce(name, values, partition=partition, client=client))
        expect("offsets", offsets, list(range(1000)))
        found = read_from(name, OFFSET_BEGINNING, 1000, partition=partition)
        expect("order", [m.value() for m in found], values)


@case
def consume_earliest_and_latest():
    name = topic()
    offsets_of(produce(name, [b"a", b"b"]))
    expect("earliest", read_from(name, OFFSET_BEGINNING, 1)[0].offset(), 0)
    late = consumer()
    late.assign([TopicPartition(name, 0, OFFSET_END)])
    if late.poll(1.0) is not None:
        raise Failure("the end of the log yielded a message")
    offsets_of(produce(name, [b"c"]))
    expect("latest", read(late, 1)[0].offset(), 2)
    late.close()


@case
def auto_offset_reset_out_of_range():
    name = topic()
    offsets_of(produce(name, [b"a", b"b"]))
    expect("earliest", read_from(name, 1000, 1)[0].offset(), 0)
    client = consumer(auto_offset_reset="error")
    client.assign([TopicPartition(name, 0, 1000)])
    expect_error("reset=error", ("_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"),
                 lambda: read(client, 1))
    client.close()


@case
def offsets_for_timestamps():
    name = topic()
    client = producer()
    base = 1_600_000_000_000
    for n in range(10):
        offsets_of(produce(name, [b"%d" % n], client=client, timestamp=base + n * 1000))
    # One batch with several timestamps: the look-up goes down to the record.
    batch = producer(linger_ms=200)
    for n in range(10, 20):
        batch.produce(name, b"%d" % n, partition=0, timestamp=base + n * 1000)
    batch.flush(SECONDS)
    reader = consumer()
    for asked, expected in ((base, 0), (base + 1, 1), (base + 4500, 5), (base + 15_000, 15),
                            (base + 15_001, 16), (base - 9, 0), (base + 99_000, -1)):
        found = reader.offsets_for_times([TopicPartition(name, 0, asked)], timeout=SECONDS)[0]
        expect(f"offset for {asked - base} ms", found.offset, expected)
    reader.close()


@case
def list_offsets_special():
    name = topic()
    for stamp in (3000, 9000, 5000):
        offsets_of(produce(name, [b"v"], timestamp=1_600_000_000_000 + stamp))
    at = TopicPartition(name, 0)
    for spec, expected in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 3),
                           (OffsetSpec.max_timestamp(), 1)):
        found = done(admin().list_offsets({at: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED))
        expect(type(spec).__name__, found.offset, expected)


@case
def seek_mid_batch():
    name = topic()
    client = producer(linger_ms=500, batch_num_messages=1000)
    values = [b"%d" % n for n in range(100)]
    offsets_of(produce(name, values, client=client))
    for start in (1, 42, 99):
        found = read_from(name, start, 100 - start)
        expect("offsets", [m.offset() for m in found], list(range(start, 100)))
    reader = consumer()
    reader.assign([TopicPartition(name, 0, 0)])
    read(reader, 100)
    reader.seek(TopicPartition(name, 0, 57))
    expect("after seek", read(reader, 1)[0].value(), b"57")
    reader.close()


@case
def watermarks_and_consumer_lag():
    name = topic()
    offsets_of(produce(name, [b"v"] * 7))
    reader = consumer()
    expect("watermarks", reader.get_watermark_offsets(TopicPartition(name, 0), SECONDS), (0, 7))
    reader.close()


def assigned(*members):
    """Polls the members together and returns how many partitions each owns."""
    for member in members:
        member.poll(0.05)
    return [len(member.assignment()) for member in members]


def rebalance(**config):
    name = topic(partitions=4)
    group = fresh("group")
    first, second = (consumer(group, session_timeout_ms=6000, **config) for _ in range(2))
    first.subscribe([name])
    eventually("one member owns all", lambda: assigned(first) == [4])
    second.subscribe([name])
    eventually("two members share", lambda: assigned(first, second) == [2, 2], 40)
    parts = {p.partition for m in (first, second) for p in m.assignment()}
    expect("every partition has an owner", parts, {0, 1, 2, 3})
    second.close()
    eventually("the one left owns all again", lambda: assigned(first) == [4], 40)
    first.close()


@case
def group_rebalance_range():
    rebalance(partition_assignment_strategy="range")


@case
def group_rebalance_roundrobin():
    rebalance(partition_assignment_strategy="roundrobin")


@case
def group_rebalance_cooperative():
    rebalance(partition_assignment_strategy="cooperative-sticky")


@case
def group_resumes_from_commit():
    name, group = topic(), fresh("group")
    offsets_of(produce(name, [b"%d" % n for n in range(10)]))
    first = consumer(group)
    first.subscribe([name])
    messages = read(first, 10)
    first.commit(message=messages[5], asynchronous=False)
    first.close()
    second = consumer(group)
    second.subscribe([name])
    expect("resumes after the commit", read(second, 1)[0].offset(), 6)
    second.close()


@case
def static_membership():
    name, group = topic(partitions=2), fresh("group")
    settings = {"group_instance_id": "one", "session_timeout_ms": 20000}
    first = consumer(group, **settings)
    first.subscribe([name])
    eventually("the member owns all", lambda: assigned(first) == [2])
    before = done(admin().describe_consumer_groups([group])).members[0]
    expect("instance id", before.group_instance_id, "one")
    first.close()  # A static member leaves without telling the group.
    kept = done(admin().describe_consumer_groups([group])).members
    expect("members while it is away", [m.member_id for m in kept], [before.member_id])
    again = consumer(group, **settings)
    again.subscribe([name])
    eventually("it is back", lambda: assigned(again) == [2])
    after = done(admin().describe_consumer_groups([group])).members
    expect("members", len(after), 1)
    expect("a new member id", after[0].member_id != before.member_id, True)
    again.close()


@case
def static_member_is_fenced():
    name, group = topic(), fresh("group")
    settings = {"group_instance_id": "one", "session_timeout_ms": 10000}
    fatal = []
    first = consumer(group, on_error=fatal.append, **settings)
    first.subscribe([name])
    eventually("the member owns all", lambda: assigned(first) == [1])
    second = consumer(group, **settings)
    second.subscribe([name])

    def fenced():
        second.poll(0.05)
        try:
            message = first.poll(0.05)
        except KafkaException as error:
            fatal.append(error.args[0])
            message = None
        if message is not None and message.error():
            fatal.append(message.error())
        return any("fenced" in str(error) for error in fatal)

    eventually("the older one is fenced", fenced)
    second.close()
    first.close()


@case
def commit_metadata_fetched_back():
    name, group = topic(partitions=2), fresh("group")
    offsets_of(produce(name, [b"v"] * 5))
    client = consumer(group)
    sent = TopicPartition(name, 0, 3, metadata="a note: ünïcode")
    client.commit(offsets=[sent], asynchronous=False)
    found = client.committed([TopicPartition(name, 0), TopicPartition(name, 1)], SECONDS)
    expect("offset", found[0].offset, 3)
    expect("metadata", found[0].metadata, "a note: ünïcode")
    expect("nothing committed", found[1].offset, confluent_kafka.OFFSET_INVALID)
    client.close()


@case
def commit_from_unknown_member_refused():
    name, group = topic(), fresh("group")
    member = consumer(group)
    member.subscribe([name])
    eventually("the member owns all", lambda: assigned(member) == [1])
    stranger = consumer(group)
    expect_error("simple commit into a live group", ("UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION"),
                 lambda: stranger.commit(offsets=[TopicPartition(name, 0, 1)], asynchronous=False))
    stranger.close()
    member.close()


@case
def create_topic_describe_delete():
    client, name = admin(), fresh("confluent")
    done(client.create_topics([NewTopic(name, 3, 1)]))
    expect_error("again", "TOPIC_ALREADY_EXISTS",
                 lambda: done(client.create_topics([NewTopic(name, 3, 1)])))
    found = described(name)
    expect("partitions", len(found.partitions), 3)
    expect("a topic id", str(found.topic_id) not in ("", "AAAAAAAAAAAAAAAAAAAAAA"), True)
    done(client.delete_topics([name]))
    eventually("gone", lambda: name not in client.list_topics(timeout=SECONDS).topics)
    expect_error("again", "UNKNOWN_TOPIC_OR_PART", lambda: done(client.delete_topics([name])))


@case
def create_topic_refusals():
    client = admin()

    def create(new, **options):
        return lambda: done(client.create_topics([new], **options))

    expect_error("name", "TOPIC_EXCEPTION", create(NewTopic("bad name!", 1, 1)))
    expect_error("long name", "TOPIC_EXCEPTION", create(NewTopic("n" * 250, 1, 1)))
    expect_error("0 partitions", "INVALID_PARTITIONS", create(NewTopic(fresh("c"), 0, 1)))
    expect_error("9 replicas", "INVALID_REPLICATION_FACTOR", create(NewTopic(fresh("c"), 1, 9)))
    expect_error("unknown setting", "INVALID_CONFIG",
                 create(NewTopic(fresh("c"), 1, 1, config={"no.such.setting": "1"})))
    expect_error("bad value", "INVALID_CONFIG",
                 create(NewTopic(fresh("c"), 1, 1, config={"retention.ms": "soon"})))


@case
def create_topic_validate_only():
    client, name = admin(), fresh("confluent")
    done(client.create_topics([NewTopic(name, 3, 1)], validate_only=True))
    expect("created", name in client.list_topics(timeout=SECONDS).topics, False)


@case
def create_topic_defaults():
    client, name = admin(), fresh("confluent")
    done(client.create_topics([NewTopic(name, -1, -1)]))
    found = described(name)
    expect("a replica", len(found.partitions[0].replicas), 1)


def configs_of(kind, name):
    return done(admin().describe_configs([ConfigResource(kind, name)]))


@case
def describe_topic_configs():
    found = configs_of(ResourceType.TOPIC, topic(retention_ms="12345"))
    own = found["retention.ms"]
    expect("value", own.value, "12345")
    expect("source", own.source, ConfigSource.DYNAMIC_TOPIC_CONFIG.value)
    expect("default?", own.is_default, False)
    for name, value in (("cleanup.policy", "delete"), ("compression.type", "producer"),
                        ("max.message.bytes", "1048588"), ("segment.bytes", "1073741824"),
                        ("message.timestamp.type", "CreateTime"), ("retention.bytes", "-1"),
                        ("segment.ms", "604800000"),
                        ("delete.retention.ms", "86400000"), ("flush.messages", str(2**63 - 1))):
        expect(name, found[name].value, value)
        expect(f"{name} default?", found[name].is_default, True)
    expect("min.insync.replicas", found["min.insync.replicas"].value, "1")
    synonyms = found["max.message.bytes"].synonyms
    expect("a synonym", "message.max.bytes" in synonyms, True)


@case
def describe_broker_configs():
    (broker,) = admin().list_topics(timeout=SECONDS).brokers
    found = configs_of(ResourceType.BROKER, str(broker))
    expect("log.retention.hours", found["log.retention.hours"].value, "168")
    expect("message.max.bytes", found["message.max.bytes"].value, "1048588")
    expect("read only", found["node.id"].is_read_only, True)
    expect("auto create", found["auto.create.topics.enable"].value, "true")


@case
def incremental_alter_configs():
    client, name = admin(), topic()

    def alter(key, operation, value=None):
        entry = ConfigEntry(key, value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
        return done(client.incremental_alter_configs([resource]))

    alter("retention.ms", AlterConfigOpType.SET, "777000")
    eventually("set", lambda: configs_of(ResourceType.TOPIC, name)["retention.ms"].value == "777000")
    alter("cleanup.policy", AlterConfigOpType.APPEND, "compact")
    eventually("append", lambda: configs_of(ResourceType.TOPIC, name)["cleanup.policy"].value
               == "delete,compact")
    alter("cleanup.policy", AlterConfigOpType.SUBTRACT, "delete")
    eventually("subtract", lambda: configs_of(ResourceType.TOPIC, name)["cleanup.policy"].value
               == "compact")
    alter("retention.ms", AlterConfigOpType.DELETE)
    eventually("delete", lambda: configs_of(ResourceType.TOPIC, name)["retention.ms"].is_default)
    expect_error("bad value", "INVALID_CONFIG",
                 lambda: alter("retention.ms", AlterConfigOpType.SET, "never"))


@case
def alter_configs_replaces_all():
    client, name = admin(), topic(retention_ms="1000", segment_ms="2000")
    done(client.alter_configs([ConfigResource(ResourceType.TOPIC, name, {"retention.ms": "5000"})]))
    eventually("replaced", lambda: configs_of(ResourceType.TOPIC, name)["retention.ms"].value == "5000")
    expect("the other is default", configs_of(ResourceType.TOPIC, name)["segment.ms"].is_default, True)


@case
def create_partitions():
    client, name = admin(), topic()
    done(client.create_partitions([NewPartitions(name, 4)]))
    eventually("four", lambda: len(client.list_topics(name, timeout=SECONDS).topics[name].partitions) == 4)
    expect_error("fewer", "INVALID_PARTITIONS",
                 lambda: done(client.create_partitions([NewPartitions(name, 2)])))
    expect_error("unknown", "UNKNOWN_TOPIC_OR_PART",
                 lambda: done(client.create_partitions([NewPartitions(fresh("none"), 2)])))
    eventually("produce to a new one",
               lambda: offsets_of(produce(name, [b"v"], partition=3)) == [0])


@case
def delete_records_moves_log_start():
    client, name = admin(), topic()
    offsets_of(produce(name, [b"%d" % n for n in range(10)]))
    found = done(client.delete_records([TopicPartition(name, 0, 6)]))
    expect("low watermark", found.low_watermark, 6)
    expect("earliest", read_from(name, OFFSET_BEGINNING, 1)[0].offset(), 6)
    reader = consumer()
    expect("watermarks", reader.get_watermark_offsets(TopicPartition(name, 0), SECONDS), (6, 10))
    reader.close()
    expect_error("beyond the end", "OFFSET_OUT_OF_RANGE",
                 lambda: done(client.delete_records([TopicPartition(name, 0, 99)])))
    found = done(client.delete_records([TopicPartition(name, 0, OFFSET_END)]))
    expect("all", found.low_watermark, 10)


@case
def list_and_describe_groups():
    client, name, group = admin(), topic(partitions=2), fresh("group")
    member = consumer(group, client_id="a-client")
    member.subscribe([name])
    eventually("the member owns all", lambda: assigned(member) == [2])
    listed = client.list_consumer_groups().result(timeout=SECONDS)
    (entry,) = [g for g in listed.valid if g.group_id == group]
    expect("state", entry.state.name, "STABLE")
    found = done(client.describe_consumer_groups([group]))
    expect("state", found.state.name, "STABLE")
    expect("protocol", found.partition_assignor, "range")
    (one,) = found.members
    expect("client id", one.client_id, "a-client")
    expect("host", one.host.lstrip("/"), "127.0.0.1")
    expect("assignment", sorted(p.partition for p in one.assignment.topic_partitions), [0, 1])
    expect_error("delete while in use", "NON_EMPTY_GROUP",
                 lambda: done(client.delete_consumer_groups([group])))
    member.close()
    eventually("empty", lambda: done(client.describe_consumer_groups([group])).state.name
               in ("EMPTY", "DEAD"))


@case
def alter_list_and_delete_group_offsets():
    client, name, group = admin(), topic(partitions=2), fresh("group")
    asked = [TopicPartition(name, 0, 4), TopicPartition(name, 1, 5)]
    done(client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, asked)]))
    found = done(client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    pairs = sorted((p.partition, p.offset) for p in found.topic_partitions)
    expect("offsets", pairs, [(0, 4), (1, 5)])
    done(client.delete_consumer_groups([group]))
    expect_error("deleted", "GROUP_ID_NOT_FOUND",
                 lambda: done(client.delete_consumer_groups([group])))
    found = done(client.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0)])]))
    expect("no offset left", found.topic_partitions[0].offset, confluent_kafka.OFFSET_INVALID)


@case
def deleted_topic_drops_group_offsets():
    client, name, group = admin(), topic(), fresh("group")
    done(client.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 4)])]))
    done(client.delete_topics([name]))

    def none_left():
        found = done(client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        return not [p for p in found.topic_partitions if p.topic == name and p.offset >= 0]

    eventually("offsets are gone", none_left)


@case
def keyless_refused_on_compacted_topic():
    name = topic(cleanup_policy="compact")
    expect_error("without key", "INVALID_RECORD", lambda: offsets_of(produce(name, [b"v"])))
    expect("with key", offsets_of(produce(name, [b"v"], key=b"k")), [0])
    expect("tombstone", offsets_of(produce(name, [None], key=b"k")), [1])


@case
def create_time_is_kept():
    name = topic()
    offsets_of(produce(name, [b"v"], timestamp=1_500_000_000_123))
    expect("timestamp", read_from(name, 0, 1)[0].timestamp(),
           (confluent_kafka.TIMESTAMP_CREATE_TIME, 1_500_000_000_123))


@case
def log_append_time_is_stamped():
    name = topic(message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000) - 5000
    offsets_of(produce(name, [b"v"], timestamp=1_500_000_000_123))
    kind, stamp = read_from(name, 0, 1)[0].timestamp()
    expect("kind", kind, confluent_kafka.TIMESTAMP_LOG_APPEND_TIME)
    expect("time", before <= stamp <= int(time.time() * 1000) + 5000, True)


@case
def timestamp_too_far_ahead_refused():
    name = topic(message_timestamp_after_max_ms="1000")
    ahead = int(time.time() * 1000) + 3_600_000
    expect_error("an hour ahead", "INVALID_TIMESTAMP",
                 lambda: offsets_of(produce(name, [b"v"], timestamp=ahead)))


@case
def describe_cluster():
    found = admin().describe_cluster().result(timeout=SECONDS)
    expect("one node", len(found.nodes), 1)
    expect("cluster id", bool(found.cluster_id), True)
    expect("a controller", found.controller is not None, True)


@case
def concurrent_producers_keep_offsets_dense():
    name = topic()
    found, lock = [], threading.Lock()

    def work():
        offsets = offsets_of(produce(name, [b"v"] * 500, client=producer(linger_ms=1)))
        with lock:
            found.extend(offsets)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect("offsets", sorted(found), list(range(2000)))


def transactional(transactional_id=None, **config):
    client = producer(transactional_id=transactional_id or fresh("txn"), **config)
    client.init_transactions(SECONDS)
    return client


def transact(client, name, values, end="commit"):
    client.begin_transaction()
    for value in values:
        client.produce(name, value=value, partition=0)
    client.flush(SECONDS)
    if end == "commit":
        client.commit_transaction(SECONDS)
    elif end == "abort":
        client.abort_transaction(SECONDS)


def committed_values(name, count):
    found = read_from(name, OFFSET_BEGINNING, count, isolation_level="read_committed")
    return [m.value() for m in found]


@case
def transaction_commit_and_abort():
    name, client = topic(), transactional()
    transact(client, name, [b"a", b"b"])
    transact(client, name, [b"c"], "abort")
    transact(client, name, [b"d"])
    expect("committed", committed_values(name, 3), [b"a", b"b", b"d"])
    found = read_from(name, OFFSET_BEGINNING, 4, isolation_level="read_uncommitted")
    expect("all", [m.value() for m in found], [b"a", b"b", b"c", b"d"])


@case
def transaction_holds_back_the_stable_offset():
    name, client = topic(), transactional()
    transact(client, name, [b"open"], "leave")
    at = TopicPartition(name, 0)
    for level, expected in ((IsolationLevel.READ_COMMITTED, 0), (IsolationLevel.READ_UNCOMMITTED, 1)):
        (future,) = admin().list_offsets({at: OffsetSpec.latest()}, isolation_level=level).values()
        expect(level.name, future.result(timeout=SECONDS).offset, expected)
    client.commit_transaction(SECONDS)
    expect("committed", committed_values(name, 1), [b"open"])


@case
def transaction_commits_offsets():
    source, sink, group = topic(), topic(), fresh("group")
    offsets_of(produce(source, [b"%d" % n for n in range(20)]))
    reader, client = consumer(group, isolation_level="read_committed"), transactional()
    reader.subscribe([source])
    for turn in range(4):
        messages = read(reader, 5)
        client.begin_transaction()
        for message in messages:
            client.produce(sink, value=message.value(), partition=0)
        client.send_offsets_to_transaction(reader.position(reader.assignment()),
                                           reader.consumer_group_metadata(), SECONDS)
        client.commit_transaction(SECONDS)
    expect("copied", committed_values(sink, 20), [b"%d" % n for n in range(20)])
    (found,) = reader.committed([TopicPartition(source, 0)], timeout=SECONDS)
    expect("offset", found.offset, 20)
    reader.close()


@case
def transaction_fencing():
    name, transactional_id = topic(), fresh("txn")
    old = transactional(transactional_id)
    transact(old, name, [b"old"], "leave")
    new = transactional(transactional_id)
    expect_error("commit by the old one", "_FENCED", lambda: old.commit_transaction(SECONDS))
    transact(new, name, [b"new"])
    expect("committed", committed_values(name, 1), [b"new"])


def modern(group, **config):
    return consumer(group, group_protocol="consumer", **config)


@case
def consumer_protocol_rebalance():
    name, group = topic(partitions=4), fresh("group")
    first, second = modern(group), modern(group)
    first.subscribe([name])
    eventually("one owns all", lambda: assigned(first) == [4])
    second.subscribe([name])
    eventually("both share", lambda: assigned(first, second) == [2, 2])
    found = done(admin().describe_consumer_groups([group]))
    expect("type", found.type.name, "CONSUMER")
    second.close()
    eventually("one owns all again", lambda: assigned(first) == [4])
    first.close()


@case
def consumer_protocol_regex():
    prefix = fresh("regex")
    for suffix in ("a", "b"):
        done(admin().create_topics([NewTopic(f"{prefix}-{suffix}", 1, 1)]))
    client = modern(fresh("group"))
    client.subscribe([f"^{prefix}-[a-z]$"])
    eventually("both topics", lambda: assigned(client) == [2])
    client.close()


@case
def consumer_protocol_resumes_from_commit():
    name, group = topic(), fresh("group")
    offsets_of(produce(name, [b"%d" % n for n in range(10)]))
    client = modern(group)
    client.subscribe([name])
    messages = read(client, 4)
    client.commit(message=messages[3], asynchronous=False)
    client.close()
    client = modern(group, group_instance_id="one")
    client.subscribe([name])
    expect("the rest", [m.value() for m in read(client, 6)], [b"%d" % n for n in range(4, 10)])
    client.close()


def share_group():
    group = fresh("share")
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[ConfigEntry(
        "share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)])
    done(admin().incremental_alter_configs([resource]))
    return group


def sharer(group, mode="implicit"):
    return confluent_kafka.ShareConsumer({"bootstrap.servers": BOOTSTRAP, "group.id": group,
                                          "share.acknowledgement.mode": mode})


def share_poll(client):
    messages = list(client.poll(0.5))
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
    return messages


@case
def share_consumer_implicit():
    name, group = topic(), share_group()
    offsets_of(produce(name, [b"%d" % n for n in range(10)]))
    client, found = sharer(group), []
    client.subscribe([name])
    eventually("all", lambda: found.extend(share_poll(client)) or len(found) == 10)
    client.commit_sync()
    client.close()
    expect("values", [m.value() for m in found], [b"%d" % n for n in range(10)])
    offsets_of(produce(name, [b"new"]))
    client, found = sharer(group), []
    client.subscribe([name])
    eventually("the new one", lambda: found.extend(share_poll(client)) or found)
    expect("only the new one", [m.value() for m in found], [b"new"])
    client.close()


@case
def share_consumer_explicit():
    name, group = topic(), share_group()
    offsets_of(produce(name, [b"accept", b"release", b"reject"]))
    kinds = {b"accept": confluent_kafka.AcknowledgeType.ACCEPT, b"reject": confluent_kafka.AcknowledgeType.REJECT,
             b"release": confluent_kafka.AcknowledgeType.RELEASE}
    client, seen = sharer(group, "explicit"), []
    client.subscribe([name])

    def turn():
        for message in share_poll(client):
            released = seen.count(b"release")
            seen.append(message.value())
            client.acknowledge(message, kinds[message.value()] if not released
                               else confluent_kafka.AcknowledgeType.ACCEPT)
        client.commit_sync()
        return len(seen) >= 4

    eventually("the released one again", turn)
    expect("deliveries", sorted(seen), [b"accept", b"reject", b"release", b"release"])
    client.close()


@case
def scram_credentials():
    user = fresh("user")
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192)
    done(admin().alter_user_scram_credentials([UserScramCredentialUpsertion(user, info, b"secret")]))
    found = eventually("described", lambda: scram_of(user))
    expect("credential", [(one.mechanism, one.iterations) for one in found],
           [(ScramMechanism.SCRAM_SHA_256, 8192)])
    done(admin().alter_user_scram_credentials([
        UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256)]))
    eventually("gone", lambda: not scram_of(user))


def scram_of(user):
    try:
        return done(admin().describe_user_scram_credentials([user])).scram_credential_infos
    except KafkaException as error:
        if error.args[0].name() != "RESOURCE_NOT_FOUND":
            raise
        return []


@case
def elect_leaders():
    name = topic()
    at = TopicPartition(name, 0)
    found = admin().elect_leaders(confluent_kafka.ElectionType.PREFERRED, [at]).result(timeout=SECONDS)
    expect("not needed", found[at].name(), "ELECTION_NOT_NEEDED")


out_of_scope("acls", "security is a later part of the broker")

main(f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})")
