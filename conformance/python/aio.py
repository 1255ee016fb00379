"""aiokafka: the asyncio client, which speaks only old, non-flexible versions."""

import asyncio

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from conformance import (
    BOOTSTRAP, Failure, case, expect, fresh, main, out_of_scope,
)


def asynchronous(function):
    """Registers an async case; each has an event loop of its own."""

    def run():
        asyncio.run(function())

    run.__name__ = function.__name__
    return case(run)


async def eventually(what, check, seconds=20.0):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        value = await check()
        if value:
            return value
        if loop.time() > deadline:
            raise Failure(f"waited {seconds} s for {what}, in vain; last: {value!r}")
        await asyncio.sleep(0.02)


class Admin:
    """An admin client for the length of a `with`."""

    async def __aenter__(self):
        self.client = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await self.client.close()


async def topic(partitions=1, **configs):
    name = fresh("aiokafka")
    configs = {key.replace("_", "."): value for key, value in configs.items()}
    async with Admin() as admin:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        expect("errors", [error[1] for error in answer.topic_errors], [0])

        async def ready():
            (found,) = await admin.describe_topics([name])
            return found["error_code"] == 0 and len(found["partitions"]) == partitions

        await eventually("the topic", ready)
    return name


async def produce(name, values, partition=0, config=None, **fields):
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, **(config or {})) as producer:
        futures = [await producer.send(name, value, partition=partition, **fields)
                   for value in values]
        return [getattr(await future, "offset", None) for future in futures]


def consumer(*topics, **config):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return AIOKafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, **(settings | config))


async def take(client, count):
    return [await asyncio.wait_for(client.getone(), 20) for _ in range(count)]


async def read_from(name, offset, count, partition=0):
    at = TopicPartition(name, partition)
    async with consumer() as client:
        client.assign([at])
        client.seek(at, offset)
        return await take(client, count)


@asynchronous
async def metadata_auto_create():
    name = fresh("aiokafka-auto")
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as producer:
        found = await producer.send_and_wait(name, b"a")
    expect("offset", found.offset, 0)


@asynchronous
async def produce_acks():
    for acks in (0, 1, "all"):
        name = await topic()
        await produce(name, [b"%d" % n for n in range(10)], config={"acks": acks})
        found = await read_from(name, 0, 10)
        expect(f"acks={acks}", [r.value for r in found], [b"%d" % n for n in range(10)])


async def codec(kind):
    name = await topic()
    values = [b"%d " % n * 200 for n in range(100)]
    await produce(name, values, config={"compression_type": kind, "linger_ms": 50})
    expect("values", [r.value for r in await read_from(name, 0, 100)], values)


@asynchronous
async def codec_gzip():
    await codec("gzip")


@asynchronous
async def codec_snappy():
    await codec("snappy")


@asynchronous
async def codec_lz4():
    await codec("lz4")


@asynchronous
async def codec_zstd():
    await codec("zstd")


@asynchronous
async def headers_keys_and_nulls():
    name = await topic()
    sent = [("a", b"1"), ("b", b""), ("a", b"2")]
    await produce(name, [b"v"], key=b"k", headers=sent)
    await produce(name, [None], key=b"k")
    first, second = await read_from(name, 0, 2)
    expect("headers", list(first.headers), sent)
    expect("tombstone", (second.key, second.value), (b"k", None))


@asynchronous
async def message_too_large():
    name = await topic()
    try:
        await produce(name, [b"x" * 2_000_000], config={"max_request_size": 5_000_000})
    except aiokafka.errors.MessageSizeTooLargeError:
        return
    raise Failure("2 MB were taken on the default limit")


@asynchronous
async def idempotent_producer():
    name = await topic()
    values = [b"%d" % n for n in range(1000)]
    offsets = await produce(name, values, config={"enable_idempotence": True})
    expect("offsets", offsets, list(range(1000)))
    expect("order", [r.value for r in await read_from(name, 0, 1000)], values)


@asynchronous
async def consume_earliest_latest_and_seek():
    name = await topic()
    await produce(name, [b"%d" % n for n in range(100)], config={"linger_ms": 100})
    at = TopicPartition(name, 0)
    expect("mid-batch", (await read_from(name, 57, 1))[0].value, b"57")
    async with consumer() as client:
        client.assign([at])
        await client.seek_to_beginning(at)
        expect("first", (await take(client, 1))[0].offset, 0)
        await client.seek_to_end(at)
        expect("end", await client.position(at), 100)
        expect("beginning", await client.beginning_offsets([at]), {at: 0})
        expect("end offsets", await client.end_offsets([at]), {at: 100})


@asynchronous
async def offsets_for_timestamps():
    name = await topic()
    at = TopicPartition(name, 0)
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, linger_ms=100) as producer:
        futures = [await producer.send(name, b"v", partition=0, timestamp_ms=1_600_000_000_000 + n * 1000)
                   for n in range(10)]
        await asyncio.gather(*futures)
    async with consumer() as client:
        for asked, expected in ((0, 0), (4500, 5), (9000, 9)):
            found = (await client.offsets_for_times({at: 1_600_000_000_000 + asked}))[at]
            expect(f"{asked} ms", found.offset, expected)
        found = (await client.offsets_for_times({at: 1_600_000_100_000}))[at]
        expect("after the last", found, None)


@asynchronous
async def group_rebalance():
    name, group = await topic(partitions=4), fresh("group")
    config = {"group_id": group, "session_timeout_ms": 6000, "heartbeat_interval_ms": 300}
    async with consumer(name, **config) as first:

        async def has_four():
            return len(first.assignment()) == 4

        await eventually("one member owns all", has_four)
        async with consumer(name, **config) as second:

            async def shared():
                return [len(first.assignment()), len(second.assignment())] == [2, 2]

            await eventually("two members share", shared, 40)
            parts = {p.partition for m in (first, second) for p in m.assignment()}
            expect("every partition has an owner", parts, {0, 1, 2, 3})
        await eventually("the one left owns all again", has_four, 40)


@asynchronous
async def commit_metadata_fetched_back():
    name, group = await topic(), fresh("group")
    at = TopicPartition(name, 0)
    await produce(name, [b"0", b"1", b"2"])
    async with consumer(name, group_id=group) as client:
        await take(client, 2)
        await client.commit({at: OffsetAndMetadata(2, "a note")})
    async with consumer(name, group_id=group) as client:
        expect("resumes", (await take(client, 1))[0].offset, 2)
    async with Admin() as admin:
        found = await admin.list_consumer_group_offsets(group)
        expect("fetched back", found[at], OffsetAndMetadata(2, "a note"))


@asynchronous
async def admin_topics_and_configs():
    name = await topic(retention_ms="12345")
    async with Admin() as admin:
        again = await admin.create_topics([NewTopic(name, 1, 1)])
        expect("topic exists", again.topic_errors[0][1], 36)
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        (answer,) = await admin.describe_configs([resource])
        values = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        expect("own", values["retention.ms"], "12345")
        expect("default", values["cleanup.policy"], "delete")
        await admin.create_partitions({name: NewPartitions(3)})

        async def three():
            (found,) = await admin.describe_topics([name])
            return len(found["partitions"]) == 3

        await eventually("three partitions", three)
        await admin.delete_topics([name])

        async def gone():
            return name not in await admin.list_topics()

        await eventually("gone", gone)


@asynchronous
async def admin_delete_records():
    name = await topic()
    at = TopicPartition(name, 0)
    await produce(name, [b"v"] * 10)
    async with Admin() as admin:
        found = await admin.delete_records({at: RecordsToDelete(before_offset=6)})
        expect("low watermark", found, {at: 6})
    async with consumer() as client:
        expect("beginning", await client.beginning_offsets([at]), {at: 6})


@asynchronous
async def admin_groups():
    name, group = await topic(), fresh("group")
    async with Admin() as admin, consumer(name, group_id=group) as client:

        async def assigned():
            return client.assignment()

        await eventually("an assignment", assigned)
        listed = [entry[0] for entry in await admin.list_consumer_groups()]
        expect("listed", group in listed, True)
        (answer,) = await admin.describe_consumer_groups([group])
        expect("state", answer.groups[0][2], "Stable")


async def committed_values(name, count):
    async with consumer(name, isolation_level="read_committed") as client:
        return [record.value for record in await take(client, count)]


def transactional(transactional_id=None):
    return AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id=transactional_id or fresh("txn"))


@asynchronous
async def transaction_commit_and_abort():
    name = await topic()
    async with transactional() as producer:
        async with producer.transaction():
            await producer.send_and_wait(name, b"a", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(name, b"b", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(name, b"c", partition=0)
    expect("committed", await committed_values(name, 2), [b"a", b"c"])


@asynchronous
async def transaction_commits_offsets():
    name, group = await topic(), fresh("group")
    at = TopicPartition(name, 0)
    async with transactional() as producer:
        async with producer.transaction():
            await producer.send_and_wait(name, b"a", partition=0)
            await producer.send_offsets_to_transaction({at: OffsetAndMetadata(7, "note")}, group)
        await producer.begin_transaction()
        await producer.send_offsets_to_transaction({at: OffsetAndMetadata(9, "")}, group)
        await producer.abort_transaction()
    async with consumer(group_id=group) as client:
        client.assign([at])
        expect("offset", await client.committed(at), 7)


@asynchronous
async def transaction_fencing():
    name, transactional_id = await topic(), fresh("txn")
    async with transactional(transactional_id) as old:
        await old.begin_transaction()
        await old.send_and_wait(name, b"old", partition=0)
        async with transactional(transactional_id) as new:
            try:
                await old.commit_transaction()
                raise Failure("the old producer committed")
            except ProducerFenced:
                pass
            async with new.transaction():
                await new.send_and_wait(name, b"new", partition=0)
    expect("committed", await committed_values(name, 1), [b"new"])


out_of_scope("sasl", "security is a later part of the broker")

main(aiokafka.__version__)
