//! Where to start and where to stop, as kcat writes it: `beginning`, `end`, `stored`, `N`, `-N`,
//! `s@TIME`, `e@TIME`.

use std::collections::BTreeMap;

use sprawl_client::admin::{Admin, OffsetSpec};
use sprawl_client::{Client, ClientError, StartOffset};

use crate::datetime;

/// What part of each partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: StartOffset,
    /// Records from this time on are not read.
    end_time: Option<i64>,
}

/// Reads the `-o` arguments.
pub(super) fn parse(texts: &[String], in_group: bool) -> anyhow::Result<Range> {
    let default = OffsetSpec::Earliest;
    let mut range = Range {
        start: StartOffset::Spec(default),
        end_time: None,
    };
    let mut starts = 0;
    for text in texts {
        if let Some(time) = text.strip_prefix("e@") {
            range.end_time = Some(parse_time(text, time)?);
            continue;
        }
        starts += 1;
        range.start = match text.as_str() {
            "beginning" | "earliest" => StartOffset::Spec(OffsetSpec::Earliest),
            "end" | "latest" => StartOffset::Spec(OffsetSpec::Latest),
            "stored" if in_group => StartOffset::Spec(default),
            "stored" => anyhow::bail!("-o stored: only a group stores offsets; pass -G GROUP"),
            text => parse_number(text)?,
        };
    }
    if starts > 1 {
        anyhow::bail!("-o: expected one start (and one e@TIME), found {starts} starts");
    }
    let is_named = matches!(
        range.start,
        StartOffset::Spec(OffsetSpec::Earliest | OffsetSpec::Latest)
    );
    if in_group && (range.end_time.is_some() || !is_named) {
        anyhow::bail!(
            "-o: a group goes on where it stopped and else starts at beginning or end; \
             to move it use `sprawl group reset-offsets`"
        );
    }
    Ok(range)
}

fn parse_number(text: &str) -> anyhow::Result<StartOffset> {
    if let Some(time) = text.strip_prefix("s@") {
        return Ok(StartOffset::Spec(OffsetSpec::Timestamp(parse_time(
            text, time,
        )?)));
    }
    match text.parse::<i64>() {
        Ok(offset) if offset >= 0 && !text.starts_with('-') => Ok(StartOffset::Offset(offset)),
        Ok(offset) => Ok(StartOffset::BeforeEnd(offset.saturating_neg())),
        Err(_) => anyhow::bail!(
            "-o {text}: expected beginning, end, stored, an offset, -N from the end, s@TIME or e@TIME"
        ),
    }
}

fn parse_time(argument: &str, text: &str) -> anyhow::Result<i64> {
    datetime::parse(text).ok_or_else(|| {
        anyhow::anyhow!(
            "-o {argument}: expected ms since 1970 or a time such as 2026-11-24T08:00:00"
        )
    })
}

impl Range {
    /// Where a group starts in partitions it has no offset of.
    pub(super) fn group_start(&self) -> OffsetSpec {
        match self.start {
            StartOffset::Spec(spec) => spec,
            StartOffset::Offset(_) | StartOffset::BeforeEnd(_) => OffsetSpec::Earliest,
        }
    }

    /// Looks up the first offset of each partition that is not read any more.
    pub(super) async fn ends(
        &self,
        client: &Client,
        places: &[(String, i32)],
    ) -> Result<BTreeMap<(String, i32), i64>, ClientError> {
        let Some(time) = self.end_time else {
            return Ok(BTreeMap::new());
        };
        let admin = Admin::new(client.clone());
        let at = |spec| {
            places
                .iter()
                .map(move |place| (place.clone(), spec))
                .collect()
        };
        let found = admin.list_offsets(&at(OffsetSpec::Timestamp(time))).await?;
        // Where no record is that late, everything up to now is read.
        let ends = admin.list_offsets(&at(OffsetSpec::Latest)).await?;
        let ends = ends.into_iter().map(|(place, end)| {
            let offset = found
                .get(&place)
                .map(|found| found.offset)
                .filter(|offset| *offset >= 0);
            (place, offset.unwrap_or(end.offset))
        });
        Ok(ends.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str) -> StartOffset {
        parse(&[text.to_owned()], false).unwrap().start
    }

    #[test]
    fn offsets_are_read_as_kcat_writes_them() {
        assert_eq!(start("beginning"), StartOffset::Spec(OffsetSpec::Earliest));
        assert_eq!(start("end"), StartOffset::Spec(OffsetSpec::Latest));
        assert_eq!(start("17"), StartOffset::Offset(17));
        assert_eq!(start("-5"), StartOffset::BeforeEnd(5));
        assert_eq!(
            start("s@1000"),
            StartOffset::Spec(OffsetSpec::Timestamp(1000))
        );
        let range = parse(&["s@0".to_owned(), "e@5".to_owned()], false).unwrap();
        assert_eq!(range.end_time, Some(5));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |texts: &[&str], in_group| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            parse(&texts, in_group).unwrap_err().to_string()
        };
        assert!(refused(&["stored"], false).contains("-G"));
        assert!(refused(&["1", "2"], false).contains("one start"));
        assert!(refused(&["1"], true).contains("reset-offsets"));
        assert!(refused(&["soon"], false).contains("expected beginning"));
    }
}
