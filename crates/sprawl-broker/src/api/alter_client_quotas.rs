//! AlterClientQuotas (key 49): sets and takes away quotas, each entity checked alone, or only
//! checks.
//!
//! Source: `ClientQuotaControlManager.alterClientQuotas`; KIP-546.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprawl_core::metadata::{
    MetadataCommand, QuotaChange, QuotaEntity, QuotaEntityType, QuotaValue, check_quota_change,
};
use sprawl_protocol::messages::alter_client_quotas_request::{EntityData, EntryData};
use sprawl_protocol::messages::alter_client_quotas_response::{
    EntityData as AnsweredEntity, EntryData as AnsweredEntry,
};
use sprawl_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};

use super::admin::{Failure, code_and_message};
use super::config_changes::Mode;
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// Checks each entity's quotas and sets those that are right, all at once.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    _context: &RequestContext,
    request: AlterClientQuotasRequest,
) -> AlterClientQuotasResponse {
    let mode = Mode::from(request.validate_only);
    let mut changes: BTreeMap<QuotaEntity, QuotaChange> = BTreeMap::new();
    let mut results = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        results.push(change(entry).and_then(|change| {
            if changes.contains_key(&change.entity) {
                let message = "expected each entity once, found it twice";
                return Err(Failure::invalid_request(message));
            }
            changes.insert(change.entity.clone(), change);
            Ok(())
        }));
    }
    if !changes.is_empty() {
        let changes = changes.into_values().collect();
        let command = MetadataCommand::AlterClientQuotas { changes };
        if let Err(failure) = mode.finish(broker, Ok(command)).await {
            let unfinished = results.iter_mut().filter(|result| result.is_ok());
            unfinished.for_each(|result| *result = Err(failure.clone()));
        }
    }
    let entries = request.entries.into_iter().zip(&results).map(answer);
    AlterClientQuotasResponse::default().with_entries(entries.collect())
}

fn change(entry: &EntryData) -> Result<QuotaChange, Failure> {
    let change = QuotaChange {
        entity: entity(&entry.entity)?,
        ops: ops(entry)?,
    };
    check_quota_change(&change)?;
    Ok(change)
}

fn entity(named: &[EntityData]) -> Result<QuotaEntity, Failure> {
    let mut entity = QuotaEntity::new();
    for one in named {
        let name = one.entity_type.as_str();
        let kind = QuotaEntityType::from_name(name)
            .ok_or_else(|| Failure::invalid_request(format!("unknown entity type {name}")))?;
        let value = one.entity_name.as_ref().map(ToString::to_string);
        if entity.insert(kind, value).is_some() {
            let message = format!("expected entity type {name} once, found it twice");
            return Err(Failure::invalid_request(message));
        }
    }
    Ok(entity)
}

fn ops(entry: &EntryData) -> Result<BTreeMap<String, Option<QuotaValue>>, Failure> {
    let mut ops = BTreeMap::new();
    for op in &entry.ops {
        let value = (!op.remove).then(|| QuotaValue::new(op.value));
        if ops.insert(op.key.to_string(), value).is_some() {
            let name = op.key.as_str();
            let message = format!("expected quota {name} once, found it twice");
            return Err(Failure::invalid_request(message));
        }
    }
    Ok(ops)
}

fn answer((entry, result): (EntryData, &Result<(), Failure>)) -> AnsweredEntry {
    let (code, message) = code_and_message(result);
    let entity = entry.entity.into_iter().map(|one| {
        AnsweredEntity::default()
            .with_entity_type(one.entity_type)
            .with_entity_name(one.entity_name)
    });
    AnsweredEntry::default()
        .with_error_code(code)
        .with_error_message(message)
        .with_entity(entity.collect())
}
