// kafka-streams: a word count with exactly_once_v2 under the classic and the streams group protocol (KIP-1071),
// with its local state deleted, its instances killed, and Kafka's tools for such groups.

import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;

public final class Streams extends Conformance {
    static final int PARTITIONS = 3;

    static Map<String, Case> cases() {
        Map<String, Case> cases = new LinkedHashMap<>();
        for (String protocol : List.of("classic", "streams")) {
            cases.put("word-count-" + protocol, () -> wordCount(protocol));
            cases.put("second-instance-" + protocol, () -> secondInstance(protocol));
        }
        cases.put("killed-and-state-deleted", Streams::killed);
        cases.put("group-admin", Streams::groupAdmin);
        cases.put("streams-groups-tool", Streams::tool);
        cases.put("application-reset-tool", Streams::reset);
        return cases;
    }

    public static void main(String[] args) throws Exception {
        main(cases(), Map.of(), 2);
    }

    /** One application: its topics, its instances, and what it must have counted. */
    static final class Application implements AutoCloseable {
        final String id = fresh("count");
        final String input;
        final String output;
        final String protocol;
        final List<Instance> instances = new ArrayList<>();
        final Map<String, Long> expected = new TreeMap<>();
        int sent;

        Application(String protocol) throws Exception {
            this.protocol = protocol;
            input = topic(PARTITIONS, Map.of());
            output = topic(1, Map.of());
        }

        Instance start() throws Exception {
            var instance = new Instance(this, Files.createTempDirectory("state"));
            instances.add(instance);
            return instance;
        }

        void feed(int lines) throws Exception {
            try (var producer = producer(Map.of())) {
                for (int n = 0; n < lines; n++, sent++) {
                    String line = "w" + sent % 7 + " w" + sent % 3 + " all";
                    for (String word : line.split(" ")) expected.merge(word, 1L, Long::sum);
                    producer.send(new ProducerRecord<>(input, sent % PARTITIONS, null, line));
                }
            }
        }

        /** Each word's counts must come out as 1, 2, 3 and so on: none twice, none left out. */
        void expectCounts() throws Exception {
            long total = expected.values().stream().mapToLong(n -> n).sum();
            Map<String, Long> found = new TreeMap<>();
            var at = List.of(new TopicPartition(output, 0));
            try (var consumer = consumer(null, Map.of("isolation.level", "read_committed"))) {
                consumer.assign(at);
                consumer.seekToBeginning(at);
                long deadline = System.nanoTime() + Duration.ofSeconds(75).toNanos();
                long read = 0;
                while (read < total) {
                    for (var record : consumer.poll(Duration.ofMillis(200))) {
                        long next = found.merge(record.key(), 1L, Long::sum);
                        expect("next count of " + record.key(), record.value(), "" + next);
                        read++;
                    }
                    if (System.nanoTime() > deadline)
                        throw new Failure("counted " + read + " of " + total + " words in 75 s");
                }
                expect("nothing more", consumer.poll(Duration.ofMillis(500)).count(), 0);
            }
            expect("counts", found, expected);
        }

        @Override
        public void close() {
            for (var instance : instances) instance.kill();
        }
    }

    static final class Instance {
        final Process process;
        final Path state;
        final Path log;

        Instance(Application of, Path state) throws IOException {
            this.state = state;
            log = Files.createTempFile("streams", ".log");
            process = java(log, "WordCount", of.id, of.input, of.output, state.toString(), of.protocol);
        }

        void awaitRunning() throws Exception {
            eventually("RUNNING", () -> {
                if (!process.isAlive()) throw new Failure("the application ended: " + Files.readString(log));
                return Files.readAllLines(log).contains("RUNNING");
            });
        }

        void stop() throws Exception {
            process.destroy();
            if (!process.waitFor(30, TimeUnit.SECONDS)) throw new Failure("it does not stop");
        }

        void kill() {
            process.destroyForcibly();
            try (var files = Files.walk(state)) {
                files.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
                Files.deleteIfExists(log);
            } catch (IOException gone) {
                // What is gone already need not be deleted.
            }
        }
    }

    static Process java(Path log, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            "-Dconformance.log.level=WARN", "-Dlog4j2.configurationFile="
                + System.getProperty("log4j2.configurationFile"), "-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    }

    /** What a tool of Kafka's says; it must end well. */
    static String tool(String name, String... arguments) throws Exception {
        Path log = Files.createTempFile("tool", ".log");
        List<String> all = new ArrayList<>(List.of("org.apache.kafka.tools." + name, "--bootstrap-server", BOOTSTRAP));
        all.addAll(List.of(arguments));
        var process = java(log, all.toArray(String[]::new));
        if (!process.waitFor(50, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new Failure(name + " does not end");
        }
        String text = Files.readString(log);
        Files.delete(log);
        if (process.exitValue() != 0) throw new Failure(name + " ended with " + process.exitValue() + ": " + text);
        return text;
    }

    static void wordCount(String protocol) throws Exception {
        try (var application = new Application(protocol)) {
            application.feed(200);
            var first = application.start();
            application.expectCounts();
            first.stop();
            // A new instance has a new state folder: the counts come back from the changelog.
            application.feed(100);
            application.start();
            application.expectCounts();
        }
    }

    static void secondInstance(String protocol) throws Exception {
        try (var application = new Application(protocol)) {
            var first = application.start();
            first.awaitRunning();
            application.feed(100);
            var second = application.start();
            second.awaitRunning();
            application.feed(100);
            application.expectCounts();
            first.stop();
            application.feed(100);
            application.expectCounts();
        }
    }

    static void killed() throws Exception {
        try (var application = new Application("classic")) {
            application.feed(300);
            var first = application.start();
            first.awaitRunning();
            application.feed(300);
            first.kill();
            application.feed(50);
            application.start();
            application.expectCounts();
        }
    }

    static StreamsGroupDescription described(String group) throws Exception {
        return get(admin.describeStreamsGroups(List.of(group)).all()).get(group);
    }

    static void groupAdmin() throws Exception {
        try (var application = new Application("streams")) {
            var instance = application.start();
            application.feed(50);
            application.expectCounts();
            eventually("stable", () -> described(application.id).groupState() == GroupState.STABLE);
            var found = described(application.id);
            expect("members", found.members().size(), 2);
            expect("subtopologies", found.subtopologies().size(), 2);
            expect("tasks", found.members().stream().flatMap(m -> m.assignment().activeTasks().stream())
                .mapToInt(task -> task.partitions().size()).sum(), 2 * PARTITIONS);
            var listed = get(admin.listGroups(ListGroupsOptions.forStreamsGroups()).all()).stream()
                .filter(group -> group.groupId().equals(application.id)).findFirst().orElseThrow();
            expect("type", listed.type(), Optional.of(GroupType.STREAMS));
            expectError("delete while in use", GroupNotEmptyException.class,
                () -> get(admin.deleteStreamsGroups(List.of(application.id)).all()));
            instance.stop();
            eventually("empty", () -> described(application.id).groupState() == GroupState.EMPTY);
            var offsets = get(admin.listStreamsGroupOffsets(Map.of(application.id,
                new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(application.id));
            expect("offset of the input", offsets.get(new TopicPartition(application.input, 0)).offset(), 17L);
            get(admin.deleteStreamsGroups(List.of(application.id)).all());
            expectError("deleted", GroupIdNotFoundException.class, () -> described(application.id));
        }
    }

    static void tool() throws Exception {
        try (var application = new Application("streams")) {
            var instance = application.start();
            application.feed(50);
            application.expectCounts();
            String command = "streams.StreamsGroupCommand";
            expect("listed", tool(command, "--list").contains(application.id), true);
            expect("state", tool(command, "--describe", "--state", "--group", application.id).contains("Stable"), true);
            expect("members", tool(command, "--describe", "--members", "--group", application.id)
                .contains(application.id), true);
            expect("offsets", tool(command, "--describe", "--group", application.id).contains(application.input), true);
            instance.stop();
            eventually("empty", () -> described(application.id).groupState() == GroupState.EMPTY);
            String text = tool(command, "--reset-offsets", "--to-earliest", "--group", application.id,
                "--input-topic", application.input, "--execute");
            expect("reset", text.contains(application.input), true);
            tool(command, "--delete", "--group", application.id);
            eventually("gone", () -> !tool(command, "--list").contains(application.id));
        }
    }

    static void reset() throws Exception {
        try (var application = new Application("classic")) {
            var instance = application.start();
            application.feed(50);
            application.expectCounts();
            instance.stop();
            eventually("empty", () -> get(admin.describeConsumerGroups(List.of(application.id)).all())
                .get(application.id).groupState() == GroupState.EMPTY);
            String text = tool("StreamsResetter", "--application-id", application.id, "--input-topics",
                application.input);
            expect("reset", text.contains(application.input), true);
            expect("internal topics are gone", get(admin.listTopics().names()).stream()
                .filter(name -> name.startsWith(application.id)).toList(), List.of());
            var offsets = get(admin.listConsumerGroupOffsets(application.id).partitionsToOffsetAndMetadata());
            for (int n = 0; n < PARTITIONS; n++) {
                var offset = offsets.get(new TopicPartition(application.input, n));
                expect("offset of the input", offset == null ? 0L : offset.offset(), 0L);
            }
        }
    }
}
