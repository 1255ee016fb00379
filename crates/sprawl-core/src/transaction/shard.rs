//! How do inputs reach the transactional ids of one `__transaction_state` partition?
//!
//! The shard owns the transactional ids and the appends in flight. The rules are in the files
//! beside this one, one per request. Every rule ends in at most one [`Change`] of one id, which
//! takes effect when its record is durable.

use std::collections::BTreeMap;

use sprawl_model::mutant::{Mutant, active};

use super::add_partitions::on_add_partitions;
use super::end_transaction::on_end_transaction;
use super::error::TransactionError;
use super::expiry::{deadline_ms, on_abort_timed_out, on_forget_expired};
use super::init_producer_id::on_init_producer_id;
use super::markers::{Markers, complete, on_markers_written};
use super::records::{self, RecordKey};
use super::request::{Errand, Input, Response, TimerId};
use super::settings::TransactionSettings;
use super::state::TransactionState;
use super::value::{TransactionValue, TransactionVersion};
use crate::coordinator::{
    AppendId, AppendOutcome, BatchKind, Effect, Machine, Now, Record, RecordError, Replayed, Token,
};

/// Every transactional id of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct TransactionShard {
    pub(super) transactions: Transactions,
    pub(super) context: Kept,
}

pub(super) type Transactions = BTreeMap<String, Transaction>;

/// A transactional id.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) value: TransactionValue,
    /// The state it is on its way to, while the record of that is not durable.
    pub(super) pending: Option<TransactionState>,
    /// When the open transaction is aborted, on the monotonic clock.
    pub(super) deadline_ms: Option<u64>,
}

impl Transaction {
    pub(super) fn of(value: TransactionValue) -> Self {
        Self {
            value,
            pending: None,
            deadline_ms: None,
        }
    }
}

/// What a record changes once it is durable.
#[derive(Debug)]
enum Change {
    /// The transactional id takes this value.
    Becomes(String, Box<TransactionValue>),
    /// The transactional ids are forgotten.
    Forgotten(Vec<String>),
}

#[derive(Debug)]
struct InFlight {
    change: Change,
    reply: Option<(Token, Response)>,
}

/// What a shard keeps besides the transactional ids.
#[derive(Debug)]
pub(super) struct Kept {
    settings: TransactionSettings,
    pub(super) version: TransactionVersion,
    markers: Markers,
    next_append: u64,
    in_flight: BTreeMap<AppendId, InFlight>,
}

/// What a rule may use besides the transactional id at hand.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) settings: &'a TransactionSettings,
    /// The cluster's `transaction.version`.
    pub(super) version: TransactionVersion,
    pub(super) markers: &'a mut Markers,
    next_append: &'a mut u64,
    in_flight: &'a mut BTreeMap<AppendId, InFlight>,
    effects: &'a mut Vec<TransactionEffect>,
}

type TransactionEffect = Effect<Response, TimerId, Errand>;

impl Context<'_> {
    pub(super) fn reply(&mut self, token: Token, response: Response) {
        self.effects.push(Effect::Reply(token, response));
    }

    pub(super) fn refuse(&mut self, token: Token, error: TransactionError) {
        self.reply(token, Response::Refused(error));
    }

    /// Stores `value`; the transactional id has it, and `reply` leaves, when that is durable.
    pub(super) fn store(
        &mut self,
        (transactional_id, transaction): (&str, &mut Transaction),
        value: TransactionValue,
        reply: Option<(Token, Response)>,
    ) {
        assert!(
            transaction.pending.is_none(),
            "one change of a transactional id at a time"
        );
        assert!(
            transaction.value.state.may_become(value.state),
            "a transaction does not go from {} to {}",
            transaction.value.state,
            value.state
        );
        transaction.pending = Some(value.state);
        let record = records::record(transactional_id, &value, self.version);
        let reply = match reply {
            Some((token, response))
                if value.state.is_ending() && active(Mutant::EndAnsweredBeforeDurable) =>
            {
                self.reply(token, response);
                None
            }
            reply => reply,
        };
        let change = Change::Becomes(transactional_id.to_owned(), Box::new(value));
        self.append(vec![record], change, reply);
    }

    /// Forgets transactional ids, once that is durable.
    pub(super) fn forget(&mut self, transactional_ids: Vec<String>) {
        let tombstones = transactional_ids.iter().map(|id| records::tombstone(id));
        let tombstones = tombstones.collect();
        self.append(tombstones, Change::Forgotten(transactional_ids), None);
    }

    fn append(&mut self, records: Vec<Record>, change: Change, reply: Option<(Token, Response)>) {
        let append = AppendId(*self.next_append);
        *self.next_append += 1;
        self.in_flight.insert(append, InFlight { change, reply });
        self.effects.push(Effect::Append {
            append,
            kind: BatchKind::Plain,
            records,
        });
    }

    pub(super) fn set_timer(&mut self, timer: TimerId, delay_ms: u64) {
        let deadline_ms = self.now.monotonic_ms.saturating_add(delay_ms);
        self.effects.push(Effect::SetTimer { timer, deadline_ms });
    }

    pub(super) fn run(&mut self, errand: Errand) {
        self.effects.push(Effect::Errand(errand));
    }
}

impl Machine for TransactionShard {
    type Settings = TransactionSettings;
    type Input = Input;
    type Response = Response;
    type Timer = TimerId;
    type Errand = Errand;

    fn new(settings: TransactionSettings) -> Self {
        Self {
            transactions: BTreeMap::new(),
            context: Kept {
                settings,
                version: TransactionVersion::V0,
                markers: Markers::default(),
                next_append: 0,
                in_flight: BTreeMap::new(),
            },
        }
    }

    fn replay(&mut self, _batch: BatchKind, record: &Record) -> Result<Replayed, RecordError> {
        match RecordKey::decode(&record.key)? {
            RecordKey::Unknown { version } => Ok(Replayed::UnknownKey { version }),
            RecordKey::Transaction(transactional_id) => {
                match &record.value {
                    Some(value) => {
                        let value = records::decode(value)?;
                        self.transactions
                            .insert(transactional_id, Transaction::of(value));
                    }
                    None => {
                        self.transactions.remove(&transactional_id);
                    }
                }
                Ok(Replayed::Applied)
            }
        }
    }

    fn step(&mut self, now: Now, input: Input) -> Vec<TransactionEffect> {
        let mut effects = Vec::new();
        let kept = &mut self.context;
        if let Input::MetadataChanged(image) = &input {
            let level = image.features().get(TransactionVersion::FEATURE).copied();
            kept.version = TransactionVersion(level.unwrap_or(0));
        }
        let cx = &mut Context {
            now,
            settings: &kept.settings,
            version: kept.version,
            markers: &mut kept.markers,
            next_append: &mut kept.next_append,
            in_flight: &mut kept.in_flight,
            effects: &mut effects,
        };
        let transactions = &mut self.transactions;
        match input {
            Input::Loaded => on_loaded(transactions, cx),
            Input::Unload => on_unload(transactions, cx),
            // A partition that is gone needs no marker, which whoever writes them finds out.
            Input::PartitionsDeleted(_) | Input::MetadataChanged(_) => {}
            Input::InitProducerId(token, request) => {
                on_init_producer_id(transactions, cx, token, &request);
            }
            Input::AddPartitions(token, request) => {
                on_add_partitions(transactions, cx, token, request);
            }
            Input::EndTransaction(token, request) => {
                on_end_transaction(transactions, cx, token, &request);
            }
            Input::MarkersWritten {
                transactional_id,
                producer,
            } => on_markers_written(transactions, cx, &transactional_id, producer),
            Input::Timer(TimerId::AbortTimedOut) => on_abort_timed_out(transactions, cx),
            Input::Timer(TimerId::ForgetExpired) => on_forget_expired(transactions, cx),
            Input::Timer(TimerId::Complete { transactional_id }) => {
                complete(transactions, cx, &transactional_id);
            }
            Input::Appended(append, outcome) => on_appended(transactions, cx, append, outcome),
        }
        effects
    }
}

impl TransactionShard {
    /// How many transactional ids are in each state.
    pub fn count_by_state(&self) -> BTreeMap<TransactionState, usize> {
        let mut counts: BTreeMap<_, _> = TransactionState::ALL.map(|state| (state, 0)).into();
        for transaction in self.transactions.values() {
            *counts.entry(transaction.value.state).or_default() += 1;
        }
        counts
    }

    /// The partitions of an open transaction.
    #[cfg(test)]
    pub(super) fn partitions(&self, transactional_id: &str) -> Vec<sprawl_model::TopicPartition> {
        let found = self.transactions.get(transactional_id);
        found
            .map(|transaction| transaction.value.partitions.iter().cloned().collect())
            .unwrap_or_default()
    }
}

fn on_loaded(transactions: &mut Transactions, cx: &mut Context<'_>) {
    for (transactional_id, transaction) in transactions.iter_mut() {
        transaction.deadline_ms = deadline_ms(&transaction.value, cx.now);
        let is_ending = transaction.value.state.is_ending();
        if is_ending && !active(Mutant::MarkersForgottenAtRestart) {
            cx.markers.wait(transactional_id);
        }
    }
    Markers::go_on(transactions, cx);
    cx.set_timer(TimerId::AbortTimedOut, cx.settings.abort_interval_ms);
    cx.set_timer(TimerId::ForgetExpired, cx.settings.expiry_interval_ms);
}

fn on_unload(transactions: &mut Transactions, cx: &mut Context<'_>) {
    for append in std::mem::take(cx.in_flight).into_values() {
        if let Some((token, _)) = append.reply {
            cx.refuse(token, TransactionError::NotCoordinator);
        }
    }
    transactions.clear();
}

fn on_appended(
    transactions: &mut Transactions,
    cx: &mut Context<'_>,
    append: AppendId,
    outcome: AppendOutcome,
) {
    match outcome {
        AppendOutcome::Durable(_) => {
            // Reports may overtake each other; durability does not.
            let later = cx.in_flight.split_off(&AppendId(append.0 + 1));
            let durable = std::mem::replace(cx.in_flight, later);
            for in_flight in durable.into_values() {
                apply(transactions, cx, in_flight.change);
                if let Some((token, response)) = in_flight.reply {
                    cx.reply(token, response);
                }
            }
        }
        AppendOutcome::Refused(refusal) => {
            let Some(in_flight) = cx.in_flight.remove(&append) else {
                return;
            };
            if let Some((token, _)) = in_flight.reply {
                cx.refuse(token, refusal.into());
            }
            revert(transactions, cx, in_flight.change);
        }
    }
}

fn apply(transactions: &mut Transactions, cx: &mut Context<'_>, change: Change) {
    let (transactional_id, value) = match change {
        Change::Becomes(transactional_id, value) => (transactional_id, *value),
        Change::Forgotten(transactional_ids) => {
            for transactional_id in &transactional_ids {
                transactions.remove(transactional_id);
            }
            return;
        }
    };
    let Some(transaction) = transactions.get_mut(&transactional_id) else {
        return;
    };
    let runs_on = value.state == TransactionState::Ongoing
        && value.timeout_ms == transaction.value.timeout_ms;
    if transaction.deadline_ms.is_none() || !runs_on {
        transaction.deadline_ms = deadline_ms(&value, cx.now);
    }
    transaction.value = value;
    transaction.pending = None;
    if transaction.value.state.is_ending() {
        cx.markers.wait(&transactional_id);
        Markers::go_on(transactions, cx);
    }
}

/// Takes back a change whose record the log did not take.
fn revert(transactions: &mut Transactions, cx: &mut Context<'_>, change: Change) {
    let transactional_ids = match change {
        Change::Becomes(transactional_id, _) => vec![transactional_id],
        Change::Forgotten(transactional_ids) => transactional_ids,
    };
    for transactional_id in transactional_ids {
        let Some(transaction) = transactions.get_mut(&transactional_id) else {
            continue;
        };
        transaction.pending = None;
        if transaction.value.is_new() {
            transactions.remove(&transactional_id);
        } else if transaction.value.state.is_ending() {
            cx.set_timer(
                TimerId::Complete { transactional_id },
                super::markers::COMPLETE_RETRY_MS,
            );
        }
    }
}
