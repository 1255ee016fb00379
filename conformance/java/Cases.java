// kafka-clients: Kafka's own Java client, in the version of the peer. One case a method; newer groups,
// transactions and administration have files of their own.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Cases extends Conformance {
    static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("metadata-auto-create", Cases::metadataAutoCreate);
        for (String acks : List.of("0", "1", "all")) cases.put("produce-acks-" + acks, () -> acks(acks));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            cases.put("codec-" + codec, () -> codec(codec));
        cases.put("headers", Cases::headers);
        cases.put("null-and-empty-keys-and-values", Cases::nulls);
        cases.put("message-too-large", Cases::messageTooLarge);
        cases.put("idempotent-producer", Cases::idempotentProducer);
        cases.put("consume-earliest-and-latest", Cases::earliestAndLatest);
        cases.put("consume-by-duration", Cases::byDuration);
        cases.put("offsets-for-timestamps", Cases::offsetsForTimestamps);
        cases.put("list-offsets-special", Cases::listOffsetsSpecial);
        cases.put("seek-mid-batch", Cases::seekMidBatch);
        cases.put("fetch-sessions-on-many-partitions", Cases::fetchSessions);
        cases.put("out-of-range-without-reset", Cases::outOfRange);
        cases.put("read-committed-of-plain-records", Cases::readCommitted);
        for (String assignor : List.of("Range", "RoundRobin", "Sticky", "CooperativeSticky"))
            cases.put("group-rebalance-" + assignor.toLowerCase(Locale.ROOT), () -> rebalance(assignor));
        cases.put("static-membership", Cases::staticMembership);
        cases.put("commit-metadata-fetched-back", Cases::commitMetadata);
        cases.put("commit-from-old-generation-refused", Cases::commitFromStranger);
        cases.put("group-survives-concurrent-joins", Cases::concurrentJoins);
        cases.put("admin-create-describe-delete-topic", Cases::createDescribeDelete);
        cases.put("admin-create-topic-refusals", Cases::createRefusals);
        cases.put("admin-describe-topic-by-id", Cases::describeById);
        cases.put("admin-delete-topic-by-id", Cases::deleteById);
        cases.put("admin-describe-configs", Cases::describeConfigs);
        cases.put("admin-incremental-alter-configs", Cases::incrementalAlter);
        cases.put("admin-broker-configs", Cases::brokerConfigs);
        cases.put("admin-list-config-resources", Cases::listConfigResources);
        cases.put("admin-create-partitions", Cases::createPartitions);
        cases.put("admin-delete-records", Cases::deleteRecords);
        cases.put("admin-groups", Cases::groups);
        cases.put("admin-group-offsets", Cases::groupOffsets);
        cases.put("admin-remove-members-from-group", Cases::removeMembers);
        cases.put("admin-describe-log-dirs", Cases::describeLogDirs);
        cases.put("admin-describe-cluster", Cases::describeCluster);
        cases.put("admin-describe-features", Cases::describeFeatures);
        cases.put("keyless-refused-on-compacted-topic", Cases::keylessOnCompacted);
        cases.put("timestamps", Cases::timestamps);
        cases.put("produce-to-deleted-topic-refused", Cases::produceToDeleted);
        return cases;
    }

    static final Map<String, String> OUT_OF_SCOPE = Map.of(
        "acls-and-tokens", "security is a later part of the broker");

    static void metadataAutoCreate() throws Exception {
        String name = fresh("java-auto");
        expect("offset", produce(name, List.of("a")), List.of(0L));
        expect("a topic id", describe(name).topicId().equals(Uuid.ZERO_UUID), false);
    }

    static void acks(String level) throws Exception {
        String name = topic(1, Map.of());
        List<String> values = numbers(0, 10);
        List<Long> offsets = produce(name, values, Map.of("acks", level, "enable.idempotence", false));
        expect("values", values(readFrom(name, 0, 10)), values);
        if (!level.equals("0")) expect("offsets", offsets, longs(0, 10));
    }

    static void codec(String codec) throws Exception {
        String name = topic(1, Map.of());
        List<String> values = IntStream.range(0, 100).mapToObj(n -> (n + " ").repeat(200)).toList();
        produce(name, values, Map.of("compression.type", codec, "linger.ms", 50));
        expect("values", values(readFrom(name, 0, 100)), values);
    }

    static void headers() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = producer(Map.of())) {
            var record = new ProducerRecord<>(name, 0, "k", "v");
            record.headers().add("a", bytes("1")).add("b", null).add("a", bytes("2"));
            producer.send(record).get(SECONDS, TimeUnit.SECONDS);
        }
        List<String> found = new ArrayList<>();
        for (Header header : readFrom(name, 0, 1).get(0).headers())
            found.add(header.key() + "=" + (header.value() == null ? null : new String(header.value())));
        expect("headers", found, List.of("a=1", "b=null", "a=2"));
    }

    static void nulls() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = producer(Map.of())) {
            for (String[] pair : new String[][] {{null, "v"}, {"k", null}, {null, null}, {"", ""}})
                producer.send(new ProducerRecord<>(name, 0, pair[0], pair[1])).get();
        }
        List<String> found = readFrom(name, 0, 4).stream().map(r -> r.key() + ":" + r.value()).toList();
        expect("pairs", found, List.of("null:v", "k:null", "null:null", ":"));
    }

    static void messageTooLarge() throws Exception {
        String name = topic(1, Map.of());
        Map<String, Object> big = Map.of("max.request.size", 5_000_000);
        expectError("2 MB on default limit", RecordTooLargeException.class,
            () -> produce(name, List.of("x".repeat(2_000_000)), big));
        expect("900 KB", produce(name, List.of("x".repeat(900_000)), big), List.of(0L));
        String narrow = topic(1, Map.of("max.message.bytes", "1000"));
        expectError("2000 bytes", RecordTooLargeException.class, () -> produce(narrow, List.of("x".repeat(2000))));
        String wide = topic(1, Map.of("max.message.bytes", "3000000"));
        expect("2 MB on a wide topic", produce(wide, List.of("x".repeat(2_000_000)), big), List.of(0L));
        expect("read back", readFrom(wide, 0, 1).get(0).value().length(), 2_000_000);
    }

    static void idempotentProducer() throws Exception {
        String name = topic(1, Map.of());
        List<String> values = numbers(0, 2000);
        expect("offsets", produce(name, values, Map.of("enable.idempotence", true)), longs(0, 2000));
        expect("order", values(readFrom(name, 0, 2000)), values);
    }

    static void earliestAndLatest() throws Exception {
        String name = topic(1, Map.of());
        produce(name, List.of("a", "b"));
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(null, Map.of())) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            expect("earliest", read(consumer, 1).get(0).offset(), 0L);
            consumer.seekToEnd(List.of(at));
            expect("end", consumer.position(at), 2L);
            produce(name, List.of("c"));
            expect("latest", read(consumer, 1).get(0).offset(), 2L);
            expect("beginning", consumer.beginningOffsets(List.of(at)), Map.of(at, 0L));
            expect("end", consumer.endOffsets(List.of(at)), Map.of(at, 3L));
            expect("lag", consumer.currentLag(at).isPresent(), true);
        }
    }

    static void byDuration() throws Exception {
        String name = topic(1, Map.of());
        long now = System.currentTimeMillis();
        produceAt(name, new long[] {now - 7_200_000, now - 60_000, now});
        try (var consumer = consumer(fresh("group"), Map.of("auto.offset.reset", "by_duration:PT1H"))) {
            consumer.subscribe(List.of(name));
            expect("first within the hour", read(consumer, 1).get(0).offset(), 1L);
        }
    }

    static void offsetsForTimestamps() throws Exception {
        String name = topic(1, Map.of());
        long base = 1_600_000_000_000L;
        produceAt(name, LongStream.range(0, 20).map(n -> base + n * 1000).toArray());
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(null, Map.of())) {
            for (long[] pair : new long[][] {{0, 0}, {1, 1}, {4500, 5}, {19_000, 19}, {-5, 0}}) {
                var found = consumer.offsetsForTimes(Map.of(at, base + pair[0])).get(at);
                expect("offset for " + pair[0], found.offset(), pair[1]);
            }
            expect("after the last", consumer.offsetsForTimes(Map.of(at, base + 99_000)).get(at), null);
        }
    }

    static void listOffsetsSpecial() throws Exception {
        String name = topic(1, Map.of());
        produceAt(name, new long[] {3000, 9000, 5000});
        var at = new TopicPartition(name, 0);
        Map<OffsetSpec, Long> expected = new LinkedHashMap<>();
        expected.put(OffsetSpec.earliest(), 0L);
        expected.put(OffsetSpec.latest(), 3L);
        expected.put(OffsetSpec.maxTimestamp(), 1L);
        expected.put(OffsetSpec.forTimestamp(3001), 1L);
        expected.put(OffsetSpec.earliestLocal(), 0L);
        expected.put(OffsetSpec.latestTiered(), -1L);
        for (var entry : expected.entrySet()) {
            long found = get(admin.listOffsets(Map.of(at, entry.getKey())).partitionResult(at)).offset();
            expect(entry.getKey().getClass().getSimpleName(), found, entry.getValue());
        }
    }

    static void seekMidBatch() throws Exception {
        String name = topic(1, Map.of());
        produce(name, numbers(0, 100), Map.of("linger.ms", 300, "batch.size", 100_000));
        for (int start : new int[] {1, 42, 99})
            expect("offsets", readFrom(name, start, 100 - start).stream().map(r -> r.offset()).toList(),
                longs(start, 100));
    }

    static void fetchSessions() throws Exception {
        String name = topic(30, Map.of());
        try (var consumer = consumer(null, Map.of()); var producer = producer(Map.of())) {
            consumer.assign(IntStream.range(0, 30).mapToObj(p -> new TopicPartition(name, p)).toList());
            consumer.seekToBeginning(consumer.assignment());
            for (int round = 0; round < 3; round++) {
                for (int p = 0; p < 30; p += 3) producer.send(new ProducerRecord<>(name, p, null, "v"));
                producer.flush();
                List<Integer> found = new ArrayList<>(read(consumer, 10).stream().map(r -> r.partition()).toList());
                Collections.sort(found);
                expect("partitions", found, IntStream.range(0, 10).mapToObj(n -> n * 3).toList());
            }
        }
    }

    static void outOfRange() throws Exception {
        String name = topic(1, Map.of());
        produce(name, List.of("a"));
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(null, Map.of("auto.offset.reset", "none"))) {
            consumer.assign(List.of(at));
            consumer.seek(at, 1000);
            expectError("offset 1000", org.apache.kafka.clients.consumer.OffsetOutOfRangeException.class, () -> read(consumer, 1));
        }
    }

    static void readCommitted() throws Exception {
        String name = topic(1, Map.of());
        produce(name, List.of("a", "b"));
        var at = new TopicPartition(name, 0);
        try (var consumer = consumer(null, Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            expect("values", values(read(consumer, 2)), List.of("a", "b"));
            expect("end", consumer.endOffsets(List.of(at)), Map.of(at, 2L));
        }
    }

    static void rebalance(String assignor) throws Exception {
        String name = topic(4, Map.of());
        String group = fresh("group");
        Map<String, Object> config = Map.of("partition.assignment.strategy",
            "org.apache.kafka.clients.consumer." + assignor + "Assignor",
            "session.timeout.ms", 6000, "heartbeat.interval.ms", 300);
        try (var first = consumer(group, config)) {
            first.subscribe(List.of(name));
            eventually("one member owns all", () -> owned(first).equals(List.of(4)));
            try (var second = consumer(group, config)) {
                second.subscribe(List.of(name));
                eventually("two members share", () -> owned(first, second).equals(List.of(2, 2)));
                Set<TopicPartition> all = new HashSet<>(first.assignment());
                all.addAll(second.assignment());
                expect("every partition has an owner", all.size(), 4);
            }
            eventually("the one left owns all again", () -> owned(first).equals(List.of(4)));
        }
    }

    static void staticMembership() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        Map<String, Object> config = Map.of("group.instance.id", "one", "session.timeout.ms", 20_000);
        String before;
        try (var first = consumer(group, config)) {
            first.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(first).equals(List.of(2)));
            var member = member(group);
            expect("instance id", member.groupInstanceId(), Optional.of("one"));
            before = member.consumerId();
        }
        expect("kept while away", member(group).consumerId(), before);
        try (var again = consumer(group, config)) {
            again.subscribe(List.of(name));
            eventually("it is back", () -> owned(again).equals(List.of(2)));
            expect("a new member id", member(group).consumerId().equals(before), false);
        }
    }

    static void commitMetadata() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        var one = new TopicPartition(name, 0);
        var two = new TopicPartition(name, 1);
        try (var consumer = consumer(group, Map.of())) {
            consumer.assign(List.of(one, two));
            consumer.commitSync(Map.of(one, new OffsetAndMetadata(3, Optional.of(0), "a note")));
            var found = consumer.committed(Set.of(one, two));
            expect("offset", found.get(one).offset(), 3L);
            expect("metadata", found.get(one).metadata(), "a note");
            expect("leader epoch", found.get(one).leaderEpoch(), Optional.of(0));
            expect("nothing committed", found.get(two), null);
            expectError("metadata of 5000 bytes", OffsetMetadataTooLarge.class, () -> {
                consumer.commitSync(Map.of(one, new OffsetAndMetadata(4, "x".repeat(5000))));
                return null;
            });
        }
    }

    static void commitFromStranger() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        try (var member = consumer(group, Map.of()); var stranger = consumer(group, Map.of())) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(1)));
            var at = new TopicPartition(name, 0);
            stranger.assign(List.of(at));
            expectError("simple commit into a live group", CommitFailedException.class, () -> {
                stranger.commitSync(Map.of(at, new OffsetAndMetadata(1)));
                return null;
            });
        }
    }

    static void concurrentJoins() throws Exception {
        String name = topic(6, Map.of());
        String group = fresh("group");
        int members = 6;
        var stop = new java.util.concurrent.atomic.AtomicBoolean();
        Map<Integer, Integer> owned = new ConcurrentHashMap<>();
        Queue<Throwable> errors = new ConcurrentLinkedQueue<>();
        List<Thread> threads = new ArrayList<>();
        for (int n = 0; n < members; n++) {
            int id = n;
            threads.add(new Thread(() -> {
                try (var consumer = consumer(group, Map.of("heartbeat.interval.ms", 200))) {
                    consumer.subscribe(List.of(name));
                    while (!stop.get()) {
                        consumer.poll(Duration.ofMillis(50));
                        owned.put(id, consumer.assignment().size());
                    }
                } catch (Throwable error) {
                    errors.add(error);
                }
            }));
        }
        threads.forEach(Thread::start);
        try {
            eventually("a partition each", () -> !errors.isEmpty()
                || (owned.size() == members && owned.values().stream().allMatch(count -> count == 1)));
        } finally {
            stop.set(true);
            for (Thread thread : threads) thread.join();
        }
        expect("errors", errors.toString(), "[]");
    }

    static void createDescribeDelete() throws Exception {
        String name = topic(3, Map.of());
        expect("partitions", describe(name).partitions().size(), 3);
        expect("a leader", describe(name).partitions().get(0).leader() != null, true);
        expectError("again", TopicExistsException.class, () -> create(new NewTopic(name, 1, (short) 1)));
        get(admin.deleteTopics(List.of(name)).all());
        eventually("gone", () -> !get(admin.listTopics().names()).contains(name));
        expectError("again", UnknownTopicOrPartitionException.class,
            () -> get(admin.deleteTopics(List.of(name)).all()));
        String checked = fresh("java");
        get(admin.createTopics(List.of(new NewTopic(checked, 1, (short) 1)),
            new CreateTopicsOptions().validateOnly(true)).all());
        expect("validated only", get(admin.listTopics().names()).contains(checked), false);
        var answer = admin.createTopics(List.of(new NewTopic(checked, Optional.of(2), Optional.empty())));
        expect("partitions in the answer", get(answer.numPartitions(checked)), 2);
        expect("replicas in the answer", get(answer.replicationFactor(checked)), 1);
        expect("configs in the answer", get(answer.config(checked)).get("cleanup.policy").value(), "delete");
    }

    static void createRefusals() throws Exception {
        expectError("name", InvalidTopicException.class, () -> create(new NewTopic("no good!", 1, (short) 1)));
        expectError("dots", InvalidTopicException.class, () -> create(new NewTopic("..", 1, (short) 1)));
        expectError("no partitions", InvalidPartitionsException.class,
            () -> create(new NewTopic(fresh("java"), 0, (short) 1)));
        expectError("nine replicas", InvalidReplicationFactorException.class,
            () -> create(new NewTopic(fresh("java"), 1, (short) 9)));
        expectError("unknown setting", InvalidConfigurationException.class,
            () -> create(new NewTopic(fresh("java"), 1, (short) 1).configs(Map.of("no.such", "1"))));
        expectError("unknown broker in an assignment", InvalidReplicaAssignmentException.class,
            () -> create(new NewTopic(fresh("java"), Map.of(0, List.of(9999)))));
        String base = fresh("java.collides");
        create(new NewTopic(base, 1, (short) 1));
        expectError("colliding name", InvalidTopicException.class,
            () -> create(new NewTopic(base.replace('.', '_'), 1, (short) 1)));
    }

    static void describeById() throws Exception {
        String name = topic(2, Map.of());
        Uuid id = describe(name).topicId();
        var found = get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id);
        expect("name", found.name(), name);
        Uuid other = Uuid.randomUuid();
        expectError("unknown id", UnknownTopicIdException.class,
            () -> get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(other))).allTopicIds()));
    }

    static void deleteById() throws Exception {
        String name = topic(1, Map.of());
        Uuid id = describe(name).topicId();
        get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        eventually("gone", () -> !get(admin.listTopics().names()).contains(name));
        create(new NewTopic(name, 1, (short) 1));
        eventually("another id", () -> {
            try {
                return !describe(name).topicId().equals(id);
            } catch (ExecutionException error) {
                return false;
            }
        });
    }

    static void describeConfigs() throws Exception {
        String name = topic(1, Map.of("retention.ms", "12345"));
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
        var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        var found = get(admin.describeConfigs(List.of(resource), options).all()).get(resource);
        var own = found.get("retention.ms");
        expect("value", own.value(), "12345");
        expect("source", own.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
        expect("type", own.type(), ConfigEntry.ConfigType.LONG);
        expect("documentation", own.documentation() != null && !own.documentation().isEmpty(), true);
        var policy = found.get("cleanup.policy");
        expect("default", policy.value(), "delete");
        expect("source of a default", policy.source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG);
        expect("type of a list", policy.type(), ConfigEntry.ConfigType.LIST);
        expect("synonym", policy.synonyms().stream().map(s -> s.name()).toList(), List.of("log.cleanup.policy"));
        expect("every entry has a value", found.entries().stream().filter(e -> e.value() == null).count(), 0L);
        var unknown = new ConfigResource(ConfigResource.Type.TOPIC, fresh("none"));
        expectError("unknown topic", UnknownTopicOrPartitionException.class,
            () -> get(admin.describeConfigs(List.of(unknown)).all()));
    }

    static void incrementalAlter() throws Exception {
        String name = topic(1, Map.of());
        alter(ConfigResource.Type.TOPIC, name, "retention.ms", "777000", AlterConfigOp.OpType.SET, false);
        eventually("set", () -> config(ConfigResource.Type.TOPIC, name, "retention.ms").value().equals("777000"));
        alter(ConfigResource.Type.TOPIC, name, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND, false);
        eventually("append",
            () -> config(ConfigResource.Type.TOPIC, name, "cleanup.policy").value().equals("delete,compact"));
        alter(ConfigResource.Type.TOPIC, name, "retention.ms", null, AlterConfigOp.OpType.DELETE, false);
        eventually("delete", () -> config(ConfigResource.Type.TOPIC, name, "retention.ms").isDefault());
        alter(ConfigResource.Type.TOPIC, name, "segment.ms", "1234567", AlterConfigOp.OpType.SET, true);
        expect("validated only", config(ConfigResource.Type.TOPIC, name, "segment.ms").isDefault(), true);
        expectError("bad value", InvalidConfigurationException.class, () -> {
            alter(ConfigResource.Type.TOPIC, name, "retention.ms", "never", AlterConfigOp.OpType.SET, false);
            return null;
        });
    }

    static void brokerConfigs() throws Exception {
        String id = get(admin.describeCluster().nodes()).iterator().next().idString();
        var entry = config(ConfigResource.Type.BROKER, id, "message.max.bytes");
        expect("default", entry.value(), "1048588");
        expect("read only", config(ConfigResource.Type.BROKER, id, "node.id").isReadOnly(), true);
        alter(ConfigResource.Type.BROKER, id, "log.retention.ms", "86400000", AlterConfigOp.OpType.SET, false);
        eventually("set",
            () -> "86400000".equals(config(ConfigResource.Type.BROKER, id, "log.retention.ms").value()));
        expect("source", config(ConfigResource.Type.BROKER, id, "log.retention.ms").source(),
            ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG);
        alter(ConfigResource.Type.BROKER, id, "log.retention.ms", null, AlterConfigOp.OpType.DELETE, false);
    }

    static void listConfigResources() throws Exception {
        String name = topic(1, Map.of());
        var found = get(admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC),
            new ListConfigResourcesOptions()).all());
        expect("topic", found.contains(new ConfigResource(ConfigResource.Type.TOPIC, name)), true);
    }

    static void createPartitions() throws Exception {
        String name = topic(1, Map.of());
        get(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all());
        eventually("four", () -> describe(name).partitions().size() == 4);
        expectError("fewer", InvalidPartitionsException.class,
            () -> get(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(2))).all()));
        expectError("as many", InvalidPartitionsException.class,
            () -> get(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all()));
    }

    static void deleteRecords() throws Exception {
        String name = topic(1, Map.of());
        produce(name, numbers(0, 10));
        var at = new TopicPartition(name, 0);
        var answer = admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(6))).lowWatermarks().get(at);
        expect("low watermark", get(answer).lowWatermark(), 6L);
        try (var consumer = consumer(null, Map.of())) {
            expect("beginning", consumer.beginningOffsets(List.of(at)), Map.of(at, 6L));
        }
        expectError("beyond the end", org.apache.kafka.common.errors.OffsetOutOfRangeException.class,
            () -> get(admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(99))).all()));
    }

    static void groups() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        try (var consumer = consumer(group, Map.of("client.id", "a-client"))) {
            consumer.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(consumer).equals(List.of(2)));
            var listed = get(admin.listGroups().all()).stream().filter(g -> g.groupId().equals(group)).toList();
            expect("state", listed.get(0).groupState(), Optional.of(GroupState.STABLE));
            expect("type", listed.get(0).type(), Optional.of(GroupType.CLASSIC));
            var options = new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true);
            var found = get(admin.describeConsumerGroups(List.of(group), options).all()).get(group);
            expect("assignor", found.partitionAssignor(), "range");
            expect("client id", found.members().iterator().next().clientId(), "a-client");
            expect("authorized operations", found.authorizedOperations().contains(AclOperation.READ), true);
            expectError("delete while in use", GroupNotEmptyException.class,
                () -> get(admin.deleteConsumerGroups(List.of(group)).all()));
            consumer.commitSync(Map.of(new TopicPartition(name, 0), new OffsetAndMetadata(0)));
        }
        eventually("empty", () -> get(admin.describeConsumerGroups(List.of(group)).all()).get(group).groupState()
            == GroupState.EMPTY);
        get(admin.deleteConsumerGroups(List.of(group)).all());
        expectError("deleted", GroupIdNotFoundException.class,
            () -> get(admin.describeConsumerGroups(List.of(group)).all()));
    }

    static void groupOffsets() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        var one = new TopicPartition(name, 0);
        var two = new TopicPartition(name, 1);
        get(admin.alterConsumerGroupOffsets(group,
            Map.of(one, new OffsetAndMetadata(4, "m"), two, new OffsetAndMetadata(5))).all());
        var found = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        expect("offset and metadata", found.get(one), new OffsetAndMetadata(4, "m"));
        get(admin.deleteConsumerGroupOffsets(group, Set.of(one)).all());
        found = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        expect("left", found.keySet(), Set.of(two));
        try (var consumer = consumer(group, Map.of())) {
            consumer.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(consumer).equals(List.of(2)));
            expectError("offsets of a subscribed topic", GroupSubscribedToTopicException.class,
                () -> get(admin.deleteConsumerGroupOffsets(group, Set.of(two)).partitionResult(two)));
        }
        String other = fresh("group");
        get(admin.alterConsumerGroupOffsets(other, Map.of(one, new OffsetAndMetadata(1))).all());
        var both = get(admin.listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec(),
            other, new ListConsumerGroupOffsetsSpec())).all());
        expect("two groups in one call", both.get(other).get(one).offset(), 1L);
    }

    static void removeMembers() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        try (var consumer = consumer(group, Map.of("group.instance.id", "one", "session.timeout.ms", 30_000))) {
            consumer.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(consumer).equals(List.of(1)));
        }
        var options = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")));
        get(admin.removeMembersFromConsumerGroup(group, options).all());
        eventually("empty", () -> get(admin.describeConsumerGroups(List.of(group)).all()).get(group).members()
            .isEmpty());
    }

    static void describeLogDirs() throws Exception {
        String name = topic(1, Map.of());
        produce(name, List.of("x".repeat(10_000)));
        var at = new TopicPartition(name, 0);
        int id = get(admin.describeCluster().nodes()).iterator().next().id();
        eventually("its size", () -> get(admin.describeLogDirs(List.of(id)).allDescriptions()).get(id).values()
            .stream().anyMatch(dir -> dir.replicaInfos().containsKey(at)
                && dir.replicaInfos().get(at).size() >= 10_000));
    }

    static void describeCluster() throws Exception {
        var found = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        expect("nodes", get(found.nodes()).size(), 1);
        expect("cluster id", get(found.clusterId()).isEmpty(), false);
        expect("controller", get(found.controller()).id(), get(found.nodes()).iterator().next().id());
        expect("operations", get(found.authorizedOperations()).isEmpty(), false);
    }

    static void describeFeatures() throws Exception {
        var found = get(admin.describeFeatures().featureMetadata());
        expect("metadata.version", found.finalizedFeatures().containsKey("metadata.version"), true);
    }

    static void keylessOnCompacted() throws Exception {
        String name = topic(1, Map.of("cleanup.policy", "compact"));
        expectError("without key", InvalidRecordException.class, () -> produce(name, List.of("v")));
        try (var producer = producer(Map.of())) {
            expect("with key", producer.send(new ProducerRecord<>(name, 0, "k", "v")).get().offset(), 0L);
        }
    }

    static void timestamps() throws Exception {
        String name = topic(1, Map.of());
        produceAt(name, new long[] {1_500_000_000_123L});
        var found = readFrom(name, 0, 1).get(0);
        expect("create time", found.timestamp(), 1_500_000_000_123L);
        expect("type", found.timestampType(), TimestampType.CREATE_TIME);
        String stamped = topic(1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis() - 5000;
        try (var producer = producer(Map.of())) {
            var sent = producer.send(new ProducerRecord<>(stamped, 0, 1_500_000_000_123L, null, "v")).get();
            expect("stamped in the answer", sent.timestamp() >= before, true);
        }
        found = readFrom(stamped, 0, 1).get(0);
        expect("stamped", found.timestamp() >= before, true);
        expect("type", found.timestampType(), TimestampType.LOG_APPEND_TIME);
    }

    static void produceToDeleted() throws Exception {
        String name = topic(1, Map.of());
        try (var producer = producer(Map.of("delivery.timeout.ms", 3000, "request.timeout.ms", 1000, "linger.ms", 0,
                "max.block.ms", 3000, "metadata.max.age.ms", 500))) {
            producer.send(new ProducerRecord<>(name, 0, null, "v")).get();
            get(admin.deleteTopics(List.of(name)).all());
            create(new NewTopic(name, 1, (short) 1));
            eventually("the new topic takes records at offset 0", () -> {
                try {
                    return producer.send(new ProducerRecord<>(name, 0, null, "w")).get().offset() == 0;
                } catch (ExecutionException error) {
                    return false;
                }
            });
        }
    }

    public static void main(String[] args) throws Exception {
        main(cases(), OUT_OF_SCOPE);
    }
}
