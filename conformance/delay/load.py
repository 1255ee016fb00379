"""The delay drill's load and its judgement, through librdkafka and kcat.

  load.py produce TOPIC PARTITIONS SENT     until standard input ends, then flushes
  load.py judge TOPIC PARTITIONS SENT       waits until everything sent is due, reads, and judges

SENT gets a line as each delivery report comes:
  A key partition due-ms      an acknowledged delayed record; the due time may be a few ms off
  U key partition             one whose report never came: it may be there or not
  C key                       acknowledged, and its cancellation acknowledged after it
`judge` prints a line for every breach, then `N delayed, N cancelled, N breaches`.
"""

import collections
import os
import random
import select
import subprocess
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = os.environ["BOOTSTRAP"]
ROUND_PAUSE = 0.01
DELAY_MS = (50, 8_000)
# A record that is to be cancelled is due so late that the cancellation surely comes first.
CANCELLED_DELAY_MS = 600_000
CANCEL_EVERY = 7
PLAIN_EVERY = 5
KCAT_EVERY = 100
FLUSH_SECONDS_MAX = 120
READ_SECONDS_MAX = 120
PATIENT = {"message.timeout.ms": 600_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
           "enable.sparse.connections": False,
           "retry.backoff.ms": 20, "retry.backoff.max.ms": 200, "socket.timeout.ms": 10_000}


def wall_ms():
    return int(time.time() * 1000)


def create(topic, partitions):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    config = {"sprawl.delayed.delivery": "true"}
    (future,) = admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values()
    future.result(timeout=30)


class Load:
    def __init__(self, topic, partitions, sent):
        self.topic, self.partitions, self.sent = topic, partitions, sent
        self.client = Producer(PATIENT | {"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True,
                                          "linger.ms": 2, "log_level": 0})
        self.random = random.Random(7)

    def send(self, number):
        partition = number % self.partitions
        key = f"r-{number}"
        if number % CANCEL_EVERY == 0:
            self.delayed(key, partition, CANCELLED_DELAY_MS, lambda: self.cancel(key, partition))
            return
        delay = self.random.randint(*DELAY_MS)
        self.delayed(key, partition, delay, lambda: self.note(f"A {key} {partition} {wall_ms() + delay}"))
        if number % PLAIN_EVERY == 0:  # batches of both kinds
            self.client.produce(self.topic, "plain", key="plain", partition=partition)

    def delayed(self, key, partition, delay, done):
        header = ("sprawl.deliver-after", str(delay))
        if self.random.random() < 0.5:
            header = ("sprawl.deliver-at", str(wall_ms() + delay))

        def report(error, _message):
            if error is None:
                done()
            else:
                self.note(f"U {key} {partition}")
        self.client.produce(self.topic, f"value of {key}", key=key, partition=partition,
                            headers=[header], on_delivery=report)

    def cancel(self, key, partition):
        def report(error, _message):
            self.note(f"C {key}" if error is None else f"U {key} {partition}")
        self.client.produce(self.topic, None, key=key, partition=partition,
                            headers=[("sprawl.deliver-cancel", "")], on_delivery=report)

    def kcat(self, number):
        """One record through kcat; it may fail while the server is away."""
        partition, key = number % self.partitions, f"kcat-{number}"
        done = subprocess.run(
            ["kcat", "-b", BOOTSTRAP, "-P", "-t", self.topic, "-p", str(partition), "-K", ":",
             "-H", "sprawl.deliver-after=1500", "-X", "message.timeout.ms=4000"],
            input=f"{key}:value of {key}\n".encode(), capture_output=True, check=False)
        kind = "A" if done.returncode == 0 else "U"
        self.note(f"{kind} {key} {partition} {wall_ms() + 1500}")

    def note(self, line):
        self.sent.write(line + "\n")

    def run(self):
        number = 0
        while not select.select([sys.stdin], [], [], ROUND_PAUSE)[0]:
            self.client.poll(0)
            if len(self.client) > 5_000:  # the server is away: wait rather than fill memory
                continue
            for _ in range(5):
                self.send(number)
                number += 1
            if number % KCAT_EVERY == 0:
                self.kcat(number)
            self.sent.flush()
        deadline = time.monotonic() + FLUSH_SECONDS_MAX
        while len(self.client) and time.monotonic() < deadline:
            self.client.flush(1)  # cancellations are sent by reports
        self.sent.flush()
        if len(self.client):
            sys.exit(f"{len(self.client)} records without a report {FLUSH_SECONDS_MAX} s after the last")


def read(topic, partitions):
    """Every record that is seen: (partition, offset, time, key, headers)."""
    client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "delay-drill", "check.crcs": True,
                       "enable.auto.commit": False, "auto.offset.reset": "error",
                       "enable.partition.eof": True})
    for partition in range(partitions):
        client.assign([TopicPartition(topic, partition, 0)])
        deadline = time.monotonic() + READ_SECONDS_MAX
        at_end = False
        while not at_end:
            if time.monotonic() > deadline:
                sys.exit(f"partition {partition}: no end in {READ_SECONDS_MAX} s")
            for message in client.consume(1000, timeout=0.5):
                if message.error():
                    if message.error().name() != "_PARTITION_EOF":
                        raise KafkaException(message.error())
                    at_end = True
                    continue
                headers = {name: value.decode() for name, value in message.headers() or []}
                yield (partition, message.offset(), message.timestamp()[1],
                       message.key().decode(), headers)
    client.close()


def judge(topic, partitions, sent):
    acked, unknown, cancelled = {}, set(), set()
    for line in sent:
        kind, key, *rest = line.split()
        if kind == "A":
            acked[key] = int(rest[1])
        elif kind == "C":
            cancelled.add(key)
        else:
            unknown.add(key)
    time.sleep(max(0, max(acked.values(), default=0) - wall_ms() + 1_000) / 1000)
    seen, breaches = collections.Counter(), []
    last = {}
    for partition, offset, released, key, headers in read(topic, partitions):
        if key == "plain":
            continue
        seen[key] += 1
        due, original = int(headers["sprawl.delayed-due"]), int(headers["sprawl.delayed-offset"])
        if released < due:
            breaches.append(f"{key} came {due - released} ms before it was due")
        if partition in last:
            before_key, before_due, before_original, before_offset = last[partition]
            was_there = original < before_offset
            if was_there and (due, original) < (before_due, before_original):
                breaches.append(f"{key}, due {due}, came behind {before_key}, due {before_due}")
        last[partition] = (key, due, original, offset)
    for key in acked:
        if seen[key] != 1:
            breaches.append(f"{key} was seen {seen[key]} times")
    breaches += [f"{key} was cancelled and seen" for key in cancelled if seen[key]]
    breaches += [f"{key}, of unknown outcome, was seen {seen[key]} times"
                 for key in unknown if seen[key] > 1]
    breaches += [f"{key} was seen and never sent" for key in seen
                 if key not in acked and key not in cancelled and key not in unknown]
    for breach in breaches:
        print(breach)
    print(f"{len(acked)} delayed, {len(cancelled)} cancelled, {len(breaches)} breaches")
    if breaches:
        sys.exit(1)


def main():
    verb, topic, partitions, sent = sys.argv[1:]
    if verb == "produce":
        create(topic, int(partitions))
        with open(sent, "w", encoding="ascii") as file:
            Load(topic, int(partitions), file).run()
    else:
        with open(sent, encoding="ascii") as file:
            judge(topic, int(partitions), file)


main()
