//! Which settings does a broker start with? Flags beat the environment, which beats the file, which
//! beats the defaults.
//!
//! Settings have Kafka's names. `--set log.retention.ms=1000`, the variable
//! `SPRAWL_SET_LOG_RETENTION_MS=1000`, and `log.retention.ms = 1000` in the file mean the same. The
//! file may also have `data-dir`, `kafka-addr` and `http-addr`. Names nobody knows are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sprawl_core::config::{BrokerSettings, broker_definitions};
use sprawl_io::Disk;

/// The environment's prefix for settings; the rest of the name is Kafka's in capitals, `_` for `.`.
const ENV_PREFIX: &str = "SPRAWL_SET_";

/// The largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Settings by Kafka name.
pub(crate) type SettingsMap = BTreeMap<String, String>;

/// What a configuration file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) kafka_addr: Option<String>,
    pub(crate) http_addr: Option<String>,
    pub(crate) settings: SettingsMap,
}

/// Reads a configuration file.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> anyhow::Result<ConfigFile> {
    let name = path.display();
    let bytes = disk
        .read(path, FILE_BYTES_MAX)
        .map_err(|error| anyhow::anyhow!("cannot read configuration file {name}: {error}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| anyhow::anyhow!("configuration file {name} is not UTF-8 text"))?;
    parse_file(&text).map_err(|error| anyhow::anyhow!("configuration file {name}: {error}"))
}

fn parse_file(text: &str) -> anyhow::Result<ConfigFile> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| anyhow::anyhow!("{}", one_line(&error)))?;
    let mut flat = SettingsMap::new();
    flatten("", table, &mut flat)?;
    Ok(ConfigFile {
        data_dir: flat.remove("data-dir").map(PathBuf::from),
        kafka_addr: flat.remove("kafka-addr"),
        http_addr: flat.remove("http-addr"),
        settings: flat,
    })
}

/// A TOML error spans several lines with a picture; its message and line number fit on one.
fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

/// `[log.retention] ms = 1` and `log.retention.ms = 1` are the same to TOML and so to us.
fn flatten(prefix: &str, table: toml::Table, flat: &mut SettingsMap) -> anyhow::Result<()> {
    for (name, value) in table {
        let name = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        let text = match value {
            toml::Value::Table(table) => {
                flatten(&name, table, flat)?;
                continue;
            }
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            toml::Value::Array(_) | toml::Value::Datetime(_) => {
                anyhow::bail!("{name}: expected text, a number or true/false")
            }
        };
        if flat.insert(name.clone(), text).is_some() {
            anyhow::bail!("{name} is set twice");
        }
    }
    Ok(())
}

/// Picks the settings out of environment variables.
///
/// Kafka's names have no capitals but may have a dot where the variable has `_`; a name that the
/// table of settings knows under the same letters is that setting.
pub(crate) fn from_environment(variables: impl Iterator<Item = (String, String)>) -> SettingsMap {
    let letters = |name: &str| name.to_lowercase().replace(['.', '-'], "_");
    let known: BTreeMap<String, String> = broker_definitions()
        .iter()
        .map(|definition| (letters(definition.name), definition.name.to_owned()))
        .collect();
    let settings = variables.filter_map(|(name, value)| {
        let letters = name.strip_prefix(ENV_PREFIX)?.to_lowercase();
        let name = known
            .get(&letters)
            .cloned()
            .unwrap_or_else(|| letters.replace('_', "."));
        Some((name, value))
    });
    settings.collect()
}

/// Lays the layers over each other, weakest first, and validates the result.
pub(crate) fn resolve(layers: [SettingsMap; 3]) -> anyhow::Result<BrokerSettings> {
    let merged: SettingsMap = layers.into_iter().flatten().collect();
    BrokerSettings::from_map(&merged).map_err(|error| anyhow::anyhow!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> SettingsMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn dotted_names_and_tables_mean_the_same() {
        let dotted =
            parse_file("data-dir = 'd'\nlog.retention.ms = 5\nnum.partitions = 3").unwrap();
        let nested =
            parse_file("data-dir = 'd'\nnum.partitions = 3\n[log.retention]\nms = 5").unwrap();
        assert_eq!(dotted, nested);
        assert_eq!(
            dotted.settings,
            map(&[("log.retention.ms", "5"), ("num.partitions", "3")])
        );
    }

    #[test]
    fn a_broken_file_is_explained_in_one_line() {
        let error = parse_file("log.retention.ms = \n").unwrap_err().to_string();
        assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        let error = parse_file("a = [1]").unwrap_err().to_string();
        assert_eq!(error, "a: expected text, a number or true/false");
    }

    #[test]
    fn variables_become_kafka_names() {
        let variables = [
            ("SPRAWL_SET_LOG_RETENTION_MS".to_owned(), "7".to_owned()),
            ("SPRAWL_SET_NO_SUCH_THING".to_owned(), "x".to_owned()),
            ("SPRAWL_DATA_DIR".to_owned(), "d".to_owned()),
            ("HOME".to_owned(), "h".to_owned()),
        ];
        let expected = map(&[("log.retention.ms", "7"), ("no.such.thing", "x")]);
        assert_eq!(from_environment(variables.into_iter()), expected);
    }

    #[test]
    fn later_layers_win_and_unknown_names_are_refused() {
        let file = map(&[("num.partitions", "1")]);
        let environment = map(&[("num.partitions", "2")]);
        let flags = map(&[("num.partitions", "3")]);
        let settings = resolve([file, environment, flags]).unwrap();
        assert_eq!(settings.statics["num.partitions"], "3");
        let error = resolve([map(&[("num.partitons", "1")]), map(&[]), map(&[])]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("unknown setting num.partitons"), "{error}");
    }
}
