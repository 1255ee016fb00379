//! What record is in a line?

use bytes::Bytes;
use sprawl_client::{Header, Record};

use super::ProduceArgs;
use crate::commands::consume::format::unescape;
use crate::commands::consume::json::JsonRecord;
use crate::datetime;

/// Reads a time argument.
pub(super) fn time(text: &str) -> Result<i64, String> {
    datetime::parse(text).ok_or_else(|| {
        format!("expected ms since 1970 or a time such as 2026-11-24T08:00:00, found {text:?}")
    })
}

/// Turns lines into records.
#[derive(Debug)]
pub(super) struct LineParser {
    template: Record,
    key_delimiter: Option<Vec<u8>>,
    form: Form,
    empty: Empty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Json,
}

/// What an empty key or value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Empty {
    Bytes,
    Null,
}

impl LineParser {
    pub(super) fn new(args: &ProduceArgs) -> anyhow::Result<Self> {
        let headers = args.headers.iter().map(|(name, value)| Header {
            key: Bytes::from(name.clone()),
            value: Some(Bytes::from(value.clone())),
        });
        let key_delimiter = match &args.key_delimiter {
            None => None,
            Some(text) => Some(unescape(text)?),
        };
        if key_delimiter.as_ref().is_some_and(Vec::is_empty) {
            anyhow::bail!("-K: expected a delimiter, found nothing");
        }
        Ok(Self {
            template: Record {
                topic: args.topic.clone(),
                partition: args.partition,
                timestamp: args.timestamp,
                key: args.key.clone().map(Bytes::from),
                value: None,
                headers: headers.collect(),
            },
            key_delimiter,
            form: if args.json_lines {
                Form::Json
            } else {
                Form::Plain
            },
            empty: if args.null { Empty::Null } else { Empty::Bytes },
        })
    }

    pub(super) fn parse(&self, line: &Bytes) -> anyhow::Result<Record> {
        match self.form {
            Form::Plain => Ok(self.parse_plain(line)),
            Form::Json => self.parse_json(line),
        }
    }

    fn parse_plain(&self, line: &Bytes) -> Record {
        let mut record = self.template.clone();
        let delimiter = self.key_delimiter.as_deref().unwrap_or_default();
        let split_at = (!delimiter.is_empty())
            .then(|| {
                line.windows(delimiter.len())
                    .position(|window| window == delimiter)
            })
            .flatten();
        match split_at {
            Some(at) => {
                record.key = self.bytes(line.slice(..at));
                record.value = self.bytes(line.slice(at + delimiter.len()..));
            }
            None => record.value = self.bytes(line.clone()),
        }
        record
    }

    fn bytes(&self, bytes: Bytes) -> Option<Bytes> {
        (self.empty == Empty::Bytes || !bytes.is_empty()).then_some(bytes)
    }

    fn parse_json(&self, line: &Bytes) -> anyhow::Result<Record> {
        let read: JsonRecord = serde_json::from_slice(line)
            .map_err(|error| anyhow::anyhow!("expected a JSON record a line: {error}"))?;
        let mut record = self.template.clone();
        record.timestamp = record.timestamp.or(read.ts.filter(|ts| *ts >= 0));
        record.headers.extend(read.headers()?);
        record.key = read.key()?;
        record.value = read.value()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(delimiter: Option<&[u8]>, empty: Empty) -> LineParser {
        let template = Record {
            topic: "t".to_owned(),
            ..Record::default()
        };
        let key_delimiter = delimiter.map(<[u8]>::to_vec);
        LineParser {
            template,
            key_delimiter,
            form: Form::Plain,
            empty,
        }
    }

    fn pair(parser: &LineParser, line: &'static str) -> (Option<Bytes>, Option<Bytes>) {
        let record = parser.parse(&Bytes::from(line)).unwrap();
        (record.key, record.value)
    }

    #[test]
    fn the_first_delimiter_splits_key_and_value() {
        let parser = parser(Some(b":"), Empty::Bytes);
        assert_eq!(
            pair(&parser, "k:v:w"),
            (Some("k".into()), Some("v:w".into()))
        );
        assert_eq!(pair(&parser, "plain"), (None, Some("plain".into())));
        assert_eq!(pair(&parser, "k:"), (Some("k".into()), Some("".into())));
    }

    #[test]
    fn empty_parts_become_null_when_asked() {
        let parser = parser(Some(b":"), Empty::Null);
        assert_eq!(pair(&parser, "k:"), (Some("k".into()), None));
        assert_eq!(pair(&parser, ":v"), (None, Some("v".into())));
    }

    #[test]
    fn a_json_line_is_read_as_it_was_printed() {
        let mut parser = parser(None, Empty::Bytes);
        parser.form = Form::Json;
        let line = r#"{"topic":"x","ts":5,"headers":["h","1","h","2"],"key":"k","payload":null}"#;
        let record = parser.parse(&Bytes::from(line)).unwrap();
        assert_eq!((record.topic.as_str(), record.timestamp), ("t", Some(5)));
        assert_eq!((record.key, record.value), (Some("k".into()), None));
        assert_eq!(record.headers.len(), 2);
        assert!(parser.parse(&Bytes::from("not json")).is_err());
    }
}
