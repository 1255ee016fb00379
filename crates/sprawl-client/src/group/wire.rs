//! The subscription and the assignment that members of a group exchange through the coordinator.
//!
//! Source: `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment` version 0. Later
//! versions only append fields, so what is read here is a prefix of every version.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::ClientError;

/// The version written.
const VERSION: i16 = 0;

/// Writes the topics a member wants.
pub(crate) fn encode_subscription(topics: &[String]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(count(topics.len()));
    for topic in topics {
        put_string(&mut out, topic);
    }
    // No user data.
    out.put_i32(-1);
    out.freeze()
}

/// Reads the topics a member wants.
pub(crate) fn decode_subscription(bytes: &[u8]) -> Result<Vec<String>, ClientError> {
    read_subscription(bytes).ok_or_else(|| malformed("subscription"))
}

/// Writes the partitions a member gets.
pub(crate) fn encode_assignment(partitions: &BTreeMap<String, Vec<i32>>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(count(partitions.len()));
    for (topic, indexes) in partitions {
        put_string(&mut out, topic);
        out.put_i32(count(indexes.len()));
        for index in indexes {
            out.put_i32(*index);
        }
    }
    out.put_i32(-1);
    out.freeze()
}

/// Reads the partitions a member gets; no bytes are no partitions.
pub(crate) fn decode_assignment(bytes: &[u8]) -> Result<BTreeMap<String, Vec<i32>>, ClientError> {
    if bytes.is_empty() {
        return Ok(BTreeMap::new());
    }
    read_assignment(bytes).ok_or_else(|| malformed("assignment"))
}

fn malformed(what: &str) -> ClientError {
    ClientError::Malformed(format!("a group member's {what} is cut off or not text"))
}

fn count(length: usize) -> i32 {
    i32::try_from(length).expect("a subscription has far less than 2^31 topics or partitions")
}

fn put_string(out: &mut BytesMut, text: &str) {
    let size = i16::try_from(text.len()).expect("topic names have at most 249 bytes");
    out.put_i16(size);
    out.put_slice(text.as_bytes());
}

fn read_subscription(mut bytes: &[u8]) -> Option<Vec<String>> {
    bytes.try_get_i16().ok()?;
    let topic_count = bytes.try_get_i32().ok()?;
    // Nothing is reserved on the word of the count: each topic takes at least two bytes.
    (0..topic_count).map(|_| read_string(&mut bytes)).collect()
}

fn read_assignment(mut bytes: &[u8]) -> Option<BTreeMap<String, Vec<i32>>> {
    bytes.try_get_i16().ok()?;
    let topic_count = bytes.try_get_i32().ok()?;
    let mut partitions = BTreeMap::new();
    for _ in 0..topic_count {
        let topic = read_string(&mut bytes)?;
        let index_count = bytes.try_get_i32().ok()?;
        let mut indexes = Vec::new();
        for _ in 0..index_count {
            indexes.push(bytes.try_get_i32().ok()?);
        }
        partitions.insert(topic, indexes);
    }
    Some(partitions)
}

fn read_string(bytes: &mut &[u8]) -> Option<String> {
    let size = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subscription_has_the_bytes_of_the_java_client() {
        let bytes = encode_subscription(&["ab".to_owned()]);
        assert_eq!(&bytes[..], b"\0\0\0\0\0\x01\0\x02ab\xff\xff\xff\xff");
        assert_eq!(decode_subscription(&bytes).unwrap(), ["ab"]);
    }

    #[test]
    fn assignment_survives_and_an_empty_one_is_none() {
        let partitions = BTreeMap::from([("t".to_owned(), vec![0, 5]), ("u".to_owned(), vec![])]);
        assert_eq!(
            decode_assignment(&encode_assignment(&partitions)).unwrap(),
            partitions
        );
        assert!(decode_assignment(b"").unwrap().is_empty());
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert!(decode_subscription(b"\0\0\x7f\xff\xff\xff\0\x01a").is_err());
        assert!(decode_assignment(b"\0\0\0\0\0\x01\0\x01t\x7f\xff\xff\xff").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(decode_subscription(&bytes));
            drop(decode_assignment(&bytes));
        }
    }
}
