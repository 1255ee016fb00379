//! Who should get which partitions?
//!
//! Two assignors, as in Kafka: `uniform` (the default) balances the number of partitions over the
//! members and moves as few as it can; `range` gives each member a run of each topic, so that
//! topics with equally many partitions are split alike. Both are functions of their input: equal
//! groups get equal assignments.
//!
//! Source: Kafka's `UniformAssignor` and `RangeAssignor` (KIP-848). Racks are not looked at.

mod heterogeneous;
mod homogeneous;
mod range;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::group::modern::{Assignment, GroupSpec};

/// A server-side assignor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Balanced and sticky.
    Uniform,
    /// Runs of partitions, topic by topic.
    Range,
}

impl Assignor {
    /// Every assignor, the default first.
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The assignor with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Computes the target of every member.
    pub(in crate::group) fn assign(self, spec: &GroupSpec) -> BTreeMap<String, Assignment> {
        if spec.members.is_empty() {
            return BTreeMap::new();
        }
        match self {
            Self::Range => range::assign(spec),
            Self::Uniform if spec.is_homogeneous() => homogeneous::assign(spec),
            Self::Uniform => heterogeneous::assign(spec),
        }
    }
}
