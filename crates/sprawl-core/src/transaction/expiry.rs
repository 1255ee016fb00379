//! Which transactions have been open for too long, and which transactional ids does nobody use?
//!
//! Source: KIP-98 (`transaction.timeout.ms`, `transactional.id.expiration.ms`). A timeout is
//! measured on the monotonic clock while the coordinator runs, and over a restart by timestamps.

use sprawl_model::mutant::{Mutant, active};

use super::end_transaction::fence;
use super::request::TimerId;
use super::shard::{Context, Transactions};
use super::state::TransactionState;
use super::value::TransactionValue;
use crate::coordinator::Now;

/// Transactions aborted in one look; the others follow at once.
const ABORTS_PER_LOOK_MAX: usize = 1_000;

/// Tombstones in one batch. One is at most about 32 KiB, and usually 50 bytes.
const TOMBSTONES_PER_APPEND_MAX: usize = 1_000;

/// When a transaction is to be aborted; `None` where none is open, or it takes part in two-phase
/// commit (KIP-939).
pub(super) fn deadline_ms(value: &TransactionValue, now: Now) -> Option<u64> {
    if value.state != TransactionState::Ongoing || value.is_two_phase_commit() {
        return None;
    }
    let open_ms = now.wall_ms.saturating_sub(value.start_ms).max(0);
    let left_ms = i64::from(value.timeout_ms).saturating_sub(open_ms).max(0);
    let left_ms = u64::try_from(left_ms).unwrap_or(0);
    Some(now.monotonic_ms.saturating_add(left_ms))
}

pub(super) fn on_abort_timed_out(transactions: &mut Transactions, cx: &mut Context<'_>) {
    let now_ms = cx.now.monotonic_ms;
    let mut aborts = 0;
    for (transactional_id, transaction) in transactions.iter_mut() {
        let is_late = transaction
            .deadline_ms
            .is_some_and(|deadline_ms| deadline_ms < now_ms);
        let is_open = transaction.value.state == TransactionState::Ongoing
            && !active(Mutant::TimeoutsNeverAbort);
        if !is_late || !is_open || transaction.pending.is_some() {
            continue;
        }
        if aborts == ABORTS_PER_LOOK_MAX {
            return cx.set_timer(TimerId::AbortTimedOut, 0);
        }
        aborts += 1;
        fence((transactional_id, transaction), cx, None);
    }
    cx.set_timer(TimerId::AbortTimedOut, cx.settings.abort_interval_ms);
}

pub(super) fn on_forget_expired(transactions: &mut Transactions, cx: &mut Context<'_>) {
    let since_ms = cx.now.wall_ms.saturating_sub(cx.settings.id_expiration_ms);
    let mut expired = Vec::new();
    for (transactional_id, transaction) in transactions.iter_mut() {
        let value = &transaction.value;
        if transaction.pending.is_none()
            && value.state.may_expire()
            && value.last_update_ms <= since_ms
        {
            transaction.pending = Some(TransactionState::Dead);
            expired.push(transactional_id.clone());
        }
    }
    for batch in expired.chunks(TOMBSTONES_PER_APPEND_MAX) {
        cx.forget(batch.to_vec());
    }
    cx.set_timer(TimerId::ForgetExpired, cx.settings.expiry_interval_ms);
}
