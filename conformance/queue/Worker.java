// The queue drill on Kafka's own share consumer: a worker that answers for its records as the dice fall, and the ends of
// the drill. A second kind of worker, and the producer, are in worker.py.
//
//   Worker open QUEUE LETTERS            makes the topics and the group's settings; LETTERS is `kept`, or `dropped` where the
//                                        server knows no dead-letter topics
//   Worker work QUEUE SEED HISTORY       takes records until `stop` comes on standard input; after `calm` it hangs no more
//   Worker close QUEUE LETTERS HISTORY   waits until the group is through with every record, then tells where everything ended
//
// HISTORY gets a line an event. Times are microseconds on the machine's monotonic clock, the same for all processes:
//   S time                                                   the process is there
//   D time bound poll partition offset delivery-count value  a record came with a poll, and was handed out after `bound`
//   A time partition offset answer                           it is answered for: accept, release, reject, renew
//   C time partition offset                                  the oldest answer for it that is open is durable
//   F time partition offset error                            ... or nothing is known of it
//   W partition offset value                                 the producer's record has this place
//   Q partition offset delivery-count letter-partition letter-offset   is in the dead-letter topic
//   E partition log-start log-end group-start                at the end
//
// How is `bound` known? The client has one request to the server under way at a time, and counts those that ended well. A
// poll that comes back with room to spare has emptied the client's buffer, so that what comes with later polls arrived
// after it began: with answer number n or later, where n - 1 were counted then. Its request left after answer n - 1, which
// was after any moment at which no more than n - 2 were counted. The newest such moment is the bound.

import java.io.FileWriter;
import java.io.IOException;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

public final class Worker {
    static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    static final int PARTITIONS = 4;
    static final int LETTER_PARTITIONS = 2;
    static final int LOCK_MS = 2_000;
    static final int DELIVERIES_MAX = 3;
    /** One poll of so many is followed by a hang. */
    static final int HANG_OF = 60;
    static final int HANG_BEYOND_LOCK_MS = 1_500;
    static final int WORK_MS = 15;
    static final int ERRORS_MAX = 200;
    static final long SETTLE_MS_MAX = 120_000;
    static final int[] POLL_RECORDS = {10, 40, 200};
    /** Of a hundred records: accepted, released, rejected; the rest renewed first. */
    static final int ACCEPTED = 80;
    static final int RELEASED = 91;
    static final int REJECTED = 95;

    final FileWriter history;
    final Random random;
    final int recordsMax;
    final KafkaShareConsumer<String, String> consumer;
    final Metric answered;
    /** Answers that are open, by record, oldest first. */
    final Map<String, Deque<AcknowledgeType>> open = new HashMap<>();
    /** Records that come back with a poll without being delivered anew. */
    final Set<String> renewed = new HashSet<>();
    /** When so many answers of the server were last the ones counted. */
    final TreeMap<Long, Long> countedAt = new TreeMap<>();
    final long start = micros();
    long oldestAnswer;
    boolean hangs = true;

    Worker(String queue, long seed, String file) throws IOException {
        history = new FileWriter(file, true);
        random = new Random(seed);
        recordsMax = POLL_RECORDS[random.nextInt(POLL_RECORDS.length)];
        consumer = new KafkaShareConsumer<>(Map.of(
            "bootstrap.servers", BOOTSTRAP, "group.id", queue, "share.acknowledgement.mode", "explicit",
            "share.acquire.mode", random.nextBoolean() ? "record_limit" : "batch_optimized",
            "max.poll.records", recordsMax, "fetch.max.wait.ms", 100, "request.timeout.ms", 5_000,
            "reconnect.backoff.max.ms", 200), new StringDeserializer(), new StringDeserializer());
        consumer.setAcknowledgementCommitCallback((offsets, error) -> offsets.forEach((place, all) ->
            all.forEach(offset -> answered(place.partition(), offset, error))));
        consumer.subscribe(List.of(queue));
        answered = consumer.metrics().entrySet().stream().filter(one -> one.getKey().name().equals("fetch-total")
            && one.getKey().group().endsWith("fetch-manager-metrics")).findFirst().orElseThrow().getValue();
    }

    static long micros() {
        return System.nanoTime() / 1_000;
    }

    static String key(int partition, long offset) {
        return partition + " " + offset;
    }

    void note(Object... fields) {
        StringJoiner line = new StringJoiner(" ", "", "\n");
        for (Object field : fields) line.add(String.valueOf(field));
        try {
            history.write(line.toString());
        } catch (IOException error) {
            throw new RuntimeException(error);
        }
    }

    void flush() {
        try {
            history.flush();
        } catch (IOException error) {
            throw new RuntimeException(error);
        }
    }

    void answered(int partition, long offset, Exception error) {
        String key = key(partition, offset);
        Deque<AcknowledgeType> types = open.get(key);
        if (types == null) return;
        AcknowledgeType type = types.poll();
        if (types.isEmpty()) open.remove(key);
        if (error == null) {
            note("C", micros(), key);
        } else {
            note("F", micros(), key, error.getClass().getSimpleName());
            if (type == AcknowledgeType.RENEW) renewed.remove(key);
        }
        flush();
    }

    /** A moment before which nothing was handed out of what comes with the next poll. */
    long bound() {
        Map.Entry<Long, Long> before = countedAt.floorEntry(oldestAnswer - 2);
        return before == null ? start : before.getValue();
    }

    void turn(long number) throws InterruptedException {
        long now = micros();
        long counted = ((Number) answered.metricValue()).longValue();
        countedAt.put(counted, now);
        boolean collects = renewed.isEmpty();
        long bound = bound();
        var records = consumer.poll(Duration.ofMillis(200));
        if (records.count() > 0) {
            List<ConsumerRecord<String, String>> all = new ArrayList<>();
            records.forEach(all::add);
            take(number, bound, all);
        }
        if (collects && records.count() < recordsMax) {
            oldestAnswer = counted + 1;
            countedAt.headMap(oldestAnswer - 4).clear();
        }
    }

    void take(long number, long bound, List<ConsumerRecord<String, String>> records) throws InterruptedException {
        Set<String> again = new HashSet<>();
        long now = micros();
        for (var record : records) {
            String key = key(record.partition(), record.offset());
            if (renewed.remove(key)) again.add(key);
            else note("D", now, bound, number, key, record.deliveryCount().orElse((short) 0), record.value());
        }
        flush();
        Thread.sleep(random.nextInt(WORK_MS));
        if (hangs && random.nextInt(HANG_OF) == 0) Thread.sleep(LOCK_MS + random.nextInt(HANG_BEYOND_LOCK_MS));
        List<AcknowledgeType> types = new ArrayList<>();
        now = micros();
        for (var record : records) {
            String key = key(record.partition(), record.offset());
            int dice = random.nextInt(100);
            AcknowledgeType type = dice < ACCEPTED ? AcknowledgeType.ACCEPT : dice < RELEASED ? AcknowledgeType.RELEASE
                : dice < REJECTED ? AcknowledgeType.REJECT : again.contains(key) ? AcknowledgeType.ACCEPT
                : AcknowledgeType.RENEW;
            types.add(type);
            if (type == AcknowledgeType.RENEW) renewed.add(key);
            open.computeIfAbsent(key, some -> new ArrayDeque<>()).add(type);
            note("A", now, key, type);
        }
        // Written down before the client can send it.
        flush();
        for (int index = 0; index < records.size(); index++) consumer.acknowledge(records.get(index), types.get(index));
        switch (random.nextInt(3)) {
            case 0 -> consumer.commitSync(Duration.ofSeconds(5));
            case 1 -> consumer.commitAsync();
            default -> { } // The next poll takes the answers along.
        }
    }

    /** Whether to go on, as standard input says. */
    boolean goesOn() throws IOException {
        while (System.in.available() > 0) {
            int letter = System.in.read();
            if (letter == 'c') hangs = false;
            if (letter == 's' || letter < 0) return false;
            while (letter >= 0 && letter != '\n') letter = System.in.read();
        }
        return true;
    }

    void work() throws Exception {
        note("S", start);
        flush();
        int errors = 0;
        for (long number = 0; goesOn(); number++) {
            try {
                turn(number);
            } catch (KafkaException | IllegalStateException error) {
                error.printStackTrace();
                if (++errors > ERRORS_MAX) throw error;
                Thread.sleep(20);
            }
        }
        consumer.close(Duration.ofSeconds(10));
        flush();
    }

    static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", BOOTSTRAP, "reconnect.backoff.max.ms", 200));
    }

    static String lettersOf(String queue) {
        return "dlq." + queue;
    }

    static void open(String queue, boolean keeps) throws Exception {
        try (var admin = admin()) {
            List<NewTopic> topics = new ArrayList<>(List.of(new NewTopic(queue, PARTITIONS, (short) 1)));
            Map<String, String> settings = new HashMap<>(Map.of("share.auto.offset.reset", "earliest",
                "share.record.lock.duration.ms", "" + LOCK_MS, "share.delivery.count.limit", "" + DELIVERIES_MAX));
            if (keeps) {
                topics.add(new NewTopic(lettersOf(queue), LETTER_PARTITIONS, (short) 1)
                    .configs(Map.of("errors.deadletterqueue.group.enable", "true")));
                settings.put("errors.deadletterqueue.topic.name", lettersOf(queue));
                settings.put("errors.deadletterqueue.copy.record.enable", "true");
            }
            admin.createTopics(topics).all().get();
            List<AlterConfigOp> changes = new ArrayList<>();
            settings.forEach((name, value) -> changes.add(new AlterConfigOp(new ConfigEntry(name, value),
                AlterConfigOp.OpType.SET)));
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, queue), changes)).all().get();
        }
    }

    static Map<TopicPartition, Long> ends(Admin admin, String topic, int partitions, OffsetSpec which) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) asked.put(new TopicPartition(topic, partition), which);
        Map<TopicPartition, Long> found = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((place, end) -> found.put(place, end.offset()));
        return found;
    }

    static void close(String queue, boolean keeps, String file) throws Exception {
        try (var admin = admin(); var history = new FileWriter(file, true)) {
            var starts = ends(admin, queue, PARTITIONS, OffsetSpec.earliest());
            var ends = ends(admin, queue, PARTITIONS, OffsetSpec.latest());
            Map<TopicPartition, Long> reached = new HashMap<>();
            long deadline = System.currentTimeMillis() + SETTLE_MS_MAX;
            while (System.currentTimeMillis() < deadline) {
                var found = admin.listShareGroupOffsets(Map.of(queue, new ListShareGroupOffsetsSpec()))
                    .partitionsToOffsetInfo(queue).get();
                // A start that has moved may be written with the next change only: without a lag all is over.
                found.forEach((place, info) -> { if (info != null) reached.put(place, info.lag().orElse(-1L) == 0
                    ? ends.get(place) : info.startOffset()); });
                if (ends.entrySet().stream().allMatch(end -> reached.getOrDefault(end.getKey(), 0L) >= end.getValue())) break;
                Thread.sleep(100);
            }
            for (var place : ends.keySet())
                history.write("E " + place.partition() + " " + starts.get(place) + " " + ends.get(place) + " "
                    + reached.getOrDefault(place, 0L) + "\n");
            if (keeps) for (var letter : letters(admin, queue)) history.write(letter);
        }
    }

    static List<String> letters(Admin admin, String queue) throws Exception {
        List<String> lines = new ArrayList<>();
        var ends = ends(admin, lettersOf(queue), LETTER_PARTITIONS, OffsetSpec.latest());
        try (var reader = new KafkaConsumer<>(Map.of("bootstrap.servers", BOOTSTRAP), new StringDeserializer(),
                new StringDeserializer())) {
            reader.assign(ends.keySet());
            reader.seekToBeginning(ends.keySet());
            while (ends.entrySet().stream().anyMatch(end -> reader.position(end.getKey()) < end.getValue()))
                for (var record : reader.poll(Duration.ofMillis(200))) {
                    String source = header(record, "topic") + " " + header(record, "group");
                    if (!source.equals(queue + " " + queue)) throw new IllegalStateException("a letter from " + source);
                    lines.add("Q " + header(record, "partition") + " " + header(record, "offset") + " "
                        + header(record, "delivery.count") + " " + record.partition() + " " + record.offset() + "\n");
                }
        }
        return lines;
    }

    static String header(ConsumerRecord<String, String> record, String name) {
        return new String(record.headers().lastHeader("__dlq.errors." + name).value());
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "open" -> open(arguments[1], arguments[2].equals("kept"));
            case "work" -> new Worker(arguments[1], Long.parseLong(arguments[2]), arguments[3]).work();
            case "close" -> close(arguments[1], arguments[2].equals("kept"), arguments[3]);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(0);
    }
}
