//! Which names topics may have.

use sprawl_model::limits::TOPIC_NAME_BYTES_MAX;

/// The topic of committed offsets and group metadata.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// The topic of transactional ids.
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
/// The topic of the states of share-partitions.
pub const SHARE_STATE_TOPIC: &str = "__share_group_state";

const INTERNAL_TOPICS: [&str; 3] = [OFFSETS_TOPIC, TRANSACTION_STATE_TOPIC, SHARE_STATE_TOPIC];

/// Returns whether clients are told that the topic is internal.
pub fn is_internal_topic(name: &str) -> bool {
    INTERNAL_TOPICS.contains(&name)
}

/// Checks that `name` is a topic name; the error says what is wrong.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("expected at least one character".to_owned());
    }
    if name == "." || name == ".." {
        return Err("expected a name that is no path".to_owned());
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        let found = name.len();
        return Err(format!(
            "expected at most {TOPIC_NAME_BYTES_MAX} characters, found {found}"
        ));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !name.bytes().all(legal) {
        return Err("expected ASCII letters, digits, '.', '_' and '-' only".to_owned());
    }
    Ok(())
}

/// Returns whether two different names would give the same metric names, where '.' becomes '_'.
pub(super) fn names_collide(left: &str, right: &str) -> bool {
    let unified = |byte: u8| if byte == b'.' { b'_' } else { byte };
    left != right && left.bytes().map(unified).eq(right.bytes().map(unified))
}

/// Returns whether `name` could collide with another at all.
pub(super) fn can_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}
