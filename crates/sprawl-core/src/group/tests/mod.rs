//! Scenarios: each test is a script of requests, time and log events, with everything that
//! happened.

pub(super) mod consumer;
mod delays;
mod join;
mod leave;
mod offsets;
mod records;
mod restart;
mod script;
mod static_members;
mod sync;
mod transactions;

use expect_test::Expect;

use super::settings::GroupSettings;
use script::Script;

/// Runs a script and compares what happened; ends by checking that the log alone gives the same
/// offsets and formed generations.
#[track_caller]
fn check(script: &str, expected: Expect) {
    check_with(GroupSettings::default(), script, expected);
}

#[track_caller]
fn check_with(settings: GroupSettings, script: &str, expected: Expect) {
    let mut run = Script::new(settings);
    let trace = run.run(script);
    run.assert_log_agrees();
    expected.assert_eq(&trace);
}
