//! Which partition does a key belong to? The same one as in the Java client, so that records with
//! one key meet in one partition whoever sent them.
//!
//! Source: murmur2 by Austin Appleby with the seed of Kafka's default partitioner, positive part,
//! modulo the partition count.

/// The seed the Java client uses.
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// Hashes `bytes` as the Java client does. O(length).
pub fn murmur2(bytes: &[u8]) -> u32 {
    // The length is folded in as a 32 bit number; keys are far below that.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = word
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u32::from(*byte));
        let mut k = word.wrapping_mul(MULTIPLIER);
        k ^= k >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}

/// Returns the partition, from 0, that `key` belongs to among `partition_count`, at least 1.
pub fn partition_for_key(key: &[u8], partition_count: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the Java client's own unit test.
    #[test]
    fn hashes_agree_with_the_java_client() {
        let expected: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in expected {
            assert_eq!(
                murmur2(key).cast_signed(),
                hash,
                "{:?}",
                String::from_utf8_lossy(key)
            );
        }
    }

    #[test]
    fn partitions_are_in_range() {
        for count in 1..20 {
            for key in 0..200_u32 {
                assert!(partition_for_key(&key.to_le_bytes(), count) < count);
            }
        }
        assert_eq!(partition_for_key(b"foobar", 0), 0);
    }
}
