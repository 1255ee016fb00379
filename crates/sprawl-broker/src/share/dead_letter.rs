//! How does a dead record get into its group's dead-letter topic, once?
//!
//! That it is dead is durable before the move begins, so that nobody gets it any more, and it is
//! over only when the copy is durable. Where a broker was stopped in between, or an append ended
//! unknown, the dead-letter topic is looked through for the copy first. So a record is copied once,
//! as long as the topic keeps what is written to it.
//!
//! A topic that may not be used (missing, another prefix, not enabled) is reported and the record
//! is dropped, as Kafka does; an append that fails is tried again.
//!
//! Source: KIP-1191 for names of settings and headers, and the choice of the partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sprawl_core::config::BrokerSettings;
use sprawl_core::metadata::{MetadataCommand, NewTopic, Placement, TopicRef};
use sprawl_core::share::{DeadLetter, DeathCause};
use sprawl_io::spawn;
use sprawl_log::{AtLeastOne, Part, ReadRequest};
use sprawl_model::batch::{
    BatchBuilder, BatchOptions, Batches, HeaderRef, RecordRef, Records, payload,
};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_model::{Offset, PartitionId, TenantId, TopicId};

use super::group_config;
use super::lookup::now_ms;
use super::queue::Queue;
use crate::broker::Broker;
use crate::partition::Partition;
use crate::replicated_log::ReplicatedLog;
use crate::start::random_uuid;
use crate::validate::ValidBatch;

const HEADER_TOPIC: &[u8] = b"__dlq.errors.topic";
const HEADER_PARTITION: &[u8] = b"__dlq.errors.partition";
const HEADER_OFFSET: &[u8] = b"__dlq.errors.offset";
const HEADER_GROUP: &[u8] = b"__dlq.errors.group";
const HEADER_DELIVERY_COUNT: &[u8] = b"__dlq.errors.delivery.count";
const HEADER_MESSAGE: &[u8] = b"__dlq.errors.message";

/// The setting that opens a topic to dead letters.
const ENABLE: &str = "errors.deadletterqueue.group.enable";

/// How many records are copied in one step: they are in memory together.
const RECORDS_PER_STEP_MAX: i64 = 50;

/// How much of the dead-letter topic is read at once, in bytes.
const LOOK_BYTES_MAX: usize = 1024 * 1024;

/// How much is read at once around a dead record, in bytes: often there is one alone.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The pause before a move that failed is tried again, in ms.
const RETRY_PAUSE_MS: u64 = 1_000;

/// What a batch takes beside its records' keys, values and headers, per record, in bytes at most.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// Why a record is not in the dead-letter topic.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    /// The topic may not be used; the record is dropped.
    #[error("{0}")]
    Unusable(String),
    /// It may be tried again.
    #[error("{0}")]
    Failed(String),
}

/// Where dead letters go.
#[derive(Debug)]
struct Target {
    partition: Arc<Partition>,
    whole: bool,
}

/// A record to be copied.
#[derive(Debug)]
struct Copied {
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(Bytes, Option<Bytes>)>,
}

/// Moves dead records in the background.
pub(super) fn start_move(broker: &Arc<Broker>, queue: &Arc<Queue>, letters: Vec<DeadLetter>) {
    let (moved, queue) = (broker.clone(), queue.clone());
    broker.io.spawn.task(Box::pin(async move {
        for step in steps(letters) {
            move_step(&moved, &queue, step).await;
        }
    }));
}

/// Letters in steps of so many records at most: records that die are scattered, and a step waits
/// for the disk once.
fn steps(letters: Vec<DeadLetter>) -> Vec<Vec<DeadLetter>> {
    let mut steps: Vec<Vec<DeadLetter>> = Vec::new();
    let mut room = 0;
    for letter in letters {
        let mut first = letter.first;
        while first <= letter.last {
            if room == 0 {
                steps.push(Vec::new());
                room = RECORDS_PER_STEP_MAX;
            }
            let last = letter.last.min(first.saturating_add(room - 1));
            let part = DeadLetter {
                first,
                last,
                ..letter
            };
            steps
                .last_mut()
                .into_iter()
                .for_each(|step| step.push(part));
            room -= last - first + 1;
            first = last + 1;
        }
    }
    steps
}

async fn move_step(broker: &Arc<Broker>, queue: &Arc<Queue>, letters: Vec<DeadLetter>) {
    let key = queue.key();
    match copy(broker, queue, letters.clone()).await {
        Ok(()) => {}
        Err(MoveError::Unusable(reason)) => {
            let first = letters.first().map(|letter| letter.first);
            let last = letters.last().map(|letter| letter.last);
            tracing::error!(share_partition = %key, first, last, reason, "dead records dropped");
        }
        Err(MoveError::Failed(reason)) => {
            tracing::warn!(share_partition = %key, reason, "dead records not moved yet");
            let due_ms = now_ms(broker).saturating_add(RETRY_PAUSE_MS);
            queue.state().dead_letters_failed(&letters, due_ms);
            return broker.share.ring_at(due_ms);
        }
    }
    let write = queue.state().dead_letters_moved(&letters);
    if let Some(write) = write {
        drop(queue.persist(broker, write));
    }
}

async fn copy(
    broker: &Arc<Broker>,
    queue: &Arc<Queue>,
    letters: Vec<DeadLetter>,
) -> Result<(), MoveError> {
    let target = target(broker, queue).await?;
    let (source, group_id) = (queue.partition().clone(), queue.key().group_id.clone());
    let (to, now_ms) = (target.partition.clone(), broker.io.clock.wall_ms());
    let build = move || {
        let done = if letters.iter().any(|letter| letter.may_be_moved) {
            find_moved(&to, &source, &group_id, &letters)?
        } else {
            BTreeSet::new()
        };
        let records = if target.whole {
            read_records(&source, &letters)?
        } else {
            BTreeMap::new()
        };
        let origin = Origin {
            source: &source,
            group_id: &group_id,
        };
        let all = letters
            .iter()
            .flat_map(|letter| (letter.first..=letter.last).map(move |offset| (offset, letter)));
        let left = all.filter(|(offset, _)| !done.contains(offset));
        origin.batches(left, &records, (&to, target.whole), now_ms)
    };
    let built = spawn::blocking(broker.io.spawn.as_ref(), build).await;
    let batches = built.unwrap_or_else(|| Err(MoveError::Failed("stopping".to_owned())))?;
    for batch in batches {
        append(&target.partition, batch).await?;
    }
    Ok(())
}

async fn append(partition: &Partition, batch: BytesMut) -> Result<(), MoveError> {
    let failed = |error: &dyn std::fmt::Display| MoveError::Failed(error.to_string());
    let batch = ValidBatch::from_broker(batch).map_err(|error| failed(&error))?;
    let appended = partition.append(batch).map_err(|error| failed(&error))?;
    let durable = appended.durable.await;
    durable.map(drop).map_err(|error| failed(&error))
}

/// Finds the partition of the dead-letter topic.
async fn target(broker: &Arc<Broker>, queue: &Queue) -> Result<Target, MoveError> {
    let unusable = |reason: String| MoveError::Unusable(reason);
    let config = group_config(broker, &queue.key().group_id);
    let Some(name) = config.dead_letter_topic else {
        return Err(unusable(
            "the group has no dead-letter topic any more".to_owned(),
        ));
    };
    let settings = current_settings(broker);
    let limits = &settings.share_groups;
    if !name.starts_with(&limits.dead_letter_topic_prefix) {
        let prefix = &limits.dead_letter_topic_prefix;
        return Err(unusable(format!(
            "topic {name} does not begin with {prefix}"
        )));
    }
    if name == queue.partition().name().topic {
        return Err(unusable(format!("topic {name} is the group's own")));
    }
    if broker.image().topic(TenantId::DEFAULT, &name).is_none() {
        if !limits.dead_letter_topics_made {
            return Err(unusable(format!("topic {name} does not exist")));
        }
        make_topic(broker, &name, &settings).await?;
    }
    let image = broker.image();
    let topic = image.topic(TenantId::DEFAULT, &name);
    let topic = topic.ok_or_else(|| MoveError::Failed(format!("topic {name} is being made")))?;
    let count = topic.partition_count().max(1);
    let number = PartitionId(queue.key().partition.rem_euclid(count));
    let partition = broker.partitions.get(topic.id, number);
    let partition = partition.ok_or_else(|| MoveError::Failed(format!("{name} is not open")))?;
    if !partition.config().dead_letters_enabled {
        return Err(unusable(format!(
            "topic {name} does not have {ENABLE}=true"
        )));
    }
    Ok(Target {
        partition,
        whole: config.dead_letters_whole,
    })
}

/// The broker's settings right now: they may be changed while it runs.
fn current_settings(broker: &Broker) -> BrokerSettings {
    let image = broker.image();
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    BrokerSettings::resolve(&layers).unwrap_or_else(|_| broker.settings.clone())
}

async fn make_topic(
    broker: &Arc<Broker>,
    name: &str,
    settings: &BrokerSettings,
) -> Result<(), MoveError> {
    let topic = NewTopic {
        topic: TopicRef {
            tenant: TenantId::DEFAULT,
            name: name.to_owned(),
        },
        topic_id: TopicId(random_uuid(broker.io())),
        placement: Placement::Spread {
            partition_count: settings.topics.partition_count,
            replication_factor: settings.topics.replication_factor,
        },
        configs: [(ENABLE.to_owned(), "true".to_owned())].into(),
    };
    let made = broker.propose(MetadataCommand::CreateTopic(topic)).await;
    made.map(drop)
        .map_err(|error| MoveError::Failed(error.to_string()))
}

/// Gives every record from `from` up to the high watermark to `each`, until it says stop; reads so
/// many bytes at once. Blocking.
fn walk(
    partition: &Partition,
    (from, bytes_max): (Offset, usize),
    mut each: impl FnMut(&RecordRef<'_>) -> Walk,
) -> Result<(), MoveError> {
    let failed = |error: &dyn std::fmt::Display| MoveError::Failed(error.to_string());
    let mut offset = from.max(partition.log_start());
    loop {
        let request = ReadRequest {
            offset,
            bytes_max,
            at_least_one: AtLeastOne::Yes,
            end: partition.high_watermark(),
        };
        let read = partition.read(request).map_err(|error| failed(&error))?;
        if read.size == 0 {
            return Ok(());
        }
        for part in read.parts {
            let bytes = match part {
                Part::Memory(bytes) => bytes,
                Part::File(range) => range.load().map_err(|error| failed(&error))?,
            };
            for batch in Batches::new(&bytes) {
                let (header, batch) = batch.map_err(|error| failed(&error))?;
                if header.attributes.is_control() {
                    continue;
                }
                let records = payload(batch, DECOMPRESSED_BYTES_MAX);
                let records = records.map_err(|error| failed(&error))?;
                for record in Records::new(&header, &records) {
                    let record = record.map_err(|error| failed(&error))?;
                    if each(&record) == Walk::Stop {
                        return Ok(());
                    }
                }
            }
        }
        offset = read.next_offset;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    On,
    Stop,
}

/// Finds which of the records are in the dead-letter topic already.
fn find_moved(
    to: &Partition,
    source: &Partition,
    group_id: &str,
    letters: &[DeadLetter],
) -> Result<BTreeSet<i64>, MoveError> {
    let partition = source.name().partition.0.to_string();
    let mut found = BTreeSet::new();
    walk(to, (Offset(0), LOOK_BYTES_MAX), |record| {
        let header = |name: &[u8]| {
            let headers = record.headers().filter(|header| header.key == name);
            headers.last().and_then(|header| header.value)
        };
        let is_ours = header(HEADER_GROUP) == Some(group_id.as_bytes())
            && header(HEADER_TOPIC) == Some(source.name().topic.as_bytes())
            && header(HEADER_PARTITION) == Some(partition.as_bytes());
        if is_ours {
            let offset = header(HEADER_OFFSET).and_then(|text| std::str::from_utf8(text).ok());
            let offset = offset.and_then(|text| text.parse::<i64>().ok());
            let is_wanted = |at: &i64| {
                let mut letters = letters.iter();
                letters.any(|letter| (letter.first..=letter.last).contains(at))
            };
            found.extend(offset.filter(is_wanted));
        }
        Walk::On
    })?;
    Ok(found)
}

/// Reads the dead records that the log still has.
fn read_records(
    source: &Partition,
    letters: &[DeadLetter],
) -> Result<BTreeMap<i64, Copied>, MoveError> {
    let mut records = BTreeMap::new();
    for letter in letters {
        read_letter(source, letter, &mut records)?;
    }
    Ok(records)
}

fn read_letter(
    source: &Partition,
    letter: &DeadLetter,
    records: &mut BTreeMap<i64, Copied>,
) -> Result<(), MoveError> {
    walk(source, (Offset(letter.first), READ_BYTES_MAX), |record| {
        if record.offset.0 > letter.last {
            return Walk::Stop;
        }
        if record.offset.0 >= letter.first {
            let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
            let headers = record.headers();
            let copied = Copied {
                key: record.key.map(copy),
                value: record.value.map(copy),
                headers: headers
                    .map(|header| (copy(header.key), header.value.map(copy)))
                    .collect(),
            };
            records.insert(record.offset.0, copied);
        }
        Walk::On
    })
}

/// Where dead records come from.
struct Origin<'a> {
    source: &'a Partition,
    group_id: &'a str,
}

impl Origin<'_> {
    /// Builds the batches of copies. A record that the log no longer has is named all the same,
    /// without its content; so is one that the topic would not take whole.
    fn batches<'b>(
        &self,
        offsets: impl Iterator<Item = (i64, &'b DeadLetter)>,
        records: &BTreeMap<i64, Copied>,
        (to, whole): (&Partition, bool),
        now_ms: i64,
    ) -> Result<Vec<BytesMut>, MoveError> {
        let bytes_max = usize::try_from(to.config().message_bytes_max).unwrap_or(usize::MAX);
        let mut batches = Vec::new();
        let (mut builder, mut size) = (BatchBuilder::new(BatchOptions::default()), 0);
        for (offset, letter) in offsets {
            let mut record = records.get(&offset).filter(|_| whole);
            let mut bytes = self.size(record);
            if bytes > bytes_max {
                record = None;
                bytes = self.size(None);
            }
            if size > 0 && size + bytes > bytes_max {
                let full =
                    std::mem::replace(&mut builder, BatchBuilder::new(BatchOptions::default()));
                batches.push(full.build());
                size = 0;
            }
            self.push(&mut builder, (offset, letter), record, now_ms)?;
            size += bytes;
        }
        if size > 0 {
            batches.push(builder.build());
        }
        Ok(batches)
    }

    /// More than the record takes in a batch.
    fn size(&self, record: Option<&Copied>) -> usize {
        let ours = 1_024 + self.source.name().topic.len() + self.group_id.len();
        let Some(record) = record else { return ours };
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers = record.headers.iter();
        let headers: usize = headers
            .map(|(key, value)| key.len() + length(value) + RECORD_OVERHEAD_BYTES)
            .sum();
        ours + RECORD_OVERHEAD_BYTES + length(&record.key) + length(&record.value) + headers
    }

    fn push(
        &self,
        builder: &mut BatchBuilder,
        (offset, letter): (i64, &DeadLetter),
        record: Option<&Copied>,
        now_ms: i64,
    ) -> Result<(), MoveError> {
        let (partition, offset) = (
            self.source.name().partition.0.to_string(),
            offset.to_string(),
        );
        let count = letter.delivery_count.to_string();
        let message = match letter.cause {
            DeathCause::Rejected => "rejected by a consumer",
            DeathCause::DeliveryCountReached => "delivered as often as the group allows",
            DeathCause::Unknown => "dead since before the broker was started",
        };
        let ours: [(&[u8], &[u8]); 6] = [
            (HEADER_TOPIC, self.source.name().topic.as_bytes()),
            (HEADER_PARTITION, partition.as_bytes()),
            (HEADER_OFFSET, offset.as_bytes()),
            (HEADER_GROUP, self.group_id.as_bytes()),
            (HEADER_DELIVERY_COUNT, count.as_bytes()),
            (HEADER_MESSAGE, message.as_bytes()),
        ];
        let theirs = record.map_or(&[][..], |record| &record.headers);
        let theirs = theirs.iter().map(|(key, value)| HeaderRef {
            key,
            value: value.as_deref(),
        });
        let ours = ours.into_iter().map(|(key, value)| HeaderRef {
            key,
            value: Some(value),
        });
        let headers: Vec<HeaderRef<'_>> = theirs.chain(ours).collect();
        let key = record.and_then(|record| record.key.as_deref());
        let value = record.and_then(|record| record.value.as_deref());
        let pushed = builder.push(now_ms, key, value, &headers);
        pushed.map_err(|error| MoveError::Failed(error.to_string()))
    }
}
