// kafka-clients, transactions: producer, read_committed consumer and the admin calls on transactions.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;

public final class Transactions extends Conformance {
    static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("commit-and-abort", Transactions::commitAndAbort);
        cases.put("empty-transaction", Transactions::emptyTransaction);
        cases.put("last-stable-offset-holds-back", Transactions::lastStableOffset);
        cases.put("interleaved-producers", Transactions::interleaved);
        cases.put("many-partitions-at-once", Transactions::manyPartitions);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            cases.put("large-transaction-" + codec, () -> largeTransaction(codec));
        cases.put("aborted-ranges-far-apart", Transactions::abortedRanges);
        cases.put("list-offsets-by-isolation", Transactions::listOffsets);
        cases.put("read-process-write", Transactions::readProcessWrite);
        cases.put("pending-offsets-are-unstable", Transactions::unstableOffsets);
        cases.put("offsets-of-an-old-generation-refused", Transactions::oldGeneration);
        cases.put("second-producer-fences-the-first", Transactions::fencing);
        cases.put("close-aborts", Transactions::closeAborts);
        cases.put("timed-out-transaction-is-aborted", Transactions::timeout);
        cases.put("timeout-over-the-maximum-refused", Transactions::timeoutTooLong);
        cases.put("epoch-rises-with-each-transaction", Transactions::epochRises);
        cases.put("feature-transaction-version", Transactions::feature);
        cases.put("admin-list-transactions", Transactions::list);
        cases.put("admin-describe-transactions", Transactions::describeTransactions);
        cases.put("admin-describe-producers", Transactions::describeProducers);
        cases.put("admin-fence-producers", Transactions::fenceProducers);
        cases.put("admin-abort-transaction", Transactions::abortTransaction);
        cases.put("admin-terminate-transaction", Transactions::terminate);
        cases.put("delete-records-under-transaction", Transactions::deleteRecords);
        return cases;
    }

    public static void main(String[] args) throws Exception {
        main(cases(), Map.of());
    }

    static KafkaProducer<String, String> transactional(String id, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("transactional.id", id, "linger.ms", 0));
        all.putAll(config);
        var producer = producer(all);
        producer.initTransactions();
        return producer;
    }

    static KafkaProducer<String, String> transactional(String id) { return transactional(id, Map.of()); }

    static void send(KafkaProducer<String, String> producer, String topic, String... values) throws Exception {
        for (String value : values) producer.send(new ProducerRecord<>(topic, 0, null, value));
        producer.flush();
    }

    static void commit(KafkaProducer<String, String> producer, String topic, String... values) throws Exception {
        producer.beginTransaction();
        send(producer, topic, values);
        producer.commitTransaction();
    }

    static void abort(KafkaProducer<String, String> producer, String topic, String... values) throws Exception {
        producer.beginTransaction();
        send(producer, topic, values);
        producer.abortTransaction();
    }

    static List<String> readWith(String isolation, String topic, int count) throws Exception {
        try (var consumer = consumer(null, Map.of("isolation.level", isolation))) {
            var at = List.of(new TopicPartition(topic, 0));
            consumer.assign(at);
            consumer.seekToBeginning(at);
            return values(read(consumer, count));
        }
    }

    static long endOf(String isolation, String topic) {
        try (var consumer = consumer(null, Map.of("isolation.level", isolation))) {
            var at = new TopicPartition(topic, 0);
            return consumer.endOffsets(List.of(at)).get(at);
        }
    }

    static void commitAndAbort() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = transactional(fresh("txn"))) {
            commit(producer, name, "a", "b");
            abort(producer, name, "c", "d");
            commit(producer, name, "e");
        }
        expect("committed", readWith("read_committed", name, 3), List.of("a", "b", "e"));
        expect("all", readWith("read_uncommitted", name, 5), List.of("a", "b", "c", "d", "e"));
        expect("end, markers counted", endOf("read_committed", name), 8L);
    }

    static void emptyTransaction() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = transactional(fresh("txn"))) {
            producer.beginTransaction();
            producer.commitTransaction();
            producer.beginTransaction();
            producer.abortTransaction();
            commit(producer, name, "a");
        }
        expect("committed", readWith("read_committed", name, 1), List.of("a"));
        expect("end", endOf("read_committed", name), 2L);
    }

    static void lastStableOffset() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = transactional(fresh("txn"))) {
            produce(name, List.of("before"));
            producer.beginTransaction();
            send(producer, name, "within");
            produce(name, List.of("after"));
            expect("stable end", endOf("read_committed", name), 1L);
            expect("end", endOf("read_uncommitted", name), 3L);
            expect("seen", readWith("read_committed", name, 1), List.of("before"));
            producer.commitTransaction();
        }
        expect("seen", readWith("read_committed", name, 3), List.of("before", "within", "after"));
        expect("stable end", endOf("read_committed", name), 4L);
    }

    static void interleaved() throws Exception {
        String name = topic(1, Map.of());
        try (var one = transactional(fresh("txn")); var two = transactional(fresh("txn"))) {
            one.beginTransaction();
            two.beginTransaction();
            for (int n = 0; n < 20; n++) {
                send(one, name, "one" + n);
                send(two, name, "two" + n);
            }
            two.abortTransaction();
            expect("held back by the other", endOf("read_committed", name), 0L);
            one.commitTransaction();
        }
        List<String> expected = IntStream.range(0, 20).mapToObj(n -> "one" + n).toList();
        expect("committed", readWith("read_committed", name, 20), expected);
    }

    static void manyPartitions() throws Exception {
        String one = topic(6, Map.of());
        String two = topic(6, Map.of());
        List<TopicPartition> all = IntStream.range(0, 12).mapToObj(
            n -> new TopicPartition(n < 6 ? one : two, n % 6)).toList();
        try (var producer = transactional(fresh("txn")); var consumer = consumer(null,
                Map.of("isolation.level", "read_committed"))) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            for (String end : List.of("abort", "commit")) {
                producer.beginTransaction();
                for (var at : all) producer.send(new ProducerRecord<>(at.topic(), at.partition(), null, end));
                producer.flush();
                expect("nothing yet", consumer.poll(Duration.ofMillis(300)).count(), 0);
                if (end.equals("abort")) producer.abortTransaction();
                else producer.commitTransaction();
            }
            var found = read(consumer, 12);
            expect("values", new HashSet<>(values(found)), Set.of("commit"));
            expect("partitions", found.stream().map(r -> new TopicPartition(r.topic(), r.partition()))
                .collect(Collectors.toSet()).size(), 12);
        }
    }

    static void largeTransaction(String codec) throws Exception {
        String name = topic(1, Map.of());
        List<String> values = IntStream.range(0, 3000).mapToObj(n -> n + "-" + "x".repeat(300)).toList();
        try (var producer = transactional(fresh("txn"), Map.of("compression.type", codec, "linger.ms", 5))) {
            for (boolean commit : new boolean[] {false, true}) {
                producer.beginTransaction();
                for (String value : values) producer.send(new ProducerRecord<>(name, 0, null, value));
                if (commit) producer.commitTransaction();
                else producer.abortTransaction();
            }
        }
        expect("committed", readWith("read_committed", name, 3000), values);
    }

    static void abortedRanges() throws Exception {
        String name = topic(1, Map.of());
        List<String> expected = new ArrayList<>();
        try (var producer = transactional(fresh("txn"))) {
            for (int n = 0; n < 60; n++) {
                if (n % 3 == 0) {
                    commit(producer, name, "c" + n);
                    expected.add("c" + n);
                } else {
                    abort(producer, name, "a" + n);
                }
            }
        }
        expect("committed", readWith("read_committed", name, 20), expected);
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(null, Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(at));
            consumer.seek(at, 61);
            expect("from the middle", values(read(consumer, 9)), expected.subList(11, 20));
        }
    }

    static void listOffsets() throws Exception {
        String name = topic(1, Map.of());
        var at = new TopicPartition(name, 0);
        var committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
        try (var producer = transactional(fresh("txn"))) {
            produceAt(name, new long[] {1_600_000_000_000L, 1_600_000_001_000L});
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(name, 0, 1_600_000_002_000L, null, "open")).get();
            expect("stable", get(admin.listOffsets(Map.of(at, OffsetSpec.latest()), committed).partitionResult(at))
                .offset(), 2L);
            expect("end", get(admin.listOffsets(Map.of(at, OffsetSpec.latest())).partitionResult(at)).offset(), 3L);
            expect("by time beyond the stable end", get(admin.listOffsets(
                Map.of(at, OffsetSpec.forTimestamp(1_600_000_001_500L)), committed).partitionResult(at)).offset(), -1L);
            producer.commitTransaction();
        }
        eventually("the record by its time", () -> get(admin.listOffsets(
            Map.of(at, OffsetSpec.forTimestamp(1_600_000_001_500L)), committed).partitionResult(at)).offset() == 2L);
    }

    static void readProcessWrite() throws Exception {
        String from = topic(1, Map.of());
        String to = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(from, 0);
        produce(from, numbers(0, 30));
        try (var consumer = consumer(group, Map.of("isolation.level", "read_committed", "max.poll.records", 10));
                var producer = transactional(fresh("txn"))) {
            consumer.subscribe(List.of(from));
            int turn = 0;
            List<String> expected = new ArrayList<>();
            while (expected.size() < 30) {
                var batch = consumer.poll(Duration.ofMillis(100));
                if (batch.isEmpty()) continue;
                producer.beginTransaction();
                long next = 0;
                for (var record : batch) {
                    producer.send(new ProducerRecord<>(to, 0, null, "out-" + record.value()));
                    next = record.offset() + 1;
                }
                producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(next)), consumer.groupMetadata());
                if (turn++ == 1) {
                    producer.abortTransaction();
                    var last = consumer.committed(Set.of(at)).get(at);
                    expect("offset of the commit before", last.offset(), (long) expected.size());
                    consumer.seek(at, last.offset());
                } else {
                    producer.commitTransaction();
                    expect("committed", consumer.committed(Set.of(at)).get(at).offset(), next);
                    batch.forEach(record -> expected.add("out-" + record.value()));
                }
            }
            expect("each once, in order", readWith("read_committed", to, 30),
                IntStream.range(0, 30).mapToObj(n -> "out-" + n).toList());
        }
    }

    static void unstableOffsets() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(group, Map.of()); var producer = transactional(fresh("txn"))) {
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(1)));
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(5)), consumer.groupMetadata());
            expect("not required stable", get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
                .get(at).offset(), 1L);
            expectError("required stable", org.apache.kafka.common.errors.TimeoutException.class,
                () -> consumer.committed(Set.of(at), Duration.ofSeconds(2)));
            producer.commitTransaction();
            expect("stable again", consumer.committed(Set.of(at)).get(at).offset(), 5L);
        }
    }

    static void oldGeneration() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(group, Map.of()); var producer = transactional(fresh("txn"))) {
            consumer.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(consumer).equals(List.of(1)));
            var now = consumer.groupMetadata();
            for (var stale : List.of(
                    new ConsumerGroupMetadata(group, now.generationId() + 7, now.memberId(), Optional.empty()),
                    new ConsumerGroupMetadata(group, now.generationId(), "nobody", Optional.empty()))) {
                producer.beginTransaction();
                expectError("stale member", CommitFailedException.class, () -> {
                    producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(1)), stale);
                    producer.commitTransaction();
                    return null;
                });
                producer.abortTransaction();
            }
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(2)), now);
            producer.commitTransaction();
            expect("of the true member", consumer.committed(Set.of(at)).get(at).offset(), 2L);
        }
    }

    static void fencing() throws Exception {
        String name = topic(1, Map.of());
        String id = fresh("txn");
        try (var old = transactional(id)) {
            old.beginTransaction();
            send(old, name, "of-the-old");
            try (var successor = transactional(id)) {
                expect("its transaction is aborted", endOf("read_committed", name), 2L);
                expectError("commit by the old one", ProducerFencedException.class, () -> {
                    old.commitTransaction();
                    return null;
                });
                commit(successor, name, "of-the-new");
            }
        } catch (ProducerFencedException fencedInClose) {
            // Closing the fenced one may say so again.
        }
        expect("committed", readWith("read_committed", name, 1), List.of("of-the-new"));
    }

    static void closeAborts() throws Exception {
        String name = topic(1, Map.of());
        var producer = transactional(fresh("txn"));
        producer.beginTransaction();
        send(producer, name, "open");
        producer.close();
        eventually("the abort marker", () -> endOf("read_committed", name) == 2L);
    }

    static void timeout() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = transactional(fresh("txn"), Map.of("transaction.timeout.ms", 1500))) {
            producer.beginTransaction();
            send(producer, name, "too-late");
            expect("held back", endOf("read_committed", name), 0L);
            eventually("the broker's abort marker", () -> endOf("read_committed", name) == 2L);
            expectError("commit after it", KafkaException.class, () -> {
                producer.commitTransaction();
                return null;
            });
        }
        produce(name, List.of("plain"));
        expect("committed", readWith("read_committed", name, 1), List.of("plain"));
    }

    static void timeoutTooLong() throws Exception {
        try {
            transactional(fresh("txn"), Map.of("transaction.timeout.ms", 960_000));
        } catch (KafkaException error) {
            expect("why", error.getMessage().contains("larger than the maximum value allowed"), true);
            return;
        }
        throw new Failure("16 minutes were taken");
    }

    static TransactionDescription described(String id) throws Exception {
        return get(admin.describeTransactions(List.of(id)).description(id));
    }

    static void epochRises() throws Exception {
        String name = topic(1, Map.of());
        String id = fresh("txn");
        try (var producer = transactional(id)) {
            commit(producer, name, "a");
            eventually("complete", () -> described(id).state() == TransactionState.COMPLETE_COMMIT);
            var before = described(id);
            commit(producer, name, "b");
            eventually("complete", () -> described(id).state() == TransactionState.COMPLETE_COMMIT);
            expect("same producer", described(id).producerId(), before.producerId());
            expect("next epoch", described(id).producerEpoch(), before.producerEpoch() + 1);
            abort(producer, name, "c");
            eventually("complete", () -> described(id).state() == TransactionState.COMPLETE_ABORT);
            expect("next epoch", described(id).producerEpoch(), before.producerEpoch() + 2);
        }
    }

    static void feature() throws Exception {
        var found = get(admin.describeFeatures().featureMetadata());
        expect("finalized", found.finalizedFeatures().get("transaction.version").maxVersionLevel(), (short) 2);
        expect("supported", found.supportedFeatures().get("transaction.version").maxVersion(), (short) 2);
    }

    static Optional<TransactionListing> listed(String id, ListTransactionsOptions options) throws Exception {
        return get(admin.listTransactions(options).all()).stream().filter(t -> t.transactionalId().equals(id))
            .findFirst();
    }

    static void list() throws Exception {
        String name = topic(1, Map.of());
        String id = fresh("txn");
        try (var producer = transactional(id)) {
            producer.beginTransaction();
            send(producer, name, "a");
            var found = listed(id, new ListTransactionsOptions()).orElseThrow();
            expect("state", found.state(), TransactionState.ONGOING);
            expect("with its state", listed(id, new ListTransactionsOptions()
                .filterStates(List.of(TransactionState.ONGOING))).isPresent(), true);
            expect("with another state", listed(id, new ListTransactionsOptions()
                .filterStates(List.of(TransactionState.PREPARE_ABORT))).isPresent(), false);
            expect("with its producer", listed(id, new ListTransactionsOptions()
                .filterProducerIds(List.of(found.producerId()))).isPresent(), true);
            expect("with another producer", listed(id, new ListTransactionsOptions()
                .filterProducerIds(List.of(found.producerId() + 1_000_000))).isPresent(), false);
            expect("older than an hour", listed(id, new ListTransactionsOptions()
                .filterOnDuration(3_600_000)).isPresent(), false);
            expect("by pattern", listed(id, new ListTransactionsOptions()
                .filterOnTransactionalIdPattern("^txn-.*")).isPresent(), true);
            expect("by another pattern", listed(id, new ListTransactionsOptions()
                .filterOnTransactionalIdPattern("^nothing-.*")).isPresent(), false);
            producer.commitTransaction();
            eventually("complete", () -> listed(id, new ListTransactionsOptions()).orElseThrow().state()
                == TransactionState.COMPLETE_COMMIT);
        }
    }

    static void describeTransactions() throws Exception {
        String name = topic(2, Map.of());
        String id = fresh("txn");
        expectError("unknown", TransactionalIdNotFoundException.class, () -> described(id));
        try (var producer = transactional(id, Map.of("transaction.timeout.ms", 45_000))) {
            expect("state", described(id).state(), TransactionState.EMPTY);
            expect("timeout", described(id).transactionTimeoutMs(), 45_000L);
            expect("no start", described(id).transactionStartTimeMs(), OptionalLong.empty());
            producer.beginTransaction();
            send(producer, name, "a");
            var found = described(id);
            expect("state", found.state(), TransactionState.ONGOING);
            expect("partitions", found.topicPartitions(), Set.of(new TopicPartition(name, 0)));
            expect("a start", found.transactionStartTimeMs().isPresent(), true);
            producer.abortTransaction();
            eventually("aborted", () -> described(id).state() == TransactionState.COMPLETE_ABORT);
            expect("no partitions", described(id).topicPartitions(), Set.of());
        }
    }

    static List<ProducerState> producersOf(String name) throws Exception {
        var at = new TopicPartition(name, 0);
        return get(admin.describeProducers(List.of(at)).partitionResult(at)).activeProducers();
    }

    static void describeProducers() throws Exception {
        String name = topic(1, Map.of());
        expect("none yet", producersOf(name), List.of());
        try (var producer = transactional(fresh("txn"))) {
            producer.beginTransaction();
            send(producer, name, "a", "b");
            var found = producersOf(name).get(0);
            expect("start", found.currentTransactionStartOffset(), OptionalLong.of(0));
            expect("sequence", found.lastSequence(), 1);
            producer.commitTransaction();
            eventually("no transaction", () -> producersOf(name).get(0).currentTransactionStartOffset().isEmpty());
            expect("coordinator epoch", producersOf(name).get(0).coordinatorEpoch().isPresent(), true);
        }
    }

    static void fenceProducers() throws Exception {
        String name = topic(1, Map.of());
        String id = fresh("txn");
        try (var producer = transactional(id)) {
            producer.beginTransaction();
            send(producer, name, "a");
            get(admin.fenceProducers(List.of(id)).all());
            eventually("its transaction is aborted", () -> endOf("read_committed", name) == 2L);
            expectError("commit", ProducerFencedException.class, () -> {
                producer.commitTransaction();
                return null;
            });
        }
    }

    static void abortTransaction() throws Exception {
        String name = topic(1, Map.of());
        var at = new TopicPartition(name, 0);
        try (var producer = transactional(fresh("txn"))) {
            producer.beginTransaction();
            send(producer, name, "hangs");
            var found = producersOf(name).get(0);
            get(admin.abortTransaction(new AbortTransactionSpec(at, found.producerId(),
                (short) found.producerEpoch(), found.coordinatorEpoch().orElse(0))).all());
            eventually("the marker", () -> endOf("read_committed", name) == 2L);
        }
    }

    static void terminate() throws Exception {
        String name = topic(1, Map.of());
        String id = fresh("txn");
        try (var producer = transactional(id)) {
            producer.beginTransaction();
            send(producer, name, "a");
            get(admin.forceTerminateTransaction(id).result());
            eventually("its transaction is aborted", () -> endOf("read_committed", name) == 2L);
        }
    }

    static void deleteRecords() throws Exception {
        String name = topic(1, Map.of());
        var at = new TopicPartition(name, 0);
        try (var producer = transactional(fresh("txn"))) {
            commit(producer, name, "a");
            abort(producer, name, "b");
            commit(producer, name, "c");
            expect("low watermark", get(admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(3)))
                .lowWatermarks().get(at)).lowWatermark(), 3L);
            commit(producer, name, "d");
        }
        expect("what is left", readWith("read_committed", name, 2), List.of("c", "d"));
    }
}
