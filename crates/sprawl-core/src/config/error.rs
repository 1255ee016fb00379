//! Why a setting is refused. Every message names the setting, what it was and what is expected.

/// Why a setting is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No setting has this name.
    #[error("unknown setting {name}{}", suggest(*.nearest))]
    Unknown {
        /// The name.
        name: String,
        /// The known name that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A Kafka setting that means nothing here.
    #[error("{name} does not apply here: {instead}")]
    NotApplicable {
        /// The name.
        name: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// The value is of the wrong type or out of range.
    #[error("invalid value {value:?} for {name}: expected {expected}")]
    Invalid {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// What the value should have been.
        expected: String,
    },
    /// Two values do not go together.
    #[error("{name}={value} contradicts {other}={other_value}: expected {expected}")]
    Contradiction {
        /// One name.
        name: &'static str,
        /// Its value.
        value: String,
        /// The other name.
        other: &'static str,
        /// Its value.
        other_value: String,
        /// How the two should relate.
        expected: &'static str,
    },
    /// The setting is read at start only.
    #[error(
        "{name} is read at start: expected it in the configuration file, found it in an update"
    )]
    ReadOnly {
        /// The name.
        name: String,
    },
}

fn suggest(nearest: Option<&'static str>) -> String {
    nearest
        .map(|name| format!(": did you mean {name}?"))
        .unwrap_or_default()
}

/// Returns the candidate closest to `name`, if it is close enough to be meant.
pub(super) fn nearest(
    name: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    /// A longer name is no typing mistake, and comparing costs the product of the lengths.
    const NAME_BYTES_MAX: usize = 128;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let (distance, found) = candidates
        .map(|candidate| {
            (
                edit_distance(name.as_bytes(), candidate.as_bytes()),
                candidate,
            )
        })
        .min()?;
    (distance <= 2.max(name.len() / 4)).then_some(found)
}

/// The Levenshtein distance. O(product of the lengths).
fn edit_distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.iter().enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (column, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
