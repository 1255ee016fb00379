//! An idempotent producer that follows Kafka's rules: several batches under way, every one sent
//! again with its sequence until it is answered.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{
    PartitionProduceData, ProduceRequest, TopicProduceData,
};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{InitProducerIdRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use sprawl_io::Random;
use sprawl_io::sim::SimNet;
use sprawl_io::time::sleep;
use sprawl_model::batch::{BatchBuilder, BatchOptions};
use sprawl_model::{ProducerEpoch, ProducerId, Sequence};

use super::ledger::Ledger;
use super::{PARTITION_COUNT, TOPIC};
use crate::client::Client;
use crate::error_code;
use crate::invariant::i13_error_is_safe;

const PRODUCE_VERSION: i16 = 9;
const INIT_PRODUCER_ID_VERSION: i16 = 2;
/// Requests under way on the connection, at most: what idempotence allows.
const IN_FLIGHT_MAX: u64 = 5;
/// The pause before what failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long the broker may take to make a batch durable.
const PRODUCE_TIMEOUT_MS: i32 = 10_000;

/// One batch until it is acknowledged.
#[derive(Clone, Debug)]
struct Batch {
    sequence: i32,
    bytes: Bytes,
}

/// A producer and its partition.
struct Producer {
    ledger: Arc<Ledger>,
    client: Client,
    partition: usize,
    id: i64,
    epoch: i16,
    sequence_next: i32,
    /// Not acknowledged, oldest first; all of them are sent again after a failure.
    waiting: VecDeque<Batch>,
}

/// Produces until it is told to stop, then until everything is answered.
pub(super) async fn run(ledger: Arc<Ledger>, net: Arc<SimNet>, number: usize) {
    let client = Client::new(&net, &format!("producer-{number}"));
    let partition = number % PARTITION_COUNT;
    let mut producer = Producer {
        ledger,
        client,
        partition,
        id: -1,
        epoch: -1,
        sequence_next: 0,
        waiting: VecDeque::new(),
    };
    producer.ledger.begin();
    while producer.id < 0 {
        if producer.init().await.is_err() {
            producer.client.close();
            sleep(RETRY_PAUSE).await;
        }
    }
    while !(producer.ledger.is_stopping() && producer.waiting.is_empty()) {
        producer.fill();
        if producer.send_all().await.is_err() {
            sleep(RETRY_PAUSE).await;
        }
        sleep(Duration::from_micros(producer.ledger.random.below(30_000))).await;
    }
    producer.ledger.finished();
}

impl Producer {
    async fn init(&mut self) -> io::Result<()> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000);
        let response = self.client.call(INIT_PRODUCER_ID_VERSION, &request).await?;
        if response.error_code != 0 {
            return Err(io::Error::other("not yet"));
        }
        (self.id, self.epoch) = (response.producer_id.0, response.producer_epoch);
        Ok(())
    }

    /// Builds some batches, unless the end has come.
    fn fill(&mut self) {
        if self.ledger.is_stopping() {
            return;
        }
        let wanted = 1 + self.ledger.random.below(IN_FLIGHT_MAX);
        while (self.waiting.len() as u64) < wanted {
            let batch = self.build();
            self.waiting.push_back(batch);
        }
    }

    fn build(&mut self) -> Batch {
        let sequence = self.sequence_next;
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(self.id),
            producer_epoch: ProducerEpoch(self.epoch),
            base_sequence: Sequence(sequence),
            ..BatchOptions::default()
        });
        for _ in 0..=self.ledger.random.below(4) {
            let key = format!("{}-{}", self.id, self.sequence_next);
            let mut value = vec![0; self.ledger.random.below(800) as usize];
            self.ledger.random.fill(&mut value);
            let timestamp = sprawl_io::sim::clock::WALL_MS_START + i64::from(self.sequence_next);
            let pushed = builder.push(timestamp, Some(key.as_bytes()), Some(&value), &[]);
            pushed.expect("a few kilobytes fit a batch");
            self.sequence_next += 1;
        }
        Batch {
            sequence,
            bytes: builder.build().freeze(),
        }
    }

    /// Sends everything that waits, then reads the answers in order. The first failure ends it:
    /// what comes after cannot have been taken in order, and all of it is sent again.
    async fn send_all(&mut self) -> io::Result<()> {
        let batches: Vec<Batch> = self.waiting.iter().cloned().collect();
        for batch in &batches {
            let request = self.request(batch);
            self.client.send(PRODUCE_VERSION, &request).await?;
        }
        let mut is_failed = false;
        for batch in &batches {
            let response = self
                .client
                .receive::<ProduceRequest>(PRODUCE_VERSION)
                .await?;
            let partition = response
                .responses
                .first()
                .and_then(|topic| topic.partition_responses.first());
            let Some(answer) = partition.filter(|_| !is_failed) else {
                continue;
            };
            is_failed = !self.answered(batch, answer);
        }
        if is_failed {
            Err(io::Error::other("to be sent again"))
        } else {
            Ok(())
        }
    }

    fn request(&self, batch: &Batch) -> ProduceRequest {
        let index = i32::try_from(self.partition).unwrap_or(0);
        let partition = PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch.bytes.clone()));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
            .with_partition_data(vec![partition]);
        ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(PRODUCE_TIMEOUT_MS)
            .with_topic_data(vec![topic])
    }

    /// Takes an answer in; says whether the batch was acknowledged.
    fn answered(&mut self, batch: &Batch, answer: &PartitionProduceResponse) -> bool {
        let code = answer.error_code;
        if code == 0 {
            let producer = (self.id, batch.sequence);
            let check = self
                .ledger
                .produced(self.partition, answer.base_offset, producer);
            self.ledger.report(check);
            self.waiting.pop_front();
            return true;
        }
        let name = format!("partition {}, sequence {}", self.partition, batch.sequence);
        self.ledger
            .report(i13_error_is_safe(&name, code, error_code::is_safe_to_retry));
        false
    }
}
