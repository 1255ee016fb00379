//! ListTransactions (key 66): the transactional ids this broker coordinates.
//!
//! Source: `KafkaApis.handleListTransactionsRequest`; KIP-664, KIP-994 (duration, v1), KIP-1152
//! (pattern, v2).

use sprawl_core::transaction::{
    ListFilter, ListedTransaction, TransactionIdPattern, TransactionState as State,
};
use sprawl_model::ProducerId;
use sprawl_protocol::messages::list_transactions_response::TransactionState;
use sprawl_protocol::messages::{
    self, ListTransactionsRequest, ListTransactionsResponse, TransactionalId,
};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::coordinator::of_coordinator;
use crate::dispatch::RequestContext;

/// Lists the transactional ids that pass the filters.
pub(crate) fn handle(
    broker: &Broker,
    _context: &RequestContext,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let (filter, unknown_states) = match filter(&request) {
        Ok(filter) => filter,
        Err(error) => return ListTransactionsResponse::default().with_error_code(error.number()),
    };
    let now_ms = broker.io().clock.wall_ms();
    let listed = broker.transactions.read_all(|transactions| {
        let listed = transactions.list(&filter, now_ms).map(answer);
        listed.collect::<Vec<_>>()
    });
    match listed {
        Ok(listed) => ListTransactionsResponse::default()
            .with_unknown_state_filters(unknown_states)
            .with_transaction_states(listed.into_iter().flatten().collect()),
        Err(error) => {
            ListTransactionsResponse::default().with_error_code(of_coordinator(error).number())
        }
    }
}

fn filter(request: &ListTransactionsRequest) -> Result<(ListFilter, Vec<StrBytes>), ErrorCode> {
    let (mut states, mut unknown_states) = (Vec::new(), Vec::new());
    for name in &request.state_filters {
        match State::from_name(name) {
            Some(state) => states.push(state),
            None => unknown_states.push(name.clone()),
        }
    }
    let pattern = request
        .transactional_id_pattern
        .as_ref()
        .filter(|pattern| !pattern.is_empty());
    let pattern = match pattern {
        Some(pattern) => {
            Some(TransactionIdPattern::new(pattern).ok_or(ErrorCode::InvalidRegularExpression)?)
        }
        None => None,
    };
    let producer_ids = request.producer_id_filters.iter();
    let filter = ListFilter {
        states: (!request.state_filters.is_empty()).then_some(states),
        producer_ids: producer_ids.map(|id| ProducerId(id.0)).collect(),
        older_than_ms: Some(request.duration_filter).filter(|filter| *filter >= 0),
        pattern,
    };
    Ok((filter, unknown_states))
}

fn answer(listed: ListedTransaction) -> TransactionState {
    let transactional_id = StrBytes::from_string(listed.transactional_id);
    TransactionState::default()
        .with_transactional_id(TransactionalId(transactional_id))
        .with_producer_id(messages::ProducerId(listed.producer_id.0))
        .with_transaction_state(StrBytes::from_static_str(listed.state.name()))
}
