//! The last offset of each key in the dirty part of a log, in a fixed amount of memory.
//!
//! Keys are known by 128 bits of their BLAKE3 hash, as Kafka knows them by their MD5: two keys with
//! one hash would lose a record, which with 2^32 keys happens with a chance of 2^-65, and nobody
//! can make such keys. Open addressing; a slot is hash and offset, 24 bytes, as in Kafka's
//! `SkimpyOffsetMap`.

use sprawl_model::Offset;

/// Bytes of a slot.
pub(crate) const SLOT_BYTES: u64 = 24;

/// One half of a key's hash, the other, and its offset plus one; 0 there is a free slot.
type Slot = [u64; 3];

/// Maps keys to offsets until it is full.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    slots: Vec<Slot>,
    count: u64,
    count_max: u64,
    latest: Offset,
}

impl OffsetMap {
    /// Makes a map of at most `bytes_max` bytes that fills up to `load_factor`, and no larger than
    /// `key_count_max` keys need.
    pub(crate) fn new(bytes_max: u64, load_factor: f64, key_count_max: u64) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.99);
        let budget = bytes_max.checked_div(SLOT_BYTES).unwrap_or(0).max(2);
        let needed = divide(key_count_max, load_factor).saturating_add(2);
        let slot_count = budget.min(needed);
        let slots = vec![[0; 3]; usize::try_from(slot_count).unwrap_or(usize::MAX)];
        Self {
            slots,
            count: 0,
            // A free slot has to remain, where every search ends.
            count_max: multiply(slot_count, load_factor).min(slot_count.saturating_sub(1)),
            latest: Offset::NONE,
        }
    }

    /// Notes that a key occurs at an offset above all before; false where a new key finds no room.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = hash(key);
        let at = self.find(hash);
        let is_full = self.count >= self.count_max;
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        if slot[2] == 0 {
            if is_full {
                return false;
            }
            self.count = self.count.saturating_add(1);
        }
        *slot = [hash[0], hash[1], marked(offset)];
        true
    }

    /// Returns the last offset of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots.get(self.find(hash(key)))?;
        let offset = slot[2].checked_sub(1)?;
        Some(Offset(i64::try_from(offset).unwrap_or(i64::MAX)))
    }

    /// Notes that everything up to and including an offset is in the map.
    pub(crate) fn note_latest(&mut self, offset: Offset) {
        self.latest = self.latest.max(offset);
    }

    /// Returns the last offset that is accounted for, or [`Offset::NONE`].
    pub(crate) fn latest(&self) -> Offset {
        self.latest
    }

    /// Returns how many keys it holds.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the place of a hash, or of the free slot where it would go. O(1) at a usual load.
    fn find(&self, hash: [u64; 2]) -> usize {
        let slot_count = self.slots.len();
        let wide = u128::from(hash[0]).wrapping_mul(slot_count as u128);
        let mut at = usize::try_from(wide >> 64).unwrap_or(0);
        while let Some(slot) = self.slots.get(at) {
            if slot[2] == 0 || (slot[0] == hash[0] && slot[1] == hash[1]) {
                break;
            }
            at = at.saturating_add(1);
            if at == slot_count {
                at = 0;
            }
        }
        at
    }
}

fn marked(offset: Offset) -> u64 {
    u64::try_from(offset.0).map_or(0, |offset| offset.saturating_add(1))
}

fn hash(key: &[u8]) -> [u64; 2] {
    let hash = blake3::hash(key);
    let (first, rest) = hash.as_bytes().split_first_chunk::<8>().expect("32 bytes");
    let second = rest.first_chunk::<8>().expect("24 bytes");
    [u64::from_le_bytes(*first), u64::from_le_bytes(*second)]
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of slots are far below 2^53 and not negative"
)]
fn multiply(count: u64, factor: f64) -> u64 {
    (count as f64 * factor) as u64
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is too large becomes the largest integer"
)]
fn divide(count: u64, factor: f64) -> u64 {
    (count as f64 / factor) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_as_an_ordinary_map(keys in prop::collection::vec(0_u16..300, 0..2000)) {
            let mut map = OffsetMap::new(1 << 20, 0.9, 2000);
            let mut expected = BTreeMap::new();
            for (offset, key) in (0_i64..).zip(keys) {
                prop_assert!(map.put(&key.to_be_bytes(), Offset(offset)));
                expected.insert(key, offset);
            }
            prop_assert_eq!(map.count(), expected.len() as u64);
            for key in 0_u16..300 {
                let found = map.get(&key.to_be_bytes()).map(|offset| offset.0);
                prop_assert_eq!(found, expected.get(&key).copied());
            }
        }
    }

    #[test]
    fn a_full_map_takes_known_keys_and_no_new_ones() {
        let mut map = OffsetMap::new(10 * SLOT_BYTES, 0.5, u64::MAX);
        for n in 0..5_u8 {
            assert!(map.put(&[n], Offset(i64::from(n))));
        }
        assert!(!map.put(&[9], Offset(9)));
        assert!(map.put(&[0], Offset(10)));
        assert_eq!(map.get(&[0]), Some(Offset(10)));
        assert_eq!(map.get(&[9]), None);
    }

    #[test]
    fn it_is_no_larger_than_its_keys_need() {
        let map = OffsetMap::new(128 << 20, 0.9, 9);
        assert_eq!(map.slots.len(), 12);
        let map = OffsetMap::new(0, 0.9, u64::MAX);
        assert_eq!(map.slots.len(), 2);
    }
}
