//! Fault F12 for transactions and share groups: a full disk refuses, with a code that clients try
//! again on, acknowledges nothing, and everything goes on when there is room.

use std::time::Duration;

use sprawl_io::time;
use sprawl_protocol::messages::share_acknowledge_request as ack;
use sprawl_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use super::data::batch;
use super::share::{ACCEPT, Member, queue};
use super::transaction_coordinator::{BUMPING, ID, start};
use super::transactions::{
    COMMIT, append_in_txn, committed_offset, marker, read_committed, seen, write,
};
use super::*;

/// Longer than the log store waits between two looks at the free space.
const LOOK: Duration = Duration::from_secs(3);

const REFUSED: i16 = ErrorCode::CoordinatorNotAvailable.number();

impl Node {
    async fn fill_disk(&mut self) {
        self.handles.disk.limit_free_bytes(Some(0));
        time::sleep(LOOK).await;
    }

    async fn free_disk(&mut self) {
        self.handles.disk.limit_free_bytes(None);
        time::sleep(LOOK).await;
    }

    /// Commits an offset of `t-0` for group `g` in the producer's transaction, joining it by this.
    async fn commit_offset(&mut self, producer: (i64, i16), offset: i64) -> i16 {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("m")));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text(ID)))
            .with_group_id(GroupId(text("g")))
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_topics(vec![topic]);
        match self.call(5, request).await {
            Response::TxnOffsetCommit(response) => response.topics[0].partitions[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    /// Makes the topic of groups' offsets, and waits until group `g` has a coordinator.
    async fn with_group(&mut self) {
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
        self.call(4, find).await;
        assert_eq!(committed_offset(self, false).await, (NONE, -1));
    }
}

#[test]
fn codes_of_a_full_disk_are_ones_that_clients_try_again_on() {
    assert!(ErrorCode::CoordinatorNotAvailable.is_retriable());
    assert!(ErrorCode::KafkaStorageError.is_retriable());
}

#[test]
fn transaction_meets_a_full_disk_at_every_step_and_goes_on() {
    simulate(async {
        let offsets = ("offsets.topic.num.partitions", "1");
        let two_phase = ("transaction.two.phase.commit.enable", "true");
        let mut node = start(&[offsets, two_phase]).await;
        node.with_group().await;
        // InitProducerId. The first one has the metadata give the broker a block of ids.
        node.init_new().await;
        node.fill_disk().await;
        assert_eq!(node.init(5, (-1, -1)).await.0, REFUSED);
        node.free_disk().await;
        let producer = node.init_new().await;
        // AddPartitionsToTxn: the transaction does not begin.
        node.fill_disk().await;
        assert_eq!(node.add(3, producer, &[0]).await, [REFUSED]);
        assert_eq!(node.state().await, "Empty");
        node.free_disk().await;
        assert_eq!(node.add(3, producer, &[0]).await, [NONE]);
        append_in_txn(&node, producer, 0, &["a"]).await;
        // TxnOffsetCommit: neither does the group's partition join, nor is the offset taken.
        node.fill_disk().await;
        assert_eq!(node.commit_offset(producer, 7).await, REFUSED);
        let described = node.describe_transaction(ID).await;
        assert_eq!(described.topics.len(), 1, "only the topic");
        node.free_disk().await;
        assert_eq!(node.commit_offset(producer, 7).await, NONE);
        // Once the partition is in, the offset itself meets the full disk.
        node.fill_disk().await;
        assert_eq!(node.commit_offset(producer, 8).await, REFUSED);
        // Produce.
        let (code, _) = node.append("t", batch(&["plain"])).await;
        assert_eq!(code, ErrorCode::KafkaStorageError.number());
        // EndTxn: the transaction stays open, and nobody sees anything of it.
        for commit in [true, false] {
            assert_eq!(node.end(BUMPING, producer, commit).await.0, REFUSED);
        }
        assert_eq!(node.state().await, "Ongoing");
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![], vec![]));
        assert_eq!(committed_offset(&mut node, false).await, (NONE, -1));
        node.free_disk().await;
        let next = (producer.0, producer.1 + 1);
        assert_eq!(node.end(BUMPING, producer, true).await, (NONE, next));
        node.reach("CompleteCommit").await;
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![0], vec![]));
        assert_eq!(committed_offset(&mut node, true).await, (NONE, 7));
    });
}

#[test]
fn block_of_producer_ids_is_given_when_there_is_room_again() {
    simulate(async {
        let mut node = start(&[]).await;
        node.fill_disk().await;
        let (code, _) = node.init(5, (-1, -1)).await;
        let code = ErrorCode::from_number(code).unwrap();
        assert!(code.is_retriable(), "{code:?}");
        node.free_disk().await;
        node.init_new().await;
    });
}

#[test]
fn marker_meets_a_full_disk_and_is_written_when_there_is_room() {
    simulate(async {
        let mut node = start(&[]).await;
        let producer = node.init_new().await;
        assert_eq!(node.add(3, producer, &[0]).await, [NONE]);
        append_in_txn(&node, producer, 0, &["a"]).await;
        node.fill_disk().await;
        let end = marker((producer.0, producer.1 + 1), COMMIT);
        let full = ErrorCode::KafkaStorageError.number();
        assert_eq!(write(&mut node, 2, vec![end.clone()]).await, [full]);
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![], vec![]));
        node.free_disk().await;
        assert_eq!(write(&mut node, 2, vec![end]).await, [NONE]);
        assert_eq!(seen(&read_committed(&mut node, 0).await), (vec![0], vec![]));
    });
}

#[test]
fn kept_transaction_is_not_kept_by_a_full_disk_and_the_old_producer_not_fenced() {
    simulate(async {
        let two_phase = ("transaction.two.phase.commit.enable", "true");
        let mut node = start(&[two_phase]).await;
        let producer = node.init_new().await;
        assert_eq!(node.add(3, producer, &[0]).await, [NONE]);
        append_in_txn(&node, producer, 0, &["a"]).await;
        node.fill_disk().await;
        let keep = InitProducerIdRequest {
            transactional_id: Some(TransactionalId(text(ID))),
            enable_2_pc: true,
            keep_prepared_txn: true,
            ..Default::default()
        };
        for _ in 0..2 {
            match node.call(6, keep.clone()).await {
                Response::InitProducerId(response) => assert_eq!(response.error_code, REFUSED),
                other => panic!("{other:?}"),
            }
        }
        node.free_disk().await;
        let next = (producer.0, producer.1 + 1);
        assert_eq!(node.end(BUMPING, producer, true).await, (NONE, next));
    });
}

#[test]
fn answer_of_a_share_group_that_is_not_stored_is_not_taken() {
    simulate(async {
        let (mut node, topic) = queue(3).await;
        let mut member = Member::new("m", topic);
        assert_eq!(member.fetch(&mut node).await, [(0, 2, 1)]);
        assert_eq!(member.acknowledge(&mut node, &[(0, 0, ACCEPT)]).await, NONE);
        node.fill_disk().await;
        let code = member.acknowledge(&mut node, &[(1, 1, ACCEPT)]).await;
        let code = ErrorCode::from_number(code).unwrap();
        assert!(code.is_retriable(), "{code:?}");
        node.free_disk().await;
        // Nothing of it stands: after a kill the record comes again, and the first does not.
        let mut node = node.kill_and_restart().await;
        let mut other = Member::new("m2", topic);
        assert_eq!(other.fetch(&mut node).await, [(1, 2, 1)]);
        assert_eq!(other.acknowledge(&mut node, &[(1, 2, ACCEPT)]).await, NONE);
        let mut node = node.kill_and_restart().await;
        let mut last = Member::new("m3", topic);
        assert_eq!(last.fetch(&mut node).await, []);
    });
}

#[test]
fn answer_for_more_records_than_there_ever_were_is_refused_at_once() {
    simulate(async {
        let (mut node, topic) = queue(2).await;
        let mut member = Member::new("m", topic);
        member.fetch(&mut node).await;
        let refusals = [ErrorCode::InvalidRecordState, ErrorCode::InvalidRequest];
        let refusals = refusals.map(ErrorCode::number);
        for (first, last) in [
            (0, 2),
            (0, 1 << 40),
            (0, i64::MAX - 1),
            (0, i64::MAX),
            (i64::MAX, 0),
            (-1, 1),
            (i64::MIN, i64::MAX),
        ] {
            let answer = [(first, last, ACCEPT)];
            let code = member.acknowledge(&mut node, &answer).await;
            assert!(refusals.contains(&code), "{first} {last} {code}");
        }
        // Types for a thousand records, of which there are two.
        let many = ack::AcknowledgementBatch {
            first_offset: 0,
            last_offset: 1,
            acknowledge_types: vec![ACCEPT; 1_000],
        };
        let malformed = ErrorCode::InvalidRequest.number();
        assert_eq!(member.acknowledge_batch(&mut node, many).await, malformed);
        assert_eq!(member.acknowledge(&mut node, &[(0, 1, ACCEPT)]).await, NONE);
    });
}
