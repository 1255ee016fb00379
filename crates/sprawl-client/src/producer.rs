//! Writing records: batched per partition, in order, once.
//!
//! A caller's record goes to the sender task, which collects records by partition and has one batch
//! a partition on its way. A batch that may or may not have been written is sent again with the
//! same producer id and sequence, which the broker recognises (KIP-98), so that with `idempotent` a
//! record is written exactly once and in order. After a batch fails for good the producer takes a
//! new id before it goes on, because the broker would miss the failed batch's sequence numbers.
//!
//! Bounds: records waiting hold at most [`ProducerOptions::buffer_bytes_max`]; a record fails after
//! [`ProducerOptions::delivery_wait_max`].

mod batch;
mod sender;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use sprawl_model::compression::Codec;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::client::Client;
use crate::consumer::Header;
use crate::error::ClientError;
use crate::partitioner::partition_for_key;
use batch::QueuedRecord;
use sender::{Command, Sender};

/// Records between a caller and the sender task.
const COMMAND_COUNT_MAX: usize = 1024;

/// What a record costs beyond its bytes, for the buffer limit.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// Who must have a record before it counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody; the broker does not even answer.
    None,
    /// The leader.
    Leader,
    /// Every in-sync replica.
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a producer writes.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Who must have a record.
    pub acks: Acks,
    /// Whether a record is written once even where it had to be sent twice; needs `Acks::All`.
    pub idempotent: bool,
    /// How batches are compressed.
    pub codec: Codec,
    /// The codec's level; `None` is its default.
    pub compression_level: Option<i32>,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// A batch is sent at once when it has this many bytes before compression.
    pub batch_bytes: usize,
    /// The most bytes that wait to be written; sending waits beyond that.
    pub buffer_bytes_max: usize,
    /// When to give up on a record.
    pub delivery_wait_max: Duration,
}

impl Default for ProducerOptions {
    /// Everybody, once, uncompressed, as Kafka's defaults; batches are larger.
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotent: true,
            codec: Codec::None,
            compression_level: None,
            linger: Duration::from_millis(5),
            batch_bytes: 256 * 1024,
            buffer_bytes_max: 32 * 1024 * 1024,
            delivery_wait_max: Duration::from_secs(120),
        }
    }
}

/// A record to write.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// The partition; `None` lets the key decide, or the producer where there is no key.
    pub partition: Option<i32>,
    /// Milliseconds since the Unix epoch; `None` is now.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<Header>,
}

/// Where a record was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: i32,
    /// The offset; -1 where the broker did not say (`acks=0`, or written by an earlier try).
    pub offset: i64,
}

/// The outcome of one record, to be awaited.
#[derive(Debug)]
pub struct Delivery {
    outcome: oneshot::Receiver<Result<Delivered, ClientError>>,
}

impl Future for Delivery {
    type Output = Result<Delivered, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome)
            .poll(cx)
            .map(|outcome| outcome.unwrap_or(Err(ClientError::Closed)))
    }
}

/// Writes records. Dropping it lets what was sent go out; [`Producer::flush`] waits for that.
#[derive(Debug)]
pub struct Producer {
    client: Client,
    options: ProducerOptions,
    commands: mpsc::Sender<Command>,
    buffer: Arc<Semaphore>,
    sticky: Mutex<BTreeMap<String, Sticky>>,
}

/// The partition that records without a key go to until a batch is full.
#[derive(Debug)]
struct Sticky {
    partition: i32,
    bytes_left: usize,
}

impl Producer {
    /// Makes a producer and its sender task.
    ///
    /// Errors: `Invalid` where the options contradict each other.
    pub fn new(client: Client, options: ProducerOptions) -> Result<Self, ClientError> {
        if options.idempotent && options.acks != Acks::All {
            let message = "an idempotent producer needs acks=all: pass acks=all, or no idempotence";
            return Err(ClientError::Invalid(message.to_owned()));
        }
        let (commands, queue) = mpsc::channel(COMMAND_COUNT_MAX);
        let sender = Sender::new(client.clone(), options.clone(), queue);
        client.io().spawn.task(Box::pin(sender.run()));
        let buffer = Arc::new(Semaphore::new(options.buffer_bytes_max));
        Ok(Self {
            client,
            options,
            commands,
            buffer,
            sticky: Mutex::default(),
        })
    }

    /// Hands a record over and returns its outcome as a future; waits while the buffer is full.
    ///
    /// Records handed over one after the other by one task keep their order in each partition.
    pub async fn send(&self, record: Record) -> Result<Delivery, ClientError> {
        let size = record_size(&record);
        let partition = self.choose_partition(&record, size).await?;
        let permit_count =
            u32::try_from(size.min(self.options.buffer_bytes_max)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.buffer)
            .acquire_many_owned(permit_count)
            .await
            .map_err(|_| ClientError::Closed)?;
        let clock = &self.client.io().clock;
        let (reply, outcome) = oneshot::channel();
        let queued = QueuedRecord {
            timestamp: record.timestamp.unwrap_or_else(|| clock.wall_ms()),
            queued_at: clock.monotonic(),
            key: record.key,
            value: record.value,
            headers: record.headers,
            size,
            reply,
            _permit: permit,
        };
        let command = Command::Send {
            place: (record.topic, partition),
            record: queued,
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| ClientError::Closed)?;
        Ok(Delivery { outcome })
    }

    /// Waits until everything sent so far has its outcome, without lingering.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let (reply, done) = oneshot::channel();
        self.commands
            .send(Command::Flush(reply))
            .await
            .map_err(|_| ClientError::Closed)?;
        done.await.map_err(|_| ClientError::Closed)
    }

    async fn choose_partition(&self, record: &Record, size: usize) -> Result<i32, ClientError> {
        if let Some(partition) = record.partition {
            self.client.leader(&record.topic, partition).await?;
            return Ok(partition);
        }
        let count = self.client.topic(&record.topic).await?.partitions.len();
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let chosen = match &record.key {
            Some(key) => partition_for_key(key, count),
            None => return Ok(self.sticky_partition(&record.topic, count, size)),
        };
        Ok(i32::try_from(chosen).unwrap_or(0))
    }

    /// Keeps records without a key together for a batch, then moves on at random (KIP-480,
    /// KIP-794).
    fn sticky_partition(&self, topic: &str, count: u32, size: usize) -> i32 {
        let mut sticky = self.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        let current = sticky
            .get_mut(topic)
            .filter(|sticky| sticky.bytes_left >= size);
        if let Some(current) = current {
            current.bytes_left -= size;
            return current.partition;
        }
        let drawn = self.client.io().random.next_u64() % u64::from(count);
        let partition = i32::try_from(drawn).unwrap_or(0);
        let bytes_left = self.options.batch_bytes.saturating_sub(size);
        sticky.insert(
            topic.to_owned(),
            Sticky {
                partition,
                bytes_left,
            },
        );
        partition
    }
}

fn record_size(record: &Record) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record
        .headers
        .iter()
        .map(|header| header.key.len() + length(&header.value))
        .sum();
    length(&record.key) + length(&record.value) + headers + RECORD_OVERHEAD_BYTES
}
