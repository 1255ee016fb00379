"""The rebalance drill's librdkafka side: many members of one group in one process, which write down what they are given.

  rebalance.py open TOPIC PARTITIONS               makes the topic
  rebalance.py members GROUP TOPIC HOST PROTOCOL COUNT HISTORY
                                                   COUNT members until "end" or the end of standard input; "join N" adds
                                                   members, "leave N" closes the oldest ones
  rebalance.py committed GROUP TOPIC PARTITIONS HISTORY
                                                   reads every committed offset

A member is called HOST.number. Its partitions are paused: the drill is about who has them. It commits all it has, about once a
second and whenever it gets more; the offset is the time at which the commit began, in microseconds. HISTORY gets a line an event;
a time is one of the wall clock in microseconds, and partitions are numbers with commas between them, or `-`:
  B time member protocol                             begins
  A time member member-id epoch partitions           got partitions, told in the callback
  R time member epoch partitions                     gives partitions up; the coordinator hears of it after this callback
  L time member epoch partitions                     has lost partitions: it was fenced some time before
  C begin end member epoch partitions                a commit that was acknowledged
  F begin end member epoch partitions error          a commit that was refused, or whose outcome is not known
  E time member                                      has left
  O partition offset                                 committed at the end
Rebalance.java is the same on Kafka's own client.
"""

import os
import select
import sys
import time
import traceback

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = os.environ["BOOTSTRAP"]
SESSION_MS = int(os.environ.get("SESSION_MS", "6000"))
HEARTBEAT_MS = int(os.environ.get("HEARTBEAT_MS", "1000"))
COMMIT_EVERY_US = 1_000_000
ROUND_PAUSE = 0.02
SECONDS_MAX = 60
CLIENT = {"bootstrap.servers": BOOTSTRAP, "log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500,
          "retry.backoff.ms": 50, "retry.backoff.max.ms": 500, "socket.timeout.ms": 10_000}
CLASSIC = {"group.protocol": "classic", "partition.assignment.strategy": "cooperative-sticky",
           "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": HEARTBEAT_MS}
CONSUMER = {"group.protocol": "consumer"}
METADATA_MAGIC = b"CGMDv2:"


def wall_us():
    return time.time_ns() // 1000


def text_of(partitions):
    return ",".join(str(number) for number in sorted(partitions)) or "-"


def epoch_of(consumer):
    """The generation, which is the member epoch: it stands in the group metadata as the library writes it out."""
    written = consumer.consumer_group_metadata()
    if not written.startswith(METADATA_MAGIC):
        raise RuntimeError(f"unknown form of group metadata: {written[:8]!r}")
    at = len(METADATA_MAGIC)
    return int.from_bytes(written[at:at + 4], sys.byteorder, signed=True)


class History:
    def __init__(self, path):
        self.file = open(path, "a", encoding="ascii")

    def note(self, *fields):
        self.file.write(" ".join(str(field) for field in fields) + "\n")
        self.file.flush()


class Member:
    def __init__(self, name, group, topic, protocol, history):
        self.name, self.topic, self.history = name, topic, history
        self.assigned = set()
        self.commit = None  # begin, epoch and partitions of the one under way
        self.commit_due = 0
        history.note("B", wall_us(), name, protocol)
        self.consumer = Consumer(CLIENT | (CLASSIC if protocol == "classic" else CONSUMER) | {
            "group.id": group, "client.id": name, "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "on_commit": self.on_commit})
        self.consumer.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost)

    def on_assign(self, consumer, partitions):
        numbers = {partition.partition for partition in partitions}
        now, epoch = wall_us(), epoch_of(consumer)
        consumer.incremental_assign(partitions)
        if partitions:
            consumer.pause(partitions)
        self.assigned |= numbers
        self.commit_due = 0
        self.history.note("A", now, self.name, consumer.memberid(), epoch, text_of(numbers))

    def on_revoke(self, consumer, partitions):
        self.give_up("R", consumer, partitions)

    def on_lost(self, consumer, partitions):
        self.give_up("L", consumer, partitions)

    def give_up(self, kind, consumer, partitions):
        numbers = {partition.partition for partition in partitions}
        self.history.note(kind, wall_us(), self.name, epoch_of(consumer), text_of(numbers))
        self.assigned -= numbers

    def on_commit(self, error, partitions):
        if self.commit is None:
            return
        begin, epoch, numbers = self.commit
        self.commit = None
        errors = [partition.error for partition in partitions or [] if partition.error]
        error = error or (errors[0] if errors else None)
        if error:
            self.history.note("F", begin, wall_us(), self.name, epoch, text_of(numbers), error.name())
        else:
            self.history.note("C", begin, wall_us(), self.name, epoch, text_of(numbers))

    def round(self):
        self.consumer.poll(0)
        now = wall_us()
        if self.assigned and self.commit is None and now >= self.commit_due:
            self.commit_due = now + COMMIT_EVERY_US
            self.commit = now, epoch_of(self.consumer), set(self.assigned)
            try:
                self.consumer.commit(offsets=[TopicPartition(self.topic, number, now) for number in self.assigned],
                                     asynchronous=True)
            except KafkaException as refused:
                self.on_commit(refused.args[0], None)

    def leave(self):
        self.consumer.close()
        if self.commit is not None:  # nobody said what became of it
            begin, epoch, numbers = self.commit
            self.history.note("F", begin, wall_us(), self.name, epoch, text_of(numbers), "closed")
        self.history.note("E", wall_us(), self.name)


def commands(buffer):
    """The whole lines that came on standard input; its end is "end"."""
    if not select.select([0], [], [], ROUND_PAUSE)[0]:
        return []
    read = os.read(0, 4096)
    buffer += read
    *lines, rest = bytes(buffer).split(b"\n")
    buffer[:] = rest
    return [line.decode().split() for line in lines] or ([] if read else [["end"]])


def members(group, topic, host, protocol, count, history):
    present, started, wanted, buffer = [], 0, count, bytearray()
    while True:
        for verb, *number in commands(buffer):
            if verb == "join":
                wanted += int(number[0])
            elif verb == "leave":
                for _ in range(min(int(number[0]), len(present))):
                    present.pop(0).leave()
                    wanted -= 1
            else:
                for member in present:
                    member.leave()
                return
        if len(present) < wanted:  # one a round, so that those present are polled meanwhile
            present.append(Member(f"{host}.{started}", group, topic, protocol, history))
            started += 1
        for member in present:
            member.round()


def open_topic(topic, partitions):
    admin = AdminClient(CLIENT)
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(timeout=SECONDS_MAX)


def committed(group, topic, partitions, history):
    client = Consumer(CLIENT | {"group.id": group})
    places = [TopicPartition(topic, number) for number in range(partitions)]
    for place in client.committed(places, timeout=SECONDS_MAX):
        if place.error:
            sys.exit(f"partition {place.partition}: {place.error}")
        history.note("O", place.partition, max(place.offset, -1))
    client.close()


def main():
    verb, *rest = sys.argv[1:]
    if verb == "open":
        open_topic(rest[0], int(rest[1]))
    elif verb == "committed":
        committed(rest[0], rest[1], int(rest[2]), History(rest[3]))
    else:
        group, topic, host, protocol, count, path = rest
        members(group, topic, host, protocol, int(count), History(path))


if __name__ == "__main__":
    try:
        main()
    except Exception:  # consumers that are not closed may keep the process alive for ever
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
