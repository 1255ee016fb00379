//! Does every offset that came in end in one place? (I22)

use super::record::{Slot, Standing};

/// How many offsets of a share-partition stand where, since it was loaded. Gaps in the log are no
/// records and count nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareCounts {
    /// Offsets that came in.
    pub entered: u64,
    /// Consumed.
    pub acknowledged: u64,
    /// Dead: rejected, or delivered too often.
    pub dead: u64,
    /// Gone from the log before they were consumed.
    pub expired: u64,
    /// Still to be delivered, delivered and not answered, or not written yet.
    pub live: u64,
    /// Of those that are live: with a member.
    pub held: u64,
}

impl ShareCounts {
    /// Notes that `count` offsets left `slot`.
    pub(super) fn leave(&mut self, slot: &Slot, count: u64) {
        if slot.is_held() {
            let left = self.held.checked_sub(count);
            self.held = left.expect("what members give back they had");
        }
        match self.place(slot) {
            Some(place) => {
                let left = place.checked_sub(count);
                *place = left.expect("offsets leave where they are");
            }
            None => self.entered += count,
        }
    }

    /// Notes that `count` offsets came to `slot`.
    pub(super) fn arrive(&mut self, slot: &Slot, count: u64) {
        if slot.is_held() {
            self.held += count;
        }
        match self.place(slot) {
            Some(place) => *place += count,
            None => {
                let left = self.entered.checked_sub(count);
                self.entered = left.expect("what turns out to be a gap had come in");
            }
        }
    }

    fn place(&mut self, slot: &Slot) -> Option<&mut u64> {
        if slot.pending.is_some() {
            return Some(&mut self.live);
        }
        match slot.standing {
            Standing::Available { .. } | Standing::Acquired { .. } | Standing::Archiving { .. } => {
                Some(&mut self.live)
            }
            Standing::Acknowledged => Some(&mut self.acknowledged),
            Standing::Archived => Some(&mut self.dead),
            Standing::Expired => Some(&mut self.expired),
            Standing::Gap => None,
        }
    }

    /// Whether every offset that came in is in one place.
    pub fn add_up(&self) -> bool {
        self.entered == self.acknowledged + self.dead + self.expired + self.live
    }
}
