//! Share groups: records given out, answered for, and kept across a restart.

use sprawl_protocol::messages::share_acknowledge_request as ack;
use sprawl_protocol::messages::share_fetch_request as fetch;
use sprawl_protocol::messages::share_fetch_response::PartitionData;

use super::data::batch;
use super::transactions::{ABORT, append_in_txn, end};
use super::*;

pub(super) const ACCEPT: i8 = 1;
const RELEASE: i8 = 2;
const REJECT: i8 = 3;
const RENEW: i8 = 4;

/// A member of group `g`, and what it consumes.
pub(super) struct Member {
    id: &'static str,
    topic: Uuid,
    epoch: i32,
}

/// First offset, last offset, delivery count.
pub(super) type Runs = Vec<(i64, i64, i16)>;

impl Member {
    pub(super) fn new(id: &'static str, topic: Uuid) -> Self {
        Self {
            id,
            topic,
            epoch: 0,
        }
    }

    fn fetch_request(&mut self, answers: &[(i64, i64, i8)]) -> ShareFetchRequest {
        let batches = answers
            .iter()
            .map(|(first, last, ack)| fetch::AcknowledgementBatch {
                first_offset: *first,
                last_offset: *last,
                acknowledge_types: vec![*ack],
            });
        let partition = fetch::FetchPartition {
            partition_index: 0,
            acknowledgement_batches: batches.collect(),
        };
        let request = ShareFetchRequest {
            group_id: Some("g".into()),
            member_id: Some(self.id.into()),
            share_session_epoch: self.epoch,
            max_bytes: 1 << 20,
            max_records: 500,
            batch_size: 500,
            topics: vec![fetch::FetchTopic {
                topic_id: self.topic,
                partitions: vec![partition],
            }],
            ..ShareFetchRequest::default()
        };
        self.epoch += 1;
        request
    }

    async fn fetch_with(&mut self, node: &mut Node, answers: &[(i64, i64, i8)]) -> PartitionData {
        let request = self.fetch_request(answers);
        let mut response = share_fetch(node, request).await;
        assert_eq!(response.error_code, NONE);
        match response.responses.pop() {
            Some(mut topic) => topic.partitions.remove(0),
            None => PartitionData::default(),
        }
    }

    pub(super) async fn fetch(&mut self, node: &mut Node) -> Runs {
        runs(&self.fetch_with(node, &[]).await)
    }

    /// Answers; returns the error of the partition.
    pub(super) async fn acknowledge(&mut self, node: &mut Node, answers: &[(i64, i64, i8)]) -> i16 {
        let batches = answers
            .iter()
            .map(|(first, last, ack)| ack::AcknowledgementBatch {
                first_offset: *first,
                last_offset: *last,
                acknowledge_types: vec![*ack],
            });
        self.acknowledge_batches(node, batches.collect()).await
    }

    /// Answers with one batch; returns the error of the partition.
    pub(super) async fn acknowledge_batch(
        &mut self,
        node: &mut Node,
        batch: ack::AcknowledgementBatch,
    ) -> i16 {
        self.acknowledge_batches(node, vec![batch]).await
    }

    async fn acknowledge_batches(
        &mut self,
        node: &mut Node,
        batches: Vec<ack::AcknowledgementBatch>,
    ) -> i16 {
        let renews = |batch: &ack::AcknowledgementBatch| batch.acknowledge_types.contains(&RENEW);
        let is_renew_ack = batches.iter().any(renews);
        let partition = ack::AcknowledgePartition {
            partition_index: 0,
            acknowledgement_batches: batches,
        };
        let request = ShareAcknowledgeRequest {
            group_id: Some("g".into()),
            member_id: Some(self.id.into()),
            share_session_epoch: self.epoch,
            is_renew_ack,
            topics: vec![ack::AcknowledgeTopic {
                topic_id: self.topic,
                partitions: vec![partition],
            }],
        };
        self.epoch += 1;
        match node.call(2, request).await {
            Response::ShareAcknowledge(response) => {
                assert_eq!(response.error_code, NONE);
                response.responses[0].partitions[0].error_code
            }
            other => panic!("{other:?}"),
        }
    }
}

fn runs(partition: &PartitionData) -> Runs {
    let runs = partition.acquired_records.iter();
    runs.map(|run| (run.first_offset, run.last_offset, run.delivery_count))
        .collect()
}

async fn share_fetch(node: &mut Node, request: ShareFetchRequest) -> ShareFetchResponse {
    match node.call(2, request).await {
        Response::ShareFetch(response) => response,
        other => panic!("{other:?}"),
    }
}

/// A node with topic `t`, group `g` that begins at its start, and so many records in one batch.
pub(super) async fn queue(count: usize) -> (Node, Uuid) {
    let mut node = Node::start(&[("share.coordinator.state.topic.num.partitions", "2")]).await;
    let made = node.create_one(topic("t", 1, 1)).await;
    set_group(&mut node, "share.auto.offset.reset", "earliest").await;
    let values: Vec<String> = (0..count).map(|at| format!("v{at}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    assert_eq!(node.append("t", batch(&values)).await, (NONE, 0));
    (node, made.topic_id)
}

async fn set_group(node: &mut Node, name: &str, value: &str) {
    let set = node
        .alter(resource_type::GROUP, "g", (name, 0, Some(value)))
        .await;
    assert_eq!(set, NONE, "{name}");
}

async fn make_dead_letter_topic(node: &mut Node) {
    let enabled = "errors.deadletterqueue.group.enable";
    let made = node
        .create_one(with_config(topic("dlq.g", 1, 1), enabled, Some("true")))
        .await;
    assert_eq!(made.error_code, NONE);
    set_group(node, "errors.deadletterqueue.topic.name", "dlq.g").await;
    set_group(node, "errors.deadletterqueue.copy.record.enable", "true").await;
}

#[test]
fn records_are_given_out_once_and_answered_ones_stay_answered_after_a_kill() {
    simulate(async {
        let (mut node, topic) = queue(4).await;
        let (mut one, mut two) = (Member::new("m1", topic), Member::new("m2", topic));
        let got = one.fetch_with(&mut node, &[]).await;
        assert_eq!(runs(&got), [(0, 3, 1)]);
        let records = got.records.clone().unwrap();
        let values = sprawl_model::batch::Batches::new(&records).count();
        assert_eq!(values, 1);
        assert_eq!(two.fetch(&mut node).await, []);
        assert_eq!(
            one.acknowledge(&mut node, &[(0, 0, ACCEPT), (2, 2, ACCEPT)])
                .await,
            NONE
        );
        let mut node = node.kill_and_restart().await;
        let mut three = Member::new("m3", topic);
        assert_eq!(three.fetch(&mut node).await, [(1, 1, 1), (3, 3, 1)]);
    });
}

#[test]
fn a_released_record_comes_back_counted_and_an_answer_may_come_with_a_fetch() {
    simulate(async {
        let (mut node, topic) = queue(2).await;
        let mut member = Member::new("m", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 1, 1)]);
        let both = [(0, 0, ACCEPT), (1, 1, RELEASE)];
        let got = member.fetch_with(&mut node, &both).await;
        assert_eq!(got.acknowledge_error_code, NONE);
        assert_eq!(member.fetch(&mut node).await, [(1, 1, 2)]);
    });
}

#[test]
fn an_answer_for_a_record_that_is_not_held_is_refused() {
    simulate(async {
        let (mut node, topic) = queue(2).await;
        let mut member = Member::new("m", topic);
        member.fetch(&mut node).await;
        assert_eq!(member.acknowledge(&mut node, &[(0, 0, ACCEPT)]).await, NONE);
        let again = member.acknowledge(&mut node, &[(1, 5, ACCEPT)]).await;
        assert_eq!(again, ErrorCode::InvalidRecordState.number());
        let backwards = member.acknowledge(&mut node, &[(1, 0, ACCEPT)]).await;
        assert_eq!(backwards, ErrorCode::InvalidRequest.number());
    });
}

#[test]
fn a_closed_connection_gives_its_records_back() {
    simulate(async {
        let (mut node, topic) = queue(2).await;
        let (mut one, mut two) = (Member::new("m1", topic), Member::new("m2", topic));
        assert_eq!(one.fetch(&mut node).await, [(0, 1, 1)]);
        let other = node.connect().await;
        drop(std::mem::replace(&mut node.stream, other));
        let mut request = two.fetch_request(&[]);
        (request.max_wait_ms, request.min_bytes) = (5_000, 1);
        let response = share_fetch(&mut node, request).await;
        assert_eq!(runs(&response.responses[0].partitions[0]), [(0, 1, 1)]);
    });
}

#[test]
fn a_lock_that_runs_out_gives_the_record_to_who_waits_and_renewal_keeps_it() {
    simulate(async {
        let (mut node, topic) = queue(2).await;
        set_group(&mut node, "share.record.lock.duration.ms", "15000").await;
        let (mut one, mut two) = (Member::new("m1", topic), Member::new("m2", topic));
        assert_eq!(one.fetch(&mut node).await, [(0, 1, 1)]);
        let mut request = two.fetch_request(&[]);
        (request.max_wait_ms, request.min_bytes) = (10_000, 1);
        let response = share_fetch(&mut node, request).await;
        assert_eq!(runs(&response.responses[0].partitions[0]), []);
        assert_eq!(one.acknowledge(&mut node, &[(1, 1, RENEW)]).await, NONE);
        let mut request = two.fetch_request(&[]);
        (request.max_wait_ms, request.min_bytes) = (10_000, 1);
        let response = share_fetch(&mut node, request).await;
        assert_eq!(runs(&response.responses[0].partitions[0]), [(0, 0, 2)]);
    });
}

#[test]
fn a_waiting_fetch_is_woken_by_a_new_record() {
    simulate(async {
        let (mut node, topic) = queue(1).await;
        let mut member = Member::new("m", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 0, 1)]);
        let mut request = member.fetch_request(&[]);
        (request.max_wait_ms, request.min_bytes) = (60_000, 1);
        let mut other = node.connect().await;
        let started = node.io.clock.monotonic();
        let waiting = share_fetch(&mut node, request);
        let producing = async {
            sprawl_io::time::sleep(std::time::Duration::from_millis(200)).await;
            let request = data::produce_to(-1, "t", vec![(0, batch(&["late"]))]);
            data::send(&mut other, 9, 1, request).await;
            data::receive(&mut other).await.unwrap();
        };
        let (response, ()) = tokio::join!(waiting, producing);
        assert_eq!(runs(&response.responses[0].partitions[0]), [(1, 1, 1)]);
        let took = node.io.clock.monotonic() - started;
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    });
}

#[test]
fn a_record_rests_before_it_comes_again() {
    simulate(async {
        let (mut node, topic) = queue(1).await;
        set_group(&mut node, "sprawl.share.retry.delay.ms", "4000").await;
        set_group(&mut node, "sprawl.share.retry.jitter", "0").await;
        let mut member = Member::new("m", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 0, 1)]);
        assert_eq!(
            member.acknowledge(&mut node, &[(0, 0, RELEASE)]).await,
            NONE
        );
        assert_eq!(member.fetch(&mut node).await, []);
        let released = node.io.clock.monotonic();
        let mut request = member.fetch_request(&[]);
        (request.max_wait_ms, request.min_bytes) = (60_000, 1);
        let response = share_fetch(&mut node, request).await;
        assert_eq!(runs(&response.responses[0].partitions[0]), [(0, 0, 2)]);
        let rest = node.io.clock.monotonic() - released;
        assert!(rest >= std::time::Duration::from_secs(3), "{rest:?}");
        assert!(rest < std::time::Duration::from_secs(6), "{rest:?}");
    });
}

#[test]
fn a_share_fetch_above_the_quota_keeps_its_records_and_is_muted_after_them() {
    simulate(async {
        let (mut node, topic) = queue(1).await;
        let large = "x".repeat(30_000);
        assert_eq!(node.append("t", batch(&[&large])).await, (NONE, 1));
        let limit = quotas::entry(
            &[("client-id", Some("test"))],
            &[("consumer_byte_rate", 1_000.0)],
        );
        assert_eq!(node.alter_quotas(vec![limit]).await, [NONE]);
        let mut member = Member::new("m", topic);
        let request = member.fetch_request(&[]);
        let response = share_fetch(&mut node, request).await;
        assert_eq!(runs(&response.responses[0].partitions[0]), [(0, 0, 1)]);
        assert_eq!(response.throttle_time_ms, 0, "within the quota");
        // The next batch is above what the quota lets through at once, and comes whole.
        let request = member.fetch_request(&[]);
        let response = share_fetch(&mut node, request).await;
        assert_eq!(runs(&response.responses[0].partitions[0]), [(1, 1, 1)]);
        assert!(response.throttle_time_ms > 10_000, "30 kB at 1 kB a second");
        let answered = node.io.clock.monotonic();
        assert_eq!(member.acknowledge(&mut node, &[(0, 0, ACCEPT)]).await, NONE);
        let muted_ms = (node.io.clock.monotonic() - answered).as_millis();
        let told_ms = u128::from(response.throttle_time_ms.unsigned_abs());
        assert!(muted_ms + 50 >= told_ms, "{muted_ms} of {told_ms}");
    });
}

/// The value and the headers of each record in the dead-letter topic.
async fn dead_letters(node: &mut Node) -> Vec<(String, Vec<(String, String)>)> {
    let read = node.read("dlq.g", 0).await;
    let bytes = read.records.unwrap_or_default();
    let mut letters = Vec::new();
    for batch in sprawl_model::batch::Batches::new(&bytes) {
        let (header, batch) = batch.unwrap();
        let records = sprawl_model::batch::payload(batch, 1 << 20).unwrap();
        for record in sprawl_model::batch::Records::new(&header, &records) {
            let record = record.unwrap();
            let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers = record.headers();
            let headers = headers.map(|one| {
                let value = one.value.unwrap_or_default();
                (string(one.key), string(value))
            });
            letters.push((string(record.value.unwrap_or_default()), headers.collect()));
        }
    }
    letters
}

#[test]
fn a_rejected_record_is_moved_to_the_dead_letter_topic_with_where_it_was() {
    simulate(async {
        let (mut node, topic) = queue(3).await;
        make_dead_letter_topic(&mut node).await;
        let mut member = Member::new("m", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 2, 1)]);
        assert_eq!(member.acknowledge(&mut node, &[(1, 1, REJECT)]).await, NONE);
        sprawl_io::time::sleep(std::time::Duration::from_secs(2)).await;
        let letters = dead_letters(&mut node).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].0, "v1");
        let expected = [
            ("__dlq.errors.topic", "t"),
            ("__dlq.errors.partition", "0"),
            ("__dlq.errors.offset", "1"),
            ("__dlq.errors.group", "g"),
            ("__dlq.errors.delivery.count", "1"),
            ("__dlq.errors.message", "rejected by a consumer"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        // The record's own headers come first.
        let (theirs, ours) = letters[0].1.split_at(letters[0].1.len() - expected.len());
        assert!(!theirs.is_empty());
        assert_eq!(ours, expected);
        let mut node = node.kill_and_restart().await;
        let mut other = Member::new("n", topic);
        assert_eq!(other.fetch(&mut node).await, [(0, 0, 1), (2, 2, 1)]);
        assert_eq!(dead_letters(&mut node).await.len(), 1);
    });
}

#[test]
fn a_record_that_is_dead_at_a_kill_is_moved_once() {
    simulate(async {
        let (mut node, topic) = queue(3).await;
        make_dead_letter_topic(&mut node).await;
        let mut member = Member::new("m", topic);
        member.fetch(&mut node).await;
        // The answer is confirmed when the death is durable; the kill comes at once.
        assert_eq!(member.acknowledge(&mut node, &[(0, 1, REJECT)]).await, NONE);
        let mut node = node.kill_and_restart().await;
        let mut other = Member::new("n", topic);
        assert_eq!(other.fetch(&mut node).await, [(2, 2, 1)]);
        sprawl_io::time::sleep(std::time::Duration::from_secs(2)).await;
        let letters = dead_letters(&mut node).await;
        let values: Vec<&str> = letters.iter().map(|(value, _)| value.as_str()).collect();
        assert_eq!(values, ["v0", "v1"]);
        let mut node = node.kill_and_restart().await;
        let mut third = Member::new("o", topic);
        assert_eq!(third.fetch(&mut node).await, [(2, 2, 1)]);
        sprawl_io::time::sleep(std::time::Duration::from_secs(2)).await;
        assert_eq!(dead_letters(&mut node).await.len(), 2);
    });
}

#[test]
fn sessions_are_opened_in_turn_and_closed_with_what_they_hold() {
    simulate(async {
        let (mut node, topic) = queue(2).await;
        let mut member = Member::new("m", topic);
        member.epoch = 3;
        let request = member.fetch_request(&[]);
        let unknown = share_fetch(&mut node, request).await;
        assert_eq!(unknown.error_code, ErrorCode::ShareSessionNotFound.number());
        member.epoch = 0;
        assert_eq!(member.fetch(&mut node).await, [(0, 1, 1)]);
        member.epoch = 7;
        let request = member.fetch_request(&[]);
        let skipped = share_fetch(&mut node, request).await;
        let expected = ErrorCode::InvalidShareSessionEpoch.number();
        assert_eq!(skipped.error_code, expected);
        member.epoch = -1;
        assert_eq!(member.acknowledge(&mut node, &[(0, 0, ACCEPT)]).await, NONE);
        sprawl_io::time::sleep(std::time::Duration::from_secs(1)).await;
        let mut other = Member::new("n", topic);
        assert_eq!(other.fetch(&mut node).await, [(1, 1, 1)]);
    });
}

#[test]
fn a_state_is_begun_changed_read_and_forgotten_over_the_wire() {
    use sprawl_protocol::messages::{
        initialize_share_group_state_request as initialize,
        read_share_group_state_summary_request as summary,
        write_share_group_state_request as write,
    };
    simulate(async {
        let (mut node, topic) = queue(1).await;
        let key = format!("g:{}:0", kafka_id(topic));
        let find = FindCoordinatorRequest::default()
            .with_key_type(2)
            .with_coordinator_keys(vec![text(&key)]);
        match node.call(6, find).await {
            Response::FindCoordinator(found) => {
                assert_eq!(found.coordinators[0].error_code, NONE);
                assert_eq!(found.coordinators[0].port, 9092);
            }
            other => panic!("{other:?}"),
        }
        // The topic was made just now; its shards are loading.
        sprawl_io::time::sleep(std::time::Duration::from_secs(1)).await;
        let partition = initialize::PartitionData::default()
            .with_state_epoch(2)
            .with_start_offset(5);
        let begin = InitializeShareGroupStateRequest::default()
            .with_group_id("g".into())
            .with_topics(vec![
                initialize::InitializeStateData::default()
                    .with_topic_id(topic)
                    .with_partitions(vec![partition]),
            ]);
        match node.call(0, begin).await {
            Response::InitializeShareGroupState(begun) => {
                assert_eq!(begun.results[0].partitions[0].error_code, NONE);
            }
            other => panic!("{other:?}"),
        }
        let change = |state_epoch: i32| WriteShareGroupStateRequest {
            group_id: "g".into(),
            topics: vec![write::WriteStateData {
                topic_id: topic,
                partitions: vec![write::PartitionData {
                    state_epoch,
                    leader_epoch: 1,
                    start_offset: 6,
                    delivery_complete_count: 3,
                    state_batches: vec![write::StateBatch {
                        first_offset: 7,
                        last_offset: 9,
                        delivery_state: 2,
                        delivery_count: 1,
                    }],
                    ..write::PartitionData::default()
                }],
            }],
        };
        let fenced = ErrorCode::FencedStateEpoch.number();
        for (state_epoch, expected) in [(1, fenced), (2, NONE)] {
            match node.call(1, change(state_epoch)).await {
                Response::WriteShareGroupState(written) => {
                    assert_eq!(written.results[0].partitions[0].error_code, expected);
                }
                other => panic!("{other:?}"),
            }
        }
        let mut node = node.kill_and_restart().await;
        let ask = ReadShareGroupStateSummaryRequest::default()
            .with_group_id("g".into())
            .with_topics(vec![
                summary::ReadStateSummaryData::default()
                    .with_topic_id(topic)
                    .with_partitions(vec![summary::PartitionData::default()]),
            ]);
        sprawl_io::time::sleep(std::time::Duration::from_secs(1)).await;
        match node.call(1, ask).await {
            Response::ReadShareGroupStateSummary(told) => {
                let one = &told.results[0].partitions[0];
                assert_eq!(
                    (one.error_code, one.state_epoch, one.start_offset),
                    (NONE, 2, 6)
                );
                assert_eq!(one.delivery_complete_count, 3);
            }
            other => panic!("{other:?}"),
        }
    });
}

/// An id as Kafka writes it.
fn kafka_id(id: Uuid) -> String {
    let key = sprawl_core::share::coordinator::ShareStateKey {
        group_id: "g".to_owned(),
        topic_id: sprawl_model::TopicId(id),
        partition: 0,
    };
    key.to_string().split(':').nth(1).unwrap().to_owned()
}

/// A node as [`queue`] makes it, whose group coordinator is there.
async fn coordinated(count: usize) -> (Node, Uuid) {
    let (mut node, topic) = queue(count).await;
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    match node.call(6, find).await {
        Response::FindCoordinator(found) => assert_eq!(found.coordinators[0].error_code, NONE),
        other => panic!("{other:?}"),
    }
    // The topic was made just now; its shards are loading.
    sprawl_io::time::sleep(std::time::Duration::from_secs(1)).await;
    (node, topic)
}

/// Beats for a member of group `g`.
async fn beat(
    node: &mut Node,
    member_id: &str,
    member_epoch: i32,
    topics: Option<&[&str]>,
) -> ShareGroupHeartbeatResponse {
    let topics = topics.map(|topics| topics.iter().map(|name| topic_name(name)).collect());
    let request = ShareGroupHeartbeatRequest::default()
        .with_group_id(GroupId("g".into()))
        .with_member_id(text(member_id))
        .with_member_epoch(member_epoch)
        .with_subscribed_topic_names(topics);
    match node.call(1, request).await {
        Response::ShareGroupHeartbeat(response) => response,
        other => panic!("{other:?}"),
    }
}

/// The partitions of topic `t` in an answer to a heartbeat.
fn assigned(beat: &ShareGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = beat.assignment.as_ref()?;
    let partitions = assignment
        .topic_partitions
        .iter()
        .flat_map(|topic| &topic.partitions);
    Some(partitions.copied().collect())
}

async fn describe_offsets(node: &mut Node) -> Vec<(i32, i64, i64)> {
    use sprawl_protocol::messages::describe_share_group_offsets_request as describe;
    let group = describe::DescribeShareGroupOffsetsRequestGroup::default()
        .with_group_id(GroupId("g".into()))
        .with_topics(None);
    let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![group]);
    match node.call(1, request).await {
        Response::DescribeShareGroupOffsets(response) => {
            assert_eq!(response.groups[0].error_code, NONE);
            let partitions = response.groups[0]
                .topics
                .iter()
                .flat_map(|topic| &topic.partitions);
            partitions
                .map(|one| (one.partition_index, one.start_offset, one.lag))
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_is_told_its_partitions_at_once_and_a_group_survives_a_kill() {
    simulate(async {
        let (mut node, _) = coordinated(1).await;
        let joined = beat(&mut node, "m1", 0, Some(&["t"])).await;
        assert_eq!(joined.error_code, NONE);
        assert_eq!(assigned(&joined), Some(vec![0]));
        let other = beat(&mut node, "m2", 0, Some(&["t"])).await;
        assert_eq!(assigned(&other), Some(vec![0]));
        let mut node = node.kill_and_restart().await;
        sprawl_io::time::sleep(std::time::Duration::from_secs(1)).await;
        let known = beat(&mut node, "m2", other.member_epoch, None).await;
        assert_eq!((known.error_code, assigned(&known)), (NONE, None));
        let unknown = beat(&mut node, "m3", 4, None).await;
        assert_eq!(unknown.error_code, ErrorCode::UnknownMemberId.number());
    });
}

#[test]
fn a_share_group_is_listed_described_and_deleted_when_it_is_empty() {
    simulate(async {
        let (mut node, _) = coordinated(1).await;
        let joined = beat(&mut node, "m1", 0, Some(&["t"])).await;
        assert_eq!(joined.error_code, NONE);
        let list = ListGroupsRequest::default().with_types_filter(vec![text("share")]);
        match node.call(5, list).await {
            Response::ListGroups(listed) => {
                let group = &listed.groups[0];
                assert_eq!(group.group_id.as_str(), "g");
                assert_eq!(group.group_type.as_str(), "share");
                assert_eq!(group.group_state.as_str(), "Stable");
            }
            other => panic!("{other:?}"),
        }
        let describe = ShareGroupDescribeRequest::default()
            .with_group_ids(vec![GroupId("g".into()), GroupId("none".into())]);
        match node.call(1, describe).await {
            Response::ShareGroupDescribe(described) => {
                let group = &described.groups[0];
                assert_eq!(group.error_code, NONE);
                assert_eq!(group.assignor_name.as_str(), "simple");
                let member = &group.members[0];
                assert_eq!(member.member_epoch, joined.member_epoch);
                assert_eq!(member.assignment.topic_partitions[0].partitions, [0]);
                let missing = ErrorCode::GroupIdNotFound.number();
                assert_eq!(described.groups[1].error_code, missing);
            }
            other => panic!("{other:?}"),
        }
        let delete = || DeleteGroupsRequest::default().with_groups_names(vec![GroupId("g".into())]);
        for expected in [
            ErrorCode::NonEmptyGroup,
            ErrorCode::None,
            ErrorCode::GroupIdNotFound,
        ] {
            match node.call(2, delete()).await {
                Response::DeleteGroups(deleted) => {
                    assert_eq!(deleted.results[0].error_code, expected.number());
                }
                other => panic!("{other:?}"),
            }
            if expected == ErrorCode::NonEmptyGroup {
                assert_eq!(beat(&mut node, "m1", -1, None).await.member_epoch, -1);
            }
        }
    });
}

#[test]
fn offsets_are_described_moved_and_forgotten() {
    use sprawl_protocol::messages::alter_share_group_offsets_request as alter;
    use sprawl_protocol::messages::delete_share_group_offsets_request as delete;
    simulate(async {
        let (mut node, topic) = coordinated(5).await;
        beat(&mut node, "m1", 0, Some(&["t"])).await;
        let mut member = Member::new("m1", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 4, 1)]);
        let answers = [(0, 1, ACCEPT), (3, 3, ACCEPT)];
        assert_eq!(member.acknowledge(&mut node, &answers).await, NONE);
        assert_eq!(describe_offsets(&mut node).await, [(0, 2, 2)]);
        let partition =
            alter::AlterShareGroupOffsetsRequestPartition::default().with_start_offset(1);
        let moved = AlterShareGroupOffsetsRequest::default()
            .with_group_id(GroupId("g".into()))
            .with_topics(vec![
                alter::AlterShareGroupOffsetsRequestTopic::default()
                    .with_topic_name(topic_name("t"))
                    .with_partitions(vec![partition]),
            ]);
        for expected in [ErrorCode::NonEmptyGroup, ErrorCode::None] {
            match node.call(0, moved.clone()).await {
                Response::AlterShareGroupOffsets(response) => {
                    assert_eq!(response.error_code, expected.number());
                }
                other => panic!("{other:?}"),
            }
            beat(&mut node, "m1", -1, None).await;
        }
        assert_eq!(describe_offsets(&mut node).await, [(0, 1, 4)]);
        let mut other = Member::new("m2", topic);
        assert_eq!(other.fetch(&mut node).await, [(1, 4, 1)]);
        let topics = delete::DeleteShareGroupOffsetsRequestTopic::default();
        let forget = DeleteShareGroupOffsetsRequest::default()
            .with_group_id(GroupId("g".into()))
            .with_topics(vec![topics.with_topic_name(topic_name("t"))]);
        match node.call(0, forget).await {
            Response::DeleteShareGroupOffsets(response) => {
                assert_eq!(response.error_code, NONE);
                assert_eq!(response.responses[0].error_code, NONE);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(describe_offsets(&mut node).await, []);
    });
}

#[test]
fn records_of_open_and_aborted_transactions_are_kept_from_who_reads_committed_ones() {
    simulate(async {
        let (mut node, topic) = queue(1).await;
        set_group(&mut node, "share.isolation.level", "read_committed").await;
        assert_eq!(append_in_txn(&node, (7, 0), 0, &["a", "b"]).await, 1);
        assert_eq!(node.append("t", batch(&["c"])).await, (NONE, 3));
        let mut member = Member::new("m", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 0, 1)]);
        assert_eq!(member.fetch(&mut node).await, []);
        end(&mut node, (7, 1), ABORT).await;
        assert_eq!(member.fetch(&mut node).await, [(3, 3, 1)]);
        let all = [(0, 0, ACCEPT), (3, 3, ACCEPT)];
        assert_eq!(member.acknowledge(&mut node, &all).await, NONE);
        assert_eq!(member.fetch(&mut node).await, []);
        assert_eq!(node.append("t", batch(&["d"])).await, (NONE, 5));
        assert_eq!(member.fetch(&mut node).await, [(5, 5, 1)]);
    });
}
