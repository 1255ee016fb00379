//! Joins: who is let in, under which terms, and what a rejoin causes.

use expect_test::expect;

use super::{GroupSettings, check, check_with};

#[test]
fn first_members_form_a_generation_after_the_initial_delay() {
    check(
        "
            join 1 g -
            state g
            advance 1
            join 2 g -
            advance 5999
            state g
        ",
        expect![[r#"
            join 1 g -
            state g
              PreparingRebalance [consumer/] m1=
            advance 1
            join 2 g -
            advance 5999
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            state g
              CompletingRebalance [consumer/] m1= m2=
        "#]],
    );
}

#[test]
fn empty_group_id_is_refused() {
    check(
        "
            join 1 - -
        ",
        expect![[r#"
            join 1 - -
              1 <- join InvalidGroupId member=""
        "#]],
    );
}

#[test]
fn session_timeout_outside_the_bounds_is_refused() {
    check(
        "
            join 1 g - session=5999
            join 2 g - session=1800001
            state g
        ",
        expect![[r#"
            join 1 g - session=5999
              1 <- join InvalidSessionTimeout member=""
            join 2 g - session=1800001
              2 <- join InvalidSessionTimeout member=""
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn unknown_member_of_no_group_is_refused() {
    check(
        "
            join 1 g ghost
            state g
        ",
        expect![[r#"
            join 1 g ghost
              1 <- join UnknownMemberId member="ghost"
            state g
              GroupIdNotFound
        "#]],
    );
}

#[test]
fn unknown_member_of_a_group_is_refused() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g ghost
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
            join 5 g ghost
              5 <- join UnknownMemberId member="ghost"
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn new_member_without_protocols_or_type_is_refused() {
    check(
        "
            join 1 g - protocols=
            join 2 g - type=
        ",
        expect![[r#"
            join 1 g - protocols=
              1 <- join InconsistentGroupProtocol member=""
            join 2 g - type=
              2 <- join InconsistentGroupProtocol member=""
        "#]],
    );
}

#[test]
fn member_without_a_common_protocol_is_refused() {
    check(
        "
            join 1 g - protocols=range:t
            join 2 g - protocols=sticky:t
            join 3 g - type=connect
            advance 3000
            join 4 g m1 protocols=sticky:t
        ",
        expect![[r#"
            join 1 g - protocols=range:t
            join 2 g - protocols=sticky:t
              2 <- join InconsistentGroupProtocol member=""
            join 3 g - type=connect
              3 <- join InconsistentGroupProtocol member=""
            advance 3000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            join 4 g m1 protocols=sticky:t
              4 <- join InconsistentGroupProtocol member="m1"
        "#]],
    );
}

#[test]
fn dynamic_member_gets_its_id_before_it_joins() {
    check(
        "
            join 1 g - id=required
            state g
            join 2 g m1 id=required
            advance 3000
        ",
        expect![[r#"
            join 1 g - id=required
              1 <- join MemberIdRequired member="m1"
            state g
              Empty [/] 
            join 2 g m1 id=required
            advance 3000
              2 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
        "#]],
    );
}

#[test]
fn id_that_is_never_joined_with_expires_and_stops_holding_the_group_up() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g - id=required session=20000
               join 6 g m1
               join 7 g m2
               advance 20000
               join 8 g m5
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
            join 5 g - id=required session=20000
              5 <- join MemberIdRequired member="m5"
            join 6 g m1
            join 7 g m2
            advance 20000
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m2:t
              7 <- joined generation=2 protocol=range leader=m1 member=m2
            join 8 g m5
              8 <- join UnknownMemberId member="m5"
        "#]],
    );
}

#[test]
fn pending_id_may_not_turn_static() {
    check(
        "
            join 1 g - id=required
            join 2 g m1 static=s
        ",
        expect![[r#"
            join 1 g - id=required
              1 <- join MemberIdRequired member="m1"
            join 2 g m1 static=s
              2 <- join UnknownServerError member="m1"
        "#]],
    );
}

#[test]
fn protocol_with_most_votes_among_the_common_ones_wins() {
    check(
        "
            join 1 g - protocols=range:t,sticky:t
            join 2 g - protocols=sticky:t,range:t
            join 3 g - protocols=sticky:t,range:t,mine:t
            advance 6000
        ",
        expect![[r#"
            join 1 g - protocols=range:t,sticky:t
            join 2 g - protocols=sticky:t,range:t
            join 3 g - protocols=sticky:t,range:t,mine:t
            advance 6000
              1 <- joined generation=1 protocol=sticky leader=m1 member=m1 m1:t m2:t m3:t
              2 <- joined generation=1 protocol=sticky leader=m1 member=m2
              3 <- joined generation=1 protocol=sticky leader=m1 member=m3
        "#]],
    );
}

#[test]
fn follower_rejoining_unchanged_gets_its_generation_back() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m2
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
            join 5 g m2
              5 <- joined generation=1 protocol=range leader=m1 member=m2
            state g
              Stable [consumer/range] m1=A m2=B
        "#]],
    );
}

#[test]
fn follower_rejoining_with_new_metadata_rebalances() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m2 protocols=range:u
               heartbeat 6 g m1 1
               join 7 g m1
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
            join 5 g m2 protocols=range:u
            heartbeat 6 g m1 1
              6 <- heartbeat RebalanceInProgress
            join 7 g m1
              7 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m2:u
              5 <- joined generation=2 protocol=range leader=m1 member=m2
            state g
              CompletingRebalance [consumer/] m1=A m2=B
        "#]],
    );
}

#[test]
fn leader_rejoining_unchanged_rebalances() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
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
            state g
              PreparingRebalance [consumer/] m1=A m2=B
        "#]],
    );
}

#[test]
fn member_rejoining_while_assignments_are_awaited_gets_its_generation_back() {
    check(
        "
            join 1 g -
            join 2 g -
            advance 6000
            join 3 g m1
            join 4 g m2
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            join 3 g m1
              3 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
            join 4 g m2
              4 <- joined generation=1 protocol=range leader=m1 member=m2
        "#]],
    );
}

#[test]
fn member_changing_its_metadata_while_assignments_are_awaited_rebalances() {
    check(
        "
            join 1 g -
            join 2 g -
            advance 6000
            sync 3 g m2 1
            join 4 g m1 protocols=range:u
            state g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t m2:t
              2 <- joined generation=1 protocol=range leader=m1 member=m2
            sync 3 g m2 1
            join 4 g m1 protocols=range:u
              3 <- sync RebalanceInProgress
            state g
              PreparingRebalance [consumer/] m1= m2=
        "#]],
    );
}

#[test]
fn second_join_of_a_parked_member_gives_up_the_first() {
    check(
        "
            join 1 g - 
            join 2 g -
            advance 6000
            sync 3 g m2 1
            sync 4 g m1 1 assign=m1:A,m2:B
            
               join 5 g m1
               join 6 g m1
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
            join 6 g m1
              5 <- join RebalanceInProgress member="m1"
            join 7 g m2
              6 <- joined generation=2 protocol=range leader=m1 member=m1 m1:t m2:t
              7 <- joined generation=2 protocol=range leader=m1 member=m2
        "#]],
    );
}

#[test]
fn members_beyond_the_maximum_size_are_refused() {
    check_with(
        GroupSettings {
            size_max: 1,
            ..GroupSettings::default()
        },
        "
            join 1 g -
            join 2 g -
            advance 6000
            join 3 g -
            state g
        ",
        expect![[r#"
            join 1 g -
            join 2 g -
              2 <- join GroupMaxSizeReached member=""
            advance 6000
              1 <- joined generation=1 protocol=range leader=m1 member=m1 m1:t
            join 3 g -
              3 <- join GroupMaxSizeReached member=""
            state g
              CompletingRebalance [consumer/] m1=
        "#]],
    );
}

#[test]
fn rejoining_member_of_a_group_over_its_new_maximum_size_is_removed() {
    check_with(
        GroupSettings {
            size_max: 2,
            ..GroupSettings::default()
        },
        "
            join 1 g -
            join 2 g -
            advance 6000
            sync 3 g m1 1 assign=m1:A,m2:B
            sync 4 g m2 1
            limit 1
            restart
            join 5 g m2
            join 6 g m1
            join 7 g m1
            state g
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
            limit 1
            restart
            join 5 g m2
            join 6 g m1
              6 <- join GroupMaxSizeReached member=""
            join 7 g m1
              7 <- join GroupMaxSizeReached member=""
            state g
              PreparingRebalance [consumer/] m2=B
        "#]],
    );
}
