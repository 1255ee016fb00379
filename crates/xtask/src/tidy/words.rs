//! Is there a word in the tree that says the work is not finished, or a path of someone's machine?

use super::Violation;

const RULE: &str = "words";

/// Words that do not merge, each cut in two so that this file passes its own rule.
const BANNED: &[(&str, &str, &str)] = &[
    ("FIX", "ME", "fix it, or open an issue and write TODO(#n)"),
    ("XX", "X", "say what is meant"),
    ("HA", "CK", "say why, or do it properly"),
    ("for", " now", "say what holds and why"),
    (
        "place",
        "holder",
        "leave a part out whole rather than stand in for it",
    ),
    ("dbg", "!(", "use tracing"),
    ("todo", "!(", "leave a part out whole"),
    ("unimplemented", "!(", "leave a part out whole"),
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/home", "/", "a path of one machine"),
];

/// Checks every line, comments and strings included.
pub(crate) fn check(name: &str, text: &str, violations: &mut Vec<Violation>) {
    for (index, line) in text.lines().enumerate() {
        for (first, second, advice) in BANNED {
            let word = format!("{first}{second}");
            if contains_word(line, &word) {
                let message = format!("{word:?}: {advice}");
                violations.push(violation(name, index + 1, message));
            }
        }
        if has_open_todo(line) {
            let message = "name the issue: TODO(#n)".to_owned();
            violations.push(violation(name, index + 1, message));
        }
    }
}

/// Finds `word` where it is not part of a longer word.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let starts_with_letter = word.starts_with(|c: char| c.is_alphanumeric());
        let ends_with_letter = word.ends_with(|c: char| c.is_alphanumeric());
        !(starts_with_letter && is_part(before) || ends_with_letter && is_part(after))
    })
}

fn has_open_todo(line: &str) -> bool {
    let word = concat!("TO", "DO");
    line.match_indices(word).any(|(start, _)| {
        let after = &line[start + word.len()..];
        let numbered = after
            .strip_prefix("(#")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == 'n'));
        !numbered && contains_word(&line[start..], word)
    })
}

fn violation(name: &str, line: usize, message: String) -> Violation {
    Violation {
        rule: RULE,
        place: name.to_owned(),
        line,
        measure: 1,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let mut violations = Vec::new();
        check("a.rs", text, &mut violations);
        violations
            .into_iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn each_banned_word_is_found() {
        for (first, second, _) in BANNED {
            let text = format!("fine\nlet a = 1; // {first}{second} later\n");
            assert_eq!(lines(&text), [2], "{first}{second}");
        }
    }

    #[test]
    fn a_todo_without_an_issue_is_found() {
        let word = concat!("TO", "DO");
        assert_eq!(lines(&format!("// {word}: later")), [1]);
        assert_eq!(
            lines(&format!("// {word}(#12): later")),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn longer_words_pass() {
        assert!(lines("HACKNEY, wait for nowhere, https://example.org/roots").is_empty());
    }
}
