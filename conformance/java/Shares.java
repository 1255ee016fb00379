// kafka-clients, share groups (KIP-932 and what followed): queues over topics, record by record.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.StringDeserializer;

public final class Shares extends Conformance {
    static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("implicit-acknowledgement", Shares::implicit);
        cases.put("explicit-accept-release-reject", Shares::explicit);
        cases.put("starts-at-the-end-by-default", Shares::startsAtEnd);
        cases.put("delivery-limit-ends-a-record", Shares::deliveryLimit);
        cases.put("lock-runs-out", Shares::lockRunsOut);
        cases.put("renewed-lock-holds", Shares::renew);
        cases.put("consumers-share-a-partition", Shares::sharePartition);
        cases.put("record-limit-mode", Shares::recordLimit);
        cases.put("many-partitions-and-topics", Shares::manyPartitions);
        cases.put("close-releases", Shares::closeReleases);
        cases.put("commit-callback", Shares::callback);
        cases.put("read-committed", Shares::readCommitted);
        cases.put("lock-timeout-is-told", Shares::lockTimeout);
        cases.put("group-configs", Shares::groupConfigs);
        cases.put("admin-describe-and-list", Shares::describe);
        cases.put("admin-offsets", Shares::offsets);
        cases.put("admin-delete", Shares::delete);
        cases.put("other-kind-of-group-refused", Shares::otherKind);
        return cases;
    }

    public static void main(String[] args) throws Exception {
        main(cases(), Map.of(), 4);
    }

    static KafkaShareConsumer<String, String> sharer(String group, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", BOOTSTRAP, "group.id", group,
            "fetch.max.wait.ms", 100));
        all.putAll(config);
        return new KafkaShareConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static KafkaShareConsumer<String, String> explicitSharer(String group) {
        return sharer(group, Map.of("share.acknowledgement.mode", "explicit"));
    }

    /** A group that reads from the first record on. */
    static String group() throws Exception {
        String group = fresh("share");
        set(group, "share.auto.offset.reset", "earliest");
        return group;
    }

    static void set(String group, String key, String value) throws Exception {
        alter(ConfigResource.Type.GROUP, group, key, value, AlterConfigOp.OpType.SET, false);
    }

    static List<ConsumerRecord<String, String>> take(KafkaShareConsumer<String, String> sharer, int count)
            throws Exception {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        eventually(count + " records", () -> {
            sharer.poll(Duration.ofMillis(100)).forEach(records::add);
            return records.size() >= count;
        });
        return records;
    }

    static void expectNothing(KafkaShareConsumer<String, String> sharer) throws Exception {
        for (int n = 0; n < 15; n++) {
            var found = sharer.poll(Duration.ofMillis(100));
            if (!found.isEmpty()) throw new Failure("expected nothing, found " + found.iterator().next());
        }
    }

    static void implicit() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, numbers(0, 10));
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            var found = take(sharer, 10);
            expect("values", values(found), numbers(0, 10));
            expect("first delivery", found.get(0).deliveryCount(), Optional.of((short) 1));
            sharer.commitSync();
        }
        produce(name, List.of("new"));
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            expect("only what is new", values(take(sharer, 1)), List.of("new"));
        }
    }

    static void explicit() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, numbers(0, 6));
        try (var sharer = explicitSharer(group)) {
            sharer.subscribe(List.of(name));
            Set<String> again = new TreeSet<>();
            for (var record : take(sharer, 6)) {
                int n = Integer.parseInt(record.value()) % 3;
                if (n == 1) again.add(record.value());
                sharer.acknowledge(record, n == 0 ? AcknowledgeType.ACCEPT : n == 1 ? AcknowledgeType.RELEASE
                    : AcknowledgeType.REJECT);
            }
            sharer.commitSync().values().forEach(error -> { if (error.isPresent()) throw error.get(); });
            Set<String> found = new TreeSet<>();
            while (found.size() < again.size())
                for (var record : take(sharer, 1)) {
                    found.add(record.value());
                    expect("second delivery", record.deliveryCount(), Optional.of((short) 2));
                    sharer.acknowledge(record);
                }
            expect("the released ones", found, again);
            sharer.commitSync();
            expectNothing(sharer);
        }
    }

    static void startsAtEnd() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("share");
        produce(name, List.of("before"));
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            int[] sent = {0};
            List<String> found = new ArrayList<>();
            eventually("a record sent after it came", () -> {
                produce(name, List.of("after" + sent[0]++));
                sharer.poll(Duration.ofMillis(300)).forEach(record -> found.add(record.value()));
                return !found.isEmpty();
            });
            expect("what was there before", found.contains("before"), false);
        }
    }

    static void deliveryLimit() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, List.of("bad"));
        try (var sharer = explicitSharer(group)) {
            sharer.subscribe(List.of(name));
            for (short n = 1; n <= 5; n++) {
                var record = take(sharer, 1).get(0);
                expect("delivery", record.deliveryCount(), Optional.of(n));
                sharer.acknowledge(record, AcknowledgeType.RELEASE);
                sharer.commitSync();
            }
            expectNothing(sharer);
            produce(name, List.of("good"));
            expect("the next one", take(sharer, 1).get(0).value(), "good");
        }
    }

    static void lockRunsOut() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        set(group, "share.record.lock.duration.ms", "15000");
        produce(name, List.of("a"));
        try (var slow = explicitSharer(group); var other = explicitSharer(group)) {
            slow.subscribe(List.of(name));
            var record = take(slow, 1).get(0);
            other.subscribe(List.of(name));
            var again = take(other, 1).get(0);
            expect("second delivery", again.deliveryCount(), Optional.of((short) 2));
            other.acknowledge(again);
            other.commitSync();
            slow.acknowledge(record, AcknowledgeType.RELEASE);
            slow.commitSync();
            expectNothing(other);
        }
    }

    static void renew() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        set(group, "share.record.lock.duration.ms", "15000");
        produce(name, List.of("a"));
        try (var holder = explicitSharer(group); var other = explicitSharer(group)) {
            holder.subscribe(List.of(name));
            var record = take(holder, 1).get(0);
            other.subscribe(List.of(name));
            for (int n = 0; n < 4; n++) {
                for (int turn = 0; turn < 50; turn++)
                    expect("the other gets nothing", other.poll(Duration.ofMillis(100)).count(), 0);
                if (n == 3) break;
                holder.acknowledge(record, AcknowledgeType.RENEW);
                holder.commitSync().values().forEach(error -> { if (error.isPresent()) throw error.get(); });
                holder.poll(Duration.ofMillis(10));
            }
            holder.acknowledge(record, AcknowledgeType.ACCEPT);
            holder.commitSync().values().forEach(error -> { if (error.isPresent()) throw error.get(); });
        }
    }

    static void sharePartition() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        Map<String, Object> few = Map.of("max.poll.records", 10, "share.acquire.mode", "record_limit");
        try (var one = sharer(group, few); var two = sharer(group, few)) {
            one.subscribe(List.of(name));
            two.subscribe(List.of(name));
            produce(name, numbers(0, 400), Map.of("batch.size", 200));
            List<String> ofOne = new ArrayList<>();
            List<String> ofTwo = new ArrayList<>();
            eventually("all records", () -> {
                one.poll(Duration.ofMillis(50)).forEach(record -> ofOne.add(record.value()));
                two.poll(Duration.ofMillis(50)).forEach(record -> ofTwo.add(record.value()));
                return ofOne.size() + ofTwo.size() >= 400;
            });
            expect("both worked", !ofOne.isEmpty() && !ofTwo.isEmpty(), true);
            Set<String> all = new HashSet<>(ofOne);
            all.addAll(ofTwo);
            expect("each to one of them", all.size(), ofOne.size() + ofTwo.size());
        }
    }

    static void recordLimit() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, numbers(0, 50), Map.of("linger.ms", 300, "batch.size", 100_000));
        try (var sharer = sharer(group, Map.of("max.poll.records", 7, "share.acquire.mode", "record_limit",
                "share.acknowledgement.mode", "explicit"))) {
            sharer.subscribe(List.of(name));
            var first = take(sharer, 1);
            expect("no more than asked for", first.size() <= 7, true);
            try (var other = sharer(group, Map.of())) {
                other.subscribe(List.of(name));
                var rest = take(other, 50 - first.size());
                expect("the rest of the batch", rest.size(), 50 - first.size());
            }
        }
    }

    static void manyPartitions() throws Exception {
        String one = topic(4, Map.of());
        String two = topic(3, Map.of());
        String group = group();
        try (var producer = producer(Map.of()); var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(one, two));
            for (int n = 0; n < 70; n++)
                producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>(n % 7 < 4 ? one : two,
                    n % 7 < 4 ? n % 7 : n % 7 - 4, null, "v" + n));
            producer.flush();
            expect("records", new HashSet<>(values(take(sharer, 70))).size(), 70);
        }
    }

    static void closeReleases() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, numbers(0, 3));
        try (var sharer = explicitSharer(group)) {
            sharer.subscribe(List.of(name));
            take(sharer, 3);
        }
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            expect("delivered again at once", values(take(sharer, 3)), numbers(0, 3));
        }
    }

    static void callback() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, numbers(0, 4));
        Queue<String> told = new ConcurrentLinkedQueue<>();
        try (var sharer = explicitSharer(group)) {
            sharer.setAcknowledgementCommitCallback((offsets, error) -> offsets.values().forEach(
                some -> some.forEach(offset -> told.add(offset + "=" + error))));
            sharer.subscribe(List.of(name));
            for (var record : take(sharer, 4)) sharer.acknowledge(record);
            sharer.commitAsync();
            eventually("the callback", () -> {
                sharer.poll(Duration.ofMillis(50));
                return told.size() == 4;
            });
        }
        expect("told", new TreeSet<>(told), new TreeSet<>(List.of("0=null", "1=null", "2=null", "3=null")));
    }

    static void readCommitted() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        set(group, "share.isolation.level", "read_committed");
        try (var producer = Transactions.transactional(fresh("txn")); var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            Transactions.abort(producer, name, "aborted");
            Transactions.commit(producer, name, "committed");
            producer.beginTransaction();
            Transactions.send(producer, name, "open");
            expect("only what is committed", values(take(sharer, 1)), List.of("committed"));
            expectNothing(sharer);
            producer.commitTransaction();
            expect("then the next", values(take(sharer, 1)), List.of("open"));
        }
    }

    static void lockTimeout() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, List.of("a"));
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            take(sharer, 1);
            expect("lock", sharer.acquisitionLockTimeoutMs(), Optional.of(30_000));
        }
    }

    static void groupConfigs() throws Exception {
        String group = fresh("share");
        var type = ConfigResource.Type.GROUP;
        expect("default", config(type, group, "share.record.lock.duration.ms").value(), "30000");
        expect("default", config(type, group, "share.auto.offset.reset").value(), "latest");
        expect("default", config(type, group, "share.isolation.level").value(), "read_uncommitted");
        for (String[] bad : new String[][] {{"share.record.lock.duration.ms", "1"},
                {"share.auto.offset.reset", "middle"}, {"share.isolation.level", "none"}})
            expectError(bad[0] + "=" + bad[1], ApiException.class, () -> { set(group, bad[0], bad[1]); return null; });
        set(group, "share.record.lock.duration.ms", "20000");
        eventually("set", () -> config(type, group, "share.record.lock.duration.ms").value().equals("20000"));
    }

    static ShareGroupDescription described(String group) throws Exception {
        return get(admin.describeShareGroups(List.of(group)).all()).get(group);
    }

    static void describe() throws Exception {
        String name = topic(2, Map.of());
        String group = group();
        try (var sharer = sharer(group, Map.of("client.id", "a-client"))) {
            sharer.subscribe(List.of(name));
            eventually("stable", () -> {
                sharer.poll(Duration.ofMillis(50));
                return described(group).groupState() == GroupState.STABLE
                    && described(group).members().iterator().next().assignment().topicPartitions().size() == 2;
            });
            expect("client id", described(group).members().iterator().next().clientId(), "a-client");
            var listed = get(admin.listGroups(ListGroupsOptions.forShareGroups()).all()).stream()
                .filter(g -> g.groupId().equals(group)).findFirst().orElseThrow();
            expect("type", listed.type(), Optional.of(GroupType.SHARE));
            expect("protocol", listed.protocol(), "share");
        }
        eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
        expectError("none", GroupIdNotFoundException.class, () -> described(fresh("share")));
    }

    static void offsets() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        var at = new TopicPartition(name, 0);
        produce(name, numbers(0, 10));
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            take(sharer, 10);
            sharer.commitSync();
            eventually("no lag", () -> lagOf(group, at) == 0L);
            expectError("alter while in use", GroupNotEmptyException.class,
                () -> get(admin.alterShareGroupOffsets(group, Map.of(at, 3L)).all()));
        }
        eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
        get(admin.alterShareGroupOffsets(group, Map.of(at, 6L)).all());
        eventually("start offset", () -> infoOf(group, at).startOffset() == 6L);
        expect("lag", lagOf(group, at), 4L);
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            expect("again from there", values(take(sharer, 4)), numbers(6, 10));
        }
        eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
        get(admin.deleteShareGroupOffsets(group, Set.of(name)).all());
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            expect("all of it again", values(take(sharer, 10)), numbers(0, 10));
        }
    }

    static SharePartitionOffsetInfo infoOf(String group, TopicPartition at) throws Exception {
        return get(admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()))
            .partitionsToOffsetInfo(group)).get(at);
    }

    static long lagOf(String group, TopicPartition at) throws Exception {
        var found = infoOf(group, at);
        return found == null ? -1 : found.lag().orElse(-1L);
    }

    static void delete() throws Exception {
        String name = topic(1, Map.of());
        String group = group();
        produce(name, List.of("a"));
        try (var sharer = sharer(group, Map.of())) {
            sharer.subscribe(List.of(name));
            take(sharer, 1);
            expectError("delete while in use", GroupNotEmptyException.class,
                () -> get(admin.deleteShareGroups(List.of(group)).all()));
        }
        eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
        get(admin.deleteShareGroups(List.of(group)).all());
        expectError("deleted", GroupIdNotFoundException.class, () -> described(group));
    }

    static void otherKind() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        try (var consumer = consumer(group, Map.of()); var sharer = sharer(group, Map.of())) {
            consumer.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(consumer).equals(List.of(1)));
            sharer.subscribe(List.of(name));
            expectError("a share member", ApiException.class, () -> take(sharer, 1));
            expectError("described as a share group", GroupIdNotFoundException.class, () -> described(group));
        }
    }
}
