//! Which partition of a coordinator's topic does an id belong to?
//!
//! Source: Kafka's coordinators, all alike: the absolute value of Java's `String.hashCode` modulo
//! the number of partitions, so that a log written by Kafka keeps every id in its place.

use sprawl_model::PartitionId;

/// The partition of an id, of `count`; `None` where there are none.
pub(super) fn partition_for(id: &str, count: usize) -> Option<PartitionId> {
    let hash = java_hash(id);
    // Java has no positive form of its smallest integer; Kafka takes 0.
    let positive = hash.checked_abs().unwrap_or(0);
    let count = i32::try_from(count).ok().filter(|count| *count > 0)?;
    Some(PartitionId(positive % count))
}

/// Java's `String.hashCode`: over UTF-16 units, wrapping.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_the_places_that_kafka_gives_them() {
        // The hashes as the Java language specification defines them: s[0]*31^(n-1) + ... + s[n-1].
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("abc"), 96_354);
        assert_eq!(
            java_hash("console-consumer"),
            java_hash_by_definition("console-consumer")
        );
        // The well-known string whose hash is the smallest integer.
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
        assert_eq!(
            partition_for("polygenelubricants", 50),
            Some(PartitionId(0))
        );
        assert_eq!(partition_for("abc", 50), Some(PartitionId(4)));
        assert_eq!(partition_for("abc", 0), None);
    }

    #[test]
    fn characters_beyond_16_bits_count_as_two() {
        assert_eq!(java_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
    }

    fn java_hash_by_definition(text: &str) -> i32 {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut hash = 0_i32;
        for (index, unit) in units.iter().enumerate() {
            let power = (index + 1..units.len()).fold(1_i32, |power, _| power.wrapping_mul(31));
            hash = hash.wrapping_add(power.wrapping_mul(i32::from(*unit)));
        }
        hash
    }
}
