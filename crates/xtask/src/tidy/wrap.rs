//! Refills comment paragraphs that run past the page, since rustfmt leaves comments alone.
//!
//! Only paragraphs with a line that is too wide change. Code blocks, tables, headings and lists
//! keep their lines: a list item is a paragraph of its own.

use super::source::COLUMNS_MAX;

/// Returns `text` with its overlong comment paragraphs refilled.
pub(crate) fn wrap(text: &str) -> String {
    let mut out = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        let comment = split_comment(line);
        let is_fence = comment.is_some_and(|(_, body)| body.trim_start().starts_with("```"));
        in_block ^= is_fence;
        let is_prose = comment.is_some_and(|(_, body)| is_prose(body)) && !in_block && !is_fence;
        let continues = paragraph.last().is_some_and(|last| continues(last, line));
        if !is_prose || !continues {
            flush(&mut paragraph, &mut out);
        }
        if is_prose {
            paragraph.push(line);
        } else {
            out.push(line.to_owned());
        }
    }
    flush(&mut paragraph, &mut out);
    let mut wrapped = out.join("\n");
    if text.ends_with('\n') {
        wrapped.push('\n');
    }
    wrapped
}

/// Splits a whole-line comment into its prefix with indentation, and its text.
fn split_comment(line: &str) -> Option<(&str, &str)> {
    let indent = line.len() - line.trim_start().len();
    let rest = &line[indent..];
    let marker = ["//!", "///", "//"]
        .into_iter()
        .find(|marker| rest.starts_with(marker))?;
    let prefix = indent + marker.len();
    Some((
        &line[..prefix],
        line[prefix..].strip_prefix(' ').unwrap_or(&line[prefix..]),
    ))
}

fn is_prose(body: &str) -> bool {
    let start = body.trim_start();
    let indented = body.len() - start.len();
    !start.is_empty() && !start.starts_with(['|', '#', '`']) && (indented < 4 || is_item(start))
}

fn is_item(start: &str) -> bool {
    let digits = start.bytes().take_while(u8::is_ascii_digit).count();
    start.starts_with("- ") || start.starts_with("* ") || {
        digits > 0 && start[digits..].starts_with(". ")
    }
}

/// Whether `line` goes on with the paragraph that `last` belongs to.
fn continues(last: &str, line: &str) -> bool {
    match (split_comment(last), split_comment(line)) {
        (Some((before, _)), Some((after, body))) => before == after && !is_item(body.trim_start()),
        _ => false,
    }
}

fn flush(paragraph: &mut Vec<&str>, out: &mut Vec<String>) {
    let is_wide = |line: &&str| line.chars().count() > COLUMNS_MAX;
    if !paragraph.iter().any(is_wide) {
        out.extend(paragraph.drain(..).map(str::to_owned));
        return;
    }
    let Some((prefix, first)) = paragraph.first().and_then(|line| split_comment(line)) else {
        return;
    };
    let start = first.trim_start();
    let indent = first.len() - start.len();
    let hanging = indent
        + if is_item(start) {
            start.find(' ').unwrap_or(0) + 1
        } else {
            0
        };
    let words: Vec<&str> = paragraph
        .iter()
        .filter_map(|line| split_comment(line))
        .flat_map(|(_, body)| body.split_whitespace())
        .collect();
    let mut line = format!("{prefix} {}", " ".repeat(indent));
    let mut is_empty = true;
    for word in words {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS_MAX {
            out.push(std::mem::take(&mut line));
            line = format!("{prefix} {}", " ".repeat(hanging));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push(line);
    paragraph.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_paragraph_is_refilled_and_its_words_stay() {
        let text = format!(
            "    /// {}\n    /// end here\nfn f() {{}}\n",
            "word ".repeat(30).trim()
        );
        let wrapped = wrap(&text);
        assert!(
            wrapped
                .lines()
                .all(|line| line.chars().count() <= COLUMNS_MAX),
            "{wrapped}"
        );
        assert_eq!(wrapped.matches("word").count(), 30);
        assert!(wrapped.ends_with(" end here\nfn f() {}\n"), "{wrapped}");
        assert_eq!(wrap(&wrapped), wrapped);
    }

    #[test]
    fn a_list_item_hangs_and_its_neighbours_stay() {
        let text = format!(
            "//! - one\n//! - {}\n//! - three\n",
            "word ".repeat(30).trim()
        );
        let wrapped = wrap(&text);
        let lines: Vec<_> = wrapped.lines().collect();
        assert_eq!(lines[0], "//! - one");
        assert!(lines[2].starts_with("//!   word"), "{wrapped}");
        assert_eq!(lines[3], "//! - three");
    }

    #[test]
    fn code_blocks_tables_and_narrow_text_stay() {
        let wide = "x".repeat(120);
        let text = format!("/// ```text\n/// {wide} y\n/// ```\n/// | {wide} |\n/// a\n/// b\n");
        assert_eq!(wrap(&text), text);
    }
}
