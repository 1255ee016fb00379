"""kcat: the command line most people reach for first."""

import json
import os
import subprocess
import tempfile

from conformance import (
    BOOTSTRAP, Failure, case, eventually, expect, fresh, main, out_of_scope,
)

SECONDS = 30


def run(*arguments, stdin=b""):
    """kcat with arguments; returns its exit, output and errors."""
    done = subprocess.run(["kcat", "-b", BOOTSTRAP, *arguments], input=stdin, timeout=SECONDS,
                          capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def kcat(*arguments, stdin=b""):
    code, out, err = run(*arguments, stdin=stdin)
    if code != 0:
        raise Failure(f"kcat {' '.join(arguments)} ended with {code}: {err}")
    return out


def topic():
    """An auto-created topic that is ready."""
    name = fresh("kcat")

    def ready():
        found = json.loads(kcat("-L", "-J", "-t", name))["topics"][0]
        return "error" not in found and found["partitions"][0].get("leader", -1) >= 0

    eventually("the topic", ready)
    return name


def consume(name, *arguments):
    return kcat("-C", "-t", name, "-p", "0", "-e", "-q", *arguments)


@case
def metadata_list():
    found = json.loads(kcat("-L", "-J"))
    expect("brokers", len(found["brokers"]), 1)
    expect("address", found["brokers"][0]["name"], BOOTSTRAP)
    expect("controller", found["controllerid"], found["brokers"][0]["id"])


@case
def metadata_auto_create():
    name = topic()
    expect("named in the list", name in kcat("-L").decode(), True)


@case
def produce_and_consume_lines():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", stdin=b"one\ntwo\nthree\n")
    expect("lines", consume(name, "-o", "beginning"), b"one\ntwo\nthree\n")


def codec(kind):
    name = topic()
    lines = b"".join(b"%d squeeze me squeeze me squeeze me\n" % n for n in range(500))
    kcat("-P", "-t", name, "-p", "0", "-z", kind, "-X", "linger.ms=100", stdin=lines)
    expect("lines", consume(name, "-X", "check.crcs=true"), lines)


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
def produce_acks():
    for level in ("0", "1", "-1"):
        name = topic()
        kcat("-P", "-t", name, "-p", "0", "-X", f"acks={level}", stdin=b"x\n")
        eventually(f"acks={level}", lambda n=name: consume(n) == b"x\n")


@case
def keys_and_tombstones():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", "-K", ":", "-Z", stdin=b"k:v\nk:\nonly:value\n")
    expect("keys, lengths", consume(name, "-f", "%k %S;"), b"k 1;k -1;only 5;")


@case
def headers():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", "-H", "a=1", "-H", "b=2", "-H", "a=3", stdin=b"v\n")
    expect("headers", consume(name, "-f", "%h"), b"a=1,b=2,a=3")


@case
def json_envelope():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", "-K", ":", stdin=b"k:v\n")
    found = json.loads(consume(name, "-J"))
    expect("envelope", (found["topic"], found["partition"], found["offset"], found["key"],
                        found["payload"], found["tstype"]), (name, 0, 0, "k", "v", "create"))


@case
def offsets_from_start_end_and_tail():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", "-X", "linger.ms=200", stdin=b"0\n1\n2\n3\n4\n")
    expect("from 2", consume(name, "-o", "2"), b"2\n3\n4\n")
    expect("last 2", consume(name, "-o", "-2"), b"3\n4\n")
    expect("count", consume(name, "-o", "1", "-c", "2"), b"1\n2\n")
    expect("from the end", consume(name, "-o", "end"), b"")


@case
def query_offsets():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", stdin=b"0\n1\n2\n")
    expect("beginning", kcat("-Q", "-t", f"{name}:0:-2").split()[-1], b"0")
    expect("end", kcat("-Q", "-t", f"{name}:0:-1").split()[-1], b"3")
    stamp = int(consume(name, "-o", "1", "-c", "1", "-f", "%T"))
    found = int(kcat("-Q", "-t", f"{name}:0:{stamp}").split()[-1])
    first = [int(t) for t in consume(name, "-f", "%T ").split()].index(stamp)
    expect("by timestamp", found, first)


@case
def consume_by_timestamp():
    name = topic()
    kcat("-P", "-t", name, "-p", "0", stdin=b"0\n")
    stamp = int(consume(name, "-f", "%T"))
    expect("from its time", consume(name, "-o", f"s@{stamp}"), b"0\n")
    expect("after its time", consume(name, "-o", f"s@{stamp + 1}"), b"")


@case
def group_consumer_resumes():
    name, group = topic(), fresh("group")
    kcat("-P", "-t", name, "-p", "0", stdin=b"0\n1\n2\n")
    arguments = ("-X", "auto.offset.reset=earliest", "-c", "2", "-q", "-G", group, name)
    expect("first", kcat(*arguments), b"0\n1\n")
    expect("resumes", kcat(*("1" if a == "2" else a for a in arguments)), b"2\n")


@case
def idempotent_producer():
    name = topic()
    lines = b"".join(b"%d\n" % n for n in range(2000))
    kcat("-P", "-t", name, "-p", "0", "-X", "enable.idempotence=true", stdin=lines)
    expect("lines", consume(name), lines)


@case
def large_message_and_too_large():
    name = topic()
    with tempfile.TemporaryDirectory() as folder:
        for size, works in ((900_000, True), (2_000_000, False)):
            path = os.path.join(folder, str(size))
            with open(path, "wb") as file:
                file.write(b"x" * size)
            code, _, err = run("-P", "-t", name, "-p", "0", "-X", "message.max.bytes=4000000", path)
            if works:
                expect("exit", code, 0)
            elif "Message size too large" not in err:
                raise Failure(f"expected a refusal, found exit {code}: {err}")
    expect("stored", consume(name, "-f", "%S;"), b"900000;")


out_of_scope("mock-cluster", "needs no broker at all")
out_of_scope("avro-and-registry", "the schema registry is a later part")

main(subprocess.run(["kcat", "-V"], capture_output=True, check=True).stdout.decode()
     .split("Version ")[1].split(" (")[0])
