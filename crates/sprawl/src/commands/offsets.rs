//! Where a group goes on: what `reset-offsets` of groups and of share groups have in common.

use std::collections::BTreeMap;

use sprawl_client::admin::{Admin, OffsetSpec};

use crate::client::explain;
use crate::datetime;
use crate::output::{self, Table};

/// A partition of a topic.
pub(super) type Place = (String, i32);

/// Reads a time as people write it, in UTC unless it has an offset.
pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    datetime::parse(text)
        .ok_or_else(|| format!("expected a time such as 2026-11-24T08:00:00, found {text:?}"))
}

/// Finds the partitions that `TOPIC` or `TOPIC:PARTITION,...` names.
pub(super) async fn places(admin: &Admin, topics: &[String]) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for text in topics {
        let (topic, partitions) = match text.split_once(':') {
            Some((topic, list)) => (topic, Some(list)),
            None => (text.as_str(), None),
        };
        let view = admin
            .client()
            .refresh_topic(topic, sprawl_client::AutoCreate::No)
            .await
            .map_err(explain)?;
        let Some(list) = partitions else {
            let all = view.partitions.keys();
            places.extend(all.map(|index| (topic.to_owned(), *index)));
            continue;
        };
        for number in list.split(',') {
            let known = number.trim().parse().ok();
            let Some(index) = known.filter(|index| view.partitions.contains_key(index)) else {
                let last = view.partitions.len() - 1;
                anyhow::bail!("topic {topic} has partitions 0 to {last}, not {number:?}");
            };
            places.push((topic.to_owned(), index));
        }
    }
    Ok(places)
}

/// What the logs of some partitions have.
pub(super) struct Logs {
    starts: BTreeMap<Place, i64>,
    ends: BTreeMap<Place, i64>,
}

impl Logs {
    pub(super) async fn of(admin: &Admin, places: &[Place]) -> anyhow::Result<Self> {
        Ok(Self {
            starts: look_up(admin, places, OffsetSpec::Earliest).await?,
            ends: look_up(admin, places, OffsetSpec::Latest).await?,
        })
    }

    pub(super) fn start(&self, place: &Place) -> i64 {
        self.starts.get(place).copied().unwrap_or(0)
    }

    pub(super) fn end(&self, place: &Place) -> i64 {
        self.ends.get(place).copied().unwrap_or(0)
    }

    /// Keeps an offset within what the log has.
    pub(super) fn within(&self, place: &Place, offset: i64) -> i64 {
        let start = self.start(place);
        offset.clamp(start, self.end(place).max(start))
    }
}

/// Finds offsets; a partition that has none of that kind is left out.
pub(super) async fn look_up(
    admin: &Admin,
    places: &[Place],
    spec: OffsetSpec,
) -> anyhow::Result<BTreeMap<Place, i64>> {
    let wanted = places.iter().map(|place| (place.clone(), spec)).collect();
    let found = admin.list_offsets(&wanted).await.map_err(explain)?;
    let found = found
        .into_iter()
        .map(|(place, found)| (place, found.offset));
    Ok(found.filter(|(_, offset)| *offset >= 0).collect())
}

/// Shows each partition with where it was and where it goes.
pub(super) fn print_changes(
    head: [&str; 2],
    changes: impl Iterator<Item = (Place, Option<i64>, i64)>,
) -> anyhow::Result<()> {
    let [was, becomes] = head;
    let mut table = Table::new(&["TOPIC", "PARTITION", was, becomes]);
    for ((topic, partition), before, after) in changes {
        let before = before.map_or("-".to_owned(), |offset| offset.to_string());
        table.row(vec![
            topic,
            partition.to_string(),
            before,
            after.to_string(),
        ]);
    }
    table.print()?;
    Ok(())
}

/// Says that nothing was changed yet.
pub(super) fn note_dry_run() {
    output::note("dry run: nothing was changed; pass --execute to change it");
}
