//! Syncs and heartbeats: assignments, fences, durability.

use expect_test::expect;

use super::check;

#[test]
fn leaders_assignment_reaches_every_member() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
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
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn follower_may_sync_after_the_leader() {
    check(
        "
            join 1 g -
            join 2 g -
            advance 6000
            sync 3 g m1 1 assign=m1:A,m2:B
            sync 4 g m2 1
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m1 1 assign=m1:A,m2:B
              3 <- synced consumer/range "A"
            sync 4 g m2 1
              4 <- synced consumer/range "B"
        "#]],
    );
}

#[test]
fn member_without_assignment_gets_an_empty_one() {
    check(
        "
            join 1 g -
            join 2 g -
            advance 6000
            sync 3 g m1 1 assign=m1:A
            sync 4 g m2 1
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m1 1 assign=m1:A
              3 <- synced consumer/range "A"
            sync 4 g m2 1
              4 <- synced consumer/range ""
        "#]],
    );
}

#[test]
fn assignment_is_handed_out_only_when_it_is_durable() {
    check(
        "
            join 1 g -
            advance 3000
            hold
            sync 2 g m1 1 assign=m1:A
            state g
            release
            state g
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            hold
            sync 2 g m1 1 assign=m1:A
            state g
              CompletingRebalance [consumer/] m1=
            release
              2 <- synced consumer/range "A"
            state g
              Stable [consumer/range] m1=A
        "#]],
    );
}

#[test]
fn assignment_too_large_for_the_log_is_refused_and_the_group_rebalances() {
    check(
        "
            join 1 g -
            advance 3000
            hold
            sync 2 g m1 1 assign=m1:A
            refuse
            state g
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            hold
            sync 2 g m1 1 assign=m1:A
            refuse
              2 <- sync UnknownServerError
            state g
              PreparingRebalance [consumer/] m1=
        "#]],
    );
}

#[test]
fn assignment_overtaken_by_a_rebalance_is_dropped() {
    check(
        "
            join 1 g -
            advance 3000
            hold
            sync 2 g m1 1 assign=m1:A
            join 3 g -
            release
            state g
            join 4 g m1
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            hold
            sync 2 g m1 1 assign=m1:A
            join 3 g -
              2 <- sync RebalanceInProgress
            release
            state g
              PreparingRebalance [consumer/] m1= m3=
            join 4 g m1
              4 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m3:t
              3 <- joined generation=2 protocol=range leader=m1 member=m3
        "#]],
    );
}

#[test]
fn sync_is_refused_for_strangers_and_wrong_generations() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               sync 5 - m1 1
               sync 6 nogroup m1 1
               sync 7 g ghost 1
               sync 8 g m1 0
               sync 9 g m1 2
               sync 10 g m1 1 type=connect
               sync 11 g m1 1 name=sticky
               sync 12 g m1 1 type=consumer name=range
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
            sync 5 - m1 1
              5 <- sync InvalidGroupId
            sync 6 nogroup m1 1
              6 <- sync UnknownMemberId
            sync 7 g ghost 1
              7 <- sync UnknownMemberId
            sync 8 g m1 0
              8 <- sync IllegalGeneration
            sync 9 g m1 2
              9 <- sync IllegalGeneration
            sync 10 g m1 1 type=connect
              10 <- sync InconsistentGroupProtocol
            sync 11 g m1 1 name=sticky
              11 <- sync InconsistentGroupProtocol
            sync 12 g m1 1 type=consumer name=range
              12 <- synced consumer/range "A"
        "#]],
    );
}

#[test]
fn sync_during_a_rebalance_is_refused() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               sync 6 g m2 1
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
            sync 6 g m2 1
              6 <- sync RebalanceInProgress
        "#]],
    );
}

#[test]
fn heartbeat_is_refused_for_strangers_and_wrong_generations() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               heartbeat 5 - m1 1
               heartbeat 6 nogroup m1 1
               heartbeat 7 g ghost 1
               heartbeat 8 g m1 0
               heartbeat 9 g m1 2
               heartbeat 10 g m1 1
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
            heartbeat 5 - m1 1
              5 <- heartbeat InvalidGroupId
            heartbeat 6 nogroup m1 1
              6 <- heartbeat UnknownMemberId
            heartbeat 7 g ghost 1
              7 <- heartbeat UnknownMemberId
            heartbeat 8 g m1 0
              8 <- heartbeat IllegalGeneration
            heartbeat 9 g m1 2
              9 <- heartbeat IllegalGeneration
            heartbeat 10 g m1 1
              10 <- heartbeat ok
        "#]],
    );
}

#[test]
fn heartbeat_while_assignments_are_awaited_is_accepted() {
    check(
        "
            join 1 g -
            advance 3000
            heartbeat 2 g m1 1
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            heartbeat 2 g m1 1
              2 <- heartbeat ok
        "#]],
    );
}

#[test]
fn heartbeat_tells_of_a_rebalance() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g -
               heartbeat 6 g m1 1
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
            join 5 g -
            heartbeat 6 g m1 1
              6 <- heartbeat RebalanceInProgress
        "#]],
    );
}

#[test]
fn second_sync_of_a_parked_member_gives_up_the_first() {
    check(
        "
            join 1 g -
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m2 1
            sync 5 g m1 1 assign=m2:B
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            sync 4 g m2 1
              3 <- sync RebalanceInProgress
            sync 5 g m1 1 assign=m2:B
              5 <- synced consumer/range ""
              4 <- synced consumer/range "B"
        "#]],
    );
}

#[test]
fn giving_up_the_partition_answers_everything_parked() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 h -
               join 6 h -
               advance 6000
               sync 7 h m6 1
               join 8 g m1
               hold
               commit 9 c - -1 t:0:1
               unload
               heartbeat 10 g m1 1
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
            join 5 h -
            join 6 h -
            advance 6000
              5 <- joined generation=1 protocol=range leader=m5 member=m5 m5:t m6:t
              6 <- joined generation=1 protocol=range leader=m5 member=m6
            sync 7 h m6 1
            join 8 g m1
            hold
            commit 9 c - -1 t:0:1
            unload
              9 <- committed all NotCoordinator
              8 <- join NotCoordinator member="m1"
              7 <- sync NotCoordinator
            heartbeat 10 g m1 1
              10 <- heartbeat UnknownMemberId
        "#]],
    );
}
