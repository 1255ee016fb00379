//! How do the internal topics of an application come to be?
//!
//! They are ordinary topics with the settings that the application says. Members that beat at the
//! same time may try at the same time: whoever comes second finds the topic there.

use std::sync::Arc;
use std::time::Duration;

use sprawl_core::config::TopicConfig;
use sprawl_core::group::InternalTopic;
use sprawl_core::metadata::{MetadataCommand, MetadataError, NewTopic, Placement};
use sprawl_io::time;
use sprawl_meta::ProposeError;
use sprawl_model::TopicId;

use crate::api::admin::{Failure, topic_ref};
use crate::broker::{Broker, ChangeError};
use crate::start::random_uuid;

/// How long a heartbeat waits for topics. What takes longer is found by the next one.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How many failures a message tells.
const TOLD_MAX: usize = 3;

/// Makes the topics; returns which ones cannot be made, and why.
///
/// Cancel: safe; what was proposed is carried out, and the next heartbeat asks for the rest.
pub(super) async fn create(
    broker: &Arc<Broker>,
    topics: &[InternalTopic],
) -> Vec<(String, Failure)> {
    let mut failures = Vec::new();
    let all = async {
        for topic in topics {
            if let Err(failure) = create_one(broker, topic).await {
                tracing::warn!(
                    topic = topic.name,
                    error = failure.message,
                    "topic not made"
                );
                failures.push((topic.name.clone(), failure));
            }
        }
    };
    if time::timeout(WAIT_MAX, all).await.is_none() {
        tracing::warn!(count = topics.len(), "internal topics take long to make");
    }
    failures
}

async fn create_one(broker: &Arc<Broker>, topic: &InternalTopic) -> Result<(), Failure> {
    let command = MetadataCommand::CreateTopic(new_topic(broker, topic)?);
    match broker.propose(command).await {
        Ok(_)
        | Err(ChangeError::Propose(ProposeError::Refused(MetadataError::TopicExists { .. }))) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn new_topic(broker: &Broker, topic: &InternalTopic) -> Result<NewTopic, Failure> {
    let replication_factor = match topic.replication_factor {
        0 | -1 => broker.settings.topics.replication_factor,
        said => said,
    };
    let configs = topic.configs.iter().cloned().collect();
    let image = broker.image();
    let layers = image.layers(broker.broker_id(), &broker.settings.statics);
    TopicConfig::resolve(&configs, &layers)?;
    Ok(NewTopic {
        topic: topic_ref(&topic.name),
        topic_id: TopicId(random_uuid(broker.io())),
        placement: Placement::Spread {
            partition_count: topic.partition_count,
            replication_factor,
        },
        configs,
    })
}

/// Tells failures in short: the first few, and how many more there are.
pub(super) fn summary(failures: &[(String, Failure)]) -> String {
    let told = failures.iter().take(TOLD_MAX);
    let told: Vec<String> = told
        .map(|(topic, failure)| {
            let (code, message) = (failure.code.name(), &failure.message);
            format!("{topic} ({code}: {message})")
        })
        .collect();
    let told = told.join(", ");
    match failures.len().checked_sub(TOLD_MAX) {
        Some(more) if more > 0 => format!("{told} and {more} more"),
        _ => told,
    }
}
