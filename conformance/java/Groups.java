// kafka-clients, groups of the consumer protocol (KIP-848): the broker assigns, regular expressions are
// resolved there, and a live group moves between the protocols.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;

public final class Groups extends Conformance {
    static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        for (String assignor : List.of("uniform", "range"))
            cases.put("rebalance-" + assignor, () -> rebalance(assignor));
        cases.put("unknown-assignor-refused", Groups::unknownAssignor);
        cases.put("every-partition-has-one-owner", Groups::oneOwner);
        cases.put("regex-subscription", Groups::regex);
        cases.put("regex-not-valid", Groups::regexNotValid);
        cases.put("static-member-returns", Groups::staticMember);
        cases.put("static-member-in-use-refused", Groups::staticInUse);
        cases.put("new-partitions-are-assigned", Groups::newPartitions);
        cases.put("subscription-changes", Groups::subscriptionChanges);
        cases.put("resumes-from-commit", Groups::resumes);
        cases.put("commit-of-a-stranger-refused", Groups::stranger);
        cases.put("offsets-of-a-subscribed-topic-stay", Groups::offsetsStay);
        cases.put("admin-describe", Groups::describe);
        cases.put("admin-list-by-type", Groups::listByType);
        cases.put("admin-delete", Groups::delete);
        cases.put("admin-remove-member", Groups::removeMember);
        cases.put("group-configs", Groups::groupConfigs);
        cases.put("transaction-commits-offsets", Groups::transaction);
        cases.put("classic-group-is-upgraded-live", Groups::upgrade);
        cases.put("group-is-downgraded-live", Groups::downgrade);
        cases.put("empty-group-changes-its-type", Groups::changesType);
        return cases;
    }

    public static void main(String[] args) throws Exception {
        main(cases(), Map.of(), 4);
    }

    static KafkaConsumer<String, String> member(String group, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("group.protocol", "consumer"));
        all.putAll(config);
        return consumer(group, all);
    }

    static ConsumerGroupDescription described(String group) throws Exception {
        return get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
    }

    static Set<TopicPartition> union(Collection<KafkaConsumer<String, String>> members) {
        return members.stream().flatMap(m -> m.assignment().stream()).collect(Collectors.toSet());
    }

    static void rebalance(String assignor) throws Exception {
        String name = topic(4, Map.of());
        String group = fresh("group");
        Map<String, Object> config = Map.of("group.remote.assignor", assignor);
        try (var first = member(group, config)) {
            first.subscribe(List.of(name));
            eventually("one member owns all", () -> owned(first).equals(List.of(4)));
            expect("assignor", described(group).partitionAssignor(), assignor);
            try (var second = member(group, config)) {
                second.subscribe(List.of(name));
                eventually("two members share", () -> owned(first, second).equals(List.of(2, 2)));
                expect("every partition has an owner", union(List.of(first, second)).size(), 4);
                if (assignor.equals("range"))
                    for (var one : List.of(first, second))
                        expect("neighbours", one.assignment().stream().mapToInt(TopicPartition::partition).sum() % 4,
                            1);
            }
            eventually("the one left owns all again", () -> owned(first).equals(List.of(4)));
        }
    }

    static void unknownAssignor() throws Exception {
        String name = topic(1, Map.of());
        try (var member = member(fresh("group"), Map.of("group.remote.assignor", "nobody"))) {
            member.subscribe(List.of(name));
            expectError("nobody", UnsupportedAssignorException.class, () -> {
                eventually("an error", () -> owned(member).equals(List.of(9)));
                return null;
            });
        }
    }

    static void oneOwner() throws Exception {
        String name = topic(12, Map.of());
        String group = fresh("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        try {
            for (int n = 0; n < 6; n++) {
                members.add(member(group, Map.of()));
                members.get(n).subscribe(List.of(name));
            }
            eventually("two each", () -> {
                for (var one : members) one.poll(Duration.ofMillis(20));
                Set<TopicPartition> seen = new HashSet<>();
                for (var one : members)
                    for (var at : one.assignment()) expect(at + " has another owner", seen.add(at), true);
                return members.stream().allMatch(one -> one.assignment().size() == 2);
            });
        } finally {
            for (var one : members) one.close();
        }
    }

    static void regex() throws Exception {
        String prefix = fresh("regex");
        create(new NewTopic(prefix + "-a", 2, (short) 1));
        create(new NewTopic("not-" + prefix, 2, (short) 1));
        try (var member = member(fresh("group"), Map.of())) {
            member.subscribe(new SubscriptionPattern(prefix + "-[a-c]"));
            eventually("the matching topic", () -> owned(member).equals(List.of(2)));
            create(new NewTopic(prefix + "-b", 1, (short) 1));
            create(new NewTopic(prefix + "-z", 1, (short) 1));
            eventually("the new matching topic", () -> owned(member).equals(List.of(3)));
            expect("topics", member.assignment().stream().map(TopicPartition::topic).collect(Collectors.toSet()),
                Set.of(prefix + "-a", prefix + "-b"));
        }
    }

    static void regexNotValid() throws Exception {
        try (var member = member(fresh("group"), Map.of())) {
            member.subscribe(new SubscriptionPattern("[a-"));
            expectError("open bracket", InvalidRegularExpression.class, () -> {
                eventually("an error", () -> owned(member).equals(List.of(9)));
                return null;
            });
        }
    }

    static void staticMember() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        Map<String, Object> config = Map.of("group.instance.id", "one");
        try (var first = member(group, config)) {
            first.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(first).equals(List.of(2)));
        }
        var away = described(group).members();
        expect("kept while away", away.stream().map(m -> m.groupInstanceId().orElse("")).toList(), List.of("one"));
        try (var again = member(group, config)) {
            again.subscribe(List.of(name));
            eventually("it is back", () -> owned(again).equals(List.of(2)));
            expect("members", described(group).members().size(), 1);
        }
    }

    static void staticInUse() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        Map<String, Object> config = Map.of("group.instance.id", "one");
        try (var first = member(group, config); var second = member(group, config)) {
            first.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(first).equals(List.of(2)));
            second.subscribe(List.of(name));
            expectError("the same instance", UnreleasedInstanceIdException.class, () -> {
                eventually("an error", () -> owned(second).equals(List.of(9)));
                return null;
            });
        }
    }

    static void newPartitions() throws Exception {
        String name = topic(1, Map.of());
        try (var member = member(fresh("group"), Map.of("metadata.max.age.ms", 1000))) {
            member.subscribe(List.of(name));
            eventually("one", () -> owned(member).equals(List.of(1)));
            get(admin.createPartitions(Map.of(name, NewPartitions.increaseTo(3))).all());
            eventually("three", () -> owned(member).equals(List.of(3)));
        }
    }

    static void subscriptionChanges() throws Exception {
        String one = topic(1, Map.of());
        String two = topic(2, Map.of());
        String group = fresh("group");
        try (var member = member(group, Map.of())) {
            member.subscribe(List.of(one));
            eventually("one", () -> owned(member).equals(List.of(1)));
            member.subscribe(List.of(one, two));
            eventually("three", () -> owned(member).equals(List.of(3)));
            member.subscribe(List.of(two));
            eventually("two", () -> owned(member).equals(List.of(2)));
            member.unsubscribe();
            eventually("nobody", () -> described(group).members().isEmpty());
            member.subscribe(List.of(one));
            eventually("back", () -> owned(member).equals(List.of(1)));
        }
    }

    static void resumes() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        produce(name, numbers(0, 10));
        try (var member = member(group, Map.of("max.poll.records", 4))) {
            member.subscribe(List.of(name));
            expect("first", values(read(member, 4)), numbers(0, 4));
            member.commitSync();
        }
        try (var member = member(group, Map.of())) {
            member.subscribe(List.of(name));
            expect("the rest", values(read(member, 6)), numbers(4, 10));
            var at = new TopicPartition(name, 0);
            member.commitSync(Map.of(at, new OffsetAndMetadata(7, Optional.of(0), "note")));
            expect("metadata", member.committed(Set.of(at)).get(at).metadata(), "note");
        }
    }

    static void stranger() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        try (var member = member(group, Map.of()); var stranger = member(group, Map.of())) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(1)));
            stranger.assign(List.of(at));
            expectError("simple commit into a live group", CommitFailedException.class, () -> {
                stranger.commitSync(Map.of(at, new OffsetAndMetadata(1)));
                return null;
            });
        }
    }

    static void offsetsStay() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        try (var member = member(group, Map.of())) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(1)));
            member.commitSync(Map.of(at, new OffsetAndMetadata(0)));
            expectError("delete", GroupSubscribedToTopicException.class,
                () -> get(admin.deleteConsumerGroupOffsets(group, Set.of(at)).partitionResult(at)));
            expectError("alter", UnknownMemberIdException.class,
                () -> get(admin.alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(3))).all()));
        }
        get(admin.alterConsumerGroupOffsets(group, Map.of(at, new OffsetAndMetadata(3))).all());
        get(admin.deleteConsumerGroupOffsets(group, Set.of(at)).partitionResult(at));
    }

    static void describe() throws Exception {
        String name = topic(2, Map.of());
        String group = fresh("group");
        try (var member = member(group, Map.of("client.id", "a-client", "client.rack", "a-rack"))) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(2)));
            eventually("stable", () -> described(group).groupState() == GroupState.STABLE);
            var found = described(group);
            expect("type", found.type(), GroupType.CONSUMER);
            expect("assignor", found.partitionAssignor(), "uniform");
            expect("epochs", found.groupEpoch(), found.targetAssignmentEpoch());
            expect("an epoch", found.groupEpoch().orElse(0) > 0, true);
            var one = found.members().iterator().next();
            expect("client id", one.clientId(), "a-client");
            expect("rack", one.rackId(), Optional.of("a-rack"));
            expect("member epoch", one.memberEpoch(), found.groupEpoch());
            expect("assignment", one.assignment().topicPartitions().size(), 2);
            expect("target", one.targetAssignment().orElseThrow().topicPartitions().size(), 2);
            expect("upgraded", one.upgraded(), Optional.of(true));
        }
        eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
    }

    static void listByType() throws Exception {
        String name = topic(1, Map.of());
        String modern = fresh("group");
        String classic = fresh("group");
        try (var one = member(modern, Map.of()); var two = consumer(classic, Map.of())) {
            one.subscribe(List.of(name));
            two.subscribe(List.of(name));
            eventually("both own it", () -> owned(one, two).equals(List.of(1, 1)));
            for (var type : List.of(GroupType.CONSUMER, GroupType.CLASSIC)) {
                var ids = get(admin.listGroups(new ListGroupsOptions().withTypes(Set.of(type))).all()).stream()
                    .map(GroupListing::groupId).toList();
                expect("modern in " + type, ids.contains(modern), type == GroupType.CONSUMER);
                expect("classic in " + type, ids.contains(classic), type == GroupType.CLASSIC);
            }
            var listed = get(admin.listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))).all());
            var found = listed.stream().filter(g -> g.groupId().equals(modern)).findFirst().orElseThrow();
            expect("type", found.type(), Optional.of(GroupType.CONSUMER));
            expect("protocol", found.protocol(), "consumer");
        }
    }

    static void delete() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        try (var member = member(group, Map.of())) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(1)));
            expectError("delete while in use", GroupNotEmptyException.class,
                () -> get(admin.deleteConsumerGroups(List.of(group)).all()));
        }
        eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
        get(admin.deleteConsumerGroups(List.of(group)).all());
        expectError("deleted", GroupIdNotFoundException.class, () -> described(group));
    }

    static void removeMember() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        try (var member = member(group, Map.of("group.instance.id", "one"))) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(1)));
        }
        expect("kept while away", described(group).members().size(), 1);
        var options = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")));
        get(admin.removeMembersFromConsumerGroup(group, options).all());
        eventually("empty", () -> described(group).members().isEmpty());
    }

    static void groupConfigs() throws Exception {
        String group = fresh("group");
        var type = ConfigResource.Type.GROUP;
        expect("default", config(type, group, "consumer.session.timeout.ms").value(), "45000");
        alter(type, group, "consumer.session.timeout.ms", "50000", AlterConfigOp.OpType.SET, false);
        alter(type, group, "consumer.heartbeat.interval.ms", "6000", AlterConfigOp.OpType.SET, false);
        eventually("set", () -> config(type, group, "consumer.session.timeout.ms").value().equals("50000"));
        expect("source", config(type, group, "consumer.session.timeout.ms").source(),
            ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG);
        for (String[] bad : new String[][] {{"consumer.session.timeout.ms", "1"}, {"no.such.setting", "1"},
                {"consumer.heartbeat.interval.ms", "never"}})
            expectError(bad[0] + "=" + bad[1], ApiException.class, () -> {
                alter(type, group, bad[0], bad[1], AlterConfigOp.OpType.SET, false);
                return null;
            });
        expect("listed", get(admin.listConfigResources(Set.of(type), new ListConfigResourcesOptions()).all())
            .contains(new ConfigResource(type, group)), true);
        alter(type, group, "consumer.session.timeout.ms", null, AlterConfigOp.OpType.DELETE, false);
        eventually("default again", () -> config(type, group, "consumer.session.timeout.ms").value().equals("45000"));
    }

    static void transaction() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        try (var member = member(group, Map.of()); var producer = Transactions.transactional(fresh("txn"))) {
            member.subscribe(List.of(name));
            eventually("the member owns all", () -> owned(member).equals(List.of(1)));
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(5)), member.groupMetadata());
            producer.commitTransaction();
            expect("committed", member.committed(Set.of(at)).get(at).offset(), 5L);
        }
    }

    static GroupType typeOf(String group) throws Exception {
        return described(group).type();
    }

    static void upgrade() throws Exception {
        String name = topic(4, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        var classic = consumer(group, Map.of("heartbeat.interval.ms", 300));
        try (var modern = member(group, Map.of())) {
            classic.subscribe(List.of(name));
            eventually("the classic member owns all", () -> owned(classic).equals(List.of(4)));
            classic.commitSync(Map.of(at, new OffsetAndMetadata(3)));
            expect("type", typeOf(group), GroupType.CLASSIC);
            modern.subscribe(List.of(name));
            eventually("they share", () -> owned(classic, modern).equals(List.of(2, 2)));
            expect("every partition has an owner", union(List.of(classic, modern)).size(), 4);
            expect("type", typeOf(group), GroupType.CONSUMER);
            expect("upgraded members", described(group).members().stream()
                .filter(m -> m.upgraded().orElse(false)).count(), 1L);
            classic.close();
            eventually("the modern member owns all", () -> owned(modern).equals(List.of(4)));
            expect("the offset came along", modern.committed(Set.of(at)).get(at).offset(), 3L);
        } finally {
            classic.close();
        }
    }

    static void downgrade() throws Exception {
        String name = topic(4, Map.of());
        String group = fresh("group");
        try (var classic = consumer(group, Map.of("heartbeat.interval.ms", 300))) {
            try (var modern = member(group, Map.of())) {
                modern.subscribe(List.of(name));
                eventually("the modern member owns all", () -> owned(modern).equals(List.of(4)));
                classic.subscribe(List.of(name));
                eventually("they share", () -> owned(modern, classic).equals(List.of(2, 2)));
                expect("type", typeOf(group), GroupType.CONSUMER);
            }
            eventually("the classic member owns all", () -> owned(classic).equals(List.of(4)));
            expect("type", typeOf(group), GroupType.CLASSIC);
        }
    }

    static void changesType() throws Exception {
        String name = topic(1, Map.of());
        String group = fresh("group");
        var at = new TopicPartition(name, 0);
        for (String protocol : List.of("classic", "consumer", "classic")) {
            try (var member = consumer(group, Map.of("group.protocol", protocol))) {
                member.subscribe(List.of(name));
                eventually("the member owns all", () -> owned(member).equals(List.of(1)));
                expect("type", typeOf(group).toString().toLowerCase(Locale.ROOT), protocol);
                member.commitSync(Map.of(at, new OffsetAndMetadata(1)));
            }
            eventually("empty", () -> described(group).groupState() == GroupState.EMPTY);
        }
    }
}
