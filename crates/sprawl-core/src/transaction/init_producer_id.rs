//! How does a producer get its id and epoch, and how is the one before it fenced?
//!
//! Source: InitProducerId 0 to 6; KIP-98, KIP-360, KIP-939.

use std::collections::BTreeSet;

use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch};

use super::end_transaction::fence;
use super::error::TransactionError;
use super::request::{InitProducerIdRequest, OpenTransaction, Response};
use super::shard::{Context, Transaction, Transactions};
use super::state::TransactionState;
use super::value::{
    NO_START_MS, TWO_PHASE_COMMIT_TIMEOUT_MS, TransactionValue, TransactionVersion, is_exhausted,
};
use crate::coordinator::Token;
use crate::coordinator::wire::fits;

/// What becomes of a request.
enum Verdict {
    Refused(TransactionError),
    NeedsProducerId,
    /// The open transaction is aborted first; the client asks again.
    Fence,
    Becomes(Box<TransactionValue>),
}

pub(super) fn on_init_producer_id(
    transactions: &mut Transactions,
    cx: &mut Context<'_>,
    token: Token,
    request: &InitProducerIdRequest,
) {
    if let Err(error) = validate(cx, request) {
        return cx.refuse(token, error);
    }
    let transactional_id = request.transactional_id.as_str();
    if !transactions.contains_key(transactional_id) {
        let Some(producer_id) = request.fresh_producer_id else {
            return cx.reply(token, Response::NeedsProducerId);
        };
        let value = TransactionValue::new(producer_id, timeout_ms(request), cx.now.wall_ms);
        transactions.insert(transactional_id.to_owned(), Transaction::of(value));
    }
    let Some(transaction) = transactions.get_mut(transactional_id) else {
        return;
    };
    match decide(transaction, request, cx.now.wall_ms) {
        Verdict::Refused(error) => cx.refuse(token, error),
        Verdict::NeedsProducerId => cx.reply(token, Response::NeedsProducerId),
        Verdict::Fence => {
            let told = Response::Refused(TransactionError::ConcurrentTransactions);
            fence((transactional_id, transaction), cx, Some((token, told)));
        }
        Verdict::Becomes(value) => {
            let reply = answer(&value);
            cx.store(
                (transactional_id, transaction),
                *value,
                Some((token, reply)),
            );
        }
    }
}

fn validate(cx: &Context<'_>, request: &InitProducerIdRequest) -> Result<(), TransactionError> {
    if request.transactional_id.is_empty() || !fits(&request.transactional_id) {
        return Err(TransactionError::InvalidRequest);
    }
    if request.two_phase_commit && !cx.settings.two_phase_commit {
        return Err(TransactionError::TransactionalIdAuthorizationFailed);
    }
    let keeps = request.open_transaction == OpenTransaction::Keep;
    if (request.two_phase_commit || keeps) && !cx.version.bumps_epoch() {
        return Err(TransactionError::UnsupportedVersion);
    }
    let is_within = request.timeout_ms > 0 && request.timeout_ms <= cx.settings.timeout_ms_max;
    if !request.two_phase_commit && !is_within {
        return Err(TransactionError::InvalidTransactionTimeout);
    }
    Ok(())
}

fn timeout_ms(request: &InitProducerIdRequest) -> i32 {
    if request.two_phase_commit {
        TWO_PHASE_COMMIT_TIMEOUT_MS
    } else {
        request.timeout_ms
    }
}

fn answer(value: &TransactionValue) -> Response {
    if value.is_kept() {
        Response::Kept {
            producer: value.client(),
            ongoing: value.producer,
        }
    } else {
        Response::Producer(value.producer)
    }
}

fn decide(transaction: &Transaction, request: &InitProducerIdRequest, now_ms: i64) -> Verdict {
    let value = &transaction.value;
    if transaction.pending.is_some() {
        return Verdict::Refused(TransactionError::ConcurrentTransactions);
    }
    if request
        .expected
        .is_some_and(|expected| !may_be(value, expected))
    {
        return Verdict::Refused(TransactionError::ProducerFenced);
    }
    match value.state {
        TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
            Verdict::Refused(TransactionError::ConcurrentTransactions)
        }
        TransactionState::Ongoing => decide_open(value, request, now_ms),
        TransactionState::Empty
        | TransactionState::CompleteCommit
        | TransactionState::CompleteAbort
        | TransactionState::Dead
        | TransactionState::PrepareEpochFence => initialise(value, request, now_ms),
    }
}

/// What becomes of the open transaction.
fn decide_open(value: &TransactionValue, request: &InitProducerIdRequest, now_ms: i64) -> Verdict {
    let keeps = request.open_transaction == OpenTransaction::Keep;
    let is_stale = request
        .expected
        .is_some_and(|expected| expected != value.client());
    // Kafka lets a fenced producer that asks for its next epoch abort the transaction. A prepared
    // one is not its to abort.
    if is_stale && (keeps || value.is_kept() || value.is_two_phase_commit()) {
        return Verdict::Refused(TransactionError::ProducerFenced);
    }
    if !keeps {
        return Verdict::Fence;
    }
    let client = value.client();
    let next = if is_exhausted(client.producer_epoch) {
        request
            .fresh_producer_id
            .map(|fresh| (fresh, ProducerEpoch(0)))
    } else {
        let epoch = client.producer_epoch.0.saturating_add(1);
        Some((client.producer_id, ProducerEpoch(epoch)))
    };
    let Some((next_producer_id, next_producer_epoch)) = next else {
        return Verdict::NeedsProducerId;
    };
    Verdict::Becomes(Box::new(TransactionValue {
        next_producer_id,
        next_producer_epoch,
        last_producer_epoch: ProducerEpoch::NONE,
        // What was promised to the transaction holds on.
        timeout_ms: value.timeout_ms.max(timeout_ms(request)),
        ..value.become_state(TransactionState::Ongoing, now_ms)
    }))
}

/// Whether the transactional id may belong to who asks: it is new (its last life has expired), or
/// has the same producer id, or had it until its epochs were used up, in which case this is a retry
/// whose first answer was lost.
fn may_be(value: &TransactionValue, expected: ProducerIdAndEpoch) -> bool {
    value.is_new()
        || expected.producer_id == value.client().producer_id
        || expected.producer_id == value.producer.producer_id
        || (expected.producer_id == value.previous_producer_id
            && is_exhausted(expected.producer_epoch))
}

fn initialise(value: &TransactionValue, request: &InitProducerIdRequest, now_ms: i64) -> Verdict {
    let current = value.producer.producer_epoch;
    let expected_epoch = request.expected.map(|expected| expected.producer_epoch);
    if is_exhausted(current) && expected_epoch.is_none_or(|expected| expected == current) {
        let Some(fresh) = request.fresh_producer_id else {
            return Verdict::NeedsProducerId;
        };
        let last = expected_epoch.unwrap_or(ProducerEpoch::NONE);
        return Verdict::Becomes(Box::new(initialised(
            value,
            (fresh, ProducerEpoch(0)),
            last,
            (timeout_ms(request), now_ms),
        )));
    }
    let (next, last) = match expected_epoch {
        None => (value.next_epoch(), ProducerEpoch::NONE),
        Some(expected) if value.is_new() || expected == current => (value.next_epoch(), current),
        // The first answer was lost. A new instance would have cleared the last epoch.
        Some(expected) if expected == value.last_producer_epoch => {
            (Some(current), value.last_producer_epoch)
        }
        Some(_) => return Verdict::Refused(TransactionError::ProducerFenced),
    };
    let Some(next) = next else {
        return Verdict::Refused(TransactionError::ProducerFenced);
    };
    Verdict::Becomes(Box::new(initialised(
        value,
        (value.producer.producer_id, next),
        last,
        (timeout_ms(request), now_ms),
    )))
}

fn initialised(
    value: &TransactionValue,
    (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
    last_producer_epoch: ProducerEpoch,
    (timeout_ms, now_ms): (i32, i64),
) -> TransactionValue {
    let producer = ProducerIdAndEpoch {
        producer_id,
        producer_epoch,
    };
    // A retry changes nothing, so that another one is known as well.
    let previous_producer_id = if producer == value.producer {
        value.previous_producer_id
    } else {
        value.producer.producer_id
    };
    TransactionValue {
        producer,
        previous_producer_id,
        next_producer_id: ProducerId::NONE,
        next_producer_epoch: ProducerEpoch::NONE,
        last_producer_epoch,
        timeout_ms,
        partitions: BTreeSet::new(),
        start_ms: NO_START_MS,
        client_version: TransactionVersion::V0,
        ..value.become_state(TransactionState::Empty, now_ms)
    }
}
