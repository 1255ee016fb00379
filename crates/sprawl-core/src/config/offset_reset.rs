//! Where does a share group begin in a partition that it never consumed?
//!
//! Source: `ShareGroupAutoOffsetResetStrategy`, KIP-932, KIP-1106 (durations).

/// The value of `share.auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record.
    Earliest,
    /// Behind the last record.
    Latest,
    /// At the first record that is no older than so many ms.
    ByDuration(u64),
}

impl OffsetReset {
    /// Reads a setting.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "earliest" => Some(Self::Earliest),
            "latest" => Some(Self::Latest),
            _ => {
                let duration = text.strip_prefix("by_duration:")?;
                parse_duration_ms(duration).map(Self::ByDuration)
            }
        }
    }
}

/// The units of an ISO 8601 duration before and after the `T`, in order, in ms.
const DATE_UNITS: &[(char, u64)] = &[('D', 86_400_000)];
const TIME_UNITS: &[(char, u64)] = &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)];

/// Reads `PnDTnHnMn.nS`, at least one part of it, none negative.
fn parse_duration_ms(text: &str) -> Option<u64> {
    let text = text.to_ascii_uppercase();
    let parts = text.strip_prefix('P')?;
    let (date, time) = match parts.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (parts, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date_ms = parse_units(date, DATE_UNITS)?;
    date_ms.checked_add(parse_units(time, TIME_UNITS)?)
}

fn parse_units(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    for (letter, unit_ms) in units {
        let Some((number, rest)) = text.split_once(*letter) else {
            continue;
        };
        let amount_ms = if *letter == 'S' {
            parse_seconds_ms(number)?
        } else {
            parse_digits(number)?.checked_mul(*unit_ms)?
        };
        sum = sum.checked_add(amount_ms)?;
        text = rest;
    }
    text.is_empty().then_some(sum)
}

fn parse_digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Seconds with up to nine digits behind the point; less than a ms is dropped.
fn parse_seconds_ms(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 9 {
        return None;
    }
    parse_digits(fraction)?;
    let thousandths = fraction.bytes().chain(*b"00").take(3);
    let ms = thousandths.fold(0, |ms, digit| ms * 10 + u64::from(digit - b'0'));
    parse_digits(whole)?.checked_mul(1_000)?.checked_add(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_read_as_kafka_reads_them() {
        let ms = |text: &str| OffsetReset::parse(&format!("by_duration:{text}"));
        assert_eq!(OffsetReset::parse("earliest"), Some(OffsetReset::Earliest));
        assert_eq!(OffsetReset::parse("latest"), Some(OffsetReset::Latest));
        assert_eq!(ms("PT1H"), Some(OffsetReset::ByDuration(3_600_000)));
        assert_eq!(ms("P2DT3M4.5S"), Some(OffsetReset::ByDuration(172_984_500)));
        assert_eq!(ms("pt0.0009s"), Some(OffsetReset::ByDuration(0)));
        for bad in [
            "", "P", "PT", "P1DT", "-PT1H", "PT-1H", "1H", "PT1M1H", "PT1", "P1H", "PT1.S",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert_eq!(OffsetReset::parse("none"), None);
    }
}
