//! Reading partitions from given offsets.
//!
//! One `Fetch` a leader at a time, without sessions; batches are checked (CRC) and decompressed
//! with a cap before a record leaves this module. Positions move only over records that were
//! returned, so a batch that starts before the position is cut to the records from it on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sprawl_model::batch::{BatchHeader, Batches, Records, TimestampType, payload, verify_crc};
use sprawl_model::limits::DECOMPRESSED_BYTES_MAX;
use sprawl_protocol::ErrorCode;
use sprawl_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use sprawl_protocol::messages::fetch_response::PartitionData;
use sprawl_protocol::messages::{BrokerId, FetchRequest, FetchResponse};

use crate::admin::{Admin, OffsetSpec};
use crate::client::{Client, ClientOptions, topic_name};
use crate::connection::Connection;
use crate::error::ClientError;

/// How a consumer fetches.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The most bytes of one answer; a first batch larger than this is still returned.
    pub fetch_bytes_max: i32,
    /// The most bytes of one partition in an answer.
    pub partition_bytes_max: i32,
    /// What to do when the position is gone: start here.
    pub reset: OffsetSpec,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            fetch_bytes_max: 50 * 1024 * 1024,
            partition_bytes_max: 1024 * 1024,
            reset: OffsetSpec::Earliest,
        }
    }
}

/// Where to start reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOffset {
    /// At a place the broker looks up.
    Spec(OffsetSpec),
    /// At this offset.
    Offset(i64),
    /// This many records before the end.
    BeforeEnd(i64),
}

/// A record header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name; names may repeat.
    pub key: Bytes,
    /// Its value.
    pub value: Option<Bytes>,
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// The topic, shared by all its records.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since the Unix epoch, -1 for none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` deletes the key on a compacted topic.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<Header>,
}

#[derive(Clone, Debug)]
struct Position {
    /// What is fetched next.
    next: i64,
    /// What is returned next.
    returned: i64,
    high_watermark: Option<i64>,
}

type Place = (Arc<str>, i32);

/// Reads the partitions it is given.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    options: ConsumerOptions,
    positions: BTreeMap<Place, Position>,
    /// Partitions in the order of the next fetch: those served last go last.
    turn: VecDeque<Place>,
    /// A connection of its own for each leader, since a fetch waits on the broker.
    connections: BTreeMap<String, Arc<Connection>>,
    /// Fetched, not yet returned: at most one answer of each leader.
    fetched: VecDeque<ConsumedRecord>,
    failing_since: Option<Duration>,
}

impl Consumer {
    /// Makes a consumer of nothing.
    pub fn new(client: Client, options: ConsumerOptions) -> Self {
        let (positions, turn) = (BTreeMap::new(), VecDeque::new());
        Self {
            client,
            options,
            positions,
            turn,
            connections: BTreeMap::new(),
            fetched: VecDeque::new(),
            failing_since: None,
        }
    }

    /// Replaces what is read; places the broker has to look up are looked up now.
    pub async fn assign(
        &mut self,
        starts: BTreeMap<(String, i32), StartOffset>,
    ) -> Result<(), ClientError> {
        let resolved = self.resolve(starts).await?;
        let positions = resolved.into_iter().map(|((topic, partition), next)| {
            (
                (Arc::from(topic), partition),
                Position {
                    next,
                    returned: next,
                    high_watermark: None,
                },
            )
        });
        self.positions = positions.collect();
        self.fetched.clear();
        self.turn = self.positions.keys().cloned().collect();
        Ok(())
    }

    async fn resolve(
        &self,
        starts: BTreeMap<(String, i32), StartOffset>,
    ) -> Result<BTreeMap<(String, i32), i64>, ClientError> {
        let admin = Admin::new(self.client.clone());
        let wanted = starts.iter().filter_map(|(place, start)| match start {
            StartOffset::Offset(_) => None,
            StartOffset::Spec(spec) => Some((place.clone(), *spec)),
            StartOffset::BeforeEnd(_) => Some((place.clone(), OffsetSpec::Latest)),
        });
        let wanted: BTreeMap<_, _> = wanted.collect();
        let found = admin.list_offsets(&wanted).await?;
        let ends = wanted
            .into_keys()
            .map(|place| (place, OffsetSpec::Latest))
            .collect();
        let ends = admin.list_offsets(&ends).await?;
        let begins = ends
            .keys()
            .map(|place| (place.clone(), OffsetSpec::Earliest))
            .collect();
        let begins = admin.list_offsets(&begins).await?;
        let offset_in = |offsets: &BTreeMap<_, crate::admin::TimestampedOffset>, place: &_| {
            offsets
                .get(place)
                .map(|found| found.offset)
                .filter(|offset| *offset >= 0)
        };
        let resolved = starts.into_iter().map(|(place, start)| {
            let end = offset_in(&ends, &place).unwrap_or(0);
            let begin = offset_in(&begins, &place).unwrap_or(0);
            let next = match start {
                StartOffset::Offset(offset) => offset,
                // No record is that late: what is written next will be.
                StartOffset::Spec(_) => offset_in(&found, &place).unwrap_or(end),
                StartOffset::BeforeEnd(count) => end.saturating_sub(count).max(begin),
            };
            (place, next)
        });
        Ok(resolved.collect())
    }

    /// Returns the offset after the last returned record of each partition.
    pub fn positions(&self) -> BTreeMap<(String, i32), i64> {
        let positions = self.positions.iter();
        positions
            .map(|((topic, index), p)| ((topic.to_string(), *index), p.returned))
            .collect()
    }

    /// Says whether every partition has been read up to its end as last seen.
    pub fn is_at_end(&self) -> bool {
        let mut positions = self.positions.values();
        positions.all(|position| {
            position
                .high_watermark
                .is_some_and(|end| position.returned >= end)
        })
    }

    /// Returns at most `records_max` records: those left from the last fetch, or else those of one
    /// fetch from every leader, which waits at most `wait_max` for a first record. An empty answer
    /// is not the end.
    ///
    /// Errors that may pass (a broker that restarts) are waited out for `retry_wait_max` of the
    /// client.
    ///
    /// Cancel: safe; records move out of the consumer only when they are returned.
    pub async fn poll(
        &mut self,
        wait_max: Duration,
        records_max: usize,
    ) -> Result<Vec<ConsumedRecord>, ClientError> {
        if self.fetched.is_empty() {
            self.fetch_patiently(wait_max).await?;
        }
        Ok(self.take_fetched(records_max))
    }

    fn take_fetched(&mut self, records_max: usize) -> Vec<ConsumedRecord> {
        let count = records_max.min(self.fetched.len());
        let records: Vec<ConsumedRecord> = self.fetched.drain(..count).collect();
        for record in &records {
            let place = (Arc::clone(&record.topic), record.partition);
            if let Some(position) = self.positions.get_mut(&place) {
                position.returned = record.offset.saturating_add(1);
            }
        }
        if self.fetched.is_empty() {
            // Control batches and compacted offsets at the end are passed too.
            for position in self.positions.values_mut() {
                position.returned = position.next;
            }
        }
        records
    }

    async fn fetch_patiently(&mut self, wait_max: Duration) -> Result<(), ClientError> {
        let now = self.client.io().clock.monotonic();
        let error = match self.fetch_once(wait_max).await {
            Ok(()) => {
                self.failing_since = None;
                return Ok(());
            }
            Err(error) => error,
        };
        let since = *self.failing_since.get_or_insert(now);
        let ClientOptions {
            retry_wait_max,
            retry_pause,
            ..
        } = self.client.options();
        if !error.is_retriable() || now.saturating_sub(since) >= *retry_wait_max {
            return Err(error);
        }
        tracing::debug!(%error, "fetch failed, trying again");
        self.connections.clear();
        self.forget_topics();
        sprawl_io::time::sleep(*retry_pause).await;
        Ok(())
    }

    async fn fetch_once(&mut self, wait_max: Duration) -> Result<(), ClientError> {
        if self.turn.is_empty() {
            sprawl_io::time::sleep(wait_max).await;
            return Ok(());
        }
        let mut by_leader: BTreeMap<i32, Vec<(Place, FetchPartition)>> = BTreeMap::new();
        for place in &self.turn {
            let leader = self.client.leader(&place.0, place.1).await?;
            let next = self
                .positions
                .get(place)
                .map_or(0, |position| position.next);
            let partition = FetchPartition::default()
                .with_partition(place.1)
                .with_current_leader_epoch(leader.epoch)
                .with_fetch_offset(next)
                .with_partition_max_bytes(self.options.partition_bytes_max);
            by_leader
                .entry(leader.broker_id)
                .or_default()
                .push((place.clone(), partition));
        }
        for (broker_id, partitions) in by_leader {
            let response = self.fetch(broker_id, partitions, wait_max).await?;
            self.take_answer(response).await?;
        }
        Ok(())
    }

    fn forget_topics(&self) {
        for (topic, _) in self.positions.keys() {
            self.client.forget_topic(topic);
        }
    }

    async fn fetch(
        &mut self,
        broker_id: i32,
        partitions: Vec<(Place, FetchPartition)>,
        wait_max: Duration,
    ) -> Result<FetchResponse, ClientError> {
        // Partitions of one topic stay together, topics in the order of their first partition.
        let mut topics: Vec<FetchTopic> = Vec::new();
        for ((topic, _), partition) in partitions {
            match topics
                .iter_mut()
                .find(|known| known.topic.as_str() == &*topic)
            {
                Some(known) => known.partitions.push(partition),
                None => topics.push(
                    FetchTopic::default()
                        .with_topic(topic_name(&topic))
                        .with_partitions(vec![partition]),
                ),
            }
        }
        let wait_ms = i32::try_from(wait_max.as_millis()).unwrap_or(i32::MAX);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(self.options.fetch_bytes_max)
            .with_session_epoch(-1)
            .with_topics(topics);
        let address = self.client.broker_address(broker_id).await?;
        let known = self
            .connections
            .get(&address)
            .filter(|c| !c.is_broken())
            .cloned();
        let connection = match known {
            Some(connection) => connection,
            None => {
                let opened = self.client.open_own(&address).await?;
                self.connections.insert(address, Arc::clone(&opened));
                opened
            }
        };
        let deadline = wait_max.saturating_add(self.client.options().request_wait_max);
        let response = connection.call_within(request, deadline).await?;
        ClientError::check(|| "fetch".to_owned(), response.error_code)?;
        Ok(response)
    }

    async fn take_answer(&mut self, response: FetchResponse) -> Result<(), ClientError> {
        for topic in response.responses {
            let name: Arc<str> = Arc::from(topic.topic.as_str());
            for partition in topic.partitions {
                let place = (Arc::clone(&name), partition.partition_index);
                match ErrorCode::from_number(partition.error_code) {
                    Some(ErrorCode::None) => self.take_partition(&place, &partition)?,
                    Some(ErrorCode::OffsetOutOfRange) => self.reset(&place).await?,
                    Some(code) if code.is_retriable() => {
                        self.client.forget_topic(&name);
                        sprawl_io::time::sleep(self.client.options().retry_pause).await;
                    }
                    _ => ClientError::check(
                        || format!("fetch from {}-{}", place.0, place.1),
                        partition.error_code,
                    )?,
                }
            }
        }
        Ok(())
    }

    /// Starts again where the options say, because the position is not in the log (any more).
    async fn reset(&mut self, place: &Place) -> Result<(), ClientError> {
        let key = (place.0.to_string(), place.1);
        let start = StartOffset::Spec(self.options.reset);
        let found = self.resolve(BTreeMap::from([(key.clone(), start)])).await?;
        if let (Some(position), Some(next)) = (self.positions.get_mut(place), found.get(&key)) {
            tracing::warn!(topic = %place.0, partition = place.1, from = position.next, to = next,
                "offset out of range, position reset");
            (position.next, position.returned) = (*next, *next);
        }
        Ok(())
    }

    fn take_partition(&mut self, place: &Place, data: &PartitionData) -> Result<(), ClientError> {
        let Some(position) = self.positions.get_mut(place) else {
            return Ok(());
        };
        position.high_watermark = Some(data.high_watermark);
        let bytes = data.records.clone().unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        let malformed = |error: sprawl_model::batch::BatchError| {
            ClientError::Malformed(format!("records of {}-{}: {error}", place.0, place.1))
        };
        let mut seen = false;
        for next in Batches::new(&bytes) {
            let (header, batch) = match next {
                Ok(found) => found,
                // The last batch of an answer may be cut off; it is fetched again.
                Err(_) if seen => break,
                Err(error) => return Err(malformed(error)),
            };
            seen = true;
            verify_crc(batch).map_err(malformed)?;
            let control = header.attributes.is_control();
            if !control && header.next_offset().0 > position.next {
                take_batch(place, &header, batch, (position.next, &mut self.fetched))
                    .map_err(malformed)?;
            }
            position.next = position.next.max(header.next_offset().0);
        }
        if let Some(index) = self.turn.iter().position(|waiting| waiting == place) {
            let served = self.turn.remove(index);
            self.turn.extend(served);
        }
        Ok(())
    }
}

/// Appends the records of a batch from an offset on.
fn take_batch(
    place: &Place,
    header: &BatchHeader,
    batch: &[u8],
    (from, records): (i64, &mut VecDeque<ConsumedRecord>),
) -> Result<(), sprawl_model::batch::BatchError> {
    let payload = Bytes::from(payload(batch, DECOMPRESSED_BYTES_MAX)?.into_owned());
    let own = |bytes: &[u8]| payload.slice_ref(bytes);
    for record in Records::new(header, &payload) {
        let record = record?;
        if record.offset.0 < from {
            continue;
        }
        let mut headers = Vec::new();
        for found in record.headers() {
            headers.push(Header {
                key: own(found.key),
                value: found.value.map(own),
            });
        }
        records.push_back(ConsumedRecord {
            topic: Arc::clone(&place.0),
            partition: place.1,
            offset: record.offset.0,
            timestamp: record.timestamp,
            timestamp_type: header.attributes.timestamp_type(),
            key: record.key.map(own),
            value: record.value.map(own),
            headers,
        });
    }
    Ok(())
}
