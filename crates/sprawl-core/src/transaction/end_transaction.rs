//! How is a transaction committed or aborted, by its producer or over its head?
//!
//! A request names the epoch its transaction ran in. Under `transaction.version` 2 every end bumps
//! the epoch, so that a request that was delayed, or is sent again, is told from one that ends the
//! next transaction: its epoch is one behind.
//!
//! Source: EndTxn 0 to 5; KIP-98, KIP-890.

use sprawl_model::mutant::{Mutant, active};
use sprawl_model::{ProducerEpoch, ProducerId, ProducerIdAndEpoch};

use super::error::TransactionError;
use super::markers::completed;
use super::request::{EndTransactionRequest, Outcome, Response};
use super::shard::{Context, Transaction, Transactions};
use super::state::TransactionState;
use super::value::{NO_START_MS, TransactionValue, TransactionVersion, is_exhausted};
use crate::coordinator::Token;

/// What becomes of a request.
enum Verdict {
    Refused(TransactionError),
    NeedsProducerId,
    /// The transaction has ended so already.
    Done,
    /// The transaction ends now.
    Ends,
}

pub(super) fn on_end_transaction(
    transactions: &mut Transactions,
    cx: &mut Context<'_>,
    token: Token,
    request: &EndTransactionRequest,
) {
    let transactional_id = request.transactional_id.as_str();
    if transactional_id.is_empty() {
        return cx.refuse(token, TransactionError::InvalidRequest);
    }
    let Some(transaction) = transactions.get_mut(transactional_id) else {
        return cx.refuse(token, TransactionError::InvalidProducerIdMapping);
    };
    let verdict = if request.client_version.bumps_epoch() {
        decide_bumping(transaction, request)
    } else {
        decide_plain(transaction, request)
    };
    match verdict {
        Verdict::Refused(error) => cx.refuse(token, error),
        Verdict::NeedsProducerId => cx.reply(token, Response::NeedsProducerId),
        Verdict::Done => cx.reply(token, Response::Producer(transaction.value.producer)),
        Verdict::Ends => match ended(&transaction.value, request, cx.now.wall_ms) {
            Some(value) => {
                // The answer is what the producer goes on with, once the markers are written.
                let reply = Response::Producer(completed(&value, cx.now.wall_ms).producer);
                cx.store((transactional_id, transaction), value, Some((token, reply)));
            }
            None => cx.refuse(token, TransactionError::ProducerFenced),
        },
    }
}

/// The rules of a client that keeps its epoch: only the state tells a request sent again from one
/// of the next transaction.
fn decide_plain(transaction: &Transaction, request: &EndTransactionRequest) -> Verdict {
    let value = &transaction.value;
    if value.producer.producer_id != request.producer.producer_id {
        return Verdict::Refused(TransactionError::InvalidProducerIdMapping);
    }
    if value.producer.producer_epoch != request.producer.producer_epoch {
        return Verdict::Refused(TransactionError::ProducerFenced);
    }
    if transaction.pending.is_some() {
        return Verdict::Refused(TransactionError::ConcurrentTransactions);
    }
    match (value.state, request.outcome) {
        (TransactionState::Ongoing, _) => Verdict::Ends,
        (TransactionState::CompleteCommit, Outcome::Commit)
        | (TransactionState::CompleteAbort, Outcome::Abort) => Verdict::Done,
        (TransactionState::PrepareCommit, Outcome::Commit)
        | (TransactionState::PrepareAbort, Outcome::Abort) => {
            Verdict::Refused(TransactionError::ConcurrentTransactions)
        }
        _ => Verdict::Refused(TransactionError::InvalidTxnState),
    }
}

/// The rules of a client whose epoch is bumped at every end.
fn decide_bumping(transaction: &Transaction, request: &EndTransactionRequest) -> Verdict {
    let value = &transaction.value;
    let (current, found) = (value.producer, request.producer);
    let after_rotation = value.previous_producer_id == found.producer_id
        && found.producer_epoch == ProducerEpoch(i16::MAX - 1)
        && current.producer_epoch == ProducerEpoch(0);
    if current.producer_id != found.producer_id && !after_rotation {
        return Verdict::Refused(TransactionError::InvalidProducerIdMapping);
    }
    let after_bump = value.client_version.bumps_epoch()
        && found.producer_epoch.0.checked_add(1) == Some(current.producer_epoch.0);
    let is_current = current == found;
    let is_valid = match value.state {
        TransactionState::PrepareCommit | TransactionState::PrepareAbort => after_bump,
        TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
            after_bump || after_rotation || is_current
        }
        TransactionState::Empty
        | TransactionState::Ongoing
        | TransactionState::Dead
        | TransactionState::PrepareEpochFence => is_current,
    };
    if !is_valid && !active(Mutant::LateEndAccepted) {
        return Verdict::Refused(TransactionError::ProducerFenced);
    }
    if transaction.pending.is_some() {
        return Verdict::Refused(TransactionError::ConcurrentTransactions);
    }
    match (value.state, request.outcome) {
        (TransactionState::CompleteCommit, Outcome::Commit)
        | (TransactionState::CompleteAbort, Outcome::Abort)
            if !is_current =>
        {
            Verdict::Done
        }
        (TransactionState::PrepareCommit, Outcome::Commit)
        | (TransactionState::PrepareAbort, Outcome::Abort) => {
            Verdict::Refused(TransactionError::ConcurrentTransactions)
        }
        // A transaction without partitions, of which the coordinator does not know, may be aborted.
        (
            TransactionState::Empty
            | TransactionState::CompleteCommit
            | TransactionState::CompleteAbort,
            Outcome::Abort,
        ) if is_current => ends(value, request),
        (TransactionState::Ongoing, _) => ends(value, request),
        _ => Verdict::Refused(TransactionError::InvalidTxnState),
    }
}

fn ends(value: &TransactionValue, request: &EndTransactionRequest) -> Verdict {
    if is_exhausted(value.producer.producer_epoch) && request.fresh_producer_id.is_none() {
        return Verdict::NeedsProducerId;
    }
    Verdict::Ends
}

/// The decided transaction; `None` where its epoch cannot be bumped.
fn ended(
    value: &TransactionValue,
    request: &EndTransactionRequest,
    now_ms: i64,
) -> Option<TransactionValue> {
    let state = match request.outcome {
        Outcome::Commit => TransactionState::PrepareCommit,
        Outcome::Abort => TransactionState::PrepareAbort,
    };
    let start_ms = match value.state {
        TransactionState::Ongoing => value.start_ms,
        _ => now_ms,
    };
    let decided = TransactionValue {
        start_ms,
        client_version: request.client_version,
        next_producer_id: ProducerId::NONE,
        ..value.become_state(state, now_ms)
    };
    assert!(
        decided.start_ms != NO_START_MS,
        "a transaction that ends has begun"
    );
    if !request.client_version.bumps_epoch() {
        return Some(decided);
    }
    let rotates = is_exhausted(value.producer.producer_epoch);
    Some(TransactionValue {
        producer: ProducerIdAndEpoch {
            producer_epoch: value.next_epoch()?,
            ..value.producer
        },
        last_producer_epoch: value.producer.producer_epoch,
        next_producer_id: match request.fresh_producer_id {
            Some(fresh) if rotates => fresh,
            _ => ProducerId::NONE,
        },
        ..decided
    })
}

/// Aborts an open transaction over the head of its producer, whose epoch is then no longer the
/// current one. Under any `transaction.version` one bump fences: the record says version 0, so that
/// no request of the old epoch passes for one sent again.
pub(super) fn fence(
    (transactional_id, transaction): (&str, &mut Transaction),
    cx: &mut Context<'_>,
    reply: Option<(Token, Response)>,
) {
    let value = &transaction.value;
    let producer_epoch = value.next_epoch().unwrap_or(value.producer.producer_epoch);
    let aborted = TransactionValue {
        producer: ProducerIdAndEpoch {
            producer_epoch,
            ..value.producer
        },
        last_producer_epoch: ProducerEpoch::NONE,
        next_producer_id: ProducerId::NONE,
        client_version: TransactionVersion::V0,
        ..value.become_state(TransactionState::PrepareAbort, cx.now.wall_ms)
    };
    cx.store((transactional_id, transaction), aborted, reply);
}
