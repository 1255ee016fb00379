//! Leaving, and being removed.

use expect_test::expect;

use super::check;

#[test]
fn leaving_member_makes_the_rest_rebalance() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               leave 5 g m2
               state g
               join 6 g m1
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
            leave 5 g m2
              5 <- left ok
            state g
              PreparingRebalance [consumer/] m1=A
            join 6 g m1
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t
        "#]],
    );
}

#[test]
fn last_member_leaving_leaves_an_empty_group_once_that_is_durable() {
    check(
        "
            join 1 g -
            advance 3000
            sync 2 g m1 1 assign=m1:A
            hold
            leave 3 g m1
            release
            state g
            join 4 g -
            advance 3000
        ",
        expect![[r#"
            join 1 g -
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            sync 2 g m1 1 assign=m1:A
              2 <- synced consumer/range "A"
            hold
            leave 3 g m1
            release
              3 <- left ok
            state g
              Empty [consumer/] 
            join 4 g -
            advance 3000
              4 <- joined generation=3 protocol=range leader=m4 member=m4 m4:t
        "#]],
    );
}

#[test]
fn leaving_is_refused_for_strangers() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               leave 5 - m1
               leave 6 nogroup m1
               leave 7 g ghost
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
            leave 5 - m1
              5 <- leave InvalidGroupId
            leave 6 nogroup m1
              6 <- left UnknownMemberId
            leave 7 g ghost
              7 <- left UnknownMemberId
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn batch_of_leavers_is_answered_one_by_one() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               leave 5 g m1 ghost m2 -:nobody
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
            leave 5 g m1 ghost m2 -:nobody
              5 <- left ok UnknownMemberId ok UnknownMemberId
            state g
              Empty [consumer/] 
        "#]],
    );
}

#[test]
fn member_leaving_with_a_parked_join_is_told_to_start_over() {
    check(
        "
            join 1 g -
            leave 2 g m1
            advance 3000
            state g
        ",
        expect![[r#"
            join 1 g -
            leave 2 g m1
              1 <- join UnknownMemberId member=""
              2 <- left ok
            advance 3000
            state g
              Empty [consumer/] 
        "#]],
    );
}

#[test]
fn pending_id_may_leave() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g - id=required
               join 6 g m1
               join 7 g m2
               leave 8 g m5
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
            join 5 g - id=required
              5 <- join MemberIdRequired member="m5"
            join 6 g m1
            join 7 g m2
            leave 8 g m5
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m2:t
              7 <- joined generation=2 protocol=range leader=m1 member=m2
              8 <- left ok
        "#]],
    );
}

#[test]
fn leader_leaving_hands_leadership_on() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               leave 5 g m1
               join 6 g m2
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
            leave 5 g m1
              5 <- left ok
            join 6 g m2
              6 <- joined generation=2 protocol=range leader=m2 member=m2 m2:t
        "#]],
    );
}

#[test]
fn leaving_while_others_rejoin_completes_the_rebalance() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               leave 6 g m2
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
            leave 6 g m2
              5 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t
              6 <- left ok
        "#]],
    );
}
