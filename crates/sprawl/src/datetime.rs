//! Dates and times as people type them, in ms since the Unix epoch, UTC.
//!
//! `2026-11-24`, `2026-11-24T17:30`, `2026-11-24T17:30:05.250`, each with an optional `Z` or
//! `+HH:MM`; a plain number is ms already. Source: ISO 8601; days from civil dates after Howard
//! Hinnant.

const DAY_MS: i64 = 86_400_000;

/// Reads a time; `None` where it is not one.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse::<i64>() {
        return Some(ms);
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-').map(|part| digits(part, 4));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let day_ms = days_from_civil(year, month, day).checked_mul(DAY_MS)?;
    day_ms.checked_add(time.map_or(Some(0), parse_time)?)
}

/// Reads the time of day less its offset from UTC, in ms.
fn parse_time(text: &str) -> Option<i64> {
    let (text, offset_ms) = split_offset(text)?;
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let (second, milli) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (digits(seconds, 2)?, 0),
            Some((whole, fraction)) => (digits(whole, 2)?, milliseconds(fraction)?),
        },
    };
    if second >= 60 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1000 + milli - offset_ms)
}

fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(text) = text.strip_suffix('Z') {
        return Some((text, 0));
    }
    let Some(sign_at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (text, offset) = text.split_at_checked(sign_at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.trim_start_matches(['+', '-']).replace(':', "");
    let (hours, minutes) = offset.split_at_checked(2)?;
    let minutes = if minutes.is_empty() {
        0
    } else {
        digits(minutes, 2)?
    };
    Some((text, sign * (digits(hours, 2)? * 60 + minutes) * 60_000))
}

fn milliseconds(fraction: &str) -> Option<i64> {
    let three: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits(fraction, 9)?;
    digits(&three, 3)
}

fn digits(text: &str, count_max: usize) -> Option<i64> {
    let fits = (1..=count_max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch of a date; years count from March, so that a leap day ends its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_and_times_are_read_as_iso_8601() {
        assert_eq!(parse("1970-01-01"), Some(0));
        assert_eq!(parse("2024-02-29T12:00:00.5Z"), Some(1_709_208_000_500));
        assert_eq!(parse("2024-02-29T13:30+01:30"), Some(1_709_208_000_000));
        assert_eq!(parse("1709208000500"), Some(1_709_208_000_500));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "soon",
            "2023-02-29",
            "2024-13-01",
            "2024-01-01T25:00",
            "2024-01-01T10",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_next_day_is_a_day_later(year in 1900..2200, month in 1..13, day in 1..28) {
            let at = |day| parse(&std::format!("{year:04}-{month:02}-{day:02}"));
            prop_assert_eq!(at(day).unwrap() + DAY_MS, at(day + 1).unwrap());
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            prop_assert!(parse(&text).is_none_or(|ms| ms.checked_add(0).is_some()));
        }
    }
}
