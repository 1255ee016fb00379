// A word count in Kafka Streams, exactly once, as an application of its own: application id, input, output,
// state folder, group protocol.

import java.util.*;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

public final class WordCount {
    public static void main(String[] args) {
        Map<String, Object> config = new HashMap<>(Map.of("application.id", args[0], "bootstrap.servers",
            System.getenv("BOOTSTRAP"), "state.dir", args[3], "group.protocol", args[4],
            "processing.guarantee", "exactly_once_v2", "commit.interval.ms", 100,
            "statestore.cache.max.bytes", 0, "num.stream.threads", 2, "replication.factor", 1));
        config.put("default.key.serde", Serdes.StringSerde.class);
        config.put("default.value.serde", Serdes.StringSerde.class);
        config.put("consumer.auto.offset.reset", "earliest");
        if (args[4].equals("classic")) config.put("consumer.session.timeout.ms", 6000);
        var builder = new StreamsBuilder();
        builder.<String, String>stream(args[1])
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word)
            .count(Materialized.as("counts"))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(args[2], Produced.with(Serdes.String(), Serdes.String()));
        var properties = new Properties();
        properties.putAll(config);
        var streams = new KafkaStreams(builder.build(properties), properties);
        streams.setStateListener((now, before) -> System.out.println(now));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(java.time.Duration.ofSeconds(20))));
        streams.start();
    }
}
