// What the benchmarks need done on a server and librdkafka cannot do.
//
//   Fixture groups TOPIC PARTITIONS PREFIX COUNT   commits an offset in every partition for each of COUNT groups
//   Fixture from-start GROUP                       lets a share group read from the first record

import java.util.*;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

public final class Fixture {
    /** Requests under way at once. */
    static final int AT_ONCE = 200;

    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", System.getenv("BOOTSTRAP")))) {
            switch (args[0]) {
                case "groups" -> groups(admin, args[1], Integer.parseInt(args[2]), args[3], Integer.parseInt(args[4]));
                case "from-start" -> fromStart(admin, args[1]);
                default -> throw new IllegalArgumentException(args[0]);
            }
        }
    }

    static void groups(Admin admin, String topic, int partitions, String prefix, int count) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) {
            offsets.put(new TopicPartition(topic, partition), new OffsetAndMetadata(0));
        }
        Semaphore room = new Semaphore(AT_ONCE);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        for (int number = 0; number < count; number++) {
            room.acquire();
            admin.alterConsumerGroupOffsets(prefix + "-" + number, offsets).all().whenComplete((done, error) -> {
                if (error != null) failure.compareAndSet(null, error);
                room.release();
            });
        }
        room.acquire(AT_ONCE);
        if (failure.get() != null) throw new Exception("a group's offsets were not committed", failure.get());
    }

    static void fromStart(Admin admin, String group) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        var entry = new ConfigEntry("share.auto.offset.reset", "earliest");
        var change = List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
        admin.incrementalAlterConfigs(Map.of(resource, change)).all().get();
    }
}
