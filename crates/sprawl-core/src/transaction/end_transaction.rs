//! How is a transaction committed or aborted, by its producer or over its head?
//!
//! A request names the epoch its transaction ran in. Under `transaction.version` 2 every end bumps
//! the epoch, so that a request that was delayed, or is sent again, is told from one that ends the
//! next transaction: its epoch is one behind.
//!
//! A transaction that was kept for a new producer (KIP-939) is ended by that one, and so is named
//! by the new epoch; its markers go by the epoch it was begun in, bumped once.
//!
//! Source: EndTxn 0 to 5; KIP-98, KIP-890, KIP-939; `TransactionCoordinator.endTransaction`.

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
    if let Err(error) = value.check_client(request.producer) {
        return Verdict::Refused(error);
    }
    if transaction.pending.is_some() || value.state.is_ending() {
        return Verdict::Refused(TransactionError::ConcurrentTransactions);
    }
    match (value.state, request.outcome) {
        (TransactionState::Ongoing, _) => Verdict::Ends,
        (TransactionState::CompleteCommit, Outcome::Commit)
        | (TransactionState::CompleteAbort, Outcome::Abort) => Verdict::Done,
        _ => Verdict::Refused(TransactionError::InvalidTxnState),
    }
}

/// The rules of a client whose epoch is bumped at every end.
fn decide_bumping(transaction: &Transaction, request: &EndTransactionRequest) -> Verdict {
    let value = &transaction.value;
    // First of all: the producer may go by the id or epoch that only the end of its last
    // transaction brings, and what it asks is judged best when that is there.
    if transaction.pending.is_some() || value.state.is_ending() {
        return Verdict::Refused(TransactionError::ConcurrentTransactions);
    }
    let (current, found) = (value.client(), request.producer);
    let after_rotation = value.previous_producer_id == found.producer_id
        && found.producer_epoch == ProducerEpoch(i16::MAX - 1)
        && current.producer_epoch == ProducerEpoch(0);
    if !after_rotation
        && let Err(error @ TransactionError::InvalidProducerIdMapping) = value.check_client(found)
    {
        return Verdict::Refused(error);
    }
    let after_bump = value.client_version.bumps_epoch()
        && found.producer_epoch.0.checked_add(1) == Some(current.producer_epoch.0);
    let is_current = current == found;
    let is_valid = match value.state {
        TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
            after_bump || after_rotation || is_current
        }
        TransactionState::Empty
        | TransactionState::Ongoing
        | TransactionState::PrepareCommit
        | TransactionState::PrepareAbort
        | TransactionState::Dead
        | TransactionState::PrepareEpochFence => is_current,
    };
    if !is_valid && !active(Mutant::LateEndAccepted) {
        return Verdict::Refused(TransactionError::ProducerFenced);
    }
    match (value.state, request.outcome) {
        (TransactionState::CompleteCommit, Outcome::Commit)
        | (TransactionState::CompleteAbort, Outcome::Abort)
            if !is_current =>
        {
            Verdict::Done
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
    if is_exhausted(value.client().producer_epoch) && request.fresh_producer_id.is_none() {
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
        ..value.become_state(state, now_ms)
    };
    assert!(
        decided.start_ms != NO_START_MS,
        "a transaction that ends has begun"
    );
    let bumped = ProducerIdAndEpoch {
        producer_epoch: value.next_epoch()?,
        ..value.producer
    };
    if !request.client_version.bumps_epoch() {
        // The producer that a kept transaction was begun with may still be at work in its
        // partitions: the marker fences it there.
        let producer = if value.is_kept() {
            bumped
        } else {
            value.producer
        };
        return Some(TransactionValue {
            producer,
            ..decided
        });
    }
    let client = value.client();
    let fresh = request
        .fresh_producer_id
        .filter(|_| is_exhausted(client.producer_epoch));
    let (next_producer_id, next_producer_epoch) = match fresh {
        Some(fresh) if value.is_kept() => (fresh, ProducerEpoch(0)),
        Some(fresh) => (fresh, ProducerEpoch::NONE),
        None if value.is_kept() => (
            client.producer_id,
            ProducerEpoch(client.producer_epoch.0.checked_add(1)?),
        ),
        None => (ProducerId::NONE, ProducerEpoch::NONE),
    };
    Some(TransactionValue {
        producer: bumped,
        // Tells a request sent again once the producer has another id.
        previous_producer_id: client.producer_id,
        last_producer_epoch: client.producer_epoch,
        next_producer_id,
        next_producer_epoch,
        ..decided
    })
}

/// Aborts an open transaction over the head of its producer, whose epoch is then no longer the
/// current one. One bump fences, under any `transaction.version` (KAFKA-19367).
///
/// Under version 2 the abort looks like one that the producer asked for: if it does so now, it is
/// told that it is done, and the epoch to go on with, as in Kafka; all else it asks is refused.
/// Where its epochs are used up, it is fenced for good instead, since no other id is at hand: Kafka
/// gives it one (KAFKA-20090).
pub(super) fn fence(
    (transactional_id, transaction): (&str, &mut Transaction),
    cx: &mut Context<'_>,
    reply: Option<(Token, Response)>,
) {
    let value = &transaction.value;
    let client = value.client();
    let next = |epoch: ProducerEpoch| ProducerEpoch(epoch.0.saturating_add(1));
    let is_told = cx.version.bumps_epoch() && !is_exhausted(client.producer_epoch);
    let (client_version, last_producer_epoch) = if is_told {
        (cx.version, client.producer_epoch)
    } else {
        (TransactionVersion::V0, ProducerEpoch::NONE)
    };
    let (next_producer_id, next_producer_epoch) = if value.is_kept() {
        (client.producer_id, next(client.producer_epoch))
    } else {
        (ProducerId::NONE, ProducerEpoch::NONE)
    };
    let aborted = TransactionValue {
        producer: ProducerIdAndEpoch {
            producer_epoch: next(value.producer.producer_epoch),
            ..value.producer
        },
        previous_producer_id: client.producer_id,
        last_producer_epoch,
        next_producer_id,
        next_producer_epoch,
        client_version,
        ..value.become_state(TransactionState::PrepareAbort, cx.now.wall_ms)
    };
    cx.store((transactional_id, transaction), aborted, reply);
}
