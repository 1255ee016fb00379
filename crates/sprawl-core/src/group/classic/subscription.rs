//! Which topics does a consumer's subscription name?
//!
//! Source: Kafka's ConsumerProtocolSubscription; every later version begins with the fields of
//! version 0, so that no more than those are read.

use std::collections::BTreeSet;

use crate::coordinator::RecordError;
use crate::coordinator::wire::Reader;

/// The protocol type of consumers.
pub(in crate::group) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Reads the topics of a subscription.
pub(in crate::group) fn subscribed_topics(
    metadata: &[u8],
) -> Result<BTreeSet<String>, RecordError> {
    let mut reader = Reader::new(metadata);
    reader.int16()?;
    let mut topics = BTreeSet::new();
    for _ in 0..reader.count()? {
        topics.insert(reader.string()?);
    }
    // The user data is not looked at, but a subscription without the field is malformed.
    reader.nullable_bytes()?;
    Ok(topics)
}
