"""The crash drill's load and its read-back, through librdkafka's idempotent producer.

  load.py produce TOPIC PARTITIONS PRODUCERS HISTORY   until standard input ends, then flushes
  load.py read TOPIC PARTITIONS FOUND

HISTORY gets a line as each delivery report comes:
  A wall-clock-ms producer partition sequence offset    acknowledged
  E wall-clock-ms producer partition sequence error     reported as failed
FOUND gets `R offset producer partition sequence` for every record of every partition, in offset order.
"""

import os
import select
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = os.environ["BOOTSTRAP"]
ROUND_PAUSE = 0.005
RECORDS_A_ROUND = 3  # to each partition, from each producer
FLUSH_SECONDS_MAX = 120
READ_SECONDS_MAX = 120
# No delivery may fail only because the server was away.
PATIENT = {"message.timeout.ms": 600_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
           # otherwise a client that lost its only server looks for it once a second
           "enable.sparse.connections": False,
           "retry.backoff.ms": 20, "retry.backoff.max.ms": 200, "socket.timeout.ms": 10_000}


def wall_ms():
    return int(time.time() * 1000)


def create(topic, partitions):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    (future,) = admin.create_topics([NewTopic(topic, partitions, 1)]).values()
    future.result(timeout=30)


def produce(topic, partitions, producers, history):
    create(topic, partitions)
    clients = [Producer(PATIENT | {"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True,
                                   "linger.ms": 2, "log_level": 0})
               for _ in range(producers)]

    def reporter(producer, partition, sequence):
        def report(error, message):
            if error is None:
                line = f"A {wall_ms()} {producer} {partition} {sequence} {message.offset()}"
            else:
                line = f"E {wall_ms()} {producer} {partition} {sequence} {error.name()}"
            history.write(line + "\n")
        return report

    sequence = 0
    while not select.select([sys.stdin], [], [], ROUND_PAUSE)[0]:
        for producer, client in enumerate(clients):
            client.poll(0)
            if len(client) > 20_000:  # the server is away: wait rather than fill memory
                continue
            for partition in range(partitions):
                for at in range(RECORDS_A_ROUND):
                    value = f"{producer} {partition} {sequence + at} " + "x" * 200
                    client.produce(topic, value, partition=partition,
                                   on_delivery=reporter(producer, partition, sequence + at))
        sequence += RECORDS_A_ROUND
        history.flush()
    left = sum(client.flush(FLUSH_SECONDS_MAX) for client in clients)
    history.flush()
    if left:
        sys.exit(f"{left} records were still without a report {FLUSH_SECONDS_MAX} s after the last round")


def read(topic, partitions, found):
    client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "crash-drill", "check.crcs": True,
                       "enable.auto.commit": False, "auto.offset.reset": "error"})
    for partition in range(partitions):
        at = TopicPartition(topic, partition, 0)
        low, high = client.get_watermark_offsets(at, timeout=30)
        if low != 0:
            sys.exit(f"partition {partition} starts at {low}")
        client.assign([at])
        deadline = time.monotonic() + READ_SECONDS_MAX
        offset = -1
        while offset + 1 < high:
            if time.monotonic() > deadline:
                sys.exit(f"partition {partition}: read up to {offset} of {high} in {READ_SECONDS_MAX} s")
            for message in client.consume(1000, timeout=0.5):
                if message.error():
                    raise KafkaException(message.error())
                offset = message.offset()
                found.write(f"R {offset} {' '.join(message.value().decode().split()[:3])}\n")
    client.close()


def main():
    verb, topic, partitions, *rest = sys.argv[1:]
    with open(rest[-1], "w", encoding="ascii") as file:
        if verb == "produce":
            produce(topic, int(partitions), int(rest[0]), file)
        else:
            read(topic, int(partitions), file)


main()
