// Apache Flink's Kafka source and exactly-once sink, in a cluster inside this process.

import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.*;
import java.util.stream.*;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.*;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

public final class Flink extends Conformance {
    static final int RECORDS = 600;
    /** Records seen and failures still to come; tasks run in this process. */
    static final AtomicInteger seen = new AtomicInteger();
    static final AtomicInteger failures = new AtomicInteger();

    public static void main(String[] args) throws Exception {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("source-commits-offsets", Flink::offsets);
        cases.put("exactly-once-sink-through-a-failure", () -> copy(TransactionNamingStrategy.INCREMENTING, 1));
        cases.put("exactly-once-sink-with-pooled-ids", () -> copy(TransactionNamingStrategy.POOLING, 2));
        main(cases, Map.of());
    }

    /** Slows the stream down, so that checkpoints fall into it, and fails when told. */
    static final class Slowly implements MapFunction<String, String> {
        @Override
        public String map(String value) throws Exception {
            Thread.sleep(4);
            if (seen.incrementAndGet() % (RECORDS / 2) == 0 && failures.getAndUpdate(n -> Math.max(0, n - 1)) > 0)
                throw new IllegalStateException("a failure on purpose");
            return value;
        }
    }

    static StreamExecutionEnvironment environment() throws Exception {
        var configuration = new Configuration();
        configuration.setString("restart-strategy.type", "fixed-delay");
        configuration.setString("restart-strategy.fixed-delay.attempts", "5");
        configuration.setString("restart-strategy.fixed-delay.delay", "200 ms");
        configuration.setString("execution.checkpointing.dir", Files.createTempDirectory("flink").toUri().toString());
        var environment = StreamExecutionEnvironment.createLocalEnvironment(2, configuration);
        environment.enableCheckpointing(300);
        return environment;
    }

    static String feed() throws Exception {
        String name = topic(2, Map.of());
        try (var producer = producer(Map.of())) {
            for (int n = 0; n < RECORDS; n++) producer.send(new ProducerRecord<>(name, n % 2, null, "" + n));
        }
        return name;
    }

    static KafkaSource<String> source(String topic, String group) {
        return KafkaSource.<String>builder().setBootstrapServers(BOOTSTRAP).setTopics(topic).setGroupId(group)
            .setStartingOffsets(OffsetsInitializer.earliest()).setBounded(OffsetsInitializer.latest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .setProperty("isolation.level", "read_committed").build();
    }

    static void offsets() throws Exception {
        String from = feed();
        String group = fresh("group");
        var environment = environment();
        Set<String> found = new HashSet<>();
        try (var records = environment.fromSource(source(from, group), WatermarkStrategy.noWatermarks(), "from")
                .map(new Slowly()).executeAndCollect()) {
            records.forEachRemaining(found::add);
        }
        expect("records", found.size(), RECORDS);
        eventually("an offset of each partition, from a checkpoint", () -> {
            var offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
            return IntStream.range(0, 2).allMatch(n -> {
                var offset = offsets.get(new TopicPartition(from, n));
                return offset != null && offset.offset() > 0;
            });
        });
    }

    static void copy(TransactionNamingStrategy naming, int failing) throws Exception {
        String from = feed();
        String to = topic(1, Map.of());
        failures.set(failing);
        var environment = environment();
        var sink = KafkaSink.<String>builder().setBootstrapServers(BOOTSTRAP)
            .setRecordSerializer(KafkaRecordSerializationSchema.builder().setTopic(to)
                .setValueSerializationSchema(new SimpleStringSchema()).build())
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix(fresh("flink"))
            .setTransactionNamingStrategy(naming).setProperty("transaction.timeout.ms", "60000").build();
        environment.fromSource(source(from, fresh("group")), WatermarkStrategy.noWatermarks(), "from")
            .map(new Slowly()).sinkTo(sink);
        var job = environment.executeAsync();
        job.getJobExecutionResult().get(70, TimeUnit.SECONDS);
        expect("failures on the way", failures.get(), 0);
        try (var consumer = consumer(null, Map.of("isolation.level", "read_committed"))) {
            var at = List.of(new TopicPartition(to, 0));
            consumer.assign(at);
            consumer.seekToBeginning(at);
            var found = values(read(consumer, RECORDS));
            expect("nothing more", consumer.poll(Duration.ofSeconds(1)).count(), 0);
            expect("each record once", found.stream().map(Integer::valueOf).sorted().toList(),
                IntStream.range(0, RECORDS).boxed().toList());
        }
    }
}
