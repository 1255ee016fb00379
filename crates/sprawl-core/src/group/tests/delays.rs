//! Timers: initial delay, rebalance timeout, sessions, syncs that never come.

use expect_test::expect;

use super::check;

#[test]
fn each_new_member_extends_the_initial_delay_up_to_the_rebalance_timeout() {
    check(
        "
            join 1 g - rebalance=7000
            advance 2000
            join 2 g - rebalance=7000
            advance 1000
            state g
            advance 2999
            state g
            advance 1
            state g
        ",
        expect![[r#"
            join 1 g - rebalance=7000
            advance 2000
            join 2 g - rebalance=7000
            advance 1000
            state g
              PreparingRebalance [consumer/] m1= m2=
            advance 2999
            state g
              PreparingRebalance [consumer/] m1= m2=
            advance 1
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            state g
              CompletingRebalance [consumer/] m1= m2=
        "#]],
    );
}

#[test]
fn initial_delay_never_exceeds_the_rebalance_timeout() {
    check(
        "
            join 1 g - rebalance=4000
            advance 2000
            join 2 g - rebalance=4000
            advance 1000
            state g
            join 3 g - rebalance=4000
            advance 1000
            state g
        ",
        expect![[r#"
            join 1 g - rebalance=4000
            advance 2000
            join 2 g - rebalance=4000
            advance 1000
            state g
              PreparingRebalance [consumer/] m1= m2=
            join 3 g - rebalance=4000
            advance 1000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t m3:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
              3 <- joined generation=1 protocol=range leader=m1 member=m3
            state g
              CompletingRebalance [consumer/] m1= m2= m3=
        "#]],
    );
}

#[test]
fn members_that_do_not_rejoin_in_time_are_removed() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               heartbeat 6 g m2 1
               advance 9000
               heartbeat 7 g m2 1
               advance 9000
               heartbeat 8 g m2 1
               advance 9000
               heartbeat 9 g m2 1
               advance 9000
               heartbeat 10 g m2 1
               advance 9000
               heartbeat 11 g m2 1
               advance 9000
               heartbeat 12 g m2 1
               advance 5999
               state g
               advance 1
               heartbeat 13 g m2 1
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
            heartbeat 6 g m2 1
              6 <- heartbeat RebalanceInProgress
            advance 9000
            heartbeat 7 g m2 1
              7 <- heartbeat RebalanceInProgress
            advance 9000
            heartbeat 8 g m2 1
              8 <- heartbeat RebalanceInProgress
            advance 9000
            heartbeat 9 g m2 1
              9 <- heartbeat RebalanceInProgress
            advance 9000
            heartbeat 10 g m2 1
              10 <- heartbeat RebalanceInProgress
            advance 9000
            heartbeat 11 g m2 1
              11 <- heartbeat RebalanceInProgress
            advance 9000
            heartbeat 12 g m2 1
              12 <- heartbeat RebalanceInProgress
            advance 5999
            state g
              PreparingRebalance [consumer/] m1=A m2=B
            advance 1
              5 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t
            heartbeat 13 g m2 1
              13 <- heartbeat UnknownMemberId
        "#]],
    );
}

#[test]
fn silent_member_is_removed_after_its_session() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               advance 9999
               heartbeat 5 g m1 1
               advance 1
               state g
               heartbeat 6 g m1 1
               join 7 g m1
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
            advance 9999
            heartbeat 5 g m1 1
              5 <- heartbeat ok
            advance 1
            state g
              PreparingRebalance [consumer/] m1=A
            heartbeat 6 g m1 1
              6 <- heartbeat RebalanceInProgress
            join 7 g m1
              7 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t
        "#]],
    );
}

#[test]
fn heartbeats_and_commits_keep_a_member_alive() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               advance 9000
               heartbeat 5 g m1 1
               commit 6 g m2 1 t:0:7
               advance 9000
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
            advance 9000
            heartbeat 5 g m1 1
              5 <- heartbeat ok
            commit 6 g m2 1 t:0:7
              6 <- committed ok
            advance 9000
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn jump_of_the_wall_clock_expires_nobody() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               wall-clock 100000000
               advance 1
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
            wall-clock 100000000
            advance 1
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn parked_join_keeps_a_known_member_alive() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               advance 9000
               heartbeat 6 g m2 1
               advance 9000
               state g
               join 7 g m2
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
            advance 9000
            heartbeat 6 g m2 1
              6 <- heartbeat RebalanceInProgress
            advance 9000
            state g
              PreparingRebalance [consumer/] m1=A m2=B
            join 7 g m2
              5 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m2:t
              7 <- joined generation=2 protocol=range leader=m1 member=m2
        "#]],
    );
}

#[test]
fn parked_join_of_a_new_member_ends_after_five_minutes() {
    check(
        "
            join 1 g - session=1000000 rebalance=1000000
            join 2 g - session=1000000 rebalance=1000000
            advance 6000
            sync 3 g m1 1
            sync 4 g m2 1
            join 5 g - session=1000000 rebalance=1000000
            heartbeat 6 g m1 1
            advance 299999
            state g
            advance 1
            state g
        ",
        expect![[r#"
            join 1 g - session=1000000 rebalance=1000000
            join 2 g - session=1000000 rebalance=1000000
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m1 1
              3 <- synced consumer/range ""
            sync 4 g m2 1
              4 <- synced consumer/range ""
            join 5 g - session=1000000 rebalance=1000000
            heartbeat 6 g m1 1
              6 <- heartbeat RebalanceInProgress
            advance 299999
            state g
              PreparingRebalance [consumer/] m1= m2= m5=
            advance 1
              5 <- join UnknownMemberId member=""
            state g
              PreparingRebalance [consumer/] m1= m2=
        "#]],
    );
}

#[test]
fn members_that_do_not_sync_in_time_are_removed() {
    check(
        "
            join 1 g - session=100000
            join 2 g - session=100000
            advance 6000
            sync 3 g m1 1 assign=m1:A,m2:B
            advance 59999
            state g
            advance 1
            state g
            heartbeat 4 g m1 1
            heartbeat 5 g m2 1
            join 6 g m1
        ",
        expect![[r#"
            join 1 g - session=100000
            join 2 g - session=100000
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m1 1 assign=m1:A,m2:B
              3 <- synced consumer/range "A"
            advance 59999
            state g
              Stable [consumer/range] m1=A m2=B
            advance 1
            state g
              PreparingRebalance [consumer/] m1=A
            heartbeat 4 g m1 1
              4 <- heartbeat RebalanceInProgress
            heartbeat 5 g m2 1
              5 <- heartbeat UnknownMemberId
            join 6 g m1
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t
        "#]],
    );
}

#[test]
fn leader_that_does_not_rejoin_is_replaced() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m2 protocols=range:u
               advance 10000
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
            join 5 g m2 protocols=range:u
            advance 10000
              5 <- joined generation=2 protocol=range leader=m2 member=m2 m2:u
        "#]],
    );
}

#[test]
fn last_member_failing_leaves_an_empty_group() {
    check(
        "
            join 1 g -
            advance 3000
            sync 2 g m1 1 assign=m1:A
            advance 10000
            state g
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            sync 2 g m1 1 assign=m1:A
              2 <- synced consumer/range "A"
            advance 10000
            state g
              Empty [consumer/] 
        "#]],
    );
}
