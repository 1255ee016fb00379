//! The requests of transactions, as clients of both generations of the protocol make them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse, BrokerId, EndTxnRequest, EndTxnResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, GroupId, InitProducerIdRequest, InitProducerIdResponse,
    OffsetFetchRequest, OffsetFetchResponse, ProduceResponse, ProducerId, TopicName,
    TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::StrBytes;
use sprawl_model::batch::TxnOutcome;

use super::record::{Batch, Place, Value, committed, read_batches};
use crate::client::Client;

/// The group that keeps the movers' positions.
pub(super) const GROUP: &str = "movers";
const FETCH_VERSION: i16 = 12;
const FETCH_WAIT_MS: i32 = 100;
const FETCH_BYTES_MAX: i32 = 16 << 10;
const LIST_OFFSETS_VERSION: i16 = 5;
/// ListOffsets' timestamp that means the end.
const LATEST: i64 = -1;
pub(super) const FIND_COORDINATOR_VERSION: i16 = 3;
/// The first version that may wait for undecided transactions (KIP-447).
pub(super) const OFFSET_FETCH_VERSION: i16 = 7;
pub(super) const ADD_VERSION: i16 = 3;
const PRODUCE_TIMEOUT_MS: i32 = 10_000;
/// FindCoordinator's key types.
const OF_GROUP: i8 = 0;
const OF_TRANSACTION: i8 = 1;

/// Which rules a client follows (`transaction.version`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// Partitions are added before they are written to, an epoch lasts (KIP-98).
    One,
    /// Partitions are added by writing to them, every end bumps the epoch (KIP-890).
    Two,
}

impl Generation {
    pub(super) fn produce_version(self) -> i16 {
        match self {
            Self::One => 11,
            Self::Two => 12,
        }
    }

    pub(super) fn init_version(self) -> i16 {
        match self {
            Self::One => 4,
            Self::Two => 5,
        }
    }

    pub(super) fn commit_version(self) -> i16 {
        match self {
            Self::One => 3,
            Self::Two => 5,
        }
    }

    pub(super) fn end_version(self) -> i16 {
        match self {
            Self::One => 3,
            Self::Two => 5,
        }
    }
}

/// What a producer knows of itself.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    pub(super) transactional_id: String,
    pub(super) generation: Generation,
    pub(super) id: i64,
    pub(super) epoch: i16,
    /// The next sequence of each partition that was written to.
    pub(super) sequences: BTreeMap<Place, i32>,
    /// A batch of this epoch may arrive once more at any time.
    pub(super) has_double: bool,
}

impl Producer {
    pub(super) fn new(transactional_id: String, generation: Generation) -> Self {
        Self {
            transactional_id,
            generation,
            id: -1,
            epoch: -1,
            sequences: BTreeMap::new(),
            has_double: false,
        }
    }

    /// Goes on with a new epoch, in which sequences begin again.
    pub(super) fn become_epoch(&mut self, id: i64, epoch: i16) {
        if (self.id, self.epoch) != (id, epoch) {
            self.sequences.clear();
            self.has_double = false;
            (self.id, self.epoch) = (id, epoch);
        }
    }

    fn name(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.transactional_id.clone()))
    }

    pub(super) fn init(&self, timeout_ms: i32) -> InitProducerIdRequest {
        InitProducerIdRequest::default()
            .with_transactional_id(Some(self.name()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    }

    pub(super) fn add_partitions(&self, places: &BTreeSet<Place>) -> AddPartitionsToTxnRequest {
        let topics = by_topic(places.iter().map(|place| (*place, place.partition())));
        let topics = topics.into_iter().map(|(topic, partitions)| {
            AddPartitionsToTxnTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.name())
            .with_v3_and_below_producer_id(ProducerId(self.id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(topics.collect())
    }

    pub(super) fn add_offsets(&self) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.name())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_group_id(group_id())
    }

    pub(super) fn produce(&self, place: Place, batch: Bytes) -> ProduceRequest {
        produce(place, batch).with_transactional_id(Some(self.name()))
    }

    pub(super) fn commit_offsets(&self, ends: &BTreeMap<Place, i64>) -> TxnOffsetCommitRequest {
        let topics = by_topic(ends.iter().map(|(place, end)| {
            let partition = TxnOffsetCommitRequestPartition::default()
                .with_partition_index(place.partition())
                .with_committed_offset(*end)
                .with_committed_leader_epoch(-1);
            (*place, partition)
        }));
        let topics = topics.into_iter().map(|(topic, partitions)| {
            TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        TxnOffsetCommitRequest::default()
            .with_transactional_id(self.name())
            .with_group_id(group_id())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(topics.collect())
    }

    pub(super) fn end(&self, outcome: TxnOutcome) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(self.name())
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(outcome == TxnOutcome::Commit)
    }
}

/// A batch on its way to its partition.
pub(super) fn produce(place: Place, batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(place.partition())
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(topic_name(place.topic()))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(PRODUCE_TIMEOUT_MS)
        .with_topic_data(vec![topic])
}

pub(super) fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn group_id() -> GroupId {
    GroupId(StrBytes::from_static_str(GROUP))
}

/// Puts what belongs to the partitions of one topic together.
fn by_topic<T>(items: impl Iterator<Item = (Place, T)>) -> BTreeMap<&'static str, Vec<T>> {
    let mut topics: BTreeMap<&'static str, Vec<T>> = BTreeMap::new();
    for (place, item) in items {
        topics.entry(place.topic()).or_default().push(item);
    }
    topics
}

/// Asks where the coordinators are, which makes their topics.
pub(super) fn find_coordinators(transactional_id: &str) -> [FindCoordinatorRequest; 2] {
    [(GROUP, OF_GROUP), (transactional_id, OF_TRANSACTION)].map(|(key, kind)| {
        FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(key.to_owned()))
            .with_key_type(kind)
    })
}

/// Asks for committed positions, but not while a transaction may still change them.
pub(super) fn stable_offsets(places: &[Place]) -> OffsetFetchRequest {
    let topics = by_topic(places.iter().map(|place| (*place, place.partition())));
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetFetchRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partition_indexes(partitions)
    });
    OffsetFetchRequest::default()
        .with_group_id(group_id())
        .with_topics(Some(topics.collect()))
        .with_require_stable(true)
}

/// The committed positions in an answer, 0 where there is none.
pub(super) fn positions_in(answer: &OffsetFetchResponse) -> BTreeMap<Place, i64> {
    let mut positions = BTreeMap::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            if let Some(place) = Place::find(&topic.name, partition.partition_index) {
                positions.insert(place, partition.committed_offset.max(0));
            }
        }
    }
    positions
}

/// An answer with an error code somewhere in it.
pub(super) trait Answer {
    /// The first error code that is not 0, or 0.
    fn code(&self) -> i16;
}

fn first_error(codes: impl IntoIterator<Item = i16>) -> i16 {
    codes.into_iter().find(|code| *code != 0).unwrap_or(0)
}

impl Answer for FindCoordinatorResponse {
    fn code(&self) -> i16 {
        self.error_code
    }
}

impl Answer for InitProducerIdResponse {
    fn code(&self) -> i16 {
        self.error_code
    }
}

impl Answer for AddOffsetsToTxnResponse {
    fn code(&self) -> i16 {
        self.error_code
    }
}

impl Answer for EndTxnResponse {
    fn code(&self) -> i16 {
        self.error_code
    }
}

impl Answer for AddPartitionsToTxnResponse {
    fn code(&self) -> i16 {
        let topics = self.results_by_topic_v3_and_below.iter();
        let results = topics.flat_map(|topic| &topic.results_by_partition);
        first_error(results.map(|result| result.partition_error_code))
    }
}

impl Answer for ProduceResponse {
    fn code(&self) -> i16 {
        let topics = self.responses.iter();
        let results = topics.flat_map(|topic| &topic.partition_responses);
        first_error(results.map(|result| result.error_code))
    }
}

impl Answer for TxnOffsetCommitResponse {
    fn code(&self) -> i16 {
        let topics = self.topics.iter();
        let results = topics.flat_map(|topic| &topic.partitions);
        first_error(results.map(|result| result.error_code))
    }
}

impl Answer for OffsetFetchResponse {
    fn code(&self) -> i16 {
        let topics = self.topics.iter();
        let results = topics.flat_map(|topic| &topic.partitions);
        let codes = results.map(|result| result.error_code);
        first_error(std::iter::once(self.error_code).chain(codes))
    }
}

/// What a consumer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    Uncommitted,
    Committed,
}

impl Isolation {
    fn number(self) -> i8 {
        match self {
            Self::Uncommitted => 0,
            Self::Committed => 1,
        }
    }
}

/// What one fetch brought.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) error_code: i16,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) batches: Vec<Batch>,
    /// What a consumer of this isolation shows its user.
    pub(super) shown: Vec<(i64, Value)>,
    /// Where the next fetch begins.
    pub(super) next: i64,
}

/// Fetches once.
pub(super) async fn fetch(
    client: &mut Client,
    place: Place,
    from: i64,
    isolation: Isolation,
) -> io::Result<Fetched> {
    let wanted = FetchPartition::default()
        .with_partition(place.partition())
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_fetch_offset(from)
        .with_partition_max_bytes(FETCH_BYTES_MAX);
    let topic = FetchTopic::default()
        .with_topic(topic_name(place.topic()))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(FETCH_WAIT_MS)
        .with_min_bytes(1)
        .with_max_bytes(FETCH_BYTES_MAX)
        .with_isolation_level(isolation.number())
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let response = client.call(FETCH_VERSION, &request).await?;
    let topic = response.responses.first();
    let found = topic.and_then(|topic| topic.partitions.first());
    let (Some(found), 0) = (found, response.error_code) else {
        return Err(io::Error::other("no such partition in the answer"));
    };
    let batches = read_batches(found.records.as_deref().unwrap_or_default());
    let batches = batches.map_err(io::Error::other)?;
    let aborted = found.aborted_transactions.iter().flatten();
    let aborted: Vec<(i64, i64)> = aborted
        .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
        .collect();
    Ok(Fetched {
        error_code: found.error_code,
        high_watermark: found.high_watermark,
        last_stable_offset: found.last_stable_offset,
        shown: committed(&batches, &aborted, from),
        next: batches.last().map_or(from, |batch| batch.end.max(from)),
        batches,
    })
}

/// The last stable offset of every place.
pub(super) async fn stable_ends(client: &mut Client) -> io::Result<BTreeMap<Place, i64>> {
    let wanted = by_topic(Place::all().map(|place| {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(place.partition())
            .with_current_leader_epoch(-1)
            .with_timestamp(LATEST);
        (place, partition)
    }));
    let topics = wanted.into_iter().map(|(topic, partitions)| {
        ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions)
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(Isolation::Committed.number())
        .with_topics(topics.collect());
    let response = client.call(LIST_OFFSETS_VERSION, &request).await?;
    let mut ends = BTreeMap::new();
    for topic in &response.topics {
        for partition in topic.partitions.iter().filter(|one| one.error_code == 0) {
            if let Some(place) = Place::find(&topic.name, partition.partition_index) {
                ends.insert(place, partition.offset);
            }
        }
    }
    Ok(ends)
}

/// The end of a partition for consumers of an isolation.
pub(super) async fn end_of(
    client: &mut Client,
    (topic, partition): (&str, i32),
    isolation: Isolation,
) -> io::Result<i64> {
    let wanted = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_current_leader_epoch(-1)
        .with_timestamp(LATEST);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation.number())
        .with_topics(vec![topic]);
    let response = client.call(LIST_OFFSETS_VERSION, &request).await?;
    let topic = response.topics.first();
    match topic.and_then(|topic| topic.partitions.first()) {
        Some(answer) if answer.error_code == 0 => Ok(answer.offset),
        _ => Err(io::Error::other("not yet")),
    }
}
