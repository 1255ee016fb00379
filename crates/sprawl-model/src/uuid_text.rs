//! How Kafka writes ids: 16 bytes in base64 for addresses, without padding (RFC 4648, section 5).
//!
//! Source: Kafka's `Uuid.toString` and `Uuid.fromString`.

use uuid::Uuid;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many letters an id has.
const LETTERS: usize = 22;

/// Writes an id as Kafka does.
pub fn kafka_uuid(id: Uuid) -> String {
    let bits = id.as_u128();
    let letter = |at: usize| {
        // The last letter has the last two bits, with four zeros after them.
        let six = match (LETTERS - 1 - at)
            .checked_mul(6)
            .map(|shift| shift.checked_sub(4))
        {
            Some(Some(shift)) => bits >> shift,
            _ => bits << 4,
        };
        char::from(ALPHABET[(six & 0x3f) as usize])
    };
    (0..LETTERS).map(letter).collect()
}

/// Reads an id as Kafka writes it.
pub fn parse_kafka_uuid(text: &str) -> Option<Uuid> {
    if text.len() != LETTERS {
        return None;
    }
    let mut bits: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        let six = ALPHABET.iter().position(|letter| *letter == byte)? as u128;
        if at + 1 < LETTERS {
            bits = (bits << 6) | six;
        } else {
            bits = (bits << 2) | (six >> 4);
        }
    }
    Some(Uuid::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_kafka_writes_them() {
        // From Kafka's own `Uuid`: its zero, its one, and all bits set.
        for (bits, text) in [
            (0, "AAAAAAAAAAAAAAAAAAAAAA"),
            (1, "AAAAAAAAAAAAAAAAAAAAAQ"),
            (u128::MAX, "_____________________w"),
        ] {
            assert_eq!(kafka_uuid(Uuid::from_u128(bits)), text);
            assert_eq!(parse_kafka_uuid(text), Some(Uuid::from_u128(bits)));
        }
        for bad in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(parse_kafka_uuid(bad), None, "{bad}");
        }
    }
}
