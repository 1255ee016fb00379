//! Grouped bar charts as plain SVG: the median as a bar, the range over the rounds as a line.

use std::fmt::Write as _;

use crate::plan::Variant;
use crate::stats::{Summary, short};

const WIDTH: f64 = 760.0;
const LABEL_WIDTH: f64 = 210.0;
const VALUE_WIDTH: f64 = 80.0;
const BAR_HEIGHT: f64 = 16.0;
const GROUP_GAP: f64 = 14.0;
const TOP: f64 = 64.0;

/// One bar: whose, and what.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) variant: Variant,
    pub(crate) summary: Summary,
}

/// Bars that belong together, under one label.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
}

/// Draws the chart; readable on light and dark pages.
pub(crate) fn chart(title: &str, groups: &[Group]) -> String {
    let bar_count: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = TOP + bar_count as f64 * BAR_HEIGHT + groups.len() as f64 * GROUP_GAP + 12.0;
    let most = groups
        .iter()
        .flat_map(|g| &g.bars)
        .map(|bar| bar.summary.max)
        .fold(0.0, f64::max);
    let scale = if most > 0.0 {
        (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most
    } else {
        0.0
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#24292f\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>\n",
        escape(title)
    );
    legend(&mut svg, groups);
    let mut y = TOP;
    for group in groups {
        let middle = y + group.bars.len() as f64 * BAR_HEIGHT / 2.0 + 4.0;
        line(
            &mut svg,
            format_args!(
                "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
                LABEL_WIDTH - 10.0,
                escape(&group.label)
            ),
        );
        for bar in &group.bars {
            draw_bar(&mut svg, bar, y, scale);
            y += BAR_HEIGHT;
        }
        y += GROUP_GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_bar(svg: &mut String, bar: &Bar, y: f64, scale: f64) {
    let Summary {
        median, min, max, ..
    } = bar.summary;
    let middle = y + BAR_HEIGHT / 2.0 - 1.0;
    line(
        svg,
        format_args!(
            "<rect x=\"{LABEL_WIDTH}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>",
            median * scale,
            BAR_HEIGHT - 2.0,
            color(bar.variant)
        ),
    );
    line(
        svg,
        format_args!(
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#24292f\"/>",
            LABEL_WIDTH + min * scale,
            LABEL_WIDTH + max * scale
        ),
    );
    line(
        svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LABEL_WIDTH + max * scale + 6.0,
            middle + 4.0,
            short(median)
        ),
    );
}

fn legend(svg: &mut String, groups: &[Group]) {
    let mut variants: Vec<Variant> = groups
        .iter()
        .flat_map(|group| &group.bars)
        .map(|bar| bar.variant)
        .collect();
    variants.sort();
    variants.dedup();
    for (index, variant) in variants.into_iter().enumerate() {
        let x = 12.0 + index as f64 * 180.0;
        line(
            svg,
            format_args!(
                "<rect x=\"{x}\" y=\"36\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"46\">{}</text>",
                color(variant),
                x + 18.0,
                variant.title()
            ),
        );
    }
}

/// Colours that also differ in lightness, for readers who do not see red and green apart.
fn color(variant: Variant) -> &'static str {
    match variant {
        Variant::Kafka => "#8c959f",
        Variant::KafkaFlush => "#57606a",
        Variant::SprawlAsync => "#54aeff",
        Variant::SprawlFsync => "#0550ae",
    }
}

fn line(svg: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(svg, "{text}").expect("writing to a string cannot fail");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::summarise;

    fn group(label: &str, values: &[f64]) -> Group {
        let summary = summarise(values).unwrap();
        Group {
            label: label.to_owned(),
            bars: vec![Bar {
                variant: Variant::Kafka,
                summary,
            }],
        }
    }

    #[test]
    fn the_widest_range_fills_the_chart_and_others_are_in_proportion() {
        let svg = chart("t", &[group("a", &[100.0]), group("b", &[50.0])]);
        let full = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
        assert!(svg.contains(&format!("width=\"{full:.1}\"")), "{svg}");
        assert!(
            svg.contains(&format!("width=\"{:.1}\"", full / 2.0)),
            "{svg}"
        );
    }

    #[test]
    fn labels_are_escaped_and_an_empty_chart_is_still_one() {
        assert!(chart("a < b", &[]).contains("a &lt; b"));
        assert!(chart("zero", &[group("z", &[0.0])]).contains("width=\"0.0\""));
    }
}
