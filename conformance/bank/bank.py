"""The bank drill's librdkafka side: accounts that move between two topics inside transactions.

  bank.py open BANK                        makes the topics and writes every account once, in one transaction
  bank.py move BANK NAME INCARNATION HISTORY   read-process-write until a line comes on standard input
  bank.py watch BANK NAME HISTORY          read_committed polls of all partitions until a line comes on standard input
  bank.py close BANK GROUP HISTORY         waits until no transaction is open, then reads everything

An account is one record: `account hop balance attempt index count topic partition offset`, where hop counts its moves,
attempt names the transaction, index and count place the record in it, and the last three say which record it replaces
(`- - -` for the first). HISTORY gets a line an event, before the call for what is begun, after it for what is known:
  B ms attempt                                       begun
  R ms attempt topic partition offset source         read by the attempt; source is the attempt that wrote it
  C ms attempt | A ms attempt | U ms attempt error   committed, aborted, outcome unknown
  O ms watcher topic partition offset attempt index  seen by a watcher, in the order of its polls
  V topic partition offset value                     visible at the end
  L topic partition last-stable-offset high-watermark
  G topic partition committed-offset
Bank.java is the same mover on Kafka's own client.
"""

import os
import random
import select
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from confluent_kafka import IsolationLevel

BOOTSTRAP = os.environ["BOOTSTRAP"]
PARTITIONS = 3
ACCOUNTS = 48
BALANCE = 1000
MOVED_AT_ONCE = 6
ABORTED_OF = 8  # one attempt in so many is given up on purpose
TRANSACTION_TIMEOUT_MS = 8_000
SETTLE_SECONDS_MAX = 60
SECONDS_MAX = 60
OFFSETS_SECONDS_MAX = 3
END_SECONDS_MAX = 10  # a commit or abort without an answer; its mover ends, and its successor fences the transaction
CLIENT = {"bootstrap.servers": BOOTSTRAP, "log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
          "enable.sparse.connections": False, "retry.backoff.ms": 20, "retry.backoff.max.ms": 200,
          "socket.timeout.ms": 6_000}


def topics(bank):
    return [f"{bank}-left", f"{bank}-right"]


def places(bank):
    return [(topic, partition) for topic in topics(bank) for partition in range(PARTITIONS)]


def wall_ms():
    return int(time.time() * 1000)


class History:
    def __init__(self, path):
        self.file = open(path, "a", encoding="ascii")

    def note(self, *fields):
        self.file.write(" ".join(str(field) for field in fields) + "\n")
        self.file.flush()


def producer(name):
    client = Producer(CLIENT | {"transactional.id": name, "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                                "linger.ms": 1})
    client.init_transactions(SECONDS_MAX)
    return client


def open_bank(bank):
    admin = AdminClient(CLIENT)
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics(bank)]).values():
        future.result(timeout=SECONDS_MAX)
    client = producer(f"{bank}-open")
    client.begin_transaction()
    for account in range(ACCOUNTS):
        value = f"{account} 0 {BALANCE} open {account} {ACCOUNTS} - - -"
        client.produce(topics(bank)[account % 2], value, partition=account % PARTITIONS)
    client.commit_transaction(SECONDS_MAX)


def retried(call):
    """Calls until the answer is final: librdkafka says itself which errors may be retried."""
    deadline = time.monotonic() + END_SECONDS_MAX
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise


def rewind(consumer):
    assigned = consumer.assignment()
    if assigned:
        for place in consumer.committed(assigned, timeout=SECONDS_MAX):
            place.offset = max(place.offset, 0)
            consumer.seek(place)


def move(bank, name, incarnation, history):
    client = producer(f"{bank}-{name}")
    consumer = Consumer(CLIENT | {"group.id": bank, "group.instance.id": name, "isolation.level": "read_committed",
                                  "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                  "session.timeout.ms": 6_000, "heartbeat.interval.ms": 500,
                                  "max.poll.interval.ms": 15_000})
    consumer.subscribe(topics(bank))
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            messages = consumer.consume(MOVED_AT_ONCE, timeout=0.2)
        except KafkaException:
            continue
        messages = [message for message in messages if message.error() is None]
        if not messages:
            continue
        attempt = f"{name}/{incarnation}/{number}"
        number += 1
        try:
            attempt_move(bank, attempt, client, consumer, messages, history)
        except KafkaException as error:
            if error.args[0].fatal():
                history.note("U", wall_ms(), attempt, error.args[0].name())
                sys.exit(f"fatal: {error.args[0]}")
            give_up(attempt, client, history)
            rewind(consumer)
    consumer.close()


def give_up(attempt, client, history):
    try:
        retried(lambda: client.abort_transaction(END_SECONDS_MAX))
    except KafkaException as error:
        history.note("U", wall_ms(), attempt, error.args[0].name())
        sys.exit(f"abort failed: {error.args[0]}")
    history.note("A", wall_ms(), attempt)


def attempt_move(bank, attempt, client, consumer, messages, history):
    left, right = topics(bank)
    accounts = [message.value().decode().split() for message in messages]
    amount = random.randrange(1, 10)
    history.note("B", wall_ms(), attempt)
    for message, fields in zip(messages, accounts):
        history.note("R", wall_ms(), attempt, message.topic(), message.partition(), message.offset(), fields[3])
    client.begin_transaction()
    ends = {}
    for index, (message, fields) in enumerate(zip(messages, accounts)):
        account, hop, balance = (int(field) for field in fields[:3])
        if len(messages) > 1:  # one transfer an attempt, from the first account to the last
            balance += amount * ((index == len(messages) - 1) - (index == 0))
        value = (f"{account} {hop + 1} {balance} {attempt} {index} {len(messages)} "
                 f"{message.topic()} {message.partition()} {message.offset()}")
        client.produce(right if message.topic() == left else left, value, partition=(account + hop) % PARTITIONS)
        client.poll(0)
        ends[message.topic(), message.partition()] = message.offset() + 1
    offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
    group = consumer.consumer_group_metadata()
    # A group that comes together again has librdkafka repeat this, and waits for this consumer's next poll.
    client.send_offsets_to_transaction(offsets, group, OFFSETS_SECONDS_MAX)
    if random.randrange(ABORTED_OF) == 0:
        give_up(attempt, client, history)
        rewind(consumer)
    else:
        retried(lambda: client.commit_transaction(END_SECONDS_MAX))
        history.note("C", wall_ms(), attempt)


def watch(bank, name, history):
    client = Consumer(CLIENT | {"group.id": f"{bank}-{name}", "isolation.level": "read_committed",
                                "enable.auto.commit": False, "auto.offset.reset": "error"})
    client.assign([TopicPartition(topic, partition, 0) for topic, partition in places(bank)])
    while not select.select([sys.stdin], [], [], 0)[0]:
        for message in client.consume(500, timeout=0.2):
            if message.error() is None:
                fields = message.value().decode().split()
                history.note("O", wall_ms(), name, message.topic(), message.partition(), message.offset(),
                             fields[3], fields[4])
    client.close()


def ends(admin, bank, level):
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for topic, partition in places(bank)}
    futures = admin.list_offsets(asked, isolation_level=level, request_timeout=SECONDS_MAX)
    return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}


def close_bank(bank, group, history):
    admin = AdminClient(CLIENT)
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        stable = ends(admin, bank, IsolationLevel.READ_COMMITTED)
        high = ends(admin, bank, IsolationLevel.READ_UNCOMMITTED)
        if stable == high or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    for place in places(bank):
        history.note("L", *place, stable[place], high[place])
    client = Consumer(CLIENT | {"group.id": group, "isolation.level": "read_committed", "enable.partition.eof": True,
                                "enable.auto.commit": False, "auto.offset.reset": "error"})
    for place in client.committed([TopicPartition(*place) for place in places(bank)], timeout=SECONDS_MAX):
        history.note("G", place.topic, place.partition, max(place.offset, 0))
    client.assign([TopicPartition(topic, partition, 0) for topic, partition in places(bank)])
    open_places = set(places(bank))
    deadline = time.monotonic() + SECONDS_MAX
    while open_places:
        if time.monotonic() > deadline:
            sys.exit(f"no end of {sorted(open_places)} after {SECONDS_MAX} s")
        for message in client.consume(1000, timeout=0.5):
            if message.error() is None:
                history.note("V", message.topic(), message.partition(), message.offset(), message.value().decode())
            else:  # the end of a partition; any other error here is one of the drill
                if message.error().name() != "_PARTITION_EOF":
                    raise KafkaException(message.error())
                open_places.discard((message.topic(), message.partition()))
    client.close()


def main():
    verb, bank, *rest = sys.argv[1:]
    if verb == "open":
        open_bank(bank)
    elif verb == "move":
        move(bank, rest[0], rest[1], History(rest[2]))
    elif verb == "watch":
        watch(bank, rest[0], History(rest[1]))
    else:
        close_bank(bank, rest[0], History(rest[1]))


main()
