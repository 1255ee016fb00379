//! What is in a payload: OTLP `MetricsData`, protobuf.
//!
//! Each level is decoded when it is reached, its children still being slices of the payload, so
//! that a payload never grows by more than the size of one slice for two bytes. What is kept of it
//! is bounded by [`POINTS_BYTES_MAX`].
//!
//! Gauges and sums are read, which is all that Kafka's clients send; histograms and summaries are
//! counted as dropped. Source: `opentelemetry/proto/metrics/v1/metrics.proto` of OTLP 1.

use bytes::Bytes;
use prost::Message;

use super::series::{LabelSet, metric_name};

/// The most that the points of one payload take, in bytes; what is beyond is dropped.
const POINTS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a point takes beside its text, in bytes.
const POINT_BYTES: usize = 64;

/// `AGGREGATION_TEMPORALITY_DELTA`
const DELTA: i32 = 1;

/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`
const NO_VALUE: u32 = 1;

/// A payload that is no OTLP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected OTLP metrics: {0}")]
pub struct OtlpError(#[from] prost::DecodeError);

/// The points of a payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Those that can be kept, in order.
    pub points: Vec<Point>,
    /// How many can not.
    pub dropped_count: u64,
    size: usize,
}

/// The value of a metric at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric, as Prometheus names it.
    pub name: String,
    /// What it is about, as Prometheus labels.
    pub labels: String,
    /// Its value.
    pub value: PointValue,
}

/// How a value goes together with those before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PointValue {
    /// It takes their place.
    Gauge(f64),
    /// It is added to them, and may be negative.
    GaugeDelta(f64),
    /// It takes their place, and grows until the client starts again.
    Counter(f64),
    /// It is added to them.
    CounterDelta(f64),
}

impl PointValue {
    /// Whether the sum after it means anything.
    fn is_sound(self) -> bool {
        match self {
            Self::Gauge(_) | Self::Counter(_) => true,
            Self::GaugeDelta(delta) => delta.is_finite(),
            Self::CounterDelta(delta) => delta.is_finite() && delta >= 0.0,
        }
    }
}

/// Reads a payload.
pub fn decode(payload: Bytes) -> Result<Points, OtlpError> {
    let mut points = Points::default();
    for resource in MetricsData::decode(payload)?.resource_metrics {
        let resource = ResourceMetrics::decode(resource)?;
        let mut labels = LabelSet::default();
        for attribute in resource.resource.unwrap_or_default().attributes {
            KeyValue::decode(attribute)?.put_into(&mut labels);
        }
        for scope in resource.scope_metrics {
            for metric in ScopeMetrics::decode(scope)?.metrics {
                decode_metric(Metric::decode(metric)?, &labels, &mut points)?;
            }
        }
    }
    Ok(points)
}

fn decode_metric(
    metric: Metric,
    resource: &LabelSet,
    out: &mut Points,
) -> Result<(), prost::DecodeError> {
    let (points, to_value): (_, fn(f64) -> PointValue) = match (metric.gauge, metric.sum) {
        (_, Some(sum)) => {
            let sum = Sum::decode(sum)?;
            let to_value = match (sum.is_monotonic, sum.aggregation_temporality == DELTA) {
                (true, true) => PointValue::CounterDelta,
                (true, false) => PointValue::Counter,
                (false, true) => PointValue::GaugeDelta,
                (false, false) => PointValue::Gauge,
            };
            (sum.data_points, to_value)
        }
        (Some(gauge), None) => (Gauge::decode(gauge)?.data_points, PointValue::Gauge),
        (None, None) => {
            out.dropped_count += 1;
            return Ok(());
        }
    };
    let suffix = match to_value(0.0) {
        PointValue::Counter(_) | PointValue::CounterDelta(_) => "_total",
        PointValue::Gauge(_) | PointValue::GaugeDelta(_) => "",
    };
    let name = metric_name(&metric.name, suffix);
    for point in points {
        let point = NumberDataPoint::decode(point)?;
        let read = read_point(&point, resource)?.map(|(labels, value)| (labels, to_value(value)));
        match (&name, read.filter(|(_, value)| value.is_sound())) {
            (Some(name), Some((labels, value))) => out.push(Point {
                name: name.clone(),
                labels,
                value,
            }),
            _ => out.dropped_count += 1,
        }
    }
    Ok(())
}

/// Returns a point's labels and value, unless they do not fit or it has none.
fn read_point(
    point: &NumberDataPoint,
    resource: &LabelSet,
) -> Result<Option<(String, f64)>, prost::DecodeError> {
    let mut labels = resource.clone();
    for attribute in &point.attributes {
        KeyValue::decode(attribute.clone())?.put_into(&mut labels);
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "Prometheus has no other numbers than doubles"
    )]
    let value = point.as_double.or(point.as_int.map(|value| value as f64));
    let value = value.filter(|_| point.flags & NO_VALUE == 0);
    Ok(labels.to_text().zip(value))
}

impl Points {
    fn push(&mut self, point: Point) {
        let size = POINT_BYTES + point.name.len() + point.labels.len();
        if self.size + size > POINTS_BYTES_MAX {
            self.dropped_count += 1;
            return;
        }
        self.size += size;
        self.points.push(point);
    }
}

#[derive(Clone, PartialEq, Message)]
struct MetricsData {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    resource_metrics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    scope_metrics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    attributes: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeMetrics {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    metrics: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", optional, tag = "5")]
    gauge: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "7")]
    sum: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Gauge {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    data_points: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Sum {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    data_points: Vec<Bytes>,
    #[prost(int32, tag = "2")]
    aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
struct NumberDataPoint {
    #[prost(double, optional, tag = "4")]
    as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    as_int: Option<i64>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    attributes: Vec<Bytes>,
    #[prost(uint32, tag = "8")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// The kinds of value that a label can show.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(bool, optional, tag = "2")]
    boolean: Option<bool>,
    #[prost(int64, optional, tag = "3")]
    integer: Option<i64>,
    #[prost(double, optional, tag = "4")]
    double: Option<f64>,
}

impl KeyValue {
    fn put_into(self, labels: &mut LabelSet) {
        let value = self.value.unwrap_or_default();
        let text = value
            .text
            .or(value.boolean.map(|value| value.to_string()))
            .or(value.integer.map(|value| value.to_string()))
            .or(value.double.map(|value| value.to_string()));
        labels.put(&self.key, text.unwrap_or_default());
    }
}

/// Payloads for tests, made as a client makes them.
#[cfg(test)]
pub(super) mod sample {
    use super::*;

    pub(in crate::client_metrics) enum Kind {
        Gauge,
        DeltaCounter,
        Counter,
    }

    fn attribute(key: &str, value: &str) -> Bytes {
        let value = AnyValue {
            text: Some(value.to_owned()),
            ..AnyValue::default()
        };
        KeyValue {
            key: key.to_owned(),
            value: Some(value),
        }
        .encode_to_vec()
        .into()
    }

    fn point(value: f64, attributes: &[(&str, &str)]) -> Bytes {
        let attributes = attributes.iter().map(|(key, value)| attribute(key, value));
        NumberDataPoint {
            as_double: Some(value),
            attributes: attributes.collect(),
            ..NumberDataPoint::default()
        }
        .encode_to_vec()
        .into()
    }

    pub(in crate::client_metrics) fn metric(
        name: &str,
        kind: Kind,
        value: f64,
        attributes: &[(&str, &str)],
    ) -> Bytes {
        let data_points = vec![point(value, attributes)];
        let name = name.to_owned();
        let sum = |aggregation_temporality| Sum {
            data_points: data_points.clone(),
            aggregation_temporality,
            is_monotonic: true,
        };
        let (gauge, sum) = match kind {
            Kind::Gauge => {
                let data_points = data_points.clone();
                (Some(Gauge { data_points }), None)
            }
            Kind::DeltaCounter => (None, Some(sum(DELTA))),
            Kind::Counter => (None, Some(sum(2))),
        };
        Metric {
            name,
            gauge: gauge.map(|gauge| gauge.encode_to_vec().into()),
            sum: sum.map(|sum| sum.encode_to_vec().into()),
        }
        .encode_to_vec()
        .into()
    }

    pub(in crate::client_metrics) fn payload(
        resource: &[(&str, &str)],
        metrics: Vec<Bytes>,
    ) -> Bytes {
        let attributes = resource.iter().map(|(key, value)| attribute(key, value));
        let resource = Resource {
            attributes: attributes.collect(),
        };
        let scope = ScopeMetrics { metrics };
        let resource_metrics = ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope.encode_to_vec().into()],
        };
        MetricsData {
            resource_metrics: vec![resource_metrics.encode_to_vec().into()],
        }
        .encode_to_vec()
        .into()
    }
}
