// The rebalance drill on Kafka's own client; see rebalance.py for what members do and what the history's lines mean.
//
//   Rebalance members GROUP TOPIC HOST PROTOCOL COUNT HISTORY   COUNT members, until a line comes or standard input ends
//   Rebalance describe GROUP HISTORY                            what the coordinator says: `S type state`, then a line
//                                                               `D member-id partitions` a member

import java.io.FileWriter;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Rebalance {
    static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    static final int SESSION_MS = Integer.parseInt(System.getenv().getOrDefault("SESSION_MS", "6000"));
    static final int HEARTBEAT_MS = Integer.parseInt(System.getenv().getOrDefault("HEARTBEAT_MS", "1000"));
    static final long COMMIT_EVERY_US = 1_000_000;
    static final Duration POLL = Duration.ofMillis(100);
    static final Duration CLOSE_MAX = Duration.ofSeconds(10);

    static FileWriter history;
    static volatile boolean ends;

    static synchronized void note(Object... fields) {
        StringJoiner line = new StringJoiner(" ", "", "\n");
        for (Object field : fields) line.add(String.valueOf(field));
        try {
            history.write(line.toString());
            history.flush();
        } catch (IOException error) {
            throw new RuntimeException(error);
        }
    }

    static long wallUs() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
    }

    static String text(Collection<TopicPartition> partitions) {
        if (partitions.isEmpty()) return "-";
        return partitions.stream().map(TopicPartition::partition).sorted().map(String::valueOf)
            .collect(Collectors.joining(","));
    }

    static final class Member implements Runnable, ConsumerRebalanceListener {
        final String name;
        final String topic;
        final KafkaConsumer<byte[], byte[]> consumer;
        final Set<TopicPartition> assigned = new HashSet<>();
        boolean commitUnderWay;
        String underWay;
        long commitDue;
        long commitBegin;

        Member(String name, String group, String topic, String protocol) {
            this.name = name;
            this.topic = topic;
            Map<String, Object> settings = new HashMap<>(Map.of(
                "bootstrap.servers", BOOTSTRAP, "group.id", group, "client.id", name, "enable.auto.commit", false,
                "auto.offset.reset", "earliest", "reconnect.backoff.max.ms", 500, "group.protocol", protocol));
            if (protocol.equals("classic")) {
                settings.put("partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
                settings.put("session.timeout.ms", SESSION_MS);
                settings.put("heartbeat.interval.ms", HEARTBEAT_MS);
            }
            note("B", wallUs(), name, protocol);
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            consumer.subscribe(List.of(topic), this);
        }

        int epoch() {
            return consumer.groupMetadata().generationId();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            long now = wallUs();
            consumer.pause(partitions);
            assigned.addAll(partitions);
            commitDue = 0;
            note("A", now, name, consumer.groupMetadata().memberId(), epoch(), text(partitions));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            note("R", wallUs(), name, epoch(), text(partitions));
            assigned.removeAll(partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            note("L", wallUs(), name, epoch(), text(partitions));
            assigned.removeAll(partitions);
        }

        void commit() {
            long begin = wallUs();
            if (assigned.isEmpty() || commitUnderWay || begin < commitDue) return;
            commitDue = begin + COMMIT_EVERY_US;
            int epoch = epoch();
            Set<TopicPartition> places = Set.copyOf(assigned);
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            for (TopicPartition place : places) offsets.put(place, new OffsetAndMetadata(begin));
            commitUnderWay = true;
            underWay = epoch + " " + text(places);
            commitBegin = begin;
            consumer.commitAsync(offsets, (committed, error) -> {
                commitUnderWay = false;
                if (error == null) note("C", begin, wallUs(), name, epoch, text(places));
                else note("F", begin, wallUs(), name, epoch, text(places), error.getClass().getSimpleName());
            });
        }

        @Override
        public void run() {
            while (!ends) {
                try {
                    consumer.poll(POLL);
                    commit();
                } catch (KafkaException error) {
                    System.err.println(name + ": " + error);
                }
            }
            consumer.close(CloseOptions.timeout(CLOSE_MAX));
            // Nobody said what became of it.
            if (commitUnderWay) note("F", commitBegin, wallUs(), name, underWay, "closed");
            note("E", wallUs(), name);
        }
    }

    static void members(String[] arguments) throws IOException, InterruptedException {
        history = new FileWriter(arguments[6], true);
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < Integer.parseInt(arguments[5]); number++) {
            var member = new Member(arguments[3] + "." + number, arguments[1], arguments[2], arguments[4]);
            Thread thread = new Thread(member, member.name);
            thread.start();
            threads.add(thread);
        }
        System.in.read();
        ends = true;
        for (Thread thread : threads) thread.join();
    }

    static void describe(String group, String file) throws IOException, ExecutionException, InterruptedException {
        history = new FileWriter(file, false);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP))) {
            ConsumerGroupDescription told = admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
            note("S", told.type(), told.groupState());
            for (MemberDescription member : told.members())
                note("D", member.consumerId(), text(member.assignment().topicPartitions()));
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("describe")) describe(arguments[1], arguments[2]);
        else members(arguments);
        System.exit(0);
    }
}
