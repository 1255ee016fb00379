//! Static members: return without rebalance, fencing, removal by instance id.

use expect_test::expect;

use super::check;

#[test]
fn returning_follower_keeps_generation_and_assignment() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               join 5 g - static=b
               sync 6 g m5 1 static=b
               state g
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            join 5 g - static=b
              5 <- joined generation=1 protocol=range leader=m1 member=m5
            sync 6 g m5 1 static=b
              6 <- synced consumer/range "B"
            state g
              Stable [consumer/range] m1=A m5=B
        "#]],
    );
}

#[test]
fn returning_leader_is_told_to_skip_the_assignment() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               join 5 g - static=a
               sync 6 g m5 1 static=a
               state g
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            join 5 g - static=a
              5 <- joined generation=1 protocol=range leader=m5 member=m5 skip m2(b):t m5(a):t
            sync 6 g m5 1 static=a
              6 <- synced consumer/range "A"
            state g
              Stable [consumer/range] m2=B m5=A
        "#]],
    );
}

#[test]
fn returning_leader_with_an_old_client_is_told_that_its_former_self_leads() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               join 5 g - static=a skip=unsupported
               state g
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            join 5 g - static=a skip=unsupported
              5 <- joined generation=1 protocol=range leader=m1 member=m5
            state g
              Stable [consumer/range] m2=B m5=A
        "#]],
    );
}

#[test]
fn former_member_id_is_fenced() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               join 5 g - static=b
               heartbeat 6 g m2 1 static=b
               sync 7 g m2 1 static=b
               join 8 g m2 static=b
               commit 9 g m2 1 t:0:1 static=b
               leave 10 g m2:b
               heartbeat 11 g m2 1
               heartbeat 12 g m5 1 static=b
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            join 5 g - static=b
              5 <- joined generation=1 protocol=range leader=m1 member=m5
            heartbeat 6 g m2 1 static=b
              6 <- heartbeat FencedInstanceId
            sync 7 g m2 1 static=b
              7 <- sync FencedInstanceId
            join 8 g m2 static=b
              8 <- join FencedInstanceId member="m2"
            commit 9 g m2 1 t:0:1 static=b
              9 <- committed all FencedInstanceId
            leave 10 g m2:b
              10 <- left FencedInstanceId
            heartbeat 11 g m2 1
              11 <- heartbeat UnknownMemberId
            heartbeat 12 g m5 1 static=b
              12 <- heartbeat ok
        "#]],
    );
}

#[test]
fn unknown_instance_id_is_refused() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               heartbeat 5 g m1 1 static=nobody
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            heartbeat 5 g m1 1 static=nobody
              5 <- heartbeat UnknownMemberId
        "#]],
    );
}

#[test]
fn return_that_changes_the_protocol_rebalances() {
    check(
        "
            join 1 g - static=a protocols=range:t,sticky:t
            join 2 g - static=b protocols=range:t,sticky:t
            advance 6000
            sync 3 g m1 1 assign=m1:A,m2:B
            sync 4 g m2 1
            join 5 g - static=b protocols=sticky:t
            state g
            join 6 g m1 static=a protocols=range:t,sticky:t
        ",
        expect![[r#"
            join 1 g - static=a protocols=range:t,sticky:t
            join 2 g - static=b protocols=range:t,sticky:t
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m1 1 assign=m1:A,m2:B
              3 <- synced consumer/range "A"
            sync 4 g m2 1
              4 <- synced consumer/range "B"
            join 5 g - static=b protocols=sticky:t
            state g
              PreparingRebalance [consumer/] m1=A m5=B
            join 6 g m1 static=a protocols=range:t,sticky:t
              6 <- joined generation=2 protocol=sticky leader=m1 member=m1 m1(a):t m5(b):t
              5 <- joined generation=2 protocol=sticky leader=m1 member=m5
        "#]],
    );
}

#[test]
fn return_while_assignments_are_awaited_rebalances() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1
            join 4 g - static=b
            join 5 g m1 static=a
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            join 4 g - static=b
              3 <- sync FencedInstanceId
            join 5 g m1 static=a
              5 <- joined generation=2 protocol=range leader=m1 member=m1 m1(a):t m4(b):t
              4 <- joined generation=2 protocol=range leader=m1 member=m4
        "#]],
    );
}

#[test]
fn return_while_joining_fences_the_parked_join() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=a
            advance 3000
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=a
              1 <- join FencedInstanceId member="m1"
            advance 3000
              2 <- joined generation=1 protocol=range leader=m2 member=m2 m2(a):t
        "#]],
    );
}

#[test]
fn return_is_answered_only_when_the_new_id_is_durable() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               hold
               join 5 g - static=b
               state g
               release
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            hold
            join 5 g - static=b
            state g
              Stable [consumer/range] m1=A m5=B
            release
              5 <- joined generation=1 protocol=range leader=m1 member=m5
        "#]],
    );
}

#[test]
fn return_whose_record_is_too_large_gives_the_place_back() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               hold
               join 5 g - static=b
               refuse
               heartbeat 6 g m2 1 static=b
               heartbeat 7 g m5 1 static=b
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            hold
            join 5 g - static=b
            refuse
              5 <- join UnknownServerError member=""
            heartbeat 6 g m2 1 static=b
              6 <- heartbeat ok
            heartbeat 7 g m5 1 static=b
              7 <- heartbeat FencedInstanceId
        "#]],
    );
}

#[test]
fn return_overtaken_by_a_rebalance_is_answered_by_it() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               hold
               join 5 g - static=b
               join 6 g m1 static=a
               release
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            hold
            join 5 g - static=b
            join 6 g m1 static=a
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1(a):t m5(b):t
              5 <- joined generation=2 protocol=range leader=m1 member=m5
            release
        "#]],
    );
}

#[test]
fn absent_static_member_keeps_its_place_through_a_rebalance() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b session=100000
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               join 5 g m1 static=a
               advance 59999
               advance 1
               state g
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b session=100000
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            join 5 g m1 static=a
            advance 59999
            advance 1
              5 <- joined generation=2 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
            state g
              CompletingRebalance [consumer/] m1=A m2=B
        "#]],
    );
}

#[test]
fn group_waits_while_only_absent_static_members_are_left() {
    check(
        "
            join 1 g - static=a session=200000
            join 2 g -
            advance 6000
            sync 3 g m1 1 assign=m1:A,m2:B
            sync 4 g m2 1
            leave 5 g m2
            advance 60000
            state g
            join 6 g - static=a
        ",
        expect![[r#"
            join 1 g - static=a session=200000
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m1 1 assign=m1:A,m2:B
              3 <- synced consumer/range "A"
            sync 4 g m2 1
              4 <- synced consumer/range "B"
            leave 5 g m2
              5 <- left ok
            advance 60000
            state g
              PreparingRebalance [consumer/] m1=A
            join 6 g - static=a
              6 <- joined generation=2 protocol=range leader=m6 member=m6 m6(a):t
        "#]],
    );
}

#[test]
fn administrator_removes_a_static_member_by_instance_id() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               leave 5 g -:b
               join 6 g m1 static=a
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            leave 5 g -:b
              5 <- left ok
            join 6 g m1 static=a
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1(a):t
        "#]],
    );
}

#[test]
fn static_member_that_stays_away_is_removed_after_its_session() {
    check(
        "
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
            
               advance 9000
               heartbeat 5 g m1 1 static=a
               advance 1000
               state g
        ",
        expect![[r#"
            join 1 g - static=a
            join 2 g - static=b
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t m2(b):t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1 static=b
            sync 4 g m1 1 static=a assign=m1:A,m2:B
              4 <- synced consumer/range "A"
              3 <- synced consumer/range "B"
            advance 9000
            heartbeat 5 g m1 1 static=a
              5 <- heartbeat ok
            advance 1000
            state g
              PreparingRebalance [consumer/] m1=A
        "#]],
    );
}
