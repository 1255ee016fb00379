//! RemoveRaftVoter (key 81): validated as Kafka does, then refused: the metadata of this release
//! has one voter, which is what Kafka answers where `kraft.version` is 0.
//!
//! Source: `KafkaRaftClient.handleRemoveVoterRequest`, `RemoveVoterHandler`; KIP-853.

use std::sync::Arc;

use sprawl_protocol::messages::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

use super::admin::{check_voter, fixed_voters};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Checks the request and refuses it.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: RemoveRaftVoterRequest,
) -> RemoveRaftVoterResponse {
    let voter = (request.voter_id, request.voter_directory_id);
    let failure = match check_voter(broker, request.cluster_id.as_deref(), voter) {
        Err(failure) => failure,
        Ok(()) => fixed_voters(),
    };
    RemoveRaftVoterResponse::default()
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message())
}
