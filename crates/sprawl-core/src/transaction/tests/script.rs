//! A coordinator's shard, its log and its clock, for the scenarios.

use std::collections::{BTreeMap, VecDeque};

use sprawl_model::{Offset, ProducerEpoch, ProducerId, ProducerIdAndEpoch, TopicPartition};

use crate::coordinator::{
    AppendId, AppendOutcome, AppendRefusal, BatchKind, Effect, Machine, Now, Record, Replayed,
    Token,
};
use crate::transaction::request::{
    AddPartitionsRequest, EndTransactionRequest, Errand, InitProducerIdRequest, Input,
    MarkersErrand, OpenTransaction, Outcome, Response, TimerId,
};
use crate::transaction::value::TransactionVersion;
use crate::transaction::{DescribedTransaction, TransactionSettings, TransactionShard};

/// The transactional id of every scenario that needs only one.
pub(super) const ID: &str = "txn";

pub(super) struct Script {
    pub(super) shard: TransactionShard,
    pub(super) now: Now,
    pub(super) markers: VecDeque<MarkersErrand>,
    pub(super) log: Vec<Record>,
    settings: TransactionSettings,
    timers: BTreeMap<TimerId, u64>,
    appends: VecDeque<(AppendId, Vec<Record>)>,
    answers: BTreeMap<Token, Response>,
    holds: bool,
    next_token: u64,
    next_producer_id: i64,
}

/// What a new instance of an ordinary producer asks.
pub(super) fn init_request() -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: ID.to_owned(),
        timeout_ms: 60_000,
        two_phase_commit: false,
        open_transaction: OpenTransaction::Abort,
        expected: None,
        fresh_producer_id: None,
    }
}

impl Script {
    pub(super) fn new() -> Self {
        let settings = TransactionSettings {
            two_phase_commit: true,
            ..TransactionSettings::default()
        };
        let mut script = Self {
            shard: TransactionShard::new(settings.clone()),
            now: Now {
                wall_ms: 1_000_000,
                monotonic_ms: 0,
            },
            markers: VecDeque::new(),
            log: Vec::new(),
            settings,
            timers: BTreeMap::new(),
            appends: VecDeque::new(),
            answers: BTreeMap::new(),
            holds: false,
            next_token: 0,
            next_producer_id: 100,
        };
        script.shard.context.version = TransactionVersion::V2;
        script.step(Input::Loaded);
        script
    }

    fn step(&mut self, input: Input) {
        for effect in self.shard.step(self.now, input) {
            match effect {
                Effect::Reply(token, response) => {
                    let earlier = self.answers.insert(token, response);
                    assert_eq!(earlier, None, "a request is answered once");
                }
                Effect::Append {
                    append,
                    kind,
                    records,
                } => {
                    assert_eq!(kind, BatchKind::Plain);
                    assert!(!records.is_empty(), "an append has records");
                    self.appends.push_back((append, records));
                }
                Effect::SetTimer { timer, deadline_ms } => {
                    self.timers.insert(timer, deadline_ms);
                }
                Effect::CancelTimer(timer) => {
                    self.timers.remove(&timer);
                }
                Effect::Errand(Errand::WriteMarkers(markers)) => self.markers.push_back(markers),
            }
        }
        if !self.holds {
            self.release();
        }
    }

    /// Appends stay in flight until they are released or refused.
    pub(super) fn hold(&mut self) {
        self.holds = true;
    }

    pub(super) fn release(&mut self) {
        self.holds = false;
        while let Some((append, records)) = self.appends.pop_front() {
            let base_offset = Offset(i64::try_from(self.log.len()).unwrap());
            self.log.extend(records);
            self.step(Input::Appended(append, AppendOutcome::Durable(base_offset)));
        }
    }

    pub(super) fn refuse(&mut self) {
        self.holds = false;
        let refused = AppendOutcome::Refused(AppendRefusal::DiskFull);
        for (append, _) in std::mem::take(&mut self.appends) {
            self.step(Input::Appended(append, refused));
        }
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// The answer, or `None` while the request waits.
    pub(super) fn answer(&mut self, token: Token) -> Option<Response> {
        self.answers.remove(&token)
    }

    pub(super) fn start_init(&mut self, expected: Option<ProducerIdAndEpoch>) -> Token {
        self.start_init_with(InitProducerIdRequest {
            expected,
            ..init_request()
        })
    }

    pub(super) fn start_init_with(&mut self, request: InitProducerIdRequest) -> Token {
        let mut fresh_producer_id = None;
        loop {
            let token = self.token();
            let request = InitProducerIdRequest {
                fresh_producer_id,
                ..request.clone()
            };
            self.step(Input::InitProducerId(token, request));
            if self.answers.get(&token) != Some(&Response::NeedsProducerId) {
                return token;
            }
            fresh_producer_id = Some(ProducerId(self.next_producer_id));
            self.next_producer_id += 1;
        }
    }

    pub(super) fn init(&mut self) -> Response {
        let token = self.start_init(None);
        self.answer(token).expect("nothing is held")
    }

    pub(super) fn init_as(&mut self, expected: ProducerIdAndEpoch) -> Response {
        let token = self.start_init(Some(expected));
        self.answer(token).expect("nothing is held")
    }

    pub(super) fn init_with(&mut self, request: InitProducerIdRequest) -> Response {
        let token = self.start_init_with(request);
        self.answer(token).expect("nothing is held")
    }

    pub(super) fn init_with_timeout(&mut self, timeout_ms: i32) -> Response {
        let token = self.token();
        let request = InitProducerIdRequest {
            timeout_ms,
            fresh_producer_id: Some(ProducerId(1)),
            ..init_request()
        };
        self.step(Input::InitProducerId(token, request));
        self.answer(token).expect("nothing is held")
    }

    pub(super) fn start_add(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
    ) -> Token {
        let token = self.token();
        let request = AddPartitionsRequest {
            transactional_id: ID.to_owned(),
            producer,
            partitions: partitions.iter().cloned().collect(),
            client_version: TransactionVersion::V0,
        };
        self.step(Input::AddPartitions(token, request));
        token
    }

    pub(super) fn add(
        &mut self,
        producer: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
    ) -> Response {
        let token = self.start_add(producer, partitions);
        self.answer(token).expect("nothing is held")
    }

    /// As [`Self::add`], while other appends are held.
    pub(super) fn add_held(&mut self, producer: ProducerIdAndEpoch) -> Response {
        let token = self.start_add(producer, &[]);
        self.answer(token).expect("the request is refused at once")
    }

    /// Begins a transaction of a transactional id of its own.
    pub(super) fn begin_another(&mut self) {
        let transactional_id = format!("other-{}", self.next_token);
        let fresh = ProducerId(10_000 + i64::try_from(self.next_token).unwrap());
        let init = InitProducerIdRequest {
            transactional_id: transactional_id.clone(),
            fresh_producer_id: Some(fresh),
            ..init_request()
        };
        let token = self.token();
        self.step(Input::InitProducerId(token, init));
        let add = AddPartitionsRequest {
            transactional_id,
            producer: ProducerIdAndEpoch {
                producer_id: fresh,
                producer_epoch: ProducerEpoch(0),
            },
            partitions: [super::tp("t")].into(),
            client_version: TransactionVersion::V0,
        };
        let token = self.token();
        self.step(Input::AddPartitions(token, add));
        assert_eq!(self.answer(token), Some(Response::Added));
    }

    pub(super) fn start_end(
        &mut self,
        producer: ProducerIdAndEpoch,
        outcome: Outcome,
        client_version: TransactionVersion,
    ) -> Token {
        let mut fresh_producer_id = None;
        loop {
            let token = self.token();
            let request = EndTransactionRequest {
                transactional_id: ID.to_owned(),
                producer,
                outcome,
                client_version,
                fresh_producer_id,
            };
            self.step(Input::EndTransaction(token, request));
            if self.answers.get(&token) != Some(&Response::NeedsProducerId) {
                return token;
            }
            fresh_producer_id = Some(ProducerId(self.next_producer_id));
            self.next_producer_id += 1;
        }
    }

    /// EndTxn 4 and before.
    pub(super) fn end_v1(&mut self, producer: ProducerIdAndEpoch, outcome: Outcome) -> Response {
        let token = self.start_end(producer, outcome, TransactionVersion::V0);
        self.answer(token).expect("nothing is held")
    }

    /// EndTxn 5.
    pub(super) fn end(&mut self, producer: ProducerIdAndEpoch, outcome: Outcome) -> Response {
        let token = self.start_end(producer, outcome, TransactionVersion::V2);
        self.answer(token).expect("nothing is held")
    }

    /// The next markers are written; returns them.
    pub(super) fn write_markers(&mut self) -> MarkersErrand {
        let errand = self.markers.pop_front().expect("markers were asked for");
        self.step(Input::MarkersWritten {
            transactional_id: errand.transactional_id.clone(),
            producer: errand.producer,
        });
        errand
    }

    pub(super) fn describe(&self) -> DescribedTransaction {
        self.shard.describe(ID).expect("the id is known")
    }

    pub(super) fn advance(&mut self, ms: u64) {
        let end_ms = self.now.monotonic_ms + ms;
        loop {
            let due = self.timers.iter().filter(|(_, at)| **at <= end_ms);
            let next = due.min_by_key(|(_, at)| **at);
            let Some((timer, at)) = next.map(|(timer, at)| (timer.clone(), *at)) else {
                break;
            };
            self.timers.remove(&timer);
            self.pass(at);
            self.step(Input::Timer(timer));
        }
        self.pass(end_ms);
    }

    fn pass(&mut self, until_ms: u64) {
        let passed_ms = until_ms.saturating_sub(self.now.monotonic_ms);
        self.now.monotonic_ms += passed_ms;
        self.now.wall_ms += i64::try_from(passed_ms).unwrap();
    }

    /// The process dies and comes back with what is in the log.
    pub(super) fn restart(&mut self) {
        self.appends.clear();
        self.timers.clear();
        self.markers.clear();
        self.holds = false;
        self.shard = TransactionShard::new(self.settings.clone());
        self.shard.context.version = TransactionVersion::V2;
        for record in &self.log {
            let replayed = self.shard.replay(BatchKind::Plain, record);
            assert_eq!(replayed, Ok(Replayed::Applied));
        }
        self.step(Input::Loaded);
    }

    pub(super) fn unload(&mut self) {
        self.step(Input::Unload);
    }

    /// Puts the producer of a kept transaction at an epoch, as if it had crashed so often.
    pub(super) fn set_next_epoch(&mut self, epoch: i16) {
        let transaction = self
            .shard
            .transactions
            .get_mut(ID)
            .expect("the id is known");
        transaction.value.next_producer_epoch = ProducerEpoch(epoch);
    }

    /// The cluster has this `transaction.version`.
    pub(super) fn set_version(&mut self, version: TransactionVersion) {
        self.shard.context.version = version;
    }

    /// The broker is started with `transaction.two.phase.commit.enable` off.
    pub(super) fn restart_without_two_phase_commit(&mut self) {
        self.settings.two_phase_commit = false;
        self.restart();
    }

    /// Puts the producer at an epoch, as if it had run so many transactions.
    pub(super) fn set_epoch(&mut self, epoch: i16) {
        let transaction = self
            .shard
            .transactions
            .get_mut(ID)
            .expect("the id is known");
        transaction.value.producer.producer_epoch = ProducerEpoch(epoch);
    }
}
