// Opens a transaction with one record in it and keeps it open until standard input ends: what Kafka's tools
// for transactions are pointed at.

import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;

public final class Hold extends Conformance {
    public static void main(String[] args) throws Exception {
        var producer = Transactions.transactional(args[0], Map.of("transaction.timeout.ms", 600_000));
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(args[1], 0, null, "open")).get();
        System.out.println("open");
        while (System.in.read() >= 0) { }
        Runtime.getRuntime().halt(0);
    }
}
