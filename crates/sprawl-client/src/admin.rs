//! Administration: topics, settings, groups, offsets, transactions, quotas, features, the quorum,
//! access rules, credentials.
//!
//! One module a subject; every call is carried out once per broker that has a say in it, and
//! answers with one result an item, so that a caller can report each.

mod acls;
mod configs;
mod groups;
mod offsets;
mod quorum;
mod quotas;
mod scram;
mod share_groups;
mod streams_groups;
mod topics;
mod transactions;
mod two_phase;

pub use acls::{AclOperation, AclPattern, AclPermission, AclResource, AclRule, AclRuleFilter};
pub use configs::{ConfigEntry, ConfigOperation, ConfigResource};
pub use groups::{GroupDescription, GroupEpochs, GroupListing, GroupMember};
pub(crate) use groups::{commit_topics, group_id};
pub use offsets::{OffsetSpec, TimestampedOffset};
pub use quorum::{ChangeMode, Feature, FeatureChange, Quorum};
pub use quotas::{EntityQuotas, QuotaEntity};
pub use scram::{ScramCredential, ScramMechanism};
pub use share_groups::{ShareGroupDescription, ShareGroupMember, SharePosition};
pub use streams_groups::{MemberTasks, TaskMap};
pub use topics::{BrokerLogDir, LogDirPartition, NewTopic};
pub use transactions::{
    OpenTransaction, ProducerDescription, TransactionDescription, TransactionFilter,
    TransactionListing,
};
pub use two_phase::{PreparedOutcome, PreparedTransaction};

use crate::client::Client;

/// Calls that change or describe a cluster.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Admin {
    /// Makes an administrator's view of `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Returns the client underneath.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// How long the broker may take to carry out a change, in milliseconds.
const CHANGE_WAIT_MS: i32 = 30_000;
