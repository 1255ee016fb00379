//! What happens to records without anybody's answer: a lock runs out, a member goes, the log moves
//! on, a dead record is to be moved.

use super::partition::SharePartition;
use super::record::{DeadLetter, Slot, Standing};
use super::spans::Span;
use super::write::StateWrite;

impl SharePartition {
    /// Takes back what members held for too long. A record whose lock ran out was delivered: it
    /// rests and comes again, or is dead.
    pub fn expire_locks(&mut self, (now_ms, jitter): (u64, u32)) -> Option<StateWrite> {
        let held = self.held(|deadline_ms, _| deadline_ms <= now_ms);
        let mut change = self.begin_change();
        for span in held {
            self.lock_timeouts += span.offset_count();
            let delivery_count = span.slot.delivery_count;
            self.give_back((now_ms, jitter), &mut change, &span, delivery_count);
        }
        let write = self.end_change(change);
        self.check();
        write
    }

    /// Takes back what a member holds that goes away. It may never have looked at the records, so
    /// that this delivery does not count (`DeliveryCountOps.DECREASE`).
    pub fn release_member(&mut self, member_id: &str) -> Option<StateWrite> {
        let held = self.held(|_, member| member == member_id);
        let mut change = self.begin_change();
        for span in held {
            let delivery_count = span.slot.delivery_count.saturating_sub(1).max(0);
            let free = Standing::Available { due_ms: 0 };
            self.change(&mut change, &span, free, delivery_count);
        }
        let write = self.end_change(change);
        self.check();
        write
    }

    /// Whether a member holds anything.
    pub fn is_held_by(&self, member_id: &str) -> bool {
        self.spans
            .iter()
            .any(|(_, _, slot)| slot.is_held_by(member_id))
    }

    /// Whether a member holds a record.
    pub fn holds(&self, member_id: &str, offset: i64) -> bool {
        let spans = self.tracked(offset, offset);
        spans.iter().any(|span| span.slot.is_held_by(member_id))
    }

    fn held(&self, is_wanted: impl Fn(u64, &str) -> bool) -> Vec<Span> {
        let spans = self.spans.iter().filter(|(_, _, slot)| {
            slot.pending.is_none()
                && matches!(&slot.standing, Standing::Acquired { member, deadline_ms }
                    if is_wanted(*deadline_ms, member))
        });
        let copy = |(first, last, slot): (i64, i64, &Slot)| Span {
            first,
            last,
            slot: slot.clone(),
        };
        spans.map(copy).collect()
    }

    /// Follows the log's start: what it no longer has is expired, unless a member holds it, a write
    /// is under way, or it is dead.
    pub fn expire_before(&mut self, log_start: i64) {
        if log_start <= self.start_offset {
            return;
        }
        for span in self.tracked(self.start_offset, log_start - 1) {
            let is_free = matches!(span.slot.standing, Standing::Available { .. });
            if is_free && span.slot.pending.is_none() {
                let slot = Slot::new(Standing::Expired, span.slot.delivery_count);
                self.put(span.first, span.last, slot);
            }
        }
        if self.next_offset < log_start {
            self.extend(log_start - 1, Slot::new(Standing::Expired, 0));
        }
        self.advance_start();
        self.check();
    }

    /// Dead records that are to be moved now; they are named once, until
    /// [`Self::dead_letters_failed`] gives them back.
    pub fn take_dead_letters(&mut self, now_ms: u64) -> Vec<DeadLetter> {
        let spans = self.spans.within(self.start_offset, self.next_offset);
        let mut letters = Vec::new();
        for span in spans {
            let Standing::Archiving {
                cause,
                due_ms,
                may_be_moved,
            } = span.slot.standing
            else {
                continue;
            };
            if span.slot.pending.is_some() || due_ms > now_ms {
                continue;
            }
            letters.push(DeadLetter {
                first: span.first,
                last: span.last,
                delivery_count: span.slot.delivery_count,
                cause,
                may_be_moved,
            });
            let being_moved = Standing::Archiving {
                cause,
                due_ms: u64::MAX,
                may_be_moved,
            };
            let slot = Slot::new(being_moved, span.slot.delivery_count);
            self.put(span.first, span.last, slot);
        }
        letters
    }

    /// Ends records that are in the dead-letter topic, durably, or that cannot go there.
    pub fn dead_letters_moved(&mut self, letters: &[DeadLetter]) -> Option<StateWrite> {
        let mut change = self.begin_change();
        for mut span in self.being_moved(letters) {
            if let Standing::Archiving {
                due_ms,
                may_be_moved,
                ..
            } = &mut span.slot.standing
            {
                // What holds again where the write fails.
                (*due_ms, *may_be_moved) = (0, true);
            }
            let delivery_count = span.slot.delivery_count;
            self.change(&mut change, &span, Standing::Archived, delivery_count);
        }
        let write = self.end_change(change);
        self.check();
        write
    }

    /// Takes note that records did not get into the dead-letter topic, or perhaps did; they are to
    /// be moved again at `due_ms`.
    pub fn dead_letters_failed(&mut self, letters: &[DeadLetter], due_ms: u64) {
        for span in self.being_moved(letters) {
            if let Standing::Archiving { cause, .. } = span.slot.standing {
                let again = Standing::Archiving {
                    cause,
                    due_ms,
                    may_be_moved: true,
                };
                let slot = Slot::new(again, span.slot.delivery_count);
                self.put(span.first, span.last, slot);
            }
        }
        self.check();
    }

    fn being_moved(&self, letters: &[DeadLetter]) -> Vec<Span> {
        let mut spans = Vec::new();
        for letter in letters {
            spans.extend(self.tracked(letter.first, letter.last));
        }
        spans.retain(|span| {
            span.slot.pending.is_none() && matches!(span.slot.standing, Standing::Archiving { .. })
        });
        spans
    }
}
