//! What can be said of one record of a share-partition?

use std::sync::Arc;

use super::write::WriteId;

/// Where a record stands, as it is stored. The numbers are Kafka's `DeliveryState`; `Archiving` is
/// in no message of Kafka, which keeps it in memory only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// May be given to a consumer.
    Available,
    /// Was consumed.
    Acknowledged,
    /// Is dead, but not in the dead-letter topic yet. Stored, so that a broker that died in between
    /// moves it exactly once.
    Archiving,
    /// Is not delivered any more.
    Archived,
}

impl DeliveryState {
    /// The number in records and messages.
    pub fn number(self) -> i8 {
        match self {
            Self::Available => 0,
            Self::Acknowledged => 2,
            Self::Archiving => 3,
            Self::Archived => 4,
        }
    }

    /// The state of a number; `None` where no stored record has it.
    pub fn from_number(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Available),
            2 => Some(Self::Acknowledged),
            3 => Some(Self::Archiving),
            4 => Some(Self::Archived),
            _ => None,
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Archived)
    }
}

/// The stored state of a run of offsets, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateBatch {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// The state of each.
    pub state: DeliveryState,
    /// How often each was delivered.
    pub delivery_count: i16,
}

impl StateBatch {
    /// How many offsets the run has.
    pub fn offset_count(&self) -> i64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// Why a record is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathCause {
    /// A consumer rejected it.
    Rejected,
    /// It was delivered as often as the group allows.
    DeliveryCountReached,
    /// Found dead in the stored state, which does not say why.
    Unknown,
}

/// Records to be moved to the dead-letter topic. One that dies is never delivered again, moved or
/// not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The first offset.
    pub first: i64,
    /// The last offset.
    pub last: i64,
    /// How often each was delivered.
    pub delivery_count: i16,
    /// Why.
    pub cause: DeathCause,
    /// Whether the broker may have moved it before it was stopped: its topic has to be looked
    /// through first.
    pub may_be_moved: bool,
}

/// Where a run of offsets stands right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// May be given out from `due_ms` on.
    Available { due_ms: u64 },
    /// Given to a member until `deadline_ms`.
    Acquired { member: Arc<str>, deadline_ms: u64 },
    /// Consumed.
    Acknowledged,
    /// Dead, to be moved at `due_ms`; `u64::MAX` while it is being moved.
    Archiving {
        cause: DeathCause,
        due_ms: u64,
        may_be_moved: bool,
    },
    /// Dead.
    Archived,
    /// The log no longer has it.
    Expired,
    /// No record at all: a control batch, an aborted one, or a gap in the log.
    Gap,
}

impl Standing {
    /// Whether nothing follows.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Available { .. } | Self::Acquired { .. } | Self::Archiving { .. } => false,
            Self::Acknowledged | Self::Archived | Self::Expired | Self::Gap => true,
        }
    }

    /// How it is stored.
    pub(super) fn stored(&self) -> DeliveryState {
        match self {
            Self::Available { .. } | Self::Acquired { .. } => DeliveryState::Available,
            Self::Acknowledged => DeliveryState::Acknowledged,
            Self::Archiving { .. } => DeliveryState::Archiving,
            Self::Archived | Self::Expired | Self::Gap => DeliveryState::Archived,
        }
    }
}

/// What holds for each offset of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) standing: Standing,
    pub(super) delivery_count: i16,
    /// The write that makes the standing hold, and what holds again where it fails.
    pub(super) pending: Option<Pending>,
}

/// A change that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) write: WriteId,
    /// The standing and the delivery count.
    pub(super) before: Box<(Standing, i16)>,
}

impl Slot {
    pub(super) fn new(standing: Standing, delivery_count: i16) -> Self {
        Self {
            standing,
            delivery_count,
            pending: None,
        }
    }

    /// Whether nothing follows and the log of the coordinator says so.
    pub(super) fn is_over(&self) -> bool {
        self.pending.is_none() && self.standing.is_final()
    }

    /// Whether a consumer may get it at `now_ms`.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        match self.standing {
            Standing::Available { due_ms } => self.pending.is_none() && due_ms <= now_ms,
            _ => false,
        }
    }

    /// Whether a member holds it.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.standing, Standing::Acquired { .. })
    }

    /// Whether `member_id` holds it.
    pub(super) fn is_held_by(&self, member_id: &str) -> bool {
        self.pending.is_none()
            && matches!(&self.standing, Standing::Acquired { member, .. } if **member == *member_id)
    }
}
