//! From a frame to its handler: one `match`.
//!
//! Invariants: a frame is measured on arrival and decoded only when the request starts and there is
//! room for it, since a decoded request may take some hundred times the memory of its frame; an
//! unknown key or version
//! gets an answer, never a closed connection; a frame that cannot be decoded closes it, as Kafka
//! does.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sprawl_io::net::BoxFuture;
use sprawl_protocol::{
    ApiKey, DecodeError, EncodeError, HeaderError, MeasuredRequest, Request, RequestHeader,
    Response, StrBytes, encode_response, set_throttle_time, unsupported_answer,
};

use crate::api::produce::{Begun, PendingProduce};
use crate::api::{
    self, add_offsets_to_txn, add_partitions_to_txn, add_raft_voter, alter_client_quotas,
    alter_configs, alter_partition_reassignments, alter_replica_log_dirs,
    alter_share_group_offsets, alter_user_scram_credentials, api_versions, consumer_group_describe,
    consumer_group_heartbeat, create_acls, create_delegation_token, create_partitions,
    create_topics, delete_acls, delete_groups, delete_records, delete_share_group_offsets,
    delete_share_group_state, delete_topics, describe_acls, describe_client_quotas,
    describe_cluster, describe_configs, describe_delegation_token, describe_groups,
    describe_log_dirs, describe_producers, describe_quorum, describe_share_group_offsets,
    describe_topic_partitions, describe_transactions, describe_user_scram_credentials,
    elect_leaders, end_txn, expire_delegation_token, find_coordinator, get_telemetry_subscriptions,
    heartbeat, incremental_alter_configs, init_producer_id, initialize_share_group_state,
    join_group, leave_group, list_config_resources, list_groups, list_offsets,
    list_partition_reassignments, list_transactions, metadata, offset_commit, offset_delete,
    offset_fetch, offset_for_leader_epoch, push_telemetry, read_share_group_state,
    read_share_group_state_summary, remove_raft_voter, renew_delegation_token, share_acknowledge,
    share_group_describe, share_group_heartbeat, streams_group_describe, streams_group_heartbeat,
    sync_group, txn_offset_commit, unregister_broker, update_features, write_share_group_state,
    write_txn_markers,
};
use crate::broker::Broker;
use crate::connection::Peer;
use crate::decoded::DecodedPart;
use crate::outgoing::OutgoingFrame;
use crate::quotas;

/// What a handler knows of a request besides its body.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    /// The API.
    pub(crate) key: ApiKey,
    /// The version of request and response.
    pub(crate) version: i16,
    /// Repeated in the response.
    pub(crate) correlation_id: i32,
    /// The client's name for itself.
    pub(crate) client_id: Option<StrBytes>,
    /// Who asks.
    pub(crate) peer: Peer,
    /// The request's size, in bytes.
    pub(crate) size: usize,
    /// When the request was read, on the monotonic clock.
    pub(crate) received: Duration,
}

/// A request that ends its connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    /// The header cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] DecodeError),
    /// The response has no encoding in the request's version: our own mistake.
    #[error(transparent)]
    Response(#[from] EncodeError),
    /// A produce request with acks=0 failed; closing is the only answer there is (as Kafka does).
    #[error("produce with acks=0 failed")]
    UnacknowledgedProduce,
}

/// A finished request's response; `None` for produce with acks=0.
pub(crate) type Reply = Result<Option<OutgoingFrame>, BadRequest>;

/// A frame whose header has been read and whose body has been measured.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A request that is served.
    Request(Undecoded),
    /// A key or version that is not served, with its answer.
    Unsupported(Option<BytesMut>),
}

/// A request that is served, its body as it came.
#[derive(Debug)]
pub(crate) struct Undecoded {
    context: RequestContext,
    request: MeasuredRequest,
}

impl Undecoded {
    /// Whether it brings record batches: those may be appended at once.
    pub(crate) fn is_produce(&self) -> bool {
        self.context.key == ApiKey::Produce
    }

    /// The most memory it takes once decoded, in bytes.
    pub(crate) fn decoded_bytes(&self) -> usize {
        self.request.decoded_bytes()
    }

    fn decode(self) -> Result<(RequestContext, Request), DecodeError> {
        Ok((self.context, self.request.decode()?))
    }
}

/// Reads a frame's header and measures its body.
pub(crate) fn parse(
    mut frame: BytesMut,
    peer: &Peer,
    received: Duration,
) -> Result<Arrival, BadRequest> {
    let size = frame.len();
    let header = RequestHeader::parse(&mut frame)?;
    let Ok(key) = header.api() else {
        return Ok(Arrival::Unsupported(unsupported_answer(&header, &frame)));
    };
    let context = RequestContext {
        key,
        version: header.version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.clone(),
        peer: peer.clone(),
        size,
        received,
    };
    let request = MeasuredRequest::new(&header, frame)?;
    Ok(Arrival::Request(Undecoded { context, request }))
}

/// What became of a produce request on arrival.
pub(crate) enum Produced {
    /// Its batches are appended; the future waits for the disk.
    Appended(BoxFuture<'static, Reply>),
    /// It waits for the transaction coordinator, then appends and becomes the other.
    Admitting(BoxFuture<'static, AppendedProduce>),
}

/// A produce request that has been admitted: appended, and its wait for the disk.
pub(crate) struct AppendedProduce(pub(crate) BoxFuture<'static, Reply>);

/// Appends the batches of a produce request now, unless they have to be admitted first.
pub(crate) fn produce(broker: &Arc<Broker>, request: Undecoded, part: DecodedPart) -> Produced {
    let (context, request) = match request.decode() {
        Ok((context, Request::Produce(request))) => (context, request),
        Ok((context, request)) => {
            let handled = Box::pin(handle(broker.clone(), context, request));
            return Produced::Appended(holding(part, handled));
        }
        Err(error) => return Produced::Appended(Box::pin(std::future::ready(Err(error.into())))),
    };
    match api::produce::begin(broker, &context, request) {
        Begun::Appended(pending) => {
            Produced::Appended(holding(part, answer(broker, context, pending)))
        }
        Begun::Admitting(admission) => {
            let broker = broker.clone();
            Produced::Admitting(Box::pin(async move {
                let pending = admission.await;
                AppendedProduce(holding(part, answer(&broker, context, pending)))
            }))
        }
    }
}

/// Keeps a request's part of the memory until it is answered.
fn holding(part: DecodedPart, pending: BoxFuture<'static, Reply>) -> BoxFuture<'static, Reply> {
    if part.is_empty() {
        return pending;
    }
    Box::pin(async move {
        let reply = pending.await;
        drop(part);
        reply
    })
}

/// Waits for room, then decodes and runs any request, all of it from when the future is first
/// polled.
pub(crate) fn run(broker: Arc<Broker>, request: Undecoded) -> BoxFuture<'static, Reply> {
    Box::pin(async move {
        let part = broker.decoded.take(request.decoded_bytes()).await;
        let reply = match request.decode()? {
            (context, Request::Produce(request)) => {
                let pending = match api::produce::begin(&broker, &context, request) {
                    Begun::Appended(pending) => pending,
                    Begun::Admitting(admission) => admission.await,
                };
                answer(&broker, context, pending).await
            }
            (context, request) => Box::pin(handle(broker, context, request)).await,
        };
        drop(part);
        reply
    })
}

fn answer(
    broker: &Arc<Broker>,
    context: RequestContext,
    pending: PendingProduce,
) -> BoxFuture<'static, Reply> {
    let broker = broker.clone();
    Box::pin(async move {
        let response = pending.wait(&broker, &context).await?;
        let frame = response
            .map(|response| encode(&context, &response.into(), 0))
            .transpose()?;
        broker
            .metrics()
            .answered(&context, broker.io().clock.monotonic());
        Ok(frame)
    })
}

async fn handle(broker: Arc<Broker>, context: RequestContext, request: Request) -> Reply {
    let frame = match request {
        Request::Fetch(request) => api::fetch::handle(&broker, &context, request).await?,
        Request::ShareFetch(request) => {
            api::share_fetch::handle(&broker, &context, request).await?
        }
        other => {
            let work = respond(&broker, &context, other);
            let (response, spent) = quotas::timed(&broker, work).await;
            quotas::charge_time(&broker, &context, spent);
            let throttle_time_ms = quotas::throttle_time_ms(&broker, &context);
            encode(&context, &response, throttle_time_ms)?
        }
    };
    broker
        .metrics()
        .answered(&context, broker.io().clock.monotonic());
    Ok(Some(frame))
}

/// Encodes a response, with how long the client is throttled where that is not in it yet.
fn encode(
    context: &RequestContext,
    response: &Response,
    throttle_time_ms: i32,
) -> Result<OutgoingFrame, BadRequest> {
    let mut out = BytesMut::new();
    encode_response(context.version, context.correlation_id, response, &mut out)?;
    if throttle_time_ms > 0 {
        set_throttle_time(context.key, context.version, throttle_time_ms, &mut out);
    }
    Ok(OutgoingFrame::from_bytes(out.freeze()))
}

/// Calls the handler of a request. Produce and Fetch do not come here: their payload has its own
/// path.
async fn respond(broker: &Arc<Broker>, context: &RequestContext, request: Request) -> Response {
    match request {
        Request::Produce(_) | Request::Fetch(_) | Request::ShareFetch(_) => {
            unreachable!("produce and fetches are taken off before this match")
        }
        Request::ApiVersions(body) => api_versions::handle(broker, context, body).into(),
        Request::Metadata(body) => metadata::handle(broker, context, body).await.into(),
        Request::ListOffsets(body) => list_offsets::handle(broker, context, body).await.into(),
        Request::OffsetForLeaderEpoch(body) => {
            offset_for_leader_epoch::handle(broker, context, body).into()
        }
        Request::CreateTopics(body) => create_topics::handle(broker, context, body).await.into(),
        Request::DeleteTopics(body) => delete_topics::handle(broker, context, body).await.into(),
        Request::DeleteRecords(body) => delete_records::handle(broker, context, body).await.into(),
        Request::DescribeConfigs(body) => describe_configs::handle(broker, context, body).into(),
        Request::AlterConfigs(body) => alter_configs::handle(broker, context, body).await.into(),
        Request::DescribeLogDirs(body) => describe_log_dirs::handle(broker, context, body)
            .await
            .into(),
        Request::CreatePartitions(body) => create_partitions::handle(broker, context, body)
            .await
            .into(),
        Request::IncrementalAlterConfigs(body) => {
            incremental_alter_configs::handle(broker, context, body)
                .await
                .into()
        }
        Request::DescribeCluster(body) => describe_cluster::handle(broker, context, body).into(),
        Request::ListConfigResources(body) => {
            list_config_resources::handle(broker, context, body).into()
        }
        Request::DescribeTopicPartitions(body) => {
            describe_topic_partitions::handle(broker, context, body).into()
        }
        Request::FindCoordinator(body) => {
            find_coordinator::handle(broker, context, body).await.into()
        }
        Request::JoinGroup(body) => join_group::handle(broker, context, body).await.into(),
        Request::SyncGroup(body) => sync_group::handle(broker, context, body).await.into(),
        Request::Heartbeat(body) => heartbeat::handle(broker, context, body).await.into(),
        Request::LeaveGroup(body) => leave_group::handle(broker, context, body).await.into(),
        Request::OffsetCommit(body) => offset_commit::handle(broker, context, body).await.into(),
        Request::OffsetFetch(body) => offset_fetch::handle(broker, context, body).await.into(),
        Request::DescribeGroups(body) => {
            describe_groups::handle(broker, context, body).await.into()
        }
        Request::ListGroups(body) => list_groups::handle(broker, context, body).await.into(),
        Request::ConsumerGroupHeartbeat(body) => {
            consumer_group_heartbeat::handle(broker, context, body)
                .await
                .into()
        }
        Request::ConsumerGroupDescribe(body) => {
            consumer_group_describe::handle(broker, context, body).into()
        }
        Request::DeleteGroups(body) => delete_groups::handle(broker, context, body).await.into(),
        Request::OffsetDelete(body) => offset_delete::handle(broker, context, body).await.into(),
        rest => transact(broker, context, rest).await,
    }
}

/// As [`respond`] for producers and their transactions.
async fn transact(broker: &Arc<Broker>, context: &RequestContext, request: Request) -> Response {
    match request {
        Request::TxnOffsetCommit(body) => txn_offset_commit::handle(broker, context, body)
            .await
            .into(),
        Request::WriteTxnMarkers(body) => write_txn_markers::handle(broker, context, body)
            .await
            .into(),
        Request::DescribeProducers(body) => {
            describe_producers::handle(broker, context, body).into()
        }
        Request::InitProducerId(body) => {
            init_producer_id::handle(broker, context, body).await.into()
        }
        Request::AddPartitionsToTxn(body) => add_partitions_to_txn::handle(broker, context, body)
            .await
            .into(),
        Request::AddOffsetsToTxn(body) => add_offsets_to_txn::handle(broker, context, body)
            .await
            .into(),
        Request::EndTxn(body) => end_txn::handle(broker, context, body).await.into(),
        Request::DescribeTransactions(body) => {
            describe_transactions::handle(broker, context, body).into()
        }
        Request::ListTransactions(body) => list_transactions::handle(broker, context, body).into(),
        rest => respond_share(broker, context, rest).await,
    }
}

/// As [`respond`] for share groups and streams groups.
async fn respond_share(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: Request,
) -> Response {
    match request {
        Request::ShareGroupHeartbeat(body) => share_group_heartbeat::handle(broker, context, body)
            .await
            .into(),
        Request::ShareGroupDescribe(body) => {
            share_group_describe::handle(broker, context, body).into()
        }
        Request::DescribeShareGroupOffsets(body) => {
            describe_share_group_offsets::handle(broker, context, body)
                .await
                .into()
        }
        Request::AlterShareGroupOffsets(body) => {
            alter_share_group_offsets::handle(broker, context, body)
                .await
                .into()
        }
        Request::DeleteShareGroupOffsets(body) => {
            delete_share_group_offsets::handle(broker, context, body)
                .await
                .into()
        }
        Request::StreamsGroupHeartbeat(body) => {
            let beat = streams_group_heartbeat::handle(broker, context, body);
            Box::pin(beat).await.into()
        }
        Request::StreamsGroupDescribe(body) => {
            streams_group_describe::handle(broker, context, body).into()
        }
        Request::ShareAcknowledge(body) => share_acknowledge::handle(broker, context, body)
            .await
            .into(),
        Request::InitializeShareGroupState(body) => {
            initialize_share_group_state::handle(broker, context, body)
                .await
                .into()
        }
        Request::ReadShareGroupState(body) => read_share_group_state::handle(broker, context, body)
            .await
            .into(),
        Request::WriteShareGroupState(body) => {
            write_share_group_state::handle(broker, context, body)
                .await
                .into()
        }
        Request::DeleteShareGroupState(body) => {
            delete_share_group_state::handle(broker, context, body)
                .await
                .into()
        }
        Request::ReadShareGroupStateSummary(body) => {
            read_share_group_state_summary::handle(broker, context, body)
                .await
                .into()
        }
        rest => administer(broker, context, rest).await,
    }
}

/// As [`respond`] for what administers a cluster. That between them they know every request is
/// shown by a test that sends each.
async fn administer(broker: &Arc<Broker>, context: &RequestContext, request: Request) -> Response {
    match request {
        Request::DescribeAcls(body) => describe_acls::handle(broker, context, body).into(),
        Request::CreateAcls(body) => create_acls::handle(broker, context, body).into(),
        Request::DeleteAcls(body) => delete_acls::handle(broker, context, body).into(),
        Request::AlterReplicaLogDirs(body) => {
            alter_replica_log_dirs::handle(broker, context, body).into()
        }
        Request::CreateDelegationToken(body) => {
            create_delegation_token::handle(broker, context, body).into()
        }
        Request::RenewDelegationToken(body) => {
            renew_delegation_token::handle(broker, context, body).into()
        }
        Request::ExpireDelegationToken(body) => {
            expire_delegation_token::handle(broker, context, body).into()
        }
        Request::DescribeDelegationToken(body) => {
            describe_delegation_token::handle(broker, context, body).into()
        }
        Request::ElectLeaders(body) => elect_leaders::handle(broker, context, body).into(),
        Request::AlterPartitionReassignments(body) => {
            alter_partition_reassignments::handle(broker, context, body).into()
        }
        Request::ListPartitionReassignments(body) => {
            list_partition_reassignments::handle(broker, context, body).into()
        }
        Request::DescribeQuorum(body) => describe_quorum::handle(broker, context, body).into(),
        Request::UnregisterBroker(body) => unregister_broker::handle(broker, context, body).into(),
        Request::AddRaftVoter(body) => add_raft_voter::handle(broker, context, body).into(),
        Request::RemoveRaftVoter(body) => remove_raft_voter::handle(broker, context, body).into(),
        Request::DescribeClientQuotas(body) => {
            describe_client_quotas::handle(broker, context, body).into()
        }
        Request::AlterClientQuotas(body) => alter_client_quotas::handle(broker, context, body)
            .await
            .into(),
        Request::DescribeUserScramCredentials(body) => {
            describe_user_scram_credentials::handle(broker, context, body).into()
        }
        Request::AlterUserScramCredentials(body) => {
            alter_user_scram_credentials::handle(broker, context, body)
                .await
                .into()
        }
        Request::GetTelemetrySubscriptions(body) => {
            get_telemetry_subscriptions::handle(broker, context, body).into()
        }
        Request::PushTelemetry(body) => push_telemetry::handle(broker, context, body).into(),
        Request::UpdateFeatures(body) => {
            update_features::handle(broker, context, body).await.into()
        }
        other => unreachable!("{} is taken off before this match", other.api_key().name()),
    }
}
