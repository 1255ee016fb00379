//! Names of segment files, and which of several files for the same offsets counts.
//!
//! A segment as it was appended is `<base offset>.log`. What compaction made of one or more of them
//! is `<base offset>.<end offset>.<generation>.log`: it gets that name once it is whole and synced,
//! stands for all offsets from base to end, and supersedes every file of a lower generation that
//! begins among them. So one rename is the whole change, and files alone tell what counts.

use std::collections::BTreeMap;
use std::fmt;

use sprawl_model::Offset;

use super::SegmentMeta;

const SUFFIX: &str = ".log";
const OFFSET_DIGITS: usize = 20;
/// What a compacted segment's name ends with until it is whole.
const UNFINISHED_SUFFIX: &str = ".cleaning";

/// What a segment file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    /// The first offset it stands for.
    pub(crate) base_offset: Offset,
    /// Whether compaction wrote it.
    pub(crate) cleaned: Option<Cleaned>,
}

/// What the name of a compacted segment says beyond its base offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cleaned {
    /// The offset after the last one it stands for.
    pub(crate) end: Offset,
    /// One more than that of any file it was made of; at least 1.
    pub(crate) generation: u32,
}

impl SegmentName {
    /// Returns the name of a segment.
    pub(crate) fn of(meta: &SegmentMeta, base_offset: Offset) -> Self {
        let cleaned = (meta.generation > 0).then_some(Cleaned {
            end: meta.next_offset,
            generation: meta.generation,
        });
        Self {
            base_offset,
            cleaned,
        }
    }

    /// Reads a file's name; `None` for other files.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut fields = name.strip_suffix(SUFFIX)?.split('.');
        let base_offset = offset(fields.next()?)?;
        let cleaned = match (fields.next(), fields.next(), fields.next()) {
            (None, None, None) => None,
            (Some(end), Some(generation), None) => Some(Cleaned {
                end: offset(end)?,
                generation: generation.parse().ok().filter(|number| *number > 0)?,
            }),
            _ => return None,
        };
        let parsed = Self {
            base_offset,
            cleaned,
        };
        let is_range = cleaned.is_none_or(|cleaned| cleaned.end > base_offset);
        (is_range && parsed.to_string() == name).then_some(parsed)
    }

    /// Returns the name that the file has until it is whole.
    pub(crate) fn unfinished(&self) -> String {
        format!("{self}{UNFINISHED_SUFFIX}")
    }

    fn generation(&self) -> u32 {
        self.cleaned.map_or(0, |cleaned| cleaned.generation)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0OFFSET_DIGITS$}", self.base_offset.0)?;
        if let Some(Cleaned { end, generation }) = self.cleaned {
            write!(f, ".{:0OFFSET_DIGITS$}.{generation}", end.0)?;
        }
        f.write_str(SUFFIX)
    }
}

fn offset(digits: &str) -> Option<Offset> {
    let is_offset = digits.len() == OFFSET_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    is_offset.then(|| digits.parse().ok().map(Offset)).flatten()
}

/// The segment files of a partition's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentNames {
    /// Those that count, in offset order.
    pub(crate) live: Vec<SegmentName>,
    /// Names of files that a crash left behind: superseded by a compacted segment, or unfinished
    /// ones.
    pub(crate) remains: Vec<String>,
}

/// Sorts the names in a partition's directory; names of other files are left out. O(n log n).
pub(crate) fn sort_names<'a>(names: impl Iterator<Item = &'a str>) -> SegmentNames {
    let mut sorted = SegmentNames::default();
    let mut segments = Vec::new();
    for name in names {
        match SegmentName::parse(name) {
            Some(segment) => segments.push(segment),
            None if is_unfinished(name) => sorted.remains.push(name.to_owned()),
            None => {}
        }
    }
    // Newer generations first: what they cover was theirs to replace.
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.generation()));
    let mut covered: BTreeMap<Offset, Cleaned> = BTreeMap::new();
    for segment in segments {
        let cover = covered.range(..=segment.base_offset).next_back();
        let is_superseded = cover.is_some_and(|(_, cleaned)| {
            segment.base_offset < cleaned.end && segment.generation() < cleaned.generation
        });
        if is_superseded {
            sorted.remains.push(segment.to_string());
            continue;
        }
        if let Some(cleaned) = segment.cleaned {
            covered.insert(segment.base_offset, cleaned);
        }
        sorted.live.push(segment);
    }
    sorted.live.sort_unstable();
    sorted
}

fn is_unfinished(name: &str) -> bool {
    let whole = name.strip_suffix(UNFINISHED_SUFFIX);
    let parsed = whole.and_then(SegmentName::parse);
    parsed.is_some_and(|segment| segment.cleaned.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(base: i64) -> SegmentName {
        SegmentName {
            base_offset: Offset(base),
            cleaned: None,
        }
    }

    fn cleaned(base: i64, end: i64, generation: u32) -> SegmentName {
        let end = Offset(end);
        SegmentName {
            base_offset: Offset(base),
            cleaned: Some(Cleaned { end, generation }),
        }
    }

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        assert_eq!(plain(42).to_string(), "00000000000000000042.log");
        assert_eq!(
            cleaned(42, 99, 3).to_string(),
            "00000000000000000042.00000000000000000099.3.log"
        );
        for name in [
            plain(0),
            plain(i64::MAX),
            cleaned(0, 1, 1),
            cleaned(7, 900, u32::MAX),
        ] {
            assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }
        for other in [
            "42.log",
            "0000000000000000004x.log",
            "00000000000000000042.00000000000000000099.0.log",
            "00000000000000000042.00000000000000000099.01.log",
            "00000000000000000042.00000000000000000042.1.log",
            "00000000000000000042.00000000000000000099.log",
            "00000000000000000042.00000000000000000099.1.2.log",
            "00000000000000000042.00000000000000000099.1.log.cleaning",
        ] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_compacted_segment_supersedes_what_it_was_made_of_and_nothing_else() {
        let all = [
            plain(0),
            plain(100),
            cleaned(0, 200, 1),
            plain(200),
            cleaned(200, 300, 1),
            cleaned(0, 300, 2),
            plain(300),
            cleaned(400, 500, 1),
        ];
        let mut names: Vec<String> = all.iter().map(ToString::to_string).collect();
        names.push(cleaned(400, 500, 2).unfinished());
        names.push("notes.txt".to_owned());
        names.push("notes.cleaning".to_owned());
        let sorted = sort_names(names.iter().map(String::as_str));
        let live = [cleaned(0, 300, 2), plain(300), cleaned(400, 500, 1)];
        assert_eq!(sorted.live, live);
        assert_eq!(sorted.remains.len(), 6);
        assert!(sorted.remains.contains(&cleaned(400, 500, 2).unfinished()));
    }
}
