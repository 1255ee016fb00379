//! Who votes on the metadata and how far each is, in Kafka's words.
//!
//! Offsets are those of the metadata log: the end is the number after the last entry, the high
//! watermark the number after the last one that is committed and applied.

use openraft::{BasicNode, RaftMetrics};
use sprawl_model::BrokerId;

/// The quorum at one moment, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Who leads, if anybody.
    pub leader: Option<BrokerId>,
    /// The Raft term.
    pub leader_epoch: i32,
    /// What is committed ends here; -1 before anything is.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<Voter>,
    /// Who listens without a vote.
    pub observers: Vec<Voter>,
}

/// A node of the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Its number.
    pub id: BrokerId,
    /// The end of its log, as far as it is known here; -1 where it is not.
    pub log_end_offset: i64,
}

pub(crate) fn quorum_of(metrics: &RaftMetrics<u64, BasicNode>) -> Quorum {
    let log_end_offset = |id: u64| {
        if id == metrics.id {
            return end_after(metrics.last_log_index);
        }
        let matched = metrics
            .replication
            .as_ref()
            .and_then(|known| known.get(&id));
        end_after(matched.and_then(|matched| matched.map(|log_id| log_id.index)))
    };
    let voter = |id: u64| Voter {
        id: broker_id(id),
        log_end_offset: log_end_offset(id),
    };
    let membership = metrics.membership_config.membership();
    Quorum {
        leader: metrics.current_leader.map(broker_id),
        leader_epoch: i32::try_from(metrics.current_term).unwrap_or(i32::MAX),
        high_watermark: end_after(metrics.last_applied.map(|log_id| log_id.index)),
        voters: membership.voter_ids().map(voter).collect(),
        observers: membership.learner_ids().map(voter).collect(),
    }
}

/// The offset after an entry.
fn end_after(index: Option<u64>) -> i64 {
    index.map_or(-1, |index| {
        i64::try_from(index).map_or(i64::MAX, |index| index.saturating_add(1))
    })
}

fn broker_id(id: u64) -> BrokerId {
    BrokerId(i32::try_from(id).unwrap_or(i32::MAX))
}
