//! How is a record printed? kcat's format strings, a key delimiter, or JSON lines.

use sprawl_client::ConsumedRecord;
use sprawl_model::batch::TimestampType;

use super::ConsumeArgs;
use super::json::JsonRecord;

/// A compiled format.
#[derive(Debug)]
pub(super) enum Format {
    Tokens { tokens: Vec<Token>, null: Vec<u8> },
    Json,
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    KeyLength,
    Value,
    ValueLength,
    ValueLengthBinary,
    Timestamp,
    Headers,
}

impl Format {
    pub(super) fn new(args: &ConsumeArgs) -> anyhow::Result<Self> {
        if args.json_lines {
            return Ok(Self::Json);
        }
        let newline = Token::Literal(b"\n".to_vec());
        let tokens = match (&args.format, &args.key_delimiter) {
            (Some(format), _) => compile(format)?,
            (None, Some(delimiter)) => {
                vec![
                    Token::Key,
                    Token::Literal(unescape(delimiter)?),
                    Token::Value,
                    newline,
                ]
            }
            (None, None) => vec![Token::Value, newline],
        };
        Ok(Self::Tokens {
            tokens,
            null: unescape(&args.null)?,
        })
    }

    /// Appends a record to `out`.
    pub(super) fn write(&self, record: &ConsumedRecord, out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                // Strings and numbers always serialize.
                serde_json::to_writer(&mut *out, &JsonRecord::new(record))
                    .expect("a record of strings and numbers is JSON");
                out.push(b'\n');
            }
            Self::Tokens { tokens, null } => {
                for token in tokens {
                    write_token(token, record, null, out);
                }
            }
        }
    }
}

/// Kafka's names for who set the timestamp, as kcat prints them.
pub(super) fn timestamp_type(record: &ConsumedRecord) -> &'static str {
    match record.timestamp_type {
        TimestampType::CreateTime => "create",
        TimestampType::LogAppendTime => "logappend",
    }
}

fn write_token(token: &Token, record: &ConsumedRecord, null: &[u8], out: &mut Vec<u8>) {
    let length = |bytes: &Option<bytes::Bytes>| {
        bytes
            .as_ref()
            .map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
    };
    match token {
        Token::Literal(text) => out.extend_from_slice(text),
        Token::Topic => out.extend_from_slice(record.topic.as_bytes()),
        Token::Partition => out.extend_from_slice(record.partition.to_string().as_bytes()),
        Token::Offset => out.extend_from_slice(record.offset.to_string().as_bytes()),
        Token::Key => out.extend_from_slice(record.key.as_deref().unwrap_or(null)),
        Token::KeyLength => out.extend_from_slice(length(&record.key).to_string().as_bytes()),
        Token::Value => out.extend_from_slice(record.value.as_deref().unwrap_or(null)),
        Token::ValueLength => out.extend_from_slice(length(&record.value).to_string().as_bytes()),
        Token::ValueLengthBinary => out.extend_from_slice(&length(&record.value).to_be_bytes()),
        Token::Timestamp => out.extend_from_slice(record.timestamp.to_string().as_bytes()),
        Token::Headers => {
            for (index, header) in record.headers.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&header.key);
                out.push(b'=');
                out.extend_from_slice(header.value.as_deref().unwrap_or(b"NULL"));
            }
        }
    }
}

fn compile(format: &str) -> anyhow::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut literal = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            literal.push(c);
            continue;
        }
        let token = match chars.next() {
            Some('t') => Token::Topic,
            Some('p') => Token::Partition,
            Some('o') => Token::Offset,
            Some('k') => Token::Key,
            Some('K') => Token::KeyLength,
            Some('s') => Token::Value,
            Some('S') => Token::ValueLength,
            Some('R') => Token::ValueLengthBinary,
            Some('T') => Token::Timestamp,
            Some('h') => Token::Headers,
            Some('%') => {
                literal.push('%');
                continue;
            }
            other => anyhow::bail!(
                "-f: expected one of %t %p %o %k %K %s %S %R %T %h %%, found %{}",
                other.map(String::from).unwrap_or_default()
            ),
        };
        if !literal.is_empty() {
            tokens.push(Token::Literal(unescape(&std::mem::take(&mut literal))?));
        }
        tokens.push(token);
    }
    if !literal.is_empty() {
        tokens.push(Token::Literal(unescape(&literal)?));
    }
    Ok(tokens)
}

/// Replaces `\n`, `\r`, `\t`, `\0`, `\\` and `\xNN` by what they stand for.
pub(crate) fn unescape(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match chars.next() {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 2);
                byte.ok_or_else(|| anyhow::anyhow!("expected two digits after \\x in {text:?}"))?
            }
            _ => anyhow::bail!("expected \\n, \\r, \\t, \\0, \\\\ or \\xNN in {text:?}"),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;
    use sprawl_client::Header;

    use super::*;

    fn record() -> ConsumedRecord {
        let header = |key: &'static str, value: Option<&'static str>| Header {
            key: Bytes::from(key),
            value: value.map(Bytes::from),
        };
        ConsumedRecord {
            topic: Arc::from("t"),
            partition: 3,
            offset: 42,
            timestamp: 1000,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(Bytes::from("value")),
            headers: vec![header("a", Some("1")), header("a", None)],
        }
    }

    fn printed(format: &str) -> String {
        let format = Format::Tokens {
            tokens: compile(format).unwrap(),
            null: b"~".to_vec(),
        };
        let mut out = Vec::new();
        format.write(&record(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn tokens_print_as_kcat_does() {
        assert_eq!(
            printed(r"%t %p %o %k %s %T %h\n"),
            "t 3 42 ~ value 1000 a=1,a=NULL\n"
        );
        assert_eq!(printed(r"%K,%S,%%,\x41"), "-1,5,%,A");
        assert_eq!(printed("%R"), "\0\0\0\u{5}");
    }

    #[test]
    fn unknown_tokens_and_escapes_are_refused() {
        assert!(compile("%q").is_err());
        assert!(compile("%").is_err());
        assert!(compile(r"\y").is_err());
        assert!(unescape(r"\x4").is_err());
    }

    #[test]
    fn json_has_the_fields_of_kcat() {
        let mut out = Vec::new();
        Format::Json.write(&record(), &mut out);
        let expected = concat!(
            r#"{"topic":"t","partition":3,"offset":42,"tstype":"create","ts":1000,"#,
            r#""headers":["a","1","a",null],"key":null,"payload":"value"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_format_compiles_or_is_refused(format in ".{0,40}") {
            drop(compile(&format));
        }
    }
}
