//! Which timeouts hold for one group: its own settings, within the broker's bounds, or the
//! broker's.

use crate::config::GroupConfigs;
use crate::group::shard::Context;

impl Context<'_> {
    fn group_setting(&self, group_id: &str, name: &str) -> Option<i32> {
        let configs = GroupConfigs::new(self.metadata.group_configs(group_id));
        configs
            .integer(name)
            .and_then(|value| i32::try_from(value).ok())
    }

    /// How long a member may be silent.
    pub(in crate::group) fn consumer_session_timeout_ms(&self, group_id: &str) -> u64 {
        let settings = &self.settings.consumer;
        let set = self.group_setting(group_id, "consumer.session.timeout.ms");
        let timeout_ms = set.map_or(settings.session_timeout_ms, |timeout_ms| {
            timeout_ms.clamp(
                settings.session_timeout_ms_min,
                settings.session_timeout_ms_max,
            )
        });
        u64::try_from(timeout_ms).unwrap_or(0)
    }

    /// How long a target assignment stays at least.
    pub(in crate::group) fn consumer_assignment_interval_ms(&self, group_id: &str) -> i64 {
        let settings = &self.settings.consumer;
        let set = self.group_setting(group_id, "consumer.assignment.interval.ms");
        let interval_ms = set.map_or(settings.assignment_interval_ms, |interval_ms| {
            interval_ms.clamp(
                settings.assignment_interval_ms_min,
                settings.assignment_interval_ms_max,
            )
        });
        i64::from(interval_ms)
    }

    /// How often a member beats.
    pub(in crate::group) fn consumer_heartbeat_interval_ms(&self, group_id: &str) -> i32 {
        let settings = &self.settings.consumer;
        let set = self.group_setting(group_id, "consumer.heartbeat.interval.ms");
        set.map_or(settings.heartbeat_interval_ms, |interval_ms| {
            interval_ms.clamp(
                settings.heartbeat_interval_ms_min,
                settings.heartbeat_interval_ms_max,
            )
        })
    }
}
