//! The latest value of each metric that clients pushed, as Prometheus text.
//!
//! Bounds: a client's series take at most [`CLIENT_BYTES_MAX`], all together [`BYTES_MAX`]; a new
//! series beyond is dropped and counted. A client's series go when it has pushed nothing for as
//! long as its instance would be remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use sprawl_model::kafka_uuid;
use uuid::Uuid;

use super::otlp::{Point, PointValue, Points};

/// The most that the series of one client take, in bytes: some thousands.
const CLIENT_BYTES_MAX: usize = 1024 * 1024;

/// The most that all series take, in bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a client or a series takes beside its text, in bytes.
const ENTRY_BYTES: usize = 128;

/// The longest name of a metric, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The most labels of a series, those of its client apart.
const LABEL_COUNT_MAX: usize = 16;

/// The longest name of a label, in bytes.
const LABEL_NAME_BYTES_MAX: usize = 64;

/// The longest value of a label, in bytes.
const LABEL_VALUE_BYTES_MAX: usize = 256;

/// How the names of Kafka's client metrics begin.
const KAFKA_PREFIX: &str = "org.apache.kafka.";

/// How their names begin here, so that none is taken for one of ours.
const PREFIX: &str = "kafka_client_";

/// The labels that say whose a series is. No client sets them.
const CLIENT_LABELS: [&str; 2] = ["client_instance_id", "client_id"];

/// Returns how Prometheus names a metric, or `None` where the name is none or too long.
pub(super) fn metric_name(name: &str, suffix: &str) -> Option<String> {
    let rest = name.strip_prefix(KAFKA_PREFIX).unwrap_or(name);
    let fits = !rest.is_empty() && name.len() <= NAME_BYTES_MAX;
    let name = format!("{PREFIX}{}", underscored(rest));
    let suffix = if name.ends_with(suffix) { "" } else { suffix };
    fits.then(|| name + suffix)
}

/// Puts an underscore wherever a name of Prometheus cannot have what stands there.
fn underscored(name: &str) -> String {
    let letter = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' => letter,
        _ => '_',
    };
    name.chars().map(letter).collect()
}

/// The labels of a point, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSet {
    labels: BTreeMap<String, String>,
    is_too_large: bool,
}

impl LabelSet {
    /// Adds a label, or changes it.
    pub(super) fn put(&mut self, key: &str, value: String) {
        let fits = key.len() <= LABEL_NAME_BYTES_MAX
            && value.len() <= LABEL_VALUE_BYTES_MAX
            && self.labels.len() < LABEL_COUNT_MAX;
        if !fits {
            self.is_too_large = true;
            return;
        }
        let mut name = underscored(key);
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            name.insert(0, '_');
        }
        if !CLIENT_LABELS.contains(&name.as_str()) {
            self.labels.insert(name, value);
        }
    }

    /// Writes the labels down, or returns `None` where they are too many or too long.
    pub(super) fn to_text(&self) -> Option<String> {
        if self.is_too_large {
            return None;
        }
        let mut text = String::new();
        for (name, value) in &self.labels {
            push_label(&mut text, name, value);
        }
        Some(text)
    }
}

fn push_label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Whose the points of a push are.
#[derive(Clone, Copy, Debug)]
pub struct ClientLabels<'a> {
    /// The client instance.
    pub instance_id: Uuid,
    /// The client's name for itself.
    pub id: &'a str,
}

/// What clients pushed.
#[derive(Debug, Default)]
pub struct ClientSeries {
    clients: BTreeMap<Uuid, ClientEntry>,
    by_expiry: BTreeSet<(Duration, Uuid)>,
    bytes: usize,
}

#[derive(Debug)]
struct ClientEntry {
    labels: String,
    expiry: Duration,
    series: BTreeMap<(String, String), Value>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    kind: Kind,
    number: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

impl ClientSeries {
    /// How many series there are.
    pub fn count(&self) -> usize {
        self.clients
            .values()
            .map(|client| client.series.len())
            .sum()
    }

    /// Takes in what a client pushed and keeps it until `expiry`, or longer if it pushes again.
    ///
    /// Returns how many points there was no room for.
    pub fn accept(&mut self, client: ClientLabels<'_>, points: Points, expiry: Duration) -> u64 {
        let all_dropped = points.points.len() as u64;
        if all_dropped == 0 || !self.take_in(client) {
            return all_dropped;
        }
        let entry = self
            .clients
            .get_mut(&client.instance_id)
            .expect("it was taken in");
        self.by_expiry.remove(&(entry.expiry, client.instance_id));
        entry.expiry = expiry;
        self.by_expiry.insert((expiry, client.instance_id));
        let mut dropped = 0;
        for point in points.points {
            match entry.put(point, BYTES_MAX.saturating_sub(self.bytes)) {
                Some(bytes) => self.bytes += bytes,
                None => dropped += 1,
            }
        }
        dropped
    }

    /// Makes an entry for a client that has none, if there is room for one.
    fn take_in(&mut self, client: ClientLabels<'_>) -> bool {
        if self.clients.contains_key(&client.instance_id) {
            return true;
        }
        let entry = ClientEntry::new(client);
        let has_room = self.bytes + entry.bytes <= BYTES_MAX;
        if has_room {
            self.bytes += entry.bytes;
            self.clients.insert(client.instance_id, entry);
        }
        has_room
    }

    /// Gives up the series of clients that are silent for too long.
    pub fn expire(&mut self, now: Duration) {
        while let Some((expiry, instance_id)) = self.by_expiry.first().copied()
            && expiry <= now
        {
            self.by_expiry.pop_first();
            if let Some(client) = self.clients.remove(&instance_id) {
                self.bytes -= client.bytes;
            }
        }
    }

    /// Writes all series in Prometheus text format, those of one metric together.
    /// O(series log series).
    pub fn render(&self, out: &mut String) {
        let mut all: Vec<_> = self
            .clients
            .values()
            .flat_map(|client| {
                let series = client.series.iter();
                series.map(move |((name, labels), value)| (name, client, labels, value))
            })
            .collect();
        // Stable: clients stay in the order of their ids, labels in theirs.
        all.sort_by_key(|(name, ..)| *name);
        let mut last: Option<&String> = None;
        for (name, client, labels, value) in all {
            if last != Some(name) {
                last = Some(name);
                writeln!(out, "# TYPE {name} {}", value.kind.name()).expect(INFALLIBLE);
            }
            let comma = if labels.is_empty() { "" } else { "," };
            let number = Number(value.number);
            writeln!(out, "{name}{{{}{comma}{labels}}} {number}", client.labels).expect(INFALLIBLE);
        }
    }
}

const INFALLIBLE: &str = "writing to a string cannot fail";

impl ClientEntry {
    fn new(client: ClientLabels<'_>) -> Self {
        let mut labels = String::new();
        let cut = client.id.floor_char_boundary(LABEL_VALUE_BYTES_MAX);
        let id = client.id.get(..cut).unwrap_or_default();
        for (name, value) in CLIENT_LABELS
            .into_iter()
            .zip([kafka_uuid(client.instance_id).as_str(), id])
        {
            push_label(&mut labels, name, value);
        }
        Self {
            bytes: ENTRY_BYTES + labels.len(),
            labels,
            expiry: Duration::ZERO,
            series: BTreeMap::new(),
        }
    }

    /// Takes a point in; returns how many bytes that took, or `None` where there is no room.
    fn put(&mut self, point: Point, room: usize) -> Option<usize> {
        let key = (point.name, point.labels);
        if let Some(known) = self.series.get_mut(&key) {
            *known = known.followed_by(point.value);
            return Some(0);
        }
        let bytes = ENTRY_BYTES + key.0.len() + key.1.len();
        if bytes > room || self.bytes + bytes > CLIENT_BYTES_MAX {
            return None;
        }
        self.bytes += bytes;
        self.series.insert(key, Value::first(point.value));
        Some(bytes)
    }
}

impl Value {
    fn first(value: PointValue) -> Self {
        let (kind, number) = match value {
            PointValue::Gauge(number) | PointValue::GaugeDelta(number) => (Kind::Gauge, number),
            PointValue::Counter(number) | PointValue::CounterDelta(number) => {
                (Kind::Counter, number)
            }
        };
        Self { kind, number }
    }

    fn followed_by(self, value: PointValue) -> Self {
        let next = Self::first(value);
        match value {
            PointValue::Gauge(_) | PointValue::Counter(_) => next,
            PointValue::GaugeDelta(delta) | PointValue::CounterDelta(delta) => Self {
                number: self.number + delta,
                ..next
            },
        }
    }
}

/// A number as Prometheus writes it.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == f64::INFINITY {
            f.write_str("+Inf")
        } else if self.0 == f64::NEG_INFINITY {
            f.write_str("-Inf")
        } else {
            write!(f, "{}", self.0)
        }
    }
}
