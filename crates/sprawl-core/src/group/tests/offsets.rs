//! Committed offsets: commits, refusals, deletion, expiry.

use expect_test::expect;

use super::{GroupSettings, check, check_with};

#[test]
fn commit_is_answered_and_readable_only_when_durable() {
    check(
        "
            hold
            commit 1 g - -1 t:0:10:note t:1:20
            offsets g
            release
            offsets g
        ",
        expect![[r#"
            hold
            commit 1 g - -1 t:0:10:note t:1:20
            offsets g
              none
            release
              1 <- committed ok ok
            offsets g
              t:0=10 "note"
              t:1=20 ""
        "#]],
    );
}

#[test]
fn commit_without_a_group_makes_a_simple_group() {
    check(
        "
            commit 1 g - -1 t:0:10
            state g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            state g
              Empty [/] 
        "#]],
    );
}

#[test]
fn commit_of_a_member_is_kept() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 g m1 1 t:0:10
               commit 6 g m1 1 t:0:11
               offsets g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            commit 5 g m1 1 t:0:10
              5 <- committed ok
            commit 6 g m1 1 t:0:11
              6 <- committed ok
            offsets g
              t:0=11 ""
        "#]],
    );
}

#[test]
fn commit_with_a_generation_needs_the_group() {
    check(
        "
            commit 1 g m1 1 t:0:10
            commit 2 g m1 1 t:0:10 missing=illegal-generation
        ",
        expect![[r#"
            commit 1 g m1 1 t:0:10
              1 <- committed all GroupIdNotFound
            commit 2 g m1 1 t:0:10 missing=illegal-generation
              2 <- committed all IllegalGeneration
        "#]],
    );
}

#[test]
fn commit_is_refused_for_strangers_and_wrong_generations() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 g ghost 1 t:0:10
               commit 6 g m1 0 t:0:10
               commit 7 g - -1 t:0:10
               commit 8 g m1 -1 t:0:10
               commit 9 g m1 1 t:0:10 static=nobody
               offsets g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            commit 5 g ghost 1 t:0:10
              5 <- committed all UnknownMemberId
            commit 6 g m1 0 t:0:10
              6 <- committed all IllegalGeneration
            commit 7 g - -1 t:0:10
              7 <- committed all UnknownMemberId
            commit 8 g m1 -1 t:0:10
              8 <- committed all IllegalGeneration
            commit 9 g m1 1 t:0:10 static=nobody
              9 <- committed all UnknownMemberId
            offsets g
              none
        "#]],
    );
}

#[test]
fn commit_between_join_and_sync_is_refused() {
    check(
        "
            join 1 g -
            advance 3000
            commit 2 g m1 1 t:0:10
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            commit 2 g m1 1 t:0:10
              2 <- committed all RebalanceInProgress
        "#]],
    );
}

#[test]
fn commit_during_a_rebalance_is_accepted() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               commit 6 g m2 1 t:0:10
               offsets g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            join 5 g m1
            commit 6 g m2 1 t:0:10
              6 <- committed ok
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn commit_to_an_emptied_group_is_accepted_from_outside() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               leave 5 g m1 m2
               commit 6 g - -1 t:0:10
               commit 7 g m1 1 t:0:11
               offsets g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            leave 5 g m1 m2
              5 <- left ok ok
            commit 6 g - -1 t:0:10
              6 <- committed ok
            commit 7 g m1 1 t:0:11
              7 <- committed all UnknownMemberId
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn metadata_longer_than_allowed_is_refused_for_its_partition() {
    check_with(
        GroupSettings {
            offset_metadata_size_max: 4,
            ..GroupSettings::default()
        },
        "
            commit 1 g - -1 t:0:10:1234 t:1:20:12345
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10:1234 t:1:20:12345
              1 <- committed ok OffsetMetadataTooLarge
            offsets g
              t:0=10 "1234"
        "#]],
    );
}

#[test]
fn commit_too_large_for_the_log_changes_nothing() {
    check(
        "
            commit 1 g - -1 t:0:10
            hold
            commit 2 g - -1 t:0:11
            refuse
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            hold
            commit 2 g - -1 t:0:11
            refuse
              2 <- committed all UnknownServerError
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn deleting_an_empty_group_removes_its_offsets() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 g m1 1 t:0:10
               leave 6 g m1 m2
               delete 7 g
               state g
               offsets g
               restart
               state g
               offsets g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            commit 5 g m1 1 t:0:10
              5 <- committed ok
            leave 6 g m1 m2
              6 <- left ok ok
            delete 7 g
              7 <- deleted ok
            state g
              GroupIdNotFound
            offsets g
              none
            restart
            state g
              GroupIdNotFound
            offsets g
              none
        "#]],
    );
}

#[test]
fn deleting_is_refused_for_groups_with_members_and_for_no_group() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 simple - -1 t:0:1
               delete 6 g nogroup simple
               state g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            commit 5 simple - -1 t:0:1
              5 <- committed ok
            delete 6 g nogroup simple
              6 <- deleted NonEmptyGroup GroupIdNotFound ok
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn deleting_a_group_takes_commits_in_flight_along() {
    check(
        "
            commit 1 g - -1 t:0:1
            hold
            commit 2 g - -1 t:1:2
            delete 3 g
            release
            state g
            restart
            state g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:1
              1 <- committed ok
            hold
            commit 2 g - -1 t:1:2
            delete 3 g
            release
              2 <- committed ok
              3 <- deleted ok
            state g
              GroupIdNotFound
            restart
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn offsets_of_topics_in_use_are_not_deleted() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 g m1 1 t:0:10 u:0:20
               offset-delete 6 g t:0 u:0 u:1
               offsets g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            commit 5 g m1 1 t:0:10 u:0:20
              5 <- committed ok ok
            offset-delete 6 g t:0 u:0 u:1
              6 <- offsets deleted GroupSubscribedToTopic ok ok
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn offsets_of_a_group_that_is_no_consumer_group_are_not_deleted_while_it_has_members() {
    check(
        "
            join 1 g - type=connect
            advance 3000
            sync 2 g m1 1 assign=m1:A
            commit 3 g m1 1 t:0:10
            offset-delete 4 g t:0
            leave 5 g m1
            offset-delete 6 g t:0
            offsets g
        ",
        expect![[r#"
            join 1 g - type=connect
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            sync 2 g m1 1 assign=m1:A
              2 <- synced connect/range "A"
            commit 3 g m1 1 t:0:10
              3 <- committed ok
            offset-delete 4 g t:0
              4 <- offsets deleted all NonEmptyGroup
            leave 5 g m1
              5 <- left ok
            offset-delete 6 g t:0
              6 <- offsets deleted ok
            offsets g
              none
        "#]],
    );
}

#[test]
fn offset_deletion_is_refused_without_a_group() {
    check(
        "
            offset-delete 1 - t:0
            offset-delete 2 g t:0
        ",
        expect![[r#"
            offset-delete 1 - t:0
              1 <- offsets deleted all InvalidGroupId
            offset-delete 2 g t:0
              2 <- offsets deleted all GroupIdNotFound
        "#]],
    );
}

#[test]
fn offsets_of_deleted_topics_go() {
    check(
        "
            commit 1 g - -1 t:0:10 u:0:20
            commit 2 h - -1 t:0:10
            partitions-deleted t:0 t:1
            offsets g
            offsets h
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 u:0:20
              1 <- committed ok ok
            commit 2 h - -1 t:0:10
              2 <- committed ok
            partitions-deleted t:0 t:1
            offsets g
              u:0=20 ""
            offsets h
              none
        "#]],
    );
}

#[test]
fn offsets_of_a_simple_group_expire_after_their_commit_and_take_the_group_along() {
    check(
        "
            commit 1 g - -1 t:0:10
            advance 300000
            commit 2 g - -1 t:1:10
            advance 300000
            offsets g
            advance 604200000
            offsets g
            advance 600000
            offsets g
            state g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            advance 300000
            commit 2 g - -1 t:1:10
              2 <- committed ok
            advance 300000
            offsets g
              t:0=10 ""
              t:1=10 ""
            advance 604200000
            offsets g
              t:1=10 ""
            advance 600000
            offsets g
              none
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn offsets_expire_only_after_their_group_became_empty() {
    check_with(
        GroupSettings {
            offsets_retention_ms: 1_200_000,
            ..GroupSettings::default()
        },
        "
            join 1 g - session=1800000 
            join 2 g - session=1800000
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 g m1 1 t:0:10
               advance 1700000
               leave 6 g m1 m2
               advance 1000000
               offsets g
               advance 800000
               offsets g
               state g
        ",
        expect![[r#"
            join 1 g - session=1800000
            join 2 g - session=1800000
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            commit 5 g m1 1 t:0:10
              5 <- committed ok
            advance 1700000
            leave 6 g m1 m2
              6 <- left ok ok
            advance 1000000
            offsets g
              t:0=10 ""
            advance 800000
            offsets g
              none
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn offsets_of_topics_no_longer_subscribed_expire_while_the_group_is_stable() {
    check_with(
        GroupSettings {
            offsets_retention_ms: 1_200_000,
            ..GroupSettings::default()
        },
        "
            join 1 g - session=1800000
            advance 3000
            sync 2 g m1 1 assign=m1:A
            commit 3 g m1 1 t:0:10 u:0:20
            advance 600000
            heartbeat 4 g m1 1
            advance 1200000
            offsets g
        ",
        expect![[r#"
            join 1 g - session=1800000
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            sync 2 g m1 1 assign=m1:A
              2 <- synced consumer/range "A"
            commit 3 g m1 1 t:0:10 u:0:20
              3 <- committed ok ok
            advance 600000
            heartbeat 4 g m1 1
              4 <- heartbeat ok
            advance 1200000
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn offsets_do_not_expire_while_a_group_of_another_kind_has_members() {
    check_with(
        GroupSettings {
            offsets_retention_ms: 1_200_000,
            ..GroupSettings::default()
        },
        "
            join 1 g - session=1800000 type=connect
            advance 3000
            sync 2 g m1 1 assign=m1:A
            commit 3 g m1 1 t:0:10
            advance 600000
            heartbeat 4 g m1 1
            advance 1200000
            offsets g
        ",
        expect![[r#"
            join 1 g - session=1800000 type=connect
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            sync 2 g m1 1 assign=m1:A
              2 <- synced connect/range "A"
            commit 3 g m1 1 t:0:10
              3 <- committed ok
            advance 600000
            heartbeat 4 g m1 1
              4 <- heartbeat ok
            advance 1200000
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn retention_of_the_commit_itself_counts_before_the_brokers() {
    check(
        "
            commit 1 g - -1 t:0:10 retention=1000
            advance 600000
            offsets g
            state g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 retention=1000
              1 <- committed ok
            advance 600000
            offsets g
              none
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn group_whose_deletion_the_log_refuses_stays() {
    check(
        "
            commit 1 g - -1 t:0:10
            hold
            delete 2 g
            state g
            refuse
            state g
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            hold
            delete 2 g
            state g
              GroupIdNotFound
            refuse
              2 <- deleted UnknownServerError
            state g
              Empty [/] 
            offsets g
              t:0=10 ""
        "#]],
    );
}
