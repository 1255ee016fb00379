//! Does each file and each function fit the reader's head: 800 lines, 70 lines, 5 parameters, and
//! no boolean parameters where another crate calls?
//!
//! A scanner, not a parser: it blanks comments and literals, then follows braces and parentheses.
//! Tests are exempt: everything from `#[cfg(test)] mod` on, `tests.rs`, and `tests/`.

use super::Violation;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const PARAMETERS_MAX: usize = 5;

/// Checks one Rust file.
pub(crate) fn check(name: &str, text: &str, violations: &mut Vec<Violation>) {
    if name.ends_with("/tests.rs") || name.contains("/tests/") {
        return;
    }
    let code = blank(text);
    let code = without_tests(&code);
    let line_count = code.lines().count();
    if line_count > FILE_LINES_MAX {
        violations.push(Violation {
            rule: "file-size",
            place: name.to_owned(),
            line: 1,
            measure: line_count,
            message: format!("{line_count} lines without tests, at most {FILE_LINES_MAX}"),
        });
    }
    for function in functions(code) {
        check_function(name, &function, violations);
    }
}

fn check_function(name: &str, function: &Function<'_>, violations: &mut Vec<Violation>) {
    let mut report = |rule, measure, message| {
        let place = format!("{name}:{}", function.name);
        violations.push(Violation {
            rule,
            place,
            line: function.line,
            measure,
            message,
        });
    };
    if function.line_count > FUNCTION_LINES_MAX {
        let count = function.line_count;
        report(
            "fn-size",
            count,
            format!("{count} lines, at most {FUNCTION_LINES_MAX}"),
        );
    }
    let parameters = parameters(function.parameters);
    if parameters.len() > PARAMETERS_MAX {
        let count = parameters.len();
        report(
            "fn-parameters",
            count,
            format!("{count} parameters, at most {PARAMETERS_MAX}"),
        );
    }
    let is_bool = |parameter: &&&str| parameter.rsplit(':').next().map(str::trim) == Some("bool");
    let bool_count = parameters.iter().filter(is_bool).count();
    if function.is_public && bool_count > 0 {
        report(
            "fn-bool",
            bool_count,
            "boolean parameter: use an enum or two functions".to_owned(),
        );
    }
}

#[derive(Debug)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    line_count: usize,
    parameters: &'a str,
    is_public: bool,
}

/// Finds every function with a body in blanked code.
fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| !c.is_whitespace() && c != '(') {
            continue;
        }
        if let Some(function) = function_at(code, start) {
            found.push(function);
        }
    }
    found
}

fn function_at(code: &str, start: usize) -> Option<Function<'_>> {
    let rest = &code[start + "fn ".len()..];
    let name_size = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    if name_size == 0 {
        return None;
    }
    // Generic bounds may hold parentheses (`F: Fn(u8)`): skip a leading `<..>` first.
    let after_name = &rest[name_size..];
    let generics = if after_name.starts_with('<') {
        closing(after_name, '<', '>')? + 1
    } else {
        0
    };
    let open = name_size + generics + rest[name_size + generics..].find('(')?;
    let close = open + closing(&rest[open..], '(', ')')?;
    let body = close + rest[close..].find(['{', ';'])?;
    if rest[body..].starts_with(';') {
        return None;
    }
    let end = body + closing(&rest[body..], '{', '}')?;
    Some(Function {
        name: &rest[..name_size],
        line: code[..start].matches('\n').count() + 1,
        line_count: rest[..end].matches('\n').count() + 1,
        parameters: &rest[open + 1..close],
        is_public: is_public(&code[..start]),
    })
}

/// Whether what stands before `fn` on its line begins with `pub` without a restriction.
fn is_public(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim_start().starts_with("pub ")
}

/// Position of the bracket that closes the one `text` opens with.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0usize;
    let mut previous = ' ';
    for (position, c) in text.char_indices() {
        // `->` inside a bound is no closing angle bracket.
        if c == open {
            depth += 1;
        } else if c == close && previous != '-' {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(position);
            }
        }
        previous = c;
    }
    None
}

/// Splits a parameter list at its own commas; `self` is no parameter.
fn parameters(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut previous) = (0i32, 0, ' ');
    for (position, c) in list.char_indices() {
        match c {
            '(' | '[' | '<' | '{' => depth += 1,
            '>' if previous == '-' => {}
            ')' | ']' | '>' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..position]);
                start = position + 1;
            }
            _ => {}
        }
        previous = c;
    }
    parts.push(&list[start..]);
    let is_self = |part: &str| {
        let name = part.split(':').next().unwrap_or_default();
        name.split_whitespace()
            .next_back()
            .is_some_and(|word| word.trim_matches('&') == "self")
    };
    parts.retain(|part| !part.trim().is_empty() && !is_self(part));
    parts
}

/// Cuts the code at the unit tests.
fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let after = code[start + "#[cfg(test)]".len()..].trim_start();
        if after.starts_with("mod tests {") {
            return &code[..start];
        }
        from = start + 1;
    }
    code
}

/// Replaces comments and the insides of string and character literals by spaces, keeping lines.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut position = 0;
    while position < bytes.len() {
        let rest = &text[position..];
        let size = literal_size(rest, out.chars().next_back());
        if size > 0 {
            out.extend(
                rest[..size]
                    .chars()
                    .map(|c| if c == '\n' { '\n' } else { ' ' }),
            );
            position += size;
        } else {
            let c = rest.chars().next().expect("position is before the end");
            out.push(c);
            position += c.len_utf8();
        }
    }
    out
}

/// Size of the comment or literal that `rest` starts with, 0 when it starts with code.
fn literal_size(rest: &str, previous: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    let in_word = previous.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with('"') {
        return quoted_size(rest, '"');
    }
    if rest.starts_with('r') && !in_word {
        return raw_size(rest);
    }
    if rest.starts_with('\'') {
        return character_size(rest);
    }
    0
}

fn quoted_size(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return position + 1;
        }
    }
    rest.len()
}

fn raw_size(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    rest[body..]
        .find(&end)
        .map_or(rest.len(), |found| body + found + end.len())
}

/// A character literal closes after one character or escape; otherwise it is a lifetime.
fn character_size(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => quoted_size(rest, '\''),
        Some(_) => match characters.next() {
            Some((position, '\'')) => position + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, String, usize)> {
        let mut violations = Vec::new();
        check("a.rs", text, &mut violations);
        violations
            .into_iter()
            .map(|v| (v.rule, v.place, v.measure))
            .collect()
    }

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_past_the_screen_is_found_and_one_that_fits_passes() {
        assert_eq!(
            found(&function_of(71)),
            [("fn-size", "a.rs:long".to_owned(), 71)]
        );
        assert!(found(&function_of(70)).is_empty());
    }

    #[test]
    fn a_file_past_the_limit_is_found() {
        let text = "const A: u8 = 0;\n".repeat(801);
        assert_eq!(found(&text), [("file-size", "a.rs".to_owned(), 801)]);
    }

    #[test]
    fn unit_tests_do_not_count() {
        let text = format!(
            "fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            function_of(900)
        );
        assert!(found(&text).is_empty());
    }

    #[test]
    fn too_many_parameters_are_found_and_self_does_not_count() {
        let six = "fn f(a: u8, b: Vec<(u8, u8)>, c: [u8; 2], d: u8, e: u8, f: u8) {}";
        assert_eq!(found(six), [("fn-parameters", "a.rs:f".to_owned(), 6)]);
        let five = "fn f<F: Fn(u8, u8) -> u8>(&mut self, a: F, b: u8, c: u8, d: u8, e: u8) {}";
        assert!(found(five).is_empty());
    }

    #[test]
    fn a_boolean_parameter_of_a_public_function_is_found() {
        assert_eq!(
            found("    pub async fn f(a: u8, b: bool) {}"),
            [("fn-bool", "a.rs:f".to_owned(), 1)]
        );
        assert!(found("pub fn f(a: Fn(bool) -> u8) -> bool { true }").is_empty());
        assert!(found("pub(crate) fn f(a: u8, b: bool) {}").is_empty());
    }

    #[test]
    fn braces_in_literals_and_comments_do_not_count() {
        let text = r##"fn f() {
            let a = ("}", '}', r#"}"}"#, b'{', "\"}");
            // }
            /* } */
            fn g<'a>(x: &'a str) {}
        }"##;
        let code = blank(text);
        let functions = functions(&code);
        assert_eq!(functions[0].line_count, 6);
        assert_eq!(functions[1].name, "g");
    }
}
