//! What is the middle of a few rounds, and how far do they spread?

/// Median and range of one metric over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) count: usize,
}

/// Summarises `values`; `None` when there are none, or one is not a number.
pub(crate) fn summarise(values: &[f64]) -> Option<Summary> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    };
    Some(Summary {
        median,
        min: sorted[0],
        max: sorted[sorted.len() - 1],
        count: sorted.len(),
    })
}

/// Three significant digits, without an exponent.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_odd_count_is_the_middle_whatever_the_order() {
        let summary = summarise(&[9.0, 1.0, 5.0]).unwrap();
        assert_eq!(
            summary,
            Summary {
                median: 5.0,
                min: 1.0,
                max: 9.0,
                count: 3
            }
        );
    }

    #[test]
    fn median_of_an_even_count_is_between_the_two_middles() {
        assert_eq!(summarise(&[4.0, 1.0, 2.0, 100.0]).unwrap().median, 3.0);
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        assert_eq!(
            summarise(&[2.0, 2.0, 2.0, 2.0, 5000.0]).unwrap().median,
            2.0
        );
    }

    #[test]
    fn nothing_and_not_a_number_have_no_summary() {
        assert_eq!(summarise(&[]), None);
        assert_eq!(summarise(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let all = [short(1234.5), short(56.78), short(5.678), short(0.5678)];
        assert_eq!(all, ["1234", "56.8", "5.68", "0.568"]);
    }
}
