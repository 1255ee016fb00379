//! What one setting is: its type, default and range, and how its text becomes a value.

use std::collections::BTreeSet;

use super::error::ConfigError;
use super::offset_reset::OffsetReset;

/// The type of a setting, as `DescribeConfigs` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A floating-point number.
    Double,
    /// Text separated by commas.
    List,
}

impl ConfigType {
    /// The number of the type on the wire (KIP-569).
    pub fn wire_id(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
        }
    }

    /// The name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Int => "int",
            Self::Short => "short",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
        }
    }
}

/// How much a setting matters to most people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at it before production.
    High,
    /// Look at it when tuning.
    Medium,
    /// Leave it alone.
    Low,
}

/// When a broker setting may change. Topic settings always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// At start.
    ReadOnly,
    /// Any time, for all brokers or one.
    ClusterWide,
}

/// Which values of its type a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// All.
    Any,
    /// Numbers from the first to the second, both included.
    Between(i64, i64),
    /// As `Between`, or the third number.
    BetweenOr(i64, i64, i64),
    /// Floating-point numbers from the first to the second, both included.
    Fraction(f64, f64),
    /// One of these words; each item of a list is one of them, and appears once.
    OneOf(&'static [&'static str]),
    /// Items that differ from each other, none of them empty.
    Distinct,
    /// `partition:broker` pairs, or `*` alone.
    ThrottledReplicas,
    /// `earliest`, `latest` or `by_duration:` and an ISO 8601 duration.
    OffsetReset,
}

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub config_type: ConfigType,
    /// Its value unless set; `None` is "not set".
    pub default: Option<&'static str>,
    /// Which values it takes.
    pub rule: Rule,
    /// How much it matters.
    pub importance: Importance,
    /// When it may change.
    pub update: Update,
    /// For a topic setting: the broker settings that give its default, in order of precedence.
    pub synonyms: &'static [&'static str],
    /// What it means.
    pub doc: &'static str,
}

/// Makes a setting that may change any time: one of a topic, a group or a subscription.
pub(super) const fn changeable(
    name: &'static str,
    (config_type, default, rule): (ConfigType, &'static str, Rule),
    synonyms: &'static [&'static str],
    doc: &'static str,
) -> Definition {
    Definition {
        name,
        config_type,
        default: Some(default),
        rule,
        importance: Importance::Medium,
        update: Update::ClusterWide,
        synonyms,
        doc,
    }
}

/// Finds a setting in a table that is in order of names.
pub(super) fn find(table: &'static [Definition], name: &str) -> Option<&'static Definition> {
    let at = table.binary_search_by_key(&name, |definition| definition.name);
    at.ok().map(|at| &table[at])
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A boolean.
    Boolean(bool),
    /// An int, short or long.
    Integer(i64),
    /// A double.
    Double(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<String>),
}

/// Writes a number as Java does, which tools expect: with an exponent from 10^7 on.
fn double(value: f64) -> String {
    if value.abs() < 1e7 {
        return value.to_string();
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => {
            format!("{mantissa}.0E{exponent}")
        }
        _ => text,
    }
}

impl Value {
    /// Returns the value as text, in the one form `DescribeConfigs` shows.
    pub fn to_text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Double(value) => double(*value),
            Self::Text(value) => value.clone(),
            Self::List(items) => items.join(","),
        }
    }
}

impl Definition {
    /// Parses and checks a value.
    pub fn parse(&self, raw: &str) -> Result<Value, ConfigError> {
        let trimmed = raw.trim();
        let value = match self.config_type {
            ConfigType::Boolean => parse_boolean(trimmed).map(Value::Boolean),
            ConfigType::String => Some(Value::Text(trimmed.to_owned())),
            ConfigType::Int => trimmed
                .parse()
                .ok()
                .map(|value: i32| Value::Integer(value.into())),
            ConfigType::Short => trimmed
                .parse()
                .ok()
                .map(|value: i16| Value::Integer(value.into())),
            ConfigType::Long => trimmed.parse().ok().map(Value::Integer),
            ConfigType::Double => trimmed
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .map(Value::Double),
            ConfigType::List => Some(Value::List(parse_list(trimmed))),
        };
        value
            .filter(|value| self.rule.admits(value))
            .ok_or_else(|| ConfigError::Invalid {
                name: self.name.to_owned(),
                value: raw.to_owned(),
                expected: self.expected(),
            })
    }

    /// Describes the values it takes, in words.
    pub fn expected(&self) -> String {
        let name = match self.config_type {
            ConfigType::Int => "an int".to_owned(),
            other => format!("a {}", other.name()),
        };
        match self.rule {
            Rule::Any => name,
            Rule::Between(low, i64::MAX) => format!("{name} of {low} or more"),
            Rule::Between(low, high) => format!("{name} from {low} to {high}"),
            Rule::BetweenOr(low, high, or) => format!("{name} from {low} to {high}, or {or}"),
            Rule::Fraction(low, high) => format!("{name} from {low} to {high}"),
            Rule::OneOf(words) if self.config_type == ConfigType::List => {
                format!("a list of different words out of {}", words.join(", "))
            }
            Rule::OneOf(words) => format!("one of {}", words.join(", ")),
            Rule::Distinct => "a list of different items, none of them empty".to_owned(),
            Rule::ThrottledReplicas => "a list of partition:broker, or *".to_owned(),
            Rule::OffsetReset => {
                "earliest, latest or by_duration:PnDTnHnMn.nS, not negative".to_owned()
            }
        }
    }
}

impl Rule {
    fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _) => true,
            (Self::Between(low, high), Value::Integer(value)) => (low..=high).contains(value),
            (Self::BetweenOr(low, high, or), Value::Integer(value)) => {
                (low..=high).contains(value) || *value == or
            }
            (Self::Fraction(low, high), Value::Double(value)) => (low..=high).contains(value),
            (Self::OneOf(words), Value::Text(value)) => words.contains(&value.as_str()),
            (Self::OneOf(words), Value::List(items)) => {
                items.iter().all(|item| words.contains(&item.as_str())) && differ(items)
            }
            (Self::Distinct, Value::List(items)) => {
                items.iter().all(|item| !item.is_empty()) && differ(items)
            }
            (Self::ThrottledReplicas, Value::List(items)) => {
                items.iter().all(|item| item == "*") && items.len() <= 1
                    || items.iter().all(|item| is_replica(item))
            }
            (Self::OffsetReset, Value::Text(value)) => OffsetReset::parse(value).is_some(),
            _ => false,
        }
    }
}

/// O(n log n): a list may be as long as a request.
fn differ(items: &[String]) -> bool {
    let seen: BTreeSet<&String> = items.iter().collect();
    seen.len() == items.len()
}

fn parse_boolean(text: &str) -> Option<bool> {
    [true, false]
        .into_iter()
        .find(|value| text.eq_ignore_ascii_case(&value.to_string()))
}

fn parse_list(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim().to_owned()).collect()
}

fn is_replica(item: &str) -> bool {
    item.split_once(':')
        .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
}

fn is_number(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|number| number >= 0)
}
