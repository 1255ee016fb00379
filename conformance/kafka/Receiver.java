// A plug-in for Apache Kafka: takes in the metrics that clients push (KIP-714) and shows the latest of each under
// /metrics, named as Sprawl names them, so that one case reads both servers.

import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.ConcurrentSkipListMap;
import org.apache.kafka.common.metrics.*;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.telemetry.*;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.*;

public final class Receiver implements MetricsReporter, ClientTelemetry, ClientTelemetryReceiver {
    private final Map<String, Double> values = new ConcurrentSkipListMap<>();

    @Override
    public void configure(Map<String, ?> configs) {
        try {
            int port = Integer.getInteger("receiver.port");
            var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
            server.createContext("/metrics", exchange -> {
                var text = new StringBuilder();
                values.forEach((series, value) -> text.append(series).append(' ').append(value).append('\n'));
                byte[] body = text.toString().getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
                exchange.getResponseBody().write(body);
                exchange.close();
            });
            server.start();
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    @Override
    public void exportMetrics(AuthorizableRequestContext context, ClientTelemetryPayload payload) {
        MetricsData data;
        try {
            data = MetricsData.parseFrom(payload.data());
        } catch (java.io.IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
        String instance = payload.clientInstanceId().toString();
        for (var resource : data.getResourceMetricsList())
            for (var scope : resource.getScopeMetricsList())
                for (var metric : scope.getMetricsList()) take(instance, metric);
    }

    private void take(String instance, Metric metric) {
        boolean isDelta = metric.hasSum() && metric.getSum().getAggregationTemporality()
            == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA;
        var points = metric.hasSum() ? metric.getSum().getDataPointsList() : metric.getGauge().getDataPointsList();
        String name = "kafka_client_" + metric.getName().replace("org.apache.kafka.", "").replace('.', '_');
        for (var point : points) {
            String series = name + "{client_instance_id=\"" + instance + "\",point=\"" + labels(point) + "\"}";
            double value = point.hasAsInt() ? point.getAsInt() : point.getAsDouble();
            values.merge(series, value, isDelta ? Double::sum : (old, now) -> now);
        }
    }

    private static String labels(NumberDataPoint point) {
        var labels = new TreeMap<String, String>();
        point.getAttributesList().forEach(one -> labels.put(one.getKey(), one.getValue().getStringValue()));
        return labels.toString();
    }

    @Override
    public ClientTelemetryReceiver clientReceiver() { return this; }

    @Override
    public void init(List<KafkaMetric> metrics) { }

    @Override
    public void metricChange(KafkaMetric metric) { }

    @Override
    public void metricRemoval(KafkaMetric metric) { }

    @Override
    public void close() { }
}
