//! A consumer without a group: reads a partition from wherever it is told, and checks what comes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;

use super::client::Client;
use super::ledger::Ledger;
use super::{TOPIC, error_code};
use crate::history::{Found, read_batches};
use crate::invariant::{Violation, i11_dense};

const FETCH_VERSION: i16 = 12;
const FETCH_WAIT_MS: i32 = 500;
/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How often in a row a fetch may fail once nothing fails any more.
const READ_BACK_FAILURES_MAX: u32 = 100;

/// What one fetch brought.
pub(super) struct Fetched {
    pub(super) high_watermark: i64,
    pub(super) batches: Vec<Found>,
}

/// Follows a partition for ever, now and then from its start again.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>, partition: usize) {
    let mut client = Client::new(&net, &format!("consumer-{partition}"));
    let mut offset = 0;
    loop {
        match fetch(&mut client, partition, offset).await {
            Ok(Ok(fetched)) => {
                ledger.report(ledger.saw_high_watermark(partition, fetched.high_watermark));
                match take(&ledger, partition, offset, &fetched.batches) {
                    Ok(next) => offset = next,
                    Err(violation) => return ledger.report(Err(violation)),
                }
                if ledger.random.chance(1, 40) {
                    offset = 0;
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

/// Checks that the batches follow `offset` without a gap (I11) and are what others read there (I3).
fn take(
    ledger: &Ledger,
    partition: usize,
    offset: i64,
    batches: &[Found],
) -> Result<i64, Violation> {
    let name = format!("partition {partition}");
    let mut next = offset;
    for batch in batches {
        i11_dense(&name, next, batch.base_offset)?;
        ledger.read(partition, batch)?;
        next = batch.end;
    }
    Ok(next)
}

/// Fetches once. The outer error is one that a retry mends, the inner one a violation.
pub(super) async fn fetch(
    client: &mut Client,
    partition: usize,
    offset: i64,
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
    if found.error_code != 0 {
        let is_expected = error_code::is_safe_to_retry(found.error_code);
        let violation = Violation {
            invariant: "I1",
            sentence: "every acknowledged batch is read at its offset",
            detail: format!(
                "partition {partition}: fetch from {offset} got error {}, high watermark {}",
                found.error_code, found.high_watermark
            ),
        };
        return if is_expected {
            Err(io::Error::other(violation.detail))
        } else {
            Ok(Err(violation))
        };
    }
    let batches = read_batches(found.records.as_deref().unwrap_or_default());
    Ok(batches
        .map_err(|error| Violation {
            invariant: "I3",
            sentence: "what is fetched is whole batches with a good checksum",
            detail: format!("partition {partition} from {offset}: {error}"),
        })
        .map(|batches| Fetched {
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
    let mut batches = Vec::new();
    let mut offset = 0;
    let mut failure_count = 0;
    loop {
        match fetch(&mut client, partition, offset).await {
            Ok(fetched) => {
                failure_count = 0;
                let fetched = fetched?;
                offset = take(ledger, partition, offset, &fetched.batches)?;
                batches.extend(fetched.batches);
                if offset >= fetched.high_watermark {
                    return Ok(batches);
                }
            }
            // Lost records are told by an error that a client tries again for ever.
            Err(error) if failure_count == READ_BACK_FAILURES_MAX => {
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
