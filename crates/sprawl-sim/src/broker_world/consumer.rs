//! A consumer without a group: reads a partition from wherever it is told, and checks what comes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;

use super::TOPIC;
use super::deleter::earliest;
use super::ledger::Ledger;
use crate::client::Client;
use crate::error_code;
use crate::history::{Found, read_sound_batches};
use crate::invariant::{Violation, i11_dense};

const FETCH_VERSION: i16 = 12;
const FETCH_WAIT_MS: i32 = 500;
/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How often in a row a fetch may fail once nothing fails any more.
const READ_BACK_FAILURES_MAX: u32 = 100;

/// What one fetch brought.
pub(super) enum Fetched {
    /// Batches, maybe none.
    Batches {
        high_watermark: i64,
        batches: Vec<Found>,
    },
    /// The offset is outside the log.
    OutOfRange,
    /// The batch there is lost to damage.
    Unreadable,
}

/// Follows a partition for ever, now and then from its start again.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>, partition: usize) {
    let mut client = Client::new(&net, &format!("consumer-{partition}"));
    let mut reader = Reader {
        ledger: &ledger,
        partition,
        offset: 0,
        found: Vec::new(),
    };
    loop {
        match reader.step(&mut client).await {
            Ok(Ok(_)) => {
                reader.found.clear();
                if ledger.random.chance(1, 40) {
                    reader.offset = 0;
                }
            }
            Ok(Err(violation)) => return ledger.report(Err(violation)),
            Err(_) => {
                client.close();
                sleep(RETRY_PAUSE).await;
            }
        }
        sleep(Duration::from_micros(ledger.random.below(20_000))).await;
    }
}

/// A place in a partition, and what was read on the way to it.
struct Reader<'a> {
    ledger: &'a Ledger,
    partition: usize,
    offset: i64,
    found: Vec<Found>,
}

/// Whether there is more to read.
#[derive(PartialEq, Eq)]
enum Progress {
    More,
    AtEnd,
}

impl Reader<'_> {
    /// Fetches once. The outer error is one that a retry mends, the inner one a violation.
    async fn step(&mut self, client: &mut Client) -> io::Result<Result<Progress, Violation>> {
        let is_damaged = self.ledger.is_damaged(self.partition);
        match fetch(client, self.partition, self.offset, is_damaged).await? {
            Err(violation) => Ok(Err(violation)),
            Ok(Fetched::Batches {
                high_watermark,
                batches,
            }) => Ok(self.take(high_watermark, batches)),
            Ok(Fetched::Unreadable) => {
                self.offset = self.ledger.unreadable(self.partition, self.offset);
                let is_at_end = self.offset >= self.ledger.high_watermark(self.partition);
                Ok(Ok(if is_at_end {
                    Progress::AtEnd
                } else {
                    Progress::More
                }))
            }
            Ok(Fetched::OutOfRange) => {
                let start = earliest(client, self.partition).await?;
                Ok(self.start_over(start))
            }
        }
    }

    /// Goes on at the log start, which must be above the offset that was refused.
    fn start_over(&mut self, start: i64) -> Result<Progress, Violation> {
        self.ledger.saw_log_start(self.partition, start)?;
        if start <= self.offset {
            return Err(Violation {
                invariant: "I1",
                sentence: "every acknowledged batch is read at its offset",
                detail: format!(
                    "partition {}: offset {} is refused, the log starts at {start}",
                    self.partition, self.offset
                ),
            });
        }
        self.offset = start;
        self.found.clear();
        Ok(Progress::More)
    }

    /// Checks that the batches follow the offset without a gap (I11) and are what others read there
    /// (I3). The first may begin before it: a log start need not begin a batch.
    fn take(&mut self, high_watermark: i64, batches: Vec<Found>) -> Result<Progress, Violation> {
        let (ledger, partition) = (self.ledger, self.partition);
        ledger.saw_high_watermark(partition, high_watermark)?;
        let name = format!("partition {partition}");
        for (index, batch) in batches.into_iter().enumerate() {
            let holds_offset = batch.base_offset < self.offset && self.offset < batch.end;
            if !(index == 0 && holds_offset) {
                let dense = i11_dense(&name, self.offset, batch.base_offset);
                if dense.is_err() && ledger.is_damaged(partition) {
                    // The base offset is one of the fields that no checksum covers.
                    self.offset = ledger.unreadable(partition, self.offset);
                    return Ok(Progress::More);
                }
                dense?;
            }
            ledger.read(partition, &batch)?;
            self.offset = batch.end;
            self.found.push(batch);
        }
        let is_at_end = self.offset >= high_watermark;
        Ok(if is_at_end {
            Progress::AtEnd
        } else {
            Progress::More
        })
    }
}

/// Fetches once. The outer error is one that a retry mends, the inner one a violation.
async fn fetch(
    client: &mut Client,
    partition: usize,
    offset: i64,
    is_damaged: bool,
) -> io::Result<Result<Fetched, Violation>> {
    let wanted = FetchPartition::default()
        .with_partition(i32::try_from(partition).unwrap_or(0))
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(16 << 10);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(FETCH_WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let response = client.call(FETCH_VERSION, &request).await?;
    let found = response
        .responses
        .first()
        .and_then(|topic| topic.partitions.first());
    let (Some(found), 0) = (found, response.error_code) else {
        return Err(io::Error::other("no such partition in the answer"));
    };
    match found.error_code {
        0 => {}
        error_code::OFFSET_OUT_OF_RANGE => return Ok(Ok(Fetched::OutOfRange)),
        error_code::KAFKA_STORAGE_ERROR if is_damaged => return Ok(Ok(Fetched::Unreadable)),
        code => {
            let detail = format!("partition {partition}: fetch from {offset} got error {code}");
            if error_code::is_safe_to_retry(code) {
                return Err(io::Error::other(detail));
            }
            return Ok(Err(Violation {
                invariant: "I1",
                sentence: "every acknowledged batch is read at its offset",
                detail,
            }));
        }
    }
    let (batches, is_cut) = read_sound_batches(found.records.as_deref().unwrap_or_default());
    if is_cut && !is_damaged {
        return Ok(Err(Violation {
            invariant: "I3",
            sentence: "what is fetched is whole batches with a good checksum",
            detail: format!("partition {partition} from {offset}: a bad batch"),
        }));
    }
    if is_cut && batches.is_empty() {
        return Ok(Ok(Fetched::Unreadable));
    }
    Ok(Ok(Fetched::Batches {
        high_watermark: found.high_watermark,
        batches,
    }))
}

/// Reads a whole partition from a broker on which nothing fails any more.
pub(super) async fn read_all(
    ledger: &Ledger,
    net: &Arc<SimNet>,
    partition: usize,
) -> Result<Vec<Found>, Violation> {
    let mut client = Client::new(net, "read-back");
    let mut reader = Reader {
        ledger,
        partition,
        offset: 0,
        found: Vec::new(),
    };
    let mut failure_count = 0;
    loop {
        match reader.step(&mut client).await {
            Ok(step) => {
                failure_count = 0;
                if step? == Progress::AtEnd {
                    return Ok(reader.found);
                }
            }
            // Lost records are told by an error that a client tries again for ever.
            Err(error) if failure_count == READ_BACK_FAILURES_MAX => {
                let offset = reader.offset;
                return Err(Violation {
                    invariant: "I1",
                    sentence: "every acknowledged batch is read at its offset",
                    detail: format!("partition {partition} cannot be read from {offset}: {error}"),
                });
            }
            Err(_) => {
                failure_count += 1;
                client.close();
                sleep(RETRY_PAUSE).await;
            }
        }
    }
}
