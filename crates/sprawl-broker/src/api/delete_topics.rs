//! DeleteTopics (key 20): by name, or by id from version 6.
//!
//! Source: `ControllerApis.deleteTopics`; KIP-516. Unlike Kafka, topics in which this broker keeps
//! its own state are not deleted: the coordinators write to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use sprawl_core::metadata::{MetadataCommand, MetadataImage, Topic};
use sprawl_model::{TenantId, TopicId};
use sprawl_protocol::messages::delete_topics_response::DeletableTopicResult;
use sprawl_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use sprawl_protocol::{ErrorCode, StrBytes};

use super::admin::Failure;
use crate::broker::Broker;
use crate::dispatch::RequestContext;
use crate::quotas::Mutations;

/// A topic as the request names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Name(String),
    Id(TopicId),
    Both(String, TopicId),
    Neither,
}

/// The first version in which clients know THROTTLING_QUOTA_EXCEEDED.
const QUOTA_VERSION: i16 = 5;

/// Deletes each topic, unless deleting is switched off.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let named = named(request);
    if !broker.settings.topics.delete_enabled {
        let results = named.into_iter().map(|topic| switched_off(context, topic));
        return DeleteTopicsResponse::default().with_responses(results.collect());
    }
    let mutations = Mutations::new(broker, context, QUOTA_VERSION);
    let mut results = Vec::with_capacity(named.len());
    for topic in once_each(&broker.image(), named, &mut results) {
        let deleted = match mutations.take(topic.partition_count()) {
            Ok(()) => delete(broker, &topic).await,
            Err(failure) => Err(failure),
        };
        results.push(result(Some(topic.name.clone()), topic.id, deleted.err()));
    }
    DeleteTopicsResponse::default().with_responses(results)
}

fn named(request: DeleteTopicsRequest) -> Vec<Named> {
    let by_name = request
        .topic_names
        .into_iter()
        .map(|name| Named::Name(name.to_string()));
    let by_state = request.topics.into_iter().map(|topic| {
        let id = TopicId(topic.topic_id);
        match (topic.name, id == TopicId::NONE) {
            (Some(name), true) => Named::Name(name.to_string()),
            (Some(name), false) => Named::Both(name.to_string(), id),
            (None, false) => Named::Id(id),
            (None, true) => Named::Neither,
        }
    });
    by_name.chain(by_state).collect()
}

fn switched_off(context: &RequestContext, topic: Named) -> DeletableTopicResult {
    /// The first version in which clients know TOPIC_DELETION_DISABLED.
    const KNOWS_DELETION_DISABLED: i16 = 3;
    let code = if context.version < KNOWS_DELETION_DISABLED {
        ErrorCode::InvalidRequest
    } else {
        ErrorCode::TopicDeletionDisabled
    };
    refused(topic, Failure::of(code))
}

/// Finds the topics that are named once and exist; answers for all others.
fn once_each(
    image: &MetadataImage,
    named: Vec<Named>,
    results: &mut Vec<DeletableTopicResult>,
) -> Vec<Arc<Topic>> {
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<Named> = named
        .iter()
        .filter(|topic| !seen.insert((*topic).clone()))
        .cloned()
        .collect();
    let mut found: Vec<Arc<Topic>> = Vec::new();
    for topic in seen {
        if twice.contains(&topic) && topic != Named::Neither {
            let duplicate = Failure::invalid_request("expected each topic once, found it twice");
            results.push(refused(topic, duplicate));
            continue;
        }
        match find(image, &topic) {
            Ok(known) if found.iter().any(|other| other.id == known.id) => {
                found.retain(|other| other.id != known.id);
                let message = "expected each topic once, found it by name and by id";
                let failure = Failure::invalid_request(message);
                results.push(result(Some(known.name.clone()), known.id, Some(failure)));
            }
            Ok(known) => found.push(known),
            Err(failure) => results.push(refused(topic, failure)),
        }
    }
    found
}

fn find(image: &MetadataImage, topic: &Named) -> Result<Arc<Topic>, Failure> {
    let (found, missing) = match topic {
        Named::Name(name) => (
            image.topic(TenantId::DEFAULT, name),
            ErrorCode::UnknownTopicOrPartition,
        ),
        Named::Id(id) => (image.topic_by_id(*id), ErrorCode::UnknownTopicId),
        Named::Both(..) => {
            return Err(Failure::invalid_request(
                "expected a topic's name or id, found both",
            ));
        }
        Named::Neither => {
            return Err(Failure::invalid_request(
                "expected a topic's name or id, found neither",
            ));
        }
    };
    found.cloned().ok_or_else(|| Failure::of(missing))
}

async fn delete(broker: &Arc<Broker>, topic: &Topic) -> Result<(), Failure> {
    if topic.is_internal() {
        let message = "expected a topic of clients, found one that holds the broker's own state";
        return Err(Failure::invalid_request(message));
    }
    broker
        .propose(MetadataCommand::DeleteTopic { topic_id: topic.id })
        .await?;
    Ok(())
}

fn refused(topic: Named, failure: Failure) -> DeletableTopicResult {
    let (name, id) = match topic {
        Named::Name(name) => (Some(name), TopicId::NONE),
        Named::Id(id) => (None, id),
        Named::Both(name, id) => (Some(name), id),
        Named::Neither => (None, TopicId::NONE),
    };
    result(name, id, Some(failure))
}

fn result(name: Option<String>, id: TopicId, failure: Option<Failure>) -> DeletableTopicResult {
    let (code, message) = super::admin::code_and_message(&failure.map_or(Ok(()), Err));
    DeletableTopicResult::default()
        .with_name(name.map(|name| TopicName(StrBytes::from_string(name))))
        .with_topic_id(id.0)
        .with_error_code(code)
        .with_error_message(message)
}
