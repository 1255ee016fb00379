//! What the tests of the data path share: batches, and calls that return the answer they expect.

use sprawl_model::batch::{BatchBuilder, BatchHeader, BatchOptions, Batches, HeaderRef, Records};
use sprawl_model::{ProducerEpoch, ProducerId, Sequence};
use sprawl_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use sprawl_protocol::messages::fetch_response::PartitionData;
use sprawl_protocol::messages::produce_response::PartitionProduceResponse;
use sprawl_protocol::produce::{ProducePartition, ProduceTopic};

use super::*;

/// The timestamp of the first record of [`batch`]; the next are a millisecond later each.
pub(super) const TIME_MS: i64 = sprawl_io::sim::clock::WALL_MS_START;

/// The largest number that a limit in bytes can be.
pub(super) const NO_LIMIT: i32 = i32::MAX;

pub(super) fn batch_of(options: BatchOptions, key: Option<&str>, values: &[&str]) -> BytesMut {
    let mut builder = BatchBuilder::new(options);
    let header = HeaderRef {
        key: b"h",
        value: None,
    };
    for (time, value) in (TIME_MS..).zip(values) {
        let (key, value) = (key.map(str::as_bytes), Some(value.as_bytes()));
        builder.push(time, key, value, &[header]).unwrap();
    }
    builder.build()
}

pub(super) fn batch(values: &[&str]) -> BytesMut {
    batch_of(BatchOptions::default(), Some("k"), values)
}

/// A batch of an idempotent producer.
pub(super) fn sequenced(producer: (i64, i16), base_sequence: i32, values: &[&str]) -> BytesMut {
    let options = BatchOptions {
        producer_id: ProducerId(producer.0),
        producer_epoch: ProducerEpoch(producer.1),
        base_sequence: Sequence(base_sequence),
        ..BatchOptions::default()
    };
    batch_of(options, Some("k"), values)
}

pub(super) fn produce_to(acks: i16, topic: &str, parts: Vec<(i32, BytesMut)>) -> ProduceRequest {
    let partitions = parts.into_iter().map(|(index, records)| ProducePartition {
        index,
        records: Some(records),
    });
    ProduceRequest {
        acks,
        timeout_ms: 1_000,
        topics: vec![ProduceTopic {
            name: topic_name(topic),
            partitions: partitions.collect(),
            ..ProduceTopic::default()
        }],
        ..ProduceRequest::default()
    }
}

pub(super) fn fetch_partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(NO_LIMIT)
}

/// A fetch of one topic that does not wait.
pub(super) fn fetch_from(topic: &str, partitions: Vec<FetchPartition>) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(partitions);
    FetchRequest::default()
        .with_max_bytes(NO_LIMIT)
        .with_min_bytes(1)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// The offset and value of every record in a fetched partition, whole batches as they came.
pub(super) fn records_of(partition: &PartitionData) -> Vec<(i64, String)> {
    let bytes = partition.records.clone().unwrap_or_default();
    let mut found = Vec::new();
    for one in Batches::new(&bytes) {
        let (header, batch) = one.unwrap();
        let payload = sprawl_model::batch::payload(batch, 1 << 24).unwrap();
        for record in Records::new(&header, &payload) {
            let record = record.unwrap();
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            found.push((record.offset.0, value));
        }
    }
    found
}

/// The headers of the batches in a fetched partition.
pub(super) fn headers_of(partition: &PartitionData) -> Vec<BatchHeader> {
    let bytes = partition.records.clone().unwrap_or_default();
    Batches::new(&bytes).map(|one| one.unwrap().0).collect()
}

/// Writes a request's frame.
pub(super) async fn send(
    stream: &mut sprawl_io::Stream,
    version: i16,
    correlation_id: i32,
    request: impl Into<Request>,
) {
    let mut frame = BytesMut::new();
    let request = request.into();
    encode_request(&request, version, correlation_id, Some("test"), &mut frame).unwrap();
    stream.write_all(&frame).await.unwrap();
}

/// Reads one response's frame, or `None` where the broker has closed the connection.
pub(super) async fn receive(stream: &mut sprawl_io::Stream) -> Option<Bytes> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).await.ok()?;
    let mut body = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(body.into())
}

impl Node {
    pub(super) async fn produce(
        &mut self,
        version: i16,
        request: ProduceRequest,
    ) -> Vec<PartitionProduceResponse> {
        match self.call(version, request).await {
            Response::Produce(response) => response
                .responses
                .into_iter()
                .flat_map(|topic| topic.partition_responses)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Produces one batch to partition 0 with acks=all; returns code and base offset.
    pub(super) async fn append(&mut self, topic: &str, records: BytesMut) -> (i16, i64) {
        let request = produce_to(-1, topic, vec![(0, records)]);
        let answer = self.produce(9, request).await.remove(0);
        (answer.error_code, answer.base_offset)
    }

    pub(super) async fn fetch(&mut self, version: i16, request: FetchRequest) -> FetchResponse {
        match self.call(version, request).await {
            Response::Fetch(response) => response,
            other => panic!("{other:?}"),
        }
    }

    /// Fetches partition 0 from `offset` and returns what it answers.
    pub(super) async fn read(&mut self, topic: &str, offset: i64) -> PartitionData {
        let request = fetch_from(topic, vec![fetch_partition(0, offset)]);
        let mut response = self.fetch(12, request).await;
        response.responses.remove(0).partitions.remove(0)
    }
}

/// A frame with a header and a body.
pub(super) fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0];
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 5, 0xff, 0xff]); // correlation id 5, no client id
    bytes.extend_from_slice(body);
    let size = i32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&size.to_be_bytes());
    bytes
}
