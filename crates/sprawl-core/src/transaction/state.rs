//! In which state is a transaction, and where may it go from there?

use std::fmt;

/// The state of a transactional id. The numbers are those of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionState {
    /// A producer is initialised and no transaction was begun since.
    Empty = 0,
    /// A transaction is open and has partitions.
    Ongoing = 1,
    /// The transaction is committed; its markers are being written.
    PrepareCommit = 2,
    /// The transaction is aborted; its markers are being written.
    PrepareAbort = 3,
    /// Every commit marker is written.
    CompleteCommit = 4,
    /// Every abort marker is written.
    CompleteAbort = 5,
    /// The transactional id is being forgotten.
    Dead = 6,
    /// The producer is being fenced. Kafka's name for a step that is never stored.
    PrepareEpochFence = 7,
}

impl TransactionState {
    /// Every state, in the order of its numbers.
    pub const ALL: [Self; 8] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
        Self::Dead,
        Self::PrepareEpochFence,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    /// The state of a name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    pub(super) fn from_number(number: i8) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|index| Self::ALL.get(index).copied())
    }

    /// Whether an outcome is decided and its markers are not all written.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether a transactional id in this state may be forgotten.
    pub(super) fn may_expire(self) -> bool {
        matches!(
            self,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort
        )
    }

    /// Whether a transaction in this state may move to `next`.
    pub(super) fn may_become(self, next: Self) -> bool {
        match next {
            Self::Empty | Self::Dead => self.may_expire(),
            Self::Ongoing => self == Self::Ongoing || self.may_expire(),
            Self::PrepareCommit => self == Self::Ongoing,
            // A transaction without partitions may be aborted too (KIP-890).
            Self::PrepareAbort => self == Self::Ongoing || self.may_expire(),
            Self::CompleteCommit => self == Self::PrepareCommit,
            Self::CompleteAbort => self == Self::PrepareAbort,
            Self::PrepareEpochFence => false,
        }
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
