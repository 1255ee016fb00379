//! `AddRaftVoter` request, versions 0 and 1: a voter that joins the metadata quorum.
//!
//! v1 says what the answer waits for. Source: Kafka 4.3 message definitions, KIP-853, KIP-1186.

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::wire::structure;

structure! {
    /// Asks for one more voter.
    AddRaftVoterRequest {
        /// The cluster that is meant; any, where null.
        cluster_id: Option<StrBytes>, 0..=1;
        /// How long the change may take, in milliseconds.
        timeout_ms: i32, 0..=1;
        /// The voter's number.
        voter_id: i32, 0..=1;
        /// The voter's metadata directory.
        voter_directory_id: Uuid, 0..=1;
        /// Where the voter is reached.
        listeners: Vec<Listener>, 0..=1;
        /// Whether the answer waits for the change to be committed.
        ack_when_committed: bool, 1..=1, default true;
    }
}

structure! {
    /// Where a voter is reached.
    Listener {
        /// The listener's name.
        name: StrBytes, 0..=1;
        /// The host.
        host: StrBytes, 0..=1;
        /// The port.
        port: u16, 0..=1;
    }
}
