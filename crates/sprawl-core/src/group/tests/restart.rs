//! What a restart brings back.

use expect_test::expect;

use super::check;

#[test]
fn members_generation_and_assignments_survive() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               commit 5 g m1 1 t:0:10:note
               restart
               state g
               offsets g
               heartbeat 6 g m1 1
               heartbeat 7 g m2 1
               commit 8 g m2 1 t:0:11
               sync 9 g m2 1
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
            commit 5 g m1 1 t:0:10:note
              5 <- committed ok
            restart
            state g
              Stable [consumer/range] m1=A m2=B
            offsets g
              t:0=10 "note"
            heartbeat 6 g m1 1
              6 <- heartbeat ok
            heartbeat 7 g m2 1
              7 <- heartbeat ok
            commit 8 g m2 1 t:0:11
              8 <- committed ok
            sync 9 g m2 1
              9 <- synced consumer/range "B"
        "#]],
    );
}

#[test]
fn loaded_members_that_stay_silent_are_removed() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               restart
               advance 10000
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
            restart
            advance 10000
            state g
              Empty [consumer/] 
        "#]],
    );
}

#[test]
fn generation_that_was_not_stored_is_forgotten() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               join 6 g m2
               restart
               heartbeat 7 g m1 2
               heartbeat 8 g m1 1
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
            join 5 g m1
            join 6 g m2
              5 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m2:t
              6 <- joined generation=2 protocol=range leader=m1 member=m2
            restart
            heartbeat 7 g m1 2
              7 <- heartbeat IllegalGeneration
            heartbeat 8 g m1 1
              8 <- heartbeat ok
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn commit_that_was_not_durable_is_forgotten() {
    check(
        "
            commit 1 g - -1 t:0:10
            hold
            commit 2 g - -1 t:0:11
            restart
            offsets g
        ",
        expect![[r#"
            commit 1 g - -1 t:0:10
              1 <- committed ok
            hold
            commit 2 g - -1 t:0:11
            restart
            offsets g
              t:0=10 ""
        "#]],
    );
}

#[test]
fn generations_go_on_after_an_empty_group_is_loaded() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               leave 5 g m1 m2
               restart
               state g
               join 6 g -
               advance 3000
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
            restart
            state g
              Empty [consumer/] 
            join 6 g -
            advance 3000
              6 <- joined generation=3 protocol=range leader=m6 member=m6 m6:t
        "#]],
    );
}

#[test]
fn static_members_survive() {
    check(
        "
            join 1 g - static=a
            advance 3000
            sync 2 g m1 1 assign=m1:A
            restart
            heartbeat 3 g m1 1 static=a
            join 4 g - static=a
            heartbeat 5 g m1 1 static=a
        ",
        expect![[r#"
            join 1 g - static=a
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1(a):t
            sync 2 g m1 1 assign=m1:A
              2 <- synced consumer/range "A"
            restart
            heartbeat 3 g m1 1 static=a
              3 <- heartbeat ok
            join 4 g - static=a
              4 <- joined generation=1 protocol=range leader=m4 member=m4 skip m4(a):t
            heartbeat 5 g m1 1 static=a
              5 <- heartbeat FencedInstanceId
        "#]],
    );
}
