//! The one task of a producer that talks to brokers.
//!
//! Each turn: fail what is overdue, take an identity if one is needed, send every partition that is
//! due, then wait for an answer, a record, or the next due time. A partition has at most one batch
//! in flight, so answers never overtake each other.

use std::collections::BTreeMap;
use std::time::Duration;

use sprawl_model::{ProducerEpoch, ProducerId};
use sprawl_protocol::messages::{InitProducerIdRequest, ProduceResponse};
use sprawl_protocol::produce::{ProducePartition, ProduceTopic};
use sprawl_protocol::{ErrorCode, ProduceRequest};
use tokio::sync::{mpsc, oneshot};

use super::batch::{Identity, Place, Queue, QueuedRecord, SealedBatch};
use super::{Acks, ProducerOptions};
use crate::client::{Client, topic_name};
use crate::error::ClientError;

/// Answers on their way back to the sender task: at most one a broker and partition.
const ANSWER_COUNT_MAX: usize = 1024;

/// The pause where nothing has a due time of its own.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// What a producer asks its task for.
#[derive(Debug)]
pub(super) enum Command {
    /// Write a record.
    Send { place: Place, record: QueuedRecord },
    /// Say when everything is written.
    Flush(oneshot::Sender<()>),
}

/// The outcome of one produce request.
struct Answer {
    batches: Vec<SealedBatch>,
    result: Result<ProduceResponse, ClientError>,
}

pub(super) struct Sender {
    client: Client,
    options: ProducerOptions,
    commands: mpsc::Receiver<Command>,
    queues: BTreeMap<Place, Queue>,
    flushes: Vec<oneshot::Sender<()>>,
    identity: Option<Identity>,
    /// An attempt to get an identity failed; the next one is not made before this time.
    identity_not_before: Duration,
    answers: mpsc::Receiver<Answer>,
    answer_sender: mpsc::Sender<Answer>,
    is_closing: bool,
}

impl Sender {
    pub(super) fn new(
        client: Client,
        options: ProducerOptions,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let (answer_sender, answers) = mpsc::channel(ANSWER_COUNT_MAX);
        let identity = (!options.idempotent).then_some(Identity::NONE);
        Self {
            client,
            options,
            commands,
            queues: BTreeMap::new(),
            flushes: Vec::new(),
            identity,
            identity_not_before: Duration::ZERO,
            answers,
            answer_sender,
            is_closing: false,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let now = self.client.io().clock.monotonic();
            self.fail_overdue(now);
            self.renew_identity(now).await;
            self.send_due(now).await;
            if self.queues.values().all(Queue::is_empty) {
                for flush in self.flushes.drain(..) {
                    // The caller may have stopped waiting.
                    flush.send(()).unwrap_or(());
                }
                if self.is_closing {
                    return;
                }
            }
            let pause = self.next_due(now);
            tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => self.take_answer(answer),
                command = self.commands.recv(), if !self.is_closing => match command {
                    Some(Command::Send { place, record }) => {
                        self.queues.entry(place).or_default().push(record);
                        self.take_more_commands();
                    }
                    Some(Command::Flush(reply)) => self.flushes.push(reply),
                    None => self.is_closing = true,
                },
                () = sprawl_io::time::sleep(pause) => {}
            }
        }
    }

    /// Takes what has already arrived, so that one turn serves many records.
    fn take_more_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Send { place, record } => {
                    self.queues.entry(place).or_default().push(record)
                }
                Command::Flush(reply) => {
                    self.flushes.push(reply);
                    return;
                }
            }
        }
    }

    /// Gives up on records that have waited too long.
    ///
    /// Records that were never sent simply fail. A sealed batch may have been written: when it
    /// fails, its sequence numbers are lost to the broker, so a new identity is due.
    fn fail_overdue(&mut self, now: Duration) {
        let wait_max = self.options.delivery_wait_max;
        let overdue = |queued_at: Duration| now.saturating_sub(queued_at) >= wait_max;
        let error = |place: &Place| ClientError::TimedOut {
            what: format!("writing to {}-{}", place.0, place.1),
            waited: wait_max,
        };
        let mut lost_identity = false;
        for (place, queue) in &mut self.queues {
            if let Some(batch) = queue.retry.take_if(|batch| overdue(batch.queued_at)) {
                batch.fail(&error(place));
                lost_identity = true;
            }
            while let Some(record) = queue
                .waiting
                .pop_front_if(|record| overdue(record.queued_at))
            {
                queue.waiting_bytes = queue.waiting_bytes.saturating_sub(record.size);
                drop(record.reply.send(Err(error(place))));
            }
        }
        if lost_identity {
            self.lose_identity();
        }
    }

    fn lose_identity(&mut self) {
        if self.options.idempotent {
            self.identity = None;
        }
    }

    /// Takes a producer id where there is none, once nothing is under way with the old one.
    async fn renew_identity(&mut self, now: Duration) {
        let wanted = self.queues.values().any(|queue| !queue.waiting.is_empty());
        let busy = self
            .queues
            .values()
            .any(|queue| queue.in_flight || queue.retry.is_some());
        if self.identity.is_some() || !wanted || busy || now < self.identity_not_before {
            return;
        }
        match self.ask_identity().await {
            Ok(identity) => {
                self.identity = Some(identity);
                for queue in self.queues.values_mut() {
                    queue.next_sequence = 0;
                }
            }
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "no producer id yet");
                self.identity_not_before = now + self.client.options().retry_pause;
            }
            Err(error) => self.fail_waiting(&error),
        }
    }

    async fn ask_identity(&self) -> Result<Identity, ClientError> {
        let request = InitProducerIdRequest {
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        let response = self.client.any().await?.call(request).await?;
        ClientError::check(|| "producer id".to_owned(), response.error_code)?;
        Ok(Identity {
            producer_id: ProducerId(response.producer_id.0),
            producer_epoch: ProducerEpoch(response.producer_epoch),
        })
    }

    fn fail_waiting(&mut self, error: &ClientError) {
        for queue in self.queues.values_mut() {
            queue.waiting_bytes = 0;
            for record in queue.waiting.drain(..) {
                drop(record.reply.send(Err(error.clone())));
            }
        }
    }

    /// Sends one request to every broker that has a due partition.
    async fn send_due(&mut self, now: Duration) {
        let mut by_leader: BTreeMap<i32, Vec<SealedBatch>> = BTreeMap::new();
        for batch in self.seal_due(now) {
            match self.client.leader(&batch.place.0, batch.place.1).await {
                Ok(leader) => by_leader.entry(leader.broker_id).or_default().push(batch),
                Err(error) => self.settle(batch, Err(error)),
            }
        }
        for (broker_id, batches) in by_leader {
            let exchange = exchange(
                self.client.clone(),
                self.options.clone(),
                broker_id,
                batches,
            );
            let answers = self.answer_sender.clone();
            self.client.io().spawn.task(Box::pin(async move {
                // The sender task ends only after every answer has come.
                drop(answers.send(exchange.await).await);
            }));
        }
    }

    fn seal_due(&mut self, now: Duration) -> Vec<SealedBatch> {
        let hurry = self.is_closing || !self.flushes.is_empty();
        let mut due = Vec::new();
        for (place, queue) in &mut self.queues {
            if queue.in_flight {
                continue;
            }
            let batch = match queue.retry.take() {
                Some(batch) if batch.not_before <= now => Some(batch),
                Some(batch) => {
                    queue.retry = Some(batch);
                    None
                }
                None => match self.identity {
                    Some(identity) if hurry || is_due(queue, &self.options, now) => {
                        queue.seal(place, &self.options, identity)
                    }
                    _ => None,
                },
            };
            queue.in_flight = batch.is_some();
            due.extend(batch);
        }
        due
    }

    fn next_due(&self, now: Duration) -> Duration {
        let linger = self.options.linger;
        let due = self
            .queues
            .values()
            .filter(|queue| !queue.in_flight)
            .filter_map(|queue| {
                if let Some(batch) = &queue.retry {
                    return Some(batch.not_before);
                }
                let first = queue.waiting.front()?;
                let due = first.queued_at.saturating_add(linger);
                Some(if self.identity.is_none() {
                    due.max(self.identity_not_before)
                } else {
                    due
                })
            });
        let pause = due.min().map_or(IDLE_PAUSE, |due| due.saturating_sub(now));
        // A due time that has passed already waits for something else, such as other batches'
        // answers.
        pause.clamp(Duration::from_millis(1), IDLE_PAUSE)
    }

    fn take_answer(&mut self, answer: Answer) {
        let Answer { batches, result } = answer;
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                for batch in batches {
                    self.settle(batch, Err(error.clone()));
                }
                return;
            }
        };
        for batch in batches {
            let outcome = if self.options.acks == Acks::None {
                Ok(None)
            } else {
                outcome(&response, &batch.place)
            };
            self.settle(batch, outcome);
        }
    }

    /// Tells the callers, or keeps the batch for another try.
    fn settle(&mut self, mut batch: SealedBatch, outcome: Result<Option<i64>, ClientError>) {
        let now = self.client.io().clock.monotonic();
        let Some(queue) = self.queues.get_mut(&batch.place) else {
            return;
        };
        queue.in_flight = false;
        match outcome {
            Ok(offset) => batch.succeed(offset),
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, topic = %batch.place.0, partition = batch.place.1, "resending");
                self.client.forget_topic(&batch.place.0);
                batch.not_before = now + self.client.options().retry_pause;
                queue.retry = Some(batch);
            }
            Err(error) => {
                batch.fail(&error);
                self.lose_identity();
            }
        }
    }
}

fn is_due(queue: &Queue, options: &ProducerOptions, now: Duration) -> bool {
    queue.waiting_bytes >= options.batch_bytes
        || queue
            .waiting
            .front()
            .is_some_and(|record| now.saturating_sub(record.queued_at) >= options.linger)
}

/// Sends `batches` to a broker and waits for the answer.
async fn exchange(
    client: Client,
    options: ProducerOptions,
    broker_id: i32,
    batches: Vec<SealedBatch>,
) -> Answer {
    let mut topics: BTreeMap<&str, Vec<ProducePartition>> = BTreeMap::new();
    for batch in &batches {
        let partition = ProducePartition {
            index: batch.place.1,
            records: Some(batch.bytes.clone()),
        };
        topics.entry(&batch.place.0).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| ProduceTopic {
        name: topic_name(name),
        partitions,
        ..Default::default()
    });
    let wait_ms = client.options().request_wait_max.as_millis();
    let request = ProduceRequest {
        transactional_id: None,
        acks: options.acks.wire(),
        timeout_ms: i32::try_from(wait_ms).unwrap_or(i32::MAX),
        topics: topics.collect(),
    };
    let result = async {
        let connection = client.broker(broker_id).await?;
        if options.acks == Acks::None {
            connection.post(request).await?;
            return Ok(ProduceResponse::default());
        }
        connection.call(request).await
    };
    let result = result.await;
    Answer { batches, result }
}

/// Finds one partition's outcome: its base offset where the broker said one.
fn outcome(response: &ProduceResponse, place: &Place) -> Result<Option<i64>, ClientError> {
    let topic = response
        .responses
        .iter()
        .find(|topic| topic.name.as_str() == place.0);
    let found = topic.and_then(|topic| {
        topic
            .partition_responses
            .iter()
            .find(|found| found.index == place.1)
    });
    let Some(found) = found else {
        let message = format!("no answer for {}-{}", place.0, place.1);
        return Err(ClientError::Malformed(message));
    };
    // Written by an earlier try, so long ago that the broker no longer knows where.
    if found.error_code == ErrorCode::DuplicateSequenceNumber.number() {
        return Ok(None);
    }
    let message = found
        .error_message
        .as_ref()
        .map(|message| message.to_string());
    let what = || format!("writing to {}-{}", place.0, place.1);
    ClientError::check_with(what, found.error_code, message)?;
    Ok(Some(found.base_offset).filter(|offset| *offset >= 0))
}
