// kafka-clients, administration of one broker: quotas, credentials, features, the quorum, elections,
// reassignments, log directories, and what compaction leaves.

import java.net.URI;
import java.net.http.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;

public final class Administration extends Conformance {
    static final HttpClient HTTP = HttpClient.newHttpClient();

    static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("quotas-alter-and-describe", Administration::quotas);
        cases.put("quotas-not-valid", Administration::quotasNotValid);
        cases.put("quotas-filters", Administration::quotaFilters);
        cases.put("quota-slows-a-producer", Administration::slowProducer);
        cases.put("quota-slows-a-consumer", Administration::slowConsumer);
        cases.put("quota-refuses-topic-creations", Administration::controllerQuota);
        cases.put("scram-credentials", Administration::scram);
        cases.put("scram-refusals", Administration::scramRefusals);
        cases.put("acls-without-an-authorizer", Administration::acls);
        cases.put("features", Administration::features);
        cases.put("metadata-quorum", Administration::quorum);
        cases.put("elect-leaders", Administration::electLeaders);
        cases.put("reassignments", Administration::reassignments);
        cases.put("replica-log-dirs", Administration::replicaLogDirs);
        cases.put("unregister-unknown-broker", Administration::unregister);
        cases.put("client-metrics-configs", Administration::clientMetrics);
        cases.put("push-telemetry", Administration::pushTelemetry);
        cases.put("config-resources-by-type", Administration::configResources);
        cases.put("default-broker-config", Administration::defaultBrokerConfig);
        cases.put("compaction-keeps-the-latest", Administration::compaction);
        cases.put("compaction-drops-tombstones", Administration::tombstones);
        cases.put("compaction-under-transactions", Administration::compactionOfTransactions);
        cases.put("compact-and-delete", Administration::compactAndDelete);
        return cases;
    }

    public static void main(String[] args) throws Exception {
        main(cases(), Map.of("delegation-tokens", "security is a later part of the broker"), 3);
    }

    static ClientQuotaEntity entity(String... pairs) {
        Map<String, String> entries = new HashMap<>();
        for (int n = 0; n < pairs.length; n += 2) entries.put(pairs[n], pairs[n + 1]);
        return new ClientQuotaEntity(entries);
    }

    static void quota(ClientQuotaEntity entity, String key, Double value) throws Exception {
        get(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity,
            List.of(new ClientQuotaAlteration.Op(key, value))))).all());
    }

    static Map<ClientQuotaEntity, Map<String, Double>> quotasOf(ClientQuotaFilter filter) throws Exception {
        return get(admin.describeClientQuotas(filter).entities());
    }

    static ClientQuotaFilter only(String type, String name) {
        return ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofEntity(type, name)));
    }

    static void quotas() throws Exception {
        String user = fresh("user");
        String client = fresh("client");
        for (var one : List.of(entity("user", user), entity("client-id", client),
                entity("user", user, "client-id", client), entity("user", user, "client-id", null))) {
            quota(one, "producer_byte_rate", 1_000_000.0);
            quota(one, "consumer_byte_rate", 2_000_000.0);
            quota(one, "request_percentage", 150.5);
            quota(one, "controller_mutation_rate", 10.0);
        }
        var found = quotasOf(only("user", user));
        expect("of the user", found.get(entity("user", user)), Map.of("producer_byte_rate", 1_000_000.0,
            "consumer_byte_rate", 2_000_000.0, "request_percentage", 150.5, "controller_mutation_rate", 10.0));
        expect("nothing else", found.size(), 1);
        quota(entity("user", user), "producer_byte_rate", null);
        eventually("removed", () -> !quotasOf(only("user", user)).get(entity("user", user))
            .containsKey("producer_byte_rate"));
        get(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity("client-id", client),
            List.of(new ClientQuotaAlteration.Op("consumer_byte_rate", 5.0)))),
            new AlterClientQuotasOptions().validateOnly(true)).all());
        expect("validated only", quotasOf(only("client-id", client)).get(entity("client-id", client))
            .get("consumer_byte_rate"), 2_000_000.0);
        String ip = "10.9.8." + new Random().nextInt(250);
        quota(entity("ip", ip), "connection_creation_rate", 50.0);
        eventually("of the address", () -> quotasOf(only("ip", ip)).get(entity("ip", ip))
            .equals(Map.of("connection_creation_rate", 50.0)));
    }

    static void quotasNotValid() throws Exception {
        String user = fresh("user");
        for (var bad : List.of(
                new ClientQuotaAlteration.Op("no_such_rate", 1.0),
                new ClientQuotaAlteration.Op("producer_byte_rate", -1.0),
                new ClientQuotaAlteration.Op("producer_byte_rate", 1.5),
                new ClientQuotaAlteration.Op("connection_creation_rate", 1.0)))
            expectError(bad.toString(), InvalidRequestException.class, () -> get(admin.alterClientQuotas(
                List.of(new ClientQuotaAlteration(entity("user", user), List.of(bad)))).all()));
        expectError("no such entity", InvalidRequestException.class,
            () -> { quota(entity("planet", "mars"), "producer_byte_rate", 1.0); return null; });
        expectError("user and address", InvalidRequestException.class,
            () -> { quota(entity("user", user, "ip", "10.0.0.1"), "connection_creation_rate", 1.0); return null; });
    }

    static void quotaFilters() throws Exception {
        String user = fresh("user");
        String client = fresh("client");
        quota(entity("user", user), "request_percentage", 10.0);
        quota(entity("user", user, "client-id", client), "request_percentage", 20.0);
        quota(entity("user", user, "client-id", null), "request_percentage", 30.0);
        var ofUser = ClientQuotaFilterComponent.ofEntity("user", user);
        expect("all of the user", quotasOf(ClientQuotaFilter.contains(List.of(ofUser))).size(), 3);
        expect("the user alone", quotasOf(ClientQuotaFilter.containsOnly(List.of(ofUser))).keySet(),
            Set.of(entity("user", user)));
        expect("the user's default client", quotasOf(ClientQuotaFilter.contains(List.of(ofUser,
            ClientQuotaFilterComponent.ofDefaultEntity("client-id")))).keySet(),
            Set.of(entity("user", user, "client-id", null)));
        expect("any client of the user", quotasOf(ClientQuotaFilter.containsOnly(List.of(ofUser,
            ClientQuotaFilterComponent.ofEntityType("client-id")))).keySet(),
            Set.of(entity("user", user, "client-id", null), entity("user", user, "client-id", client)));
        expect("everything", quotasOf(ClientQuotaFilter.all()).size() >= 3, true);
    }

    static double metric(Map<MetricName, ? extends Metric> metrics, String name) {
        return metrics.entrySet().stream().filter(e -> e.getKey().name().equals(name))
            .mapToDouble(e -> (Double) e.getValue().metricValue()).max().orElse(Double.NaN);
    }

    static void slowProducer() throws Exception {
        String name = topic(1, Map.of());
        String client = fresh("client");
        quota(entity("client-id", client), "producer_byte_rate", 20_000.0);
        try (var producer = producer(Map.of("client.id", client, "linger.ms", 0, "batch.size", 2000))) {
            String value = "x".repeat(20_000);
            eventually("a throttle time", () -> {
                producer.send(new ProducerRecord<>(name, 0, null, value)).get();
                return metric(producer.metrics(), "produce-throttle-time-max") > 0;
            });
        }
    }

    static void slowConsumer() throws Exception {
        String name = topic(1, Map.of());
        String client = fresh("client");
        quota(entity("client-id", client), "consumer_byte_rate", 20_000.0);
        produce(name, Collections.nCopies(40, "x".repeat(20_000)));
        try (var consumer = consumer(null, Map.of("client.id", client, "max.partition.fetch.bytes", 50_000))) {
            consumer.assign(List.of(new TopicPartition(name, 0)));
            consumer.seekToBeginning(consumer.assignment());
            eventually("a throttle time", () -> {
                consumer.poll(Duration.ofMillis(200));
                return metric(consumer.metrics(), "fetch-throttle-time-max") > 0;
            });
        }
    }

    static void controllerQuota() throws Exception {
        String client = fresh("client");
        quota(entity("client-id", client), "controller_mutation_rate", 1.0);
        try (var slow = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP, "client.id", client))) {
            var options = new CreateTopicsOptions().retryOnQuotaViolation(false);
            expectError("fifty partitions a time", ThrottlingQuotaExceededException.class, () -> {
                for (int n = 0; n < 5; n++)
                    get(slow.createTopics(List.of(new NewTopic(fresh("java"), 50, (short) 1)), options).all());
                return null;
            });
        }
    }

    static void scram() throws Exception {
        String user = fresh("user");
        var sha256 = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192);
        var sha512 = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096);
        for (var info : List.of(sha256, sha512))
            get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, "secret")))
                .all());
        eventually("both", () -> scramOf(user).size() == 2);
        expect("iterations", scramOf(user), Map.of(ScramMechanism.SCRAM_SHA_256, 8192,
            ScramMechanism.SCRAM_SHA_512, 4096));
        expect("listed", get(admin.describeUserScramCredentials().users()).contains(user), true);
        get(admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all());
        eventually("one is left", () -> scramOf(user).keySet().equals(Set.of(ScramMechanism.SCRAM_SHA_512)));
        get(admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))).all());
        eventually("none", () -> !get(admin.describeUserScramCredentials().users()).contains(user));
    }

    static Map<ScramMechanism, Integer> scramOf(String user) throws Exception {
        return get(admin.describeUserScramCredentials(List.of(user)).description(user)).credentialInfos().stream()
            .collect(Collectors.toMap(ScramCredentialInfo::mechanism, ScramCredentialInfo::iterations));
    }

    static void scramRefusals() throws Exception {
        String user = fresh("user");
        expectError("describe nobody", ResourceNotFoundException.class, () -> scramOf(user));
        expectError("delete what is not there", ResourceNotFoundException.class,
            () -> get(admin.alterUserScramCredentials(List.of(
                new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all()));
        for (int iterations : new int[] {1, 100_000})
            expectError(iterations + " iterations", UnacceptableCredentialException.class,
                () -> get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user,
                    new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, iterations), "secret"))).all()));
        var info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        expectError("a user twice", DuplicateResourceException.class,
            () -> get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, "a"),
                new UserScramCredentialUpsertion(user, info, "b"))).all()));
    }

    static void acls() throws Exception {
        expectError("describe", SecurityDisabledException.class,
            () -> get(admin.describeAcls(AclBindingFilter.ANY).values()));
        var binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "a", PatternType.LITERAL),
            new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW));
        expectError("create", SecurityDisabledException.class, () -> get(admin.createAcls(List.of(binding)).all()));
        expectError("delete", SecurityDisabledException.class,
            () -> get(admin.deleteAcls(List.of(AclBindingFilter.ANY)).all()));
    }

    static void features() throws Exception {
        var found = get(admin.describeFeatures().featureMetadata());
        for (String name : List.of("metadata.version", "group.version", "transaction.version", "share.version",
                "streams.version"))
            expect(name + " is finalized", found.finalizedFeatures().containsKey(name), true);
        expect("an epoch", found.finalizedFeaturesEpoch().isPresent(), true);
        short level = found.finalizedFeatures().get("group.version").maxVersionLevel();
        get(admin.updateFeatures(Map.of("group.version", new FeatureUpdate(level, FeatureUpdate.UpgradeType.UPGRADE)),
            new UpdateFeaturesOptions().validateOnly(true)).all());
        expectError("a level nobody knows", InvalidUpdateVersionException.class,
            () -> get(admin.updateFeatures(Map.of("group.version",
                new FeatureUpdate((short) 99, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions())
                .all()));
        expectError("a feature nobody knows", InvalidUpdateVersionException.class,
            () -> get(admin.updateFeatures(Map.of("no.such.version",
                new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all()));
    }

    static int nodeId() throws Exception { return get(admin.describeCluster().nodes()).iterator().next().id(); }

    static void quorum() throws Exception {
        var found = get(admin.describeMetadataQuorum().quorumInfo());
        expect("leader", found.leaderId(), nodeId());
        expect("voters", found.voters().stream().map(QuorumInfo.ReplicaState::replicaId).toList(), List.of(nodeId()));
        expect("high watermark", found.highWatermark() > 0, true);
        expect("log end", found.voters().get(0).logEndOffset() >= found.highWatermark(), true);
    }

    static void electLeaders() throws Exception {
        String name = topic(1, Map.of());
        var at = new TopicPartition(name, 0);
        var none = new TopicPartition(fresh("none"), 0);
        for (var type : List.of(ElectionType.PREFERRED, ElectionType.UNCLEAN)) {
            var found = get(admin.electLeaders(type, Set.of(at, none)).partitions());
            expect("leads already", found.get(at).map(Throwable::getClass),
                Optional.of(ElectionNotNeededException.class));
            expect("unknown", found.get(none).map(Throwable::getClass),
                Optional.of(UnknownTopicOrPartitionException.class));
        }
        expect("of all partitions", get(admin.electLeaders(ElectionType.PREFERRED, null).partitions()).containsKey(at),
            false);
    }

    static void reassignments() throws Exception {
        String name = topic(1, Map.of());
        var at = new TopicPartition(name, 0);
        get(admin.alterPartitionReassignments(Map.of(at,
            Optional.of(new NewPartitionReassignment(List.of(nodeId()))))).all());
        eventually("nothing to move", () -> get(admin.listPartitionReassignments().reassignments()).isEmpty());
        expect("of one partition", get(admin.listPartitionReassignments(Set.of(at)).reassignments()), Map.of());
        expectError("unknown broker", InvalidReplicaAssignmentException.class,
            () -> get(admin.alterPartitionReassignments(Map.of(at,
                Optional.of(new NewPartitionReassignment(List.of(9999))))).all()));
        expectError("twice the same broker", InvalidReplicaAssignmentException.class,
            () -> get(admin.alterPartitionReassignments(Map.of(at,
                Optional.of(new NewPartitionReassignment(List.of(nodeId(), nodeId()))))).all()));
        expectError("nothing to cancel", NoReassignmentInProgressException.class,
            () -> get(admin.alterPartitionReassignments(Map.of(at, Optional.empty())).all()));
        expectError("unknown partition", UnknownTopicOrPartitionException.class,
            () -> get(admin.alterPartitionReassignments(Map.of(new TopicPartition(fresh("none"), 0),
                Optional.of(new NewPartitionReassignment(List.of(nodeId()))))).all()));
    }

    static void replicaLogDirs() throws Exception {
        String name = topic(1, Map.of());
        produce(name, List.of("a"));
        var replica = new TopicPartitionReplica(name, 0, nodeId());
        String dir = get(admin.describeLogDirs(List.of(nodeId())).allDescriptions()).get(nodeId()).keySet().iterator()
            .next();
        var found = get(admin.describeReplicaLogDirs(List.of(replica)).all()).get(replica);
        expect("current", found.getCurrentReplicaLogDir(), dir);
        expect("future", found.getFutureReplicaLogDir(), null);
        get(admin.alterReplicaLogDirs(Map.of(replica, dir)).all());
        expectError("no such folder", LogDirNotFoundException.class,
            () -> get(admin.alterReplicaLogDirs(Map.of(replica, "/no/such/folder")).all()));
    }

    static void unregister() throws Exception {
        expectError("9999", BrokerIdNotRegisteredException.class, () -> get(admin.unregisterBroker(9999).all()));
    }

    static void clientMetrics() throws Exception {
        String name = fresh("subscription");
        var type = ConfigResource.Type.CLIENT_METRICS;
        alter(type, name, "metrics", "org.apache.kafka.producer.,org.apache.kafka.consumer.",
            AlterConfigOp.OpType.SET, false);
        alter(type, name, "interval.ms", "15000", AlterConfigOp.OpType.SET, false);
        alter(type, name, "match", "client_id=app-.*", AlterConfigOp.OpType.SET, false);
        eventually("set", () -> "15000".equals(config(type, name, "interval.ms").value()));
        expect("match", config(type, name, "match").value(), "client_id=app-.*");
        expect("listed", get(admin.listConfigResources(Set.of(type), new ListConfigResourcesOptions()).all())
            .contains(new ConfigResource(type, name)), true);
        for (String[] bad : new String[][] {{"interval.ms", "1"}, {"no.such", "1"}, {"match", "planet=mars"}})
            expectError(bad[0] + "=" + bad[1], ApiException.class, () -> {
                alter(type, name, bad[0], bad[1], AlterConfigOp.OpType.SET, false);
                return null;
            });
        for (String key : List.of("metrics", "interval.ms", "match"))
            alter(type, name, key, null, AlterConfigOp.OpType.DELETE, false);
        eventually("gone", () -> !get(admin.listConfigResources(Set.of(type), new ListConfigResourcesOptions()).all())
            .contains(new ConfigResource(type, name)));
    }

    /** Pushing is on by default in every client; a subscription is all that it takes (KIP-714). */
    static void pushTelemetry() throws Exception {
        String subscription = fresh("subscription");
        String client = fresh("client");
        var type = ConfigResource.Type.CLIENT_METRICS;
        alter(type, subscription, "interval.ms", "200", AlterConfigOp.OpType.SET, false);
        alter(type, subscription, "match", "client_id=" + client, AlterConfigOp.OpType.SET, false);
        alter(type, subscription, "metrics", "org.apache.kafka.producer.", AlterConfigOp.OpType.SET, false);
        eventually("the subscription", () -> get(admin.listConfigResources(Set.of(type),
            new ListConfigResourcesOptions()).all()).contains(new ConfigResource(type, subscription)));
        String name = topic(1, Map.of());
        try (var producer = producer(Map.of("client.id", client))) {
            String id = producer.clientInstanceId(Duration.ofSeconds(SECONDS)).toString();
            for (int n = 0; n < 50; n++)
                producer.send(new ProducerRecord<>(name, "v" + n)).get(SECONDS, TimeUnit.SECONDS);
            eventually("its 50 records, as it counts them", () ->
                pushed("kafka_client_producer_record_send_total", id) == 50.0);
            eventually("a gauge", () -> pushed("kafka_client_producer_request_latency_avg", id) > 0.0);
        }
        alter(type, subscription, "metrics", null, AlterConfigOp.OpType.DELETE, false);
        alter(type, subscription, "interval.ms", null, AlterConfigOp.OpType.DELETE, false);
        alter(type, subscription, "match", null, AlterConfigOp.OpType.DELETE, false);
    }

    /** The value that a client instance pushed last, as the server's metrics show it. */
    static double pushed(String metric, String instance) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(System.getenv("METRICS"))).build();
        String text = HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
        return text.lines().filter(line -> line.startsWith(metric + "{") && line.contains('"' + instance + '"'))
            .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
            .findFirst().orElse(Double.NaN);
    }

    static void configResources() throws Exception {
        String name = topic(1, Map.of());
        var found = get(admin.listConfigResources().all());
        expect("the topic", found.contains(new ConfigResource(ConfigResource.Type.TOPIC, name)), true);
        expect("the broker", found.contains(new ConfigResource(ConfigResource.Type.BROKER, "" + nodeId())), true);
    }

    static void defaultBrokerConfig() throws Exception {
        var type = ConfigResource.Type.BROKER;
        alter(type, "", "log.cleaner.delete.retention.ms", "86400001", AlterConfigOp.OpType.SET, false);
        eventually("at the broker", () -> config(type, "" + nodeId(), "log.cleaner.delete.retention.ms").value()
            .equals("86400001"));
        expect("source", config(type, "" + nodeId(), "log.cleaner.delete.retention.ms").source(),
            ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG);
        alter(type, "", "log.cleaner.delete.retention.ms", null, AlterConfigOp.OpType.DELETE, false);
        eventually("default again", () -> config(type, "" + nodeId(), "log.cleaner.delete.retention.ms").source()
            == ConfigEntry.ConfigSource.DEFAULT_CONFIG);
    }

    // ---- compaction: a topic whose every write is soon clean ------------------------------------------------------

    static String compacted(Map<String, String> more) throws Exception {
        Map<String, String> configs = new HashMap<>(Map.of("cleanup.policy", "compact", "min.cleanable.dirty.ratio",
            "0.0", "segment.ms", "100", "min.compaction.lag.ms", "0", "delete.retention.ms", "0"));
        configs.putAll(more);
        return topic(1, configs);
    }

    static void put(String name, String key, String value) throws Exception {
        try (var producer = producer(Map.of())) {
            producer.send(new ProducerRecord<>(name, 0, key, value)).get(SECONDS, TimeUnit.SECONDS);
        }
    }

    /** What is in the log now, as offset:key=value, up to the end. */
    static List<String> log(String name) throws Exception {
        var at = new TopicPartition(name, 0);
        List<String> found = new ArrayList<>();
        try (var consumer = consumer(null, Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            long end = consumer.endOffsets(List.of(at)).get(at);
            eventually("the end", () -> {
                consumer.poll(Duration.ofMillis(100)).forEach(
                    record -> found.add(record.offset() + ":" + record.key() + "=" + record.value()));
                return consumer.position(at) >= end;
            });
        }
        return found;
    }

    /** Rolls the active segment with records of a key of its own and waits until `check` holds. */
    static void eventuallyClean(String name, String what, Predicate check) throws Exception {
        List<String> last = new ArrayList<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(75).toNanos();
        while (System.nanoTime() < deadline) {
            put(name, "roll", "r");
            Thread.sleep(1500);
            last = log(name).stream().filter(line -> !line.contains(":roll=")).toList();
            if (check.holds(last)) return;
        }
        throw new Failure("waited for " + what + ", in vain; the log has " + last);
    }

    interface Predicate { boolean holds(List<String> log); }

    static void compaction() throws Exception {
        String name = compacted(Map.of());
        for (int round = 0; round < 3; round++)
            for (String key : List.of("a", "b", "c")) put(name, key, key + round);
        eventuallyClean(name, "the latest of each key, at its offset",
            log -> log.equals(List.of("6:a=a2", "7:b=b2", "8:c=c2")));
        try (var consumer = consumer(null, Map.of())) {
            var at = new TopicPartition(name, 0);
            consumer.assign(List.of(at));
            consumer.seek(at, 2);
            expect("from a removed offset on", read(consumer, 1).get(0).offset(), 6L);
        }
    }

    static void tombstones() throws Exception {
        String name = compacted(Map.of());
        put(name, "a", "1");
        put(name, "b", "1");
        put(name, "a", null);
        eventuallyClean(name, "key and tombstone to go", log -> log.equals(List.of("1:b=1")));
    }

    static void compactionOfTransactions() throws Exception {
        String name = compacted(Map.of());
        try (var producer = Transactions.transactional(fresh("txn"))) {
            for (String value : List.of("1", "2", "3")) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(name, 0, "a", value));
                producer.send(new ProducerRecord<>(name, 0, "b", value));
                producer.flush();
                if (value.equals("3")) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        eventuallyClean(name, "the latest committed of each key", log -> log.equals(List.of("3:a=2", "4:b=2")));
    }

    static void compactAndDelete() throws Exception {
        String name = compacted(Map.of("cleanup.policy", "compact,delete", "retention.ms", "3600000"));
        long old = System.currentTimeMillis() - 7_200_000;
        try (var producer = producer(Map.of())) {
            producer.send(new ProducerRecord<>(name, 0, old, "old", "1")).get();
            Thread.sleep(200);
            producer.send(new ProducerRecord<>(name, 0, null, "new", "1")).get();
            producer.send(new ProducerRecord<>(name, 0, null, "new", "2")).get();
        }
        eventuallyClean(name, "the latest of the new", log -> log.contains("2:new=2") && !log.contains("1:new=1"));
    }
}
