"""The queue drill's librdkafka side: the producer, and a worker on its share consumer.

  worker.py produce QUEUE RECORDS SECONDS HISTORY   writes so many records, evenly over so many seconds
  worker.py work QUEUE SEED HISTORY                 as `Worker work` does, without renewals, which it does not know

Worker.java tells what stands in HISTORY. This client does not tell how many requests it has made: the time of the
process's start is the bound of every delivery.
"""

import collections
import os
import random
import select
import sys
import time

from confluent_kafka import AcknowledgeType, KafkaException, Producer, ShareConsumer

BOOTSTRAP = os.environ["BOOTSTRAP"]
PARTITIONS = 4
LOCK_SECONDS = 2
HANG_OF = 60
HANG_BEYOND_LOCK_SECONDS = 1.5
WORK_SECONDS = 0.015
BURST_SECONDS = 0.04
ERRORS_MAX = 200
ACCEPTED = 84
RELEASED = 95
POLL_RECORDS = [10, 40, 200]
DELIVERY_MS_MAX = 300_000
CLIENT = {"bootstrap.servers": BOOTSTRAP, "log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}
NAMES = {AcknowledgeType.ACCEPT: "accept", AcknowledgeType.RELEASE: "release", AcknowledgeType.REJECT: "reject"}


def micros():
    return time.monotonic_ns() // 1000


class History:
    def __init__(self, path):
        self.file = open(path, "a", encoding="ascii")

    def note(self, *fields):
        self.file.write(" ".join(map(str, fields)) + "\n")

    def flush(self):
        self.file.flush()


def produce(queue, count, seconds, path):
    history = History(path)
    failed = []

    def delivered(error, record):
        if error is not None:
            failed.append(error)
            return
        history.note("W", record.partition(), record.offset(), record.value().decode())
        history.flush()

    producer = Producer({**CLIENT, "enable.idempotence": True, "linger.ms": 5, "retry.backoff.ms": 20,
                         "message.timeout.ms": DELIVERY_MS_MAX, "socket.timeout.ms": 6_000})
    start = time.monotonic()
    for number in range(count):
        # In bursts, so that batches have several records.
        due = start + number * seconds / count // BURST_SECONDS * BURST_SECONDS
        while time.monotonic() < due:
            producer.poll(max(0, due - time.monotonic()))
        producer.produce(queue, str(number).encode(), partition=number % PARTITIONS, on_delivery=delivered)
    left = producer.flush(DELIVERY_MS_MAX / 1000)
    if failed or left:
        sys.exit(f"not all is written: {left} left, {failed[:1]}")


class Worker:
    def __init__(self, queue, seed, path):
        self.history = History(path)
        self.random = random.Random(seed)
        self.start = micros()
        self.hangs = True
        self.open = collections.defaultdict(int)
        self.consumer = ShareConsumer({**CLIENT, "group.id": queue, "share.acknowledgement.mode": "explicit",
                                       "max.poll.records": self.random.choice(POLL_RECORDS)})
        self.consumer.set_acknowledgement_commit_callback(self.answered)
        self.consumer.subscribe([queue])

    def answered(self, offsets, error):
        for place, all_offsets in offsets.items():
            for offset in all_offsets:
                key = (place.partition, offset)
                if not self.open[key]:
                    continue
                self.open[key] -= 1
                if error is None:
                    self.history.note("C", micros(), *key)
                else:
                    self.history.note("F", micros(), *key, error.args[0].name())
        self.history.flush()

    def turn(self, number):
        records = [record for record in self.consumer.poll(0.2) if record.error() is None]
        if not records:
            return
        now = micros()
        for record in records:
            self.history.note("D", now, self.start, number, record.partition(), record.offset(),
                              record.delivery_count(), record.value().decode())
        self.history.flush()
        time.sleep(self.random.random() * WORK_SECONDS)
        if self.hangs and self.random.randrange(HANG_OF) == 0:
            time.sleep(LOCK_SECONDS + self.random.random() * HANG_BEYOND_LOCK_SECONDS)
        answers = []
        now = micros()
        for record in records:
            dice = self.random.randrange(100)
            answer = (AcknowledgeType.ACCEPT if dice < ACCEPTED
                      else AcknowledgeType.RELEASE if dice < RELEASED else AcknowledgeType.REJECT)
            answers.append((record, answer))
            self.open[(record.partition(), record.offset())] += 1
            self.history.note("A", now, record.partition(), record.offset(), NAMES[answer])
        self.history.flush()  # Before the client can send it.
        for record, answer in answers:
            self.consumer.acknowledge(record, answer)
        dice = self.random.randrange(3)
        if dice == 0:
            self.consumer.commit_sync(5)
        elif dice == 1:
            self.consumer.commit_async()

    def goes_on(self):
        while select.select([sys.stdin], [], [], 0)[0]:
            line = sys.stdin.readline()
            if line.startswith("calm"):
                self.hangs = False
            else:
                return False
        return True

    def work(self):
        self.history.note("S", self.start)
        self.history.flush()
        errors = 0
        number = 0
        while self.goes_on():
            try:
                self.turn(number)
            except KafkaException as error:
                print(error, file=sys.stderr, flush=True)
                errors += 1
                if errors > ERRORS_MAX:
                    raise
                time.sleep(0.02)
            number += 1
        self.consumer.close()
        self.history.flush()


if __name__ == "__main__":
    verb, queue, *rest = sys.argv[1:]
    if verb == "produce":
        produce(queue, int(rest[0]), float(rest[1]), rest[2])
    else:
        Worker(queue, int(rest[0]), rest[1]).work()
