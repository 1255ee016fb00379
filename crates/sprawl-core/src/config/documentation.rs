//! The settings tables as a page for people (`docs/configuration.md`).

use std::fmt::Write as _;

use super::broker_table::broker_definitions;
use super::client_metrics::client_metrics_definitions;
use super::definition::{Definition, Update};
use super::group_table::group_definitions;
use super::topic_table::topic_definitions;

/// Returns the page. A test keeps the file equal to it.
pub fn documentation() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str(
        "\n## Topic settings\n\nSet with `sprawl topic create --config name=value`, or any \
                   Kafka tool. They take effect at once.\n",
    );
    for definition in topic_definitions() {
        write_setting(&mut page, definition);
        if !definition.synonyms.is_empty() {
            let names: Vec<_> = definition
                .synonyms
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            writeln!(page, "- broker default from: {}", names.join(", then ")).expect(INFALLIBLE);
        }
    }
    page.push_str(
        "\n## Group settings\n\nSet with `sprawl config alter --group`, or Kafka's `kafka-configs`. They \
                   take effect with the next heartbeat.\n",
    );
    for definition in group_definitions() {
        write_setting(&mut page, definition);
        let names: Vec<_> = definition
            .synonyms
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        if !names.is_empty() {
            writeln!(page, "- broker default from: {}", names.join(", then ")).expect(INFALLIBLE);
        }
    }
    page.push_str(
        "\n## Client metrics settings\n\nSet on a subscription with `sprawl config alter \
                   --client-metrics`, or Kafka's `kafka-client-metrics` (KIP-714). Clients follow \
                   with their next push.\n",
    );
    for definition in client_metrics_definitions() {
        write_setting(&mut page, definition);
    }
    page.push_str("\n## Broker settings\n");
    for definition in broker_definitions() {
        write_setting(&mut page, definition);
        let when = match definition.update {
            Update::ReadOnly => "at start",
            Update::ClusterWide => "any time, for one broker or all",
        };
        writeln!(page, "- may change: {when}").expect(INFALLIBLE);
    }
    page
}

const INFALLIBLE: &str = "writing to a string cannot fail";

const INTRODUCTION: &str = "# Settings

Generated from the tables in `crates/sprawl-core/src/config`; a test keeps it equal to them.
Names, types, defaults and ranges are Kafka's; names that begin with `sprawl.` are ours.

A broker setting is given in `sprawl.toml` (`--config`), as `--set name=value`, or as an
environment variable (`SPRAWL_NUM_PARTITIONS=3`). An unknown name is refused, with the nearest
known one; so is a Kafka setting that means nothing here, with what to do instead; so are values
that contradict each other.
";

fn write_setting(page: &mut String, definition: &Definition) {
    let default = match definition.default {
        None => "not set".to_owned(),
        Some("") => "empty".to_owned(),
        Some(default) => format!("`{default}`"),
    };
    let (name, doc, expected) = (definition.name, definition.doc, definition.expected());
    writeln!(
        page,
        "\n### `{name}`\n\n{doc}\n\n- value: {expected}\n- default: {default}"
    )
    .expect(INFALLIBLE);
}
