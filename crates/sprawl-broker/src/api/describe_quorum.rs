//! DescribeQuorum (key 55): who votes on the metadata, who leads, and how far each is.
//!
//! Source: `KafkaRaftClient.handleDescribeQuorumRequest`; KIP-595, KIP-836, KIP-853.

use std::sync::Arc;

use sprawl_meta::{Quorum, Voter};
use sprawl_protocol::messages::describe_quorum_request::TopicData as AskedTopic;
use sprawl_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use sprawl_protocol::messages::{self, DescribeQuorumRequest, DescribeQuorumResponse};
use sprawl_protocol::{ErrorCode, StrBytes};

use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The name under which Kafka's tools ask for the metadata log; no such topic can be read.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The first version with the times at which voters were heard of.
const TIMESTAMPS_VERSION: i16 = 1;

/// The first version with error messages, and with where voters are reached.
const NODES_VERSION: i16 = 2;

/// Describes the quorum to whoever asks for its one partition.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let is_metadata = |topic: &AskedTopic| {
        topic.topic_name.as_str() == METADATA_TOPIC
            && matches!(topic.partitions.as_slice(), [one] if one.partition_index == 0)
    };
    if !matches!(request.topics.as_slice(), [one] if is_metadata(one)) {
        return refuse(context, request, ErrorCode::UnknownTopicOrPartition);
    }
    let quorum = broker.metadata.quorum();
    if quorum.leader != Some(broker.broker_id()) {
        return refuse(context, request, ErrorCode::NotLeaderOrFollower);
    }
    let topics = request.topics.into_iter().map(|topic| {
        TopicData::default()
            .with_topic_name(topic.topic_name)
            .with_partitions(vec![partition(broker, context, &quorum)])
    });
    let response = DescribeQuorumResponse::default()
        .with_error_message(None)
        .with_topics(topics.collect());
    if context.version < NODES_VERSION {
        return response;
    }
    response.with_nodes(nodes(broker, &quorum))
}

fn refuse(
    context: &RequestContext,
    request: DescribeQuorumRequest,
    code: ErrorCode,
) -> DescribeQuorumResponse {
    let message =
        (context.version >= NODES_VERSION).then(|| StrBytes::from_static_str(code.message()));
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|asked| {
            PartitionData::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code.number())
                .with_error_message(message.clone())
        });
        let partitions = partitions.collect();
        TopicData::default()
            .with_topic_name(topic.topic_name)
            .with_partitions(partitions)
    });
    DescribeQuorumResponse::default()
        .with_error_message(None)
        .with_topics(topics.collect())
}

fn partition(broker: &Broker, context: &RequestContext, quorum: &Quorum) -> PartitionData {
    let now_ms = broker.io().clock.wall_ms();
    let state = |voter: &Voter| {
        let state = ReplicaState::default()
            .with_replica_id(messages::BrokerId(voter.id.0))
            .with_log_end_offset(voter.log_end_offset);
        if context.version < TIMESTAMPS_VERSION {
            return state;
        }
        // A leader is in step with itself at any time.
        let heard_ms = if quorum.leader == Some(voter.id) {
            now_ms
        } else {
            -1
        };
        state
            .with_last_fetch_timestamp(heard_ms)
            .with_last_caught_up_timestamp(heard_ms)
    };
    PartitionData::default()
        .with_error_message(None)
        .with_leader_id(messages::BrokerId(quorum.leader.map_or(-1, |id| id.0)))
        .with_leader_epoch(quorum.leader_epoch)
        .with_high_watermark(quorum.high_watermark)
        .with_current_voters(quorum.voters.iter().map(state).collect())
        .with_observers(quorum.observers.iter().map(state).collect())
}

/// Where the voters are reached: a node is controller and broker on one listener.
fn nodes(broker: &Broker, quorum: &Quorum) -> Vec<Node> {
    let image = broker.image();
    let node = |voter: &Voter| {
        let registration = image.broker(voter.id)?;
        let listeners = registration.endpoints.iter().map(|endpoint| {
            Listener::default()
                .with_name(endpoint.listener.clone().into())
                .with_host(endpoint.host.clone().into())
                .with_port(endpoint.port)
        });
        let node = Node::default().with_node_id(messages::BrokerId(voter.id.0));
        Some(node.with_listeners(listeners.collect()))
    };
    quorum.voters.iter().filter_map(node).collect()
}
