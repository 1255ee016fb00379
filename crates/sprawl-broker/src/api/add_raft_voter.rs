//! AddRaftVoter (key 80): validated as Kafka does, then refused: the metadata of this release has
//! one voter, which is what Kafka answers where `kraft.version` is 0.
//!
//! Source: `KafkaRaftClient.handleAddVoterRequest`, `AddVoterHandler`; KIP-853, KIP-1186.

use std::sync::Arc;

use sprawl_protocol::messages::{AddRaftVoterRequest, AddRaftVoterResponse};

use super::admin::{Failure, check_voter, fixed_voters};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Checks the request and refuses it.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AddRaftVoterRequest,
) -> AddRaftVoterResponse {
    let failure = match check(broker, &request) {
        Err(failure) => failure,
        Ok(()) => fixed_voters(),
    };
    AddRaftVoterResponse::default()
        .with_error_code(failure.code.number())
        .with_error_message(failure.wire_message())
}

fn check(broker: &Broker, request: &AddRaftVoterRequest) -> Result<(), Failure> {
    let voter = (request.voter_id, request.voter_directory_id);
    check_voter(broker, request.cluster_id.as_deref(), voter)?;
    if request.listeners.is_empty() {
        let message = "expected an endpoint of the voter, found none";
        return Err(Failure::invalid_request(message));
    }
    Ok(())
}
