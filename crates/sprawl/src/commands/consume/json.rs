//! A record as a line of JSON, in the form kcat prints, and back.
//!
//! Keys and values that are not text are printed as hexadecimal under `key_hex` and `payload_hex`,
//! so that nothing is lost on the way back.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sprawl_client::{ConsumedRecord, Header};

/// The line.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct JsonRecord {
    #[serde(default)]
    topic: String,
    #[serde(default)]
    partition: i32,
    #[serde(default)]
    offset: i64,
    /// `create` or `logappend`.
    #[serde(default)]
    tstype: String,
    #[serde(default)]
    pub(crate) ts: Option<i64>,
    /// Names and values in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Option<String>>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_hex: Option<String>,
    #[serde(default)]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

impl JsonRecord {
    pub(crate) fn new(record: &ConsumedRecord) -> Self {
        let (key, key_hex) = text_or_hex(record.key.as_ref());
        let (payload, payload_hex) = text_or_hex(record.value.as_ref());
        let lossy = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let headers = record
            .headers
            .iter()
            .flat_map(|header| [Some(lossy(&header.key)), header.value.as_ref().map(lossy)]);
        Self {
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            tstype: super::format::timestamp_type(record).to_owned(),
            ts: Some(record.timestamp),
            headers: headers.collect(),
            key,
            key_hex,
            payload,
            payload_hex,
        }
    }

    /// Returns the key.
    pub(crate) fn key(&self) -> anyhow::Result<Option<Bytes>> {
        bytes(self.key.as_ref(), self.key_hex.as_ref())
    }

    /// Returns the value.
    pub(crate) fn value(&self) -> anyhow::Result<Option<Bytes>> {
        bytes(self.payload.as_ref(), self.payload_hex.as_ref())
    }

    /// Returns the headers in order.
    pub(crate) fn headers(&self) -> anyhow::Result<Vec<Header>> {
        let mut headers = Vec::new();
        for pair in self.headers.chunks(2) {
            let [Some(key), value] = pair else {
                anyhow::bail!("headers: expected names and values in turn");
            };
            let value = value.clone().map(Bytes::from);
            headers.push(Header {
                key: Bytes::from(key.clone()),
                value,
            });
        }
        Ok(headers)
    }
}

fn text_or_hex(bytes: Option<&Bytes>) -> (Option<String>, Option<String>) {
    let Some(bytes) = bytes else {
        return (None, None);
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (
            None,
            Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        ),
    }
}

fn bytes(text: Option<&String>, hex: Option<&String>) -> anyhow::Result<Option<Bytes>> {
    match (text, hex) {
        (Some(text), _) => Ok(Some(Bytes::from(text.clone()))),
        (None, Some(hex)) => {
            let digits: Option<Vec<u8>> = hex
                .chars()
                .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
                .collect();
            let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
            let digits = digits
                .ok_or_else(|| anyhow::anyhow!("expected hexadecimal bytes, found {hex:?}"))?;
            let bytes = digits
                .chunks(2)
                .map(|pair| pair.iter().fold(0, |byte, d| byte << 4 | d));
            Ok(Some(bytes.collect()))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_text_survive() {
        let original = Bytes::from_static(b"\xff\x00\x1f");
        let (text, hex) = text_or_hex(Some(&original));
        assert_eq!((text.as_deref(), hex.as_deref()), (None, Some("ff001f")));
        assert_eq!(bytes(None, hex.as_ref()).unwrap(), Some(original));
        assert!(bytes(None, Some(&"f".to_owned())).is_err());
        assert!(bytes(None, Some(&"zz".to_owned())).is_err());
    }
}
