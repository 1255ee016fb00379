//! Offsets committed in transactions: pending, decided, mixed with others, deleted under one.

use expect_test::expect;

use super::{GroupSettings, check, check_with};

#[test]
fn offset_of_a_transaction_counts_once_the_transaction_is_committed() {
    check(
        "
            commit 1 g - -1 t:0:10
            commit 2 g - -1 t:0:20 t:1:5 txn=7
            offsets g
            unstable g t:0 t:1 t:2
            end 3 commit 7
            offsets g
            unstable g t:0 t:1 t:2
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            commit 2 g - -1 t:0:20 t:1:5 txn=7
              2 <- committed ok ok
            offsets g
              t:0=10 ""
            unstable g t:0 t:1 t:2
              t:0:true t:1:true t:2:false
            end 3 commit 7
              3 <- ended Ok(())
            offsets g
              t:0=20 ""
              t:1=5 ""
            unstable g t:0 t:1 t:2
              t:0:false t:1:false t:2:false
        "#]],
    );
}

#[test]
fn offset_of_an_aborted_transaction_is_dropped() {
    check(
        "
            commit 1 g - -1 t:0:10
            commit 2 g - -1 t:0:20 txn=7
            end 3 abort 7
            offsets g
            unstable g t:0
            end 4 commit 7
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            commit 2 g - -1 t:0:20 txn=7
              2 <- committed ok
            end 3 abort 7
              3 <- ended Ok(())
            offsets g
              t:0=10 ""
            unstable g t:0
              t:0:false
            end 4 commit 7
              4 <- ended Ok(())
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn marker_ends_what_its_producer_has_pending_and_nothing_else() {
    check(
        "
            commit 1 g - -1 t:0:10 txn=7
            commit 2 h - -1 t:0:11 txn=7
            commit 3 g - -1 t:1:12 txn=8
            end 4 commit 7
            offsets g
            offsets h
            unstable g t:0 t:1
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 txn=7
              1 <- committed ok
            commit 2 h - -1 t:0:11 txn=7
              2 <- committed ok
            commit 3 g - -1 t:1:12 txn=8
              3 <- committed ok
            end 4 commit 7
              4 <- ended Ok(())
            offsets g
              t:0=10 ""
            offsets h
              t:0=11 ""
            unstable g t:0 t:1
              t:0:false t:1:true
        "#]],
    );
}

#[test]
fn offsets_and_markers_take_effect_in_the_order_of_the_log() {
    check(
        "
            hold
            commit 1 g - -1 t:0:10 txn=7
            end 2 commit 7
            commit 3 g - -1 t:0:20 txn=7
            unstable g t:0
            release
            offsets g
            unstable g t:0
            end 4 abort 7
            offsets g
        ",
        expect![[r#"
            hold
            commit 1 g - -1 t:0:10 txn=7
            end 2 commit 7
            commit 3 g - -1 t:0:20 txn=7
            unstable g t:0
              t:0:true
            release
              1 <- committed ok
              2 <- ended Ok(())
              3 <- committed ok
            offsets g
              t:0=10 ""
            unstable g t:0
              t:0:true
            end 4 abort 7
              4 <- ended Ok(())
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn later_commit_outside_of_the_transaction_is_not_undone_by_its_marker() {
    check(
        "
            commit 1 g - -1 t:0:10 txn=7
            commit 2 g - -1 t:0:20
            end 3 commit 7
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 txn=7
              1 <- committed ok
            commit 2 g - -1 t:0:20
              2 <- committed ok
            end 3 commit 7
              3 <- ended Ok(())
            offsets g
              t:0=20 ""
        "#]],
    );
}

#[test]
fn pending_offsets_survive_a_restart_and_so_does_their_end() {
    check(
        "
            commit 1 g - -1 t:0:10 txn=7
            commit 2 g - -1 t:1:11 txn=8
            end 3 commit 8
            restart
            offsets g
            unstable g t:0 t:1
            end 4 commit 7
            restart
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 txn=7
              1 <- committed ok
            commit 2 g - -1 t:1:11 txn=8
              2 <- committed ok
            end 3 commit 8
              3 <- ended Ok(())
            restart
            offsets g
              t:1=11 ""
            unstable g t:0 t:1
              t:0:true t:1:false
            end 4 commit 7
              4 <- ended Ok(())
            restart
            offsets g
              t:0=10 ""
              t:1=11 ""
        "#]],
    );
}

#[test]
fn group_deleted_under_a_transaction_loses_its_pending_offsets() {
    check(
        "
            commit 1 g - -1 t:0:10 txn=7
            delete 2 g
            unstable g t:0
            end 3 commit 7
            offsets g
            restart
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 txn=7
              1 <- committed ok
            delete 2 g
              2 <- deleted ok
            unstable g t:0
              t:0:false
            end 3 commit 7
              3 <- ended Ok(())
            offsets g
              none
            restart
            offsets g
              none
        "#]],
    );
}

#[test]
fn offset_and_topic_deletion_reach_pending_offsets() {
    check(
        "
            commit 1 g - -1 t:0:10 t:1:11 u:0:12 txn=7
            offset-delete 2 g t:0
            partitions-deleted u:0
            end 3 commit 7
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10 t:1:11 u:0:12 txn=7
              1 <- committed ok ok ok
            offset-delete 2 g t:0
              2 <- offsets deleted ok
            partitions-deleted u:0
            end 3 commit 7
              3 <- ended Ok(())
            offsets g
              t:1=11 ""
        "#]],
    );
}

#[test]
fn nothing_expires_under_a_transaction() {
    let settings = GroupSettings {
        offsets_retention_ms: 1_000,
        offsets_retention_check_interval_ms: 500,
        ..GroupSettings::default()
    };
    check_with(
        settings,
        "
            restart
            commit 1 g - -1 t:0:10 t:1:11
            commit 2 g - -1 t:0:20 txn=7
            advance 5000
            offsets g
            end 3 abort 7
            advance 5000
            offsets g
            state g
        ",
        expect![[r#"
            restart
            commit 1 g - -1 t:0:10 t:1:11
              1 <- committed ok ok
            commit 2 g - -1 t:0:20 txn=7
              2 <- committed ok
            advance 5000
            offsets g
              t:0=10 ""
            end 3 abort 7
              3 <- ended Ok(())
            advance 5000
            offsets g
              none
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn member_of_an_older_generation_commits_nothing_in_a_transaction_either() {
    check(
        "
            join 1 g -
            advance 3000
            sync 2 g m1 1 assign=m1:A
            commit 3 g m1 1 t:0:10 txn=7
            commit 4 g m1 0 t:0:11 txn=7
            commit 5 g m9 1 t:0:12 txn=7
            commit 6 g - -1 t:0:13 txn=7
            commit 7 g - -1 t:0:14
            commit 8 none m1 1 t:0:15 txn=7 missing=illegal-generation
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            sync 2 g m1 1 assign=m1:A
              2 <- synced consumer/range "A"
            commit 3 g m1 1 t:0:10 txn=7
              3 <- committed ok
            commit 4 g m1 0 t:0:11 txn=7
              4 <- committed all IllegalGeneration
            commit 5 g m9 1 t:0:12 txn=7
              5 <- committed all UnknownMemberId
            commit 6 g - -1 t:0:13 txn=7
              6 <- committed ok
            commit 7 g - -1 t:0:14
              7 <- committed all UnknownMemberId
            commit 8 none m1 1 t:0:15 txn=7 missing=illegal-generation
              8 <- committed all IllegalGeneration
        "#]],
    );
}

#[test]
fn refused_append_leaves_nothing_pending() {
    check(
        "
            hold
            commit 1 g - -1 t:0:10 txn=7
            unstable g t:0
            refuse
            unstable g t:0
            hold
            end 2 commit 7
            refuse
        ",
        expect![[r#"
            hold
            commit 1 g - -1 t:0:10 txn=7
            unstable g t:0
              t:0:true
            refuse
              1 <- committed all UnknownServerError
            unstable g t:0
              t:0:false
            hold
            end 2 commit 7
            refuse
              2 <- ended Err(UnknownServerError)
        "#]],
    );
}
