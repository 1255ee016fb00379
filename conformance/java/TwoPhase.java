// kafka-clients, two-phase commit (KIP-939): prepares transactions and completes them in another process.
//
// Kafka 4.3.1's producer has the states, the request fields and the answer's handling, and no public way in: its
// initTransactions(keepPreparedTxn), prepareTransaction and completeTransaction wait for the broker's part. They are
// reached as Flink's connector reaches a producer to resume it: through private fields. What is set there is said at
// each place; everything else, the requests and the states among it, is the client's own.

import java.io.*;
import java.lang.reflect.Field;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.clients.producer.internals.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.message.InitProducerIdRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.requests.*;

public final class TwoPhase extends Conformance {
    /** A producer that takes part in two-phase commit. */
    static final class Participant implements AutoCloseable {
        final KafkaProducer<String, String> producer;
        private final TransactionManager manager;

        Participant(String id) throws Exception {
            producer = producer(Map.of("transactional.id", id, "linger.ms", 0, "enable.metrics.push", false,
                "transaction.two.phase.commit.enable", true));
            manager = (TransactionManager) get(KafkaProducer.class, producer, "transactionManager");
        }

        /** initTransactions(keepPreparedTxn) of KIP-939. */
        void init(boolean keep) throws Exception {
            TransactionalRequestResult result;
            // The sender takes requests under this lock: it sees this one when all of it is there.
            synchronized (manager) {
                result = manager.initializeTransactions(keep);
                for (Object handler : (Collection<?>) get(TransactionManager.class, manager, "pendingRequests")) {
                    if (!handler.getClass().getSimpleName().equals("InitProducerIdHandler")) continue;
                    var builder = (InitProducerIdRequest.Builder) get(handler.getClass(), handler, "builder");
                    var data = (InitProducerIdRequestData) get(InitProducerIdRequest.Builder.class, builder, "data");
                    data.setEnable2Pc(true).setKeepPreparedTxn(keep);
                    set(AbstractRequest.Builder.class, builder, "latestAllowedVersion",
                        ApiKeys.INIT_PRODUCER_ID.latestVersion(true));
                }
            }
            ((Sender) get(KafkaProducer.class, producer, "sender")).wakeup();
            result.await(60, TimeUnit.SECONDS, "InitProducerId");
            manager.maybeUpdateTransactionV2Enabled(true);
            // Else commit and abort of a transaction that began elsewhere send nothing.
            if (prepared().hasTransaction()) set(TransactionManager.class, manager, "transactionStarted", true);
        }

        /** prepareTransaction of KIP-939. */
        PreparedTxnState prepare() {
            producer.flush();
            manager.prepareTransaction();
            return prepared();
        }

        /** completeTransaction of KIP-939; says what it did. */
        String complete(PreparedTxnState noted) {
            if (!prepared().hasTransaction()) return "nothing to complete";
            if (prepared().equals(noted)) {
                producer.commitTransaction();
                return "committed";
            }
            producer.abortTransaction();
            return "aborted";
        }

        private PreparedTxnState prepared() {
            var state = manager.preparedTransactionState();
            return state.isValid() ? new PreparedTxnState(state.producerId + ":" + state.epoch) : new PreparedTxnState();
        }

        @Override
        public void close() { producer.close(); }
    }

    private static Field field(Class<?> of, String name) throws Exception {
        Field field = of.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    private static Object get(Class<?> of, Object object, String name) throws Exception {
        return field(of, name).get(object);
    }

    private static void set(Class<?> of, Object object, String name, Object value) throws Exception {
        field(of, name).set(object, value);
    }

    private static void print(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));

    /** Prepares a transaction, prints what is to be noted of it, and does what standard input says. */
    private static void prepare(String id, String topic, List<String> values) throws Exception {
        var participant = new Participant(id);
        participant.init(false);
        participant.producer.beginTransaction();
        for (String value : values) participant.producer.send(new ProducerRecord<>(topic, 0, null, value));
        print("prepared " + participant.prepare());
        for (String line = INPUT.readLine(); line != null; line = INPUT.readLine()) {
            try {
                participant.producer.commitTransaction();
                print("committed");
            } catch (Exception error) {
                print("failed " + error.getClass().getSimpleName());
            }
        }
    }

    /** Comes in the place of a producer that is gone; what it finds open, it keeps. */
    private static void recover(String id, String noted) throws Exception {
        var participant = new Participant(id);
        try {
            participant.init(true);
        } catch (Exception error) {
            print("refused " + error);
            return;
        }
        var found = participant.prepared();
        print("found " + (found.hasTransaction() ? found : "nothing"));
        if (INPUT.readLine() == null) return;
        print(participant.complete(new PreparedTxnState(noted)));
        // The producer is whole afterwards: its next transaction goes as any other.
        if (INPUT.readLine() == null) return;
        participant.producer.beginTransaction();
        participant.producer.send(new ProducerRecord<>(INPUT.readLine(), 0, null, "next")).get();
        participant.producer.commitTransaction();
        print("next committed");
    }

    /** Begins an ordinary transaction that soon times out. */
    private static void ordinary(String id, String topic) throws Exception {
        var producer = producer(Map.of("transactional.id", id, "linger.ms", 0, "transaction.timeout.ms", 1000));
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, "ordinary")).get();
        print("begun");
        INPUT.readLine();
    }

    private static void states(String... ids) throws Exception {
        try (var admin = org.apache.kafka.clients.admin.Admin.create(Map.of("bootstrap.servers", BOOTSTRAP))) {
            var found = admin.describeTransactions(List.of(ids));
            for (String id : ids) {
                var each = found.description(id).get(SECONDS, TimeUnit.SECONDS);
                print(each.state() + " " + each.transactionTimeoutMs());
            }
        }
    }

    /** Prints the committed values, in order, up to the last stable offset; then how much is held back. */
    private static void read(String topic) throws Exception {
        var at = new org.apache.kafka.common.TopicPartition(topic, 0);
        try (var consumer = consumer(null, Map.of("isolation.level", "read_committed"))) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            long end = consumer.endOffsets(List.of(at)).get(at);
            List<String> values = new ArrayList<>();
            while (consumer.position(at) < end)
                consumer.poll(java.time.Duration.ofMillis(100)).forEach(record -> values.add(record.value()));
            print("values " + String.join(",", values));
        }
    }

    private static void create(String topic) throws Exception {
        try (var admin = org.apache.kafka.clients.admin.Admin.create(Map.of("bootstrap.servers", BOOTSTRAP))) {
            var made = new org.apache.kafka.clients.admin.NewTopic(topic, 1, (short) 1);
            admin.createTopics(List.of(made)).all().get(SECONDS, TimeUnit.SECONDS);
        }
        print("created");
    }

    public static void main(String[] args) throws Exception {
        var rest = Arrays.asList(args).subList(1, args.length);
        switch (args[0]) {
            case "create" -> create(args[1]);
            case "prepare" -> prepare(args[1], args[2], rest.subList(2, rest.size()));
            case "recover" -> recover(args[1], args[2]);
            case "ordinary" -> ordinary(args[1], args[2]);
            case "states" -> states(rest.toArray(String[]::new));
            case "read" -> read(args[1]);
            default -> throw new IllegalArgumentException(args[0]);
        }
        Runtime.getRuntime().halt(0);
    }
}
