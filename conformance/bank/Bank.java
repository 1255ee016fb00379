// The bank drill's mover on Kafka's own client; see bank.py for what it does and what the history's lines mean.
//
//   Bank BANK NAME INCARNATION HISTORY   read-process-write until a line comes on standard input

import java.io.FileWriter;
import java.io.IOException;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public final class Bank {
    static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    static final int PARTITIONS = 3;
    static final int MOVED_AT_ONCE = 6;
    static final int ABORTED_OF = 8;
    static final long MS_MAX = 60_000;

    final String bank;
    final FileWriter history;
    final Random random = new Random();
    final KafkaProducer<String, String> producer;
    final KafkaConsumer<String, String> consumer;

    Bank(String bank, String name, String file) throws IOException {
        this.bank = bank;
        history = new FileWriter(file, true);
        producer = new KafkaProducer<>(Map.of(
            "bootstrap.servers", BOOTSTRAP, "transactional.id", bank + "-" + name, "transaction.timeout.ms", 8_000,
            // Shorter than the proxy may hold a request: a late EndTxn meets a client that has moved on.
            "request.timeout.ms", 2_000, "linger.ms", 1, "max.block.ms", MS_MAX, "delivery.timeout.ms", 30_000,
            "reconnect.backoff.max.ms", 200), new StringSerializer(), new StringSerializer());
        consumer = new KafkaConsumer<>(Map.of(
            "bootstrap.servers", BOOTSTRAP, "group.id", bank, "group.instance.id", name, "isolation.level", "read_committed",
            "enable.auto.commit", false, "auto.offset.reset", "earliest", "session.timeout.ms", 6_000,
            "heartbeat.interval.ms", 500, "max.poll.records", MOVED_AT_ONCE),
            new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(bank + "-left", bank + "-right"));
    }

    void note(Object... fields) {
        StringJoiner line = new StringJoiner(" ", "", "\n");
        for (Object field : fields) line.add(String.valueOf(field));
        try {
            history.write(line.toString());
            history.flush();
        } catch (IOException error) {
            throw new RuntimeException(error);
        }
    }

    void attempt(String attempt, ConsumerRecords<String, String> records) {
        List<ConsumerRecord<String, String>> all = new ArrayList<>();
        records.forEach(all::add);
        int amount = 1 + random.nextInt(9);
        note("B", System.currentTimeMillis(), attempt);
        for (var record : all)
            note("R", System.currentTimeMillis(), attempt, record.topic(), record.partition(), record.offset(),
                record.value().split(" ")[3]);
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> ends = new HashMap<>();
        for (int index = 0; index < all.size(); index++) {
            var record = all.get(index);
            String[] fields = record.value().split(" ");
            int account = Integer.parseInt(fields[0]);
            int hop = Integer.parseInt(fields[1]);
            int balance = Integer.parseInt(fields[2]);
            if (all.size() > 1) {
                if (index == 0) balance -= amount;
                if (index == all.size() - 1) balance += amount;
            }
            String other = bank + (record.topic().endsWith("-left") ? "-right" : "-left");
            producer.send(new ProducerRecord<>(other, (account + hop) % PARTITIONS, null, account + " " + (hop + 1) + " "
                + balance + " " + attempt + " " + index + " " + all.size() + " " + record.topic() + " "
                + record.partition() + " " + record.offset()));
            ends.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(ends, consumer.groupMetadata());
        if (random.nextInt(ABORTED_OF) == 0) {
            abort(attempt);
            rewind();
        } else {
            commit(attempt);
        }
    }

    // A call that timed out is made again: its outcome is then the first one's.
    void commit(String attempt) {
        long deadline = System.currentTimeMillis() + MS_MAX;
        while (true) {
            try {
                producer.commitTransaction();
                note("C", System.currentTimeMillis(), attempt);
                return;
            } catch (org.apache.kafka.common.errors.TimeoutException | InterruptException error) {
                if (System.currentTimeMillis() > deadline) throw error;
            }
        }
    }

    void abort(String attempt) {
        producer.abortTransaction();
        note("A", System.currentTimeMillis(), attempt);
    }

    void rewind() {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(assigned);
        for (TopicPartition place : assigned) {
            OffsetAndMetadata at = committed.get(place);
            consumer.seek(place, at == null ? 0 : at.offset());
        }
    }

    void run(String name, String incarnation) throws IOException {
        producer.initTransactions();
        for (long number = 0; System.in.available() == 0; number++) {
            var records = consumer.poll(Duration.ofMillis(200));
            if (records.isEmpty()) continue;
            String attempt = name + "/" + incarnation + "/" + number;
            try {
                attempt(attempt, records);
            } catch (KafkaException error) {
                try {
                    abort(attempt);
                } catch (KafkaException fatal) {
                    note("U", System.currentTimeMillis(), attempt, fatal.getClass().getSimpleName());
                    throw fatal;
                }
                rewind();
            }
        }
        consumer.close();
        producer.close();
    }

    public static void main(String[] arguments) throws IOException {
        var bank = new Bank(arguments[0], arguments[1], arguments[3]);
        bank.run(arguments[1], arguments[2]);
        System.exit(0);
    }
}
