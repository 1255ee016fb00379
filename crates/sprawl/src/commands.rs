//! One module a verb.

pub(crate) mod acl;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod feature;
pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod log_dir;
mod offsets;
pub(crate) mod produce;
pub(crate) mod quorum;
pub(crate) mod quota;
pub(crate) mod scram;
pub(crate) mod share_group;
pub(crate) mod start;
pub(crate) mod topic;
pub(crate) mod transaction;
