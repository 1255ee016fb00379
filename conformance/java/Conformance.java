// What every Java program here is made of: named cases in, one JSON line a case out, in the form that
// conformance.py describes.

import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.AppInfoParser;

class Conformance {
    static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    static final long SECONDS = 20;
    static final long CASE_SECONDS_MAX = 90;
    static Admin admin;

    interface Case { void run() throws Exception; }

    static final class Failure extends Exception {
        Failure(String message) { super(message); }
    }

    // ---- what cases are made of --------------------------------------------------------------------------------

    static String fresh(String prefix) {
        return prefix + "-" + UUID.randomUUID().toString().substring(0, 13);
    }

    static byte[] bytes(String text) { return text.getBytes(java.nio.charset.StandardCharsets.UTF_8); }

    static List<String> numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(Integer::toString).toList();
    }

    static List<Long> longs(long from, long to) { return LongStream.range(from, to).boxed().toList(); }

    static <T> T get(KafkaFuture<T> future) throws Exception { return future.get(SECONDS, TimeUnit.SECONDS); }

    static Object create(NewTopic topic) throws Exception {
        return get(admin.createTopics(List.of(topic)).all());
    }

    static String topic(int partitions, Map<String, String> configs) throws Exception {
        String name = fresh("java");
        create(new NewTopic(name, partitions, (short) 1).configs(configs));
        eventually("the topic", () -> {
            try {
                return describe(name).partitions().stream().allMatch(p -> p.leader() != null);
            } catch (ExecutionException error) {
                return false;
            }
        });
        return name;
    }

    static TopicDescription describe(String name) throws Exception {
        return get(admin.describeTopics(List.of(name)).allTopicNames()).get(name);
    }

    static MemberDescription member(String group) throws Exception {
        var members = get(admin.describeConsumerGroups(List.of(group)).all()).get(group).members();
        expect("members", members.size(), 1);
        return members.iterator().next();
    }

    static ConfigEntry config(ConfigResource.Type type, String name, String key) throws Exception {
        var resource = new ConfigResource(type, name);
        return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(key);
    }

    static void alter(ConfigResource.Type type, String name, String key, String value, AlterConfigOp.OpType op,
            boolean validateOnly) throws Exception {
        var change = new AlterConfigOp(new ConfigEntry(key, value), op);
        get(admin.incrementalAlterConfigs(Map.of(new ConfigResource(type, name), List.of(change)),
            new AlterConfigsOptions().validateOnly(validateOnly)).all());
    }

    static KafkaProducer<String, String> producer(Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", BOOTSTRAP, "max.block.ms", 15_000));
        all.putAll(config);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    static List<Long> produce(String name, List<String> values) throws Exception {
        return produce(name, values, Map.of());
    }

    static List<Long> produce(String name, List<String> values, Map<String, Object> config) throws Exception {
        try (var producer = producer(config)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String value : values) sent.add(producer.send(new ProducerRecord<>(name, 0, null, value)));
            List<Long> offsets = new ArrayList<>();
            for (var future : sent) offsets.add(future.get(SECONDS, TimeUnit.SECONDS).offset());
            return offsets;
        }
    }

    static void produceAt(String name, long[] stamps) throws Exception {
        try (var producer = producer(Map.of("linger.ms", 100))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (long stamp : stamps) sent.add(producer.send(new ProducerRecord<>(name, 0, stamp, null, "v")));
            for (var future : sent) future.get(SECONDS, TimeUnit.SECONDS);
        }
    }

    static KafkaConsumer<String, String> consumer(String group, Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", BOOTSTRAP, "auto.offset.reset",
            "earliest", "enable.auto.commit", false, "fetch.max.wait.ms", 100));
        if (group != null) all.put("group.id", group);
        all.putAll(config);
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static List<ConsumerRecord<String, String>> read(Consumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        eventually(count + " records", () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            return records.size() >= count;
        });
        return records;
    }

    static List<ConsumerRecord<String, String>> readFrom(String name, long offset, int count) throws Exception {
        try (var consumer = consumer(null, Map.of())) {
            var at = new TopicPartition(name, 0);
            consumer.assign(List.of(at));
            consumer.seek(at, offset);
            return read(consumer, count);
        }
    }

    static List<String> values(List<ConsumerRecord<String, String>> records) {
        return records.stream().map(r -> r.value()).toList();
    }

    @SafeVarargs
    static List<Integer> owned(KafkaConsumer<String, String>... members) {
        for (var member : members) member.poll(Duration.ofMillis(50));
        return Arrays.stream(members).map(member -> member.assignment().size()).toList();
    }

    static void expect(String what, Object found, Object expected) throws Failure {
        if (!Objects.equals(found, expected))
            throw new Failure(what + ": expected " + expected + ", found " + found);
    }

    static void expectError(String what, Class<?> error, Callable<?> call) throws Failure {
        Object found;
        try {
            found = "success: " + call.call();
        } catch (Throwable thrown) {
            for (Throwable cause = thrown; cause != null; cause = cause.getCause())
                if (error.isInstance(cause)) return;
            found = thrown;
        }
        throw new Failure(what + ": expected " + error.getSimpleName() + ", found " + found);
    }

    static void eventually(String what, Callable<Boolean> check) throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(40).toNanos();
        while (!check.call()) {
            if (System.nanoTime() > deadline) throw new Failure("waited 40 s for " + what + ", in vain");
            Thread.sleep(10);
        }
    }

    // ---- the lines that come out -------------------------------------------------------------------------------

    static void main(Map<String, Case> cases, Map<String, String> outOfScope) throws Exception {
        main(cases, outOfScope, 1);
    }

    /** Runs `together` cases at once: those that mostly wait for heartbeats need not wait for each other. */
    static void main(Map<String, Case> cases, Map<String, String> outOfScope, int together) throws Exception {
        String named = Objects.requireNonNullElse(System.getenv("CASES"), "");
        Set<String> only = Arrays.stream(named.split(",")).filter(n -> !n.isEmpty()).collect(Collectors.toSet());
        if (!only.isEmpty()) cases.keySet().retainAll(only);
        Map<String, String> skipped = new TreeMap<>(outOfScope);
        if (!only.isEmpty()) skipped.keySet().retainAll(only);
        String plan = Stream.concat(cases.keySet().stream(), skipped.keySet().stream()).map(Conformance::quote)
            .collect(Collectors.joining(", "));
        System.out.println("{\"plan\": [" + plan + "], \"version\": " + quote(AppInfoParser.getVersion()) + "}");
        skipped.forEach((name, reason) -> say(name, "out of scope", reason));
        admin = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));
        try (var pool = new Pool(together)) {
            for (var entry : cases.entrySet()) pool.add(() -> say(entry.getKey(), entry.getValue()));
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    /** So many threads, joined at the end. */
    static final class Pool implements AutoCloseable {
        private final ExecutorService threads;

        Pool(int size) { threads = Executors.newFixedThreadPool(size); }

        void add(Case task) { threads.submit(() -> { task.run(); return null; }); }

        @Override
        public void close() throws InterruptedException {
            threads.shutdown();
            threads.awaitTermination(1, TimeUnit.HOURS);
        }
    }

    static void say(String name, Case body) throws InterruptedException {
        var task = new FutureTask<Void>(() -> { body.run(); return null; });
        var thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        try {
            task.get(CASE_SECONDS_MAX, TimeUnit.SECONDS);
            say(name, "passed", "");
        } catch (TimeoutException error) {
            say(name, "failed", "not done after " + CASE_SECONDS_MAX + " s");
        } catch (ExecutionException error) {
            error.getCause().printStackTrace();
            say(name, "failed", String.valueOf(error.getCause()));
        }
    }

    static void say(String name, String result, String reason) {
        System.out.println("{\"case\": " + quote(name) + ", \"result\": " + quote(result) + ", \"reason\": "
            + quote(reason) + "}");
    }

    static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < ' ') out.append(' ');
            else out.append(c);
        }
        return out.append('"').toString();
    }
}
