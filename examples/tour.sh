#!/usr/bin/env bash
# The five-minute tour of README.md as a script: the same commands in the same order, with checks between
# them. `sprawl` must be in the PATH and the ports of README.md free (or others named by SPRAWL_KAFKA_ADDR,
# SPRAWL_HTTP_ADDR and SPRAWL_BOOTSTRAP_SERVER). It ends with 0 when everything it shows is true.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "tour: $1" >&2
  sprawl group describe tour --json >&2 || true
  tail -n 20 "$tour/node.txt" >&2 || true
  exit 1
}

# same WHAT EXPECTED FOUND
same() {
  [ "$2" = "$3" ] || fail "$1: expected $2, found $3"
}

# within SECONDS WHAT COMMAND...: repeats the command until it succeeds.
within() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "not in time: $what"
    sleep 0.2
  done
}

serves() { sprawl cluster info > /dev/null 2>&1; }
group_says() { sprawl group describe tour --json 2> /dev/null | grep -c -e "$1" || true; }
# has_lag N: every partition has a committed offset, and together they lag by N.
has_lag() {
  [ "$(group_says '"committed_offset": [0-9]')" = 4 ] && [ "$(group_says "\"total_lag\": $1,")" = 1 ]
}
# The lag may be 0 before a broker counts the new records, so their number is asked for too.
all_read() { has_lag 0 && [ "$(cat "$tour/one.txt" "$tour/two.txt" | wc -l)" -ge 3376 ]; }
both_joined() {
  [ "$(group_says '"member_count": 2,')" = 1 ] && [ "$(group_says '"state": "Stable"')" = 1 ]
}

node='' one='' two='' writer=''
stop_all() {
  for job in $node $one $two $writer; do
    kill -9 "$job" 2> /dev/null || true
  done
}
trap stop_all EXIT

tour=$(mktemp -d)
export SPRAWL_DATA_DIR=${SPRAWL_DATA_DIR:-$tour/data}

# 1. Start a broker and give it data.
sprawl start > $tour/node.txt 2>&1 & node=$!
within 30 "the broker serves" serves
until sprawl cluster info 2> /dev/null; do sleep 0.2; done
sprawl topic create airports -p 4

# 2. Two members of one group share the partitions.
sprawl consume airports -G tour > $tour/one.txt & one=$!
sprawl consume airports -G tour > $tour/two.txt & two=$!
within 30 "both members joined" both_joined
sprawl produce airports -K '|' examples/airports/airports.txt
within 30 "everything is read" all_read
sprawl group describe tour
kill $one $two
wait $one $two
one='' two=''
wc -l $tour/one.txt $tour/two.txt
same "records read by both members" 3376 "$(cat "$tour/one.txt" "$tour/two.txt" | sort -u | wc -l)"
same "lines read by both members" 3376 "$(cat "$tour/one.txt" "$tour/two.txt" | wc -l)"
[ -s "$tour/one.txt" ] && [ -s "$tour/two.txt" ] || fail "one member read nothing"

# 3. Nobody reads: the lag grows. Somebody reads: it is gone.
sprawl produce airports -K '|' examples/airports/airports.txt
sprawl group describe tour
has_lag 3376 || fail "the lag is not the 3376 records just written"
sprawl consume airports -G tour -e > $tour/three.txt
sprawl group describe tour
has_lag 0 || fail "there is lag after everything was read"
same "records read after the lag" 3376 "$(wc -l < "$tour/three.txt")"

# 4. Kill the node in the middle of producing. Every acknowledged record is there, once.
sprawl topic create survivors -p 4
sprawl produce survivors -K '|' --rate 1500 --print-acks examples/airports/airports.txt > $tour/acked.txt & writer=$!
sleep 1
kill -9 $node
wait "$node" || true
acked_before=$(wc -l < "$tour/acked.txt")
sprawl start >> $tour/node.txt 2>&1 & node=$!
wait $writer
writer=''
[ "$acked_before" -gt 0 ] && [ "$acked_before" -lt 3376 ] || fail "the kill came too early or too late"
cut -f 3 $tour/acked.txt | sort > $tour/acked-keys.txt
sprawl consume survivors -e -f '%k\n' | sort > $tour/read-keys.txt
diff $tour/acked-keys.txt $tour/read-keys.txt && echo "every acknowledged record is there, once"
same "acknowledged records" 3376 "$(wc -l < "$tour/acked-keys.txt")"
same "records in the topic" 3376 "$(sort -u "$tour/read-keys.txt" | wc -l)"

# 5. Stop.
kill $node
wait $node
node=''
rm -r $tour
echo "tour: done"
