//! DescribeClientQuotas (key 48): the quotas of the entities that match.
//!
//! Source: `ClientQuotasImage.describe`; KIP-546.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprawl_core::metadata::{QuotaEntity, QuotaEntityType, Quotas};
use sprawl_protocol::messages::describe_client_quotas_request::ComponentData;
use sprawl_protocol::messages::describe_client_quotas_response::{
    EntityData, EntryData, ValueData,
};
use sprawl_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::Failure;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// What is asked of one type of an entity.
enum Match {
    /// This name, or with `None` the default.
    Exactly(Option<String>),
    /// Any.
    Specified,
}

/// Finds the entities that match.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let filter = match filter(&request.components) {
        Ok(filter) => filter,
        Err(failure) => {
            return DescribeClientQuotasResponse::default()
                .with_error_code(failure.code.number())
                .with_error_message(failure.wire_message())
                .with_entries(None);
        }
    };
    let image = broker.image();
    let found = image.client_quotas().iter().filter(|(entity, _)| {
        let is_whole = !request.strict || entity.len() == filter.len();
        is_whole && matches(entity, &filter)
    });
    let entries = found.map(|(entity, quotas)| on_wire(entity, quotas));
    DescribeClientQuotasResponse::default()
        .with_error_message(None)
        .with_entries(Some(entries.collect()))
}

fn filter(components: &[ComponentData]) -> Result<BTreeMap<QuotaEntityType, Match>, Failure> {
    let mut filter = BTreeMap::new();
    for component in components {
        let name = component.entity_type.as_str();
        if name.is_empty() {
            return Err(Failure::invalid_request(
                "expected an entity type, found none",
            ));
        }
        let kind = QuotaEntityType::from_name(name).ok_or_else(|| {
            let message = format!("unsupported entity type {name}");
            Failure::new(ErrorCode::UnsupportedVersion, message)
        })?;
        if filter.insert(kind, asked(component)?).is_some() {
            let message = format!("expected entity type {name} once, found it twice");
            return Err(Failure::invalid_request(message));
        }
    }
    if filter.contains_key(&QuotaEntityType::Ip) && filter.len() > 1 {
        let message = "expected an ip alone, found it with a user or a client id";
        return Err(Failure::invalid_request(message));
    }
    Ok(filter)
}

fn asked(component: &ComponentData) -> Result<Match, Failure> {
    let name = component._match.as_ref().map(ToString::to_string);
    match (component.match_type, name) {
        (0, Some(name)) => Ok(Match::Exactly(Some(name))),
        (0, None) => Err(Failure::invalid_request(
            "expected a name to match, found null",
        )),
        (1, None) => Ok(Match::Exactly(None)),
        (2, None) => Ok(Match::Specified),
        (1 | 2, Some(_)) => {
            let message = "expected no name to match, since the match type needs none";
            Err(Failure::invalid_request(message))
        }
        (other, _) => {
            let message = format!("expected match type 0 to 2, found {other}");
            Err(Failure::invalid_request(message))
        }
    }
}

fn matches(entity: &QuotaEntity, filter: &BTreeMap<QuotaEntityType, Match>) -> bool {
    filter
        .iter()
        .all(|(kind, asked)| match (entity.get(kind), asked) {
            (None, _) => false,
            (Some(_), Match::Specified) => true,
            (Some(name), Match::Exactly(asked)) => name == asked,
        })
}

fn on_wire(entity: &QuotaEntity, quotas: &Quotas) -> EntryData {
    let entity = entity.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_static_str(kind.name()))
            .with_entity_name(name.clone().map(StrBytes::from_string))
    });
    let values = quotas.iter().map(|(name, value)| {
        ValueData::default()
            .with_key(StrBytes::from_string(name.clone()))
            .with_value(value.get())
    });
    EntryData::default()
        .with_entity(entity.collect())
        .with_values(values.collect())
}
