//! In which state is a group, and where may it go from there?

use std::fmt;

/// The state of a classic group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClassicState {
    /// Members are joining; heartbeats and syncs say that a rebalance is in progress.
    PreparingRebalance,
    /// A generation is formed and waits for the leader's assignment.
    CompletingRebalance,
    /// Every member has, or can fetch, its assignment.
    Stable,
    /// The group is deleted or given up.
    Dead,
    /// No members; the group may hold committed offsets.
    Empty,
}

impl ClassicState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
            Self::Empty => "Empty",
        }
    }

    /// Whether a group in this state may move to `next`.
    pub(in crate::group) fn may_become(self, next: Self) -> bool {
        match next {
            Self::Empty | Self::CompletingRebalance => self == Self::PreparingRebalance,
            Self::PreparingRebalance => self.may_rebalance(),
            Self::Stable => self == Self::CompletingRebalance,
            Self::Dead => true,
        }
    }

    /// Whether a rebalance may start in this state.
    pub(in crate::group) fn may_rebalance(self) -> bool {
        matches!(self, Self::Stable | Self::CompletingRebalance | Self::Empty)
    }
}

impl fmt::Display for ClassicState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
