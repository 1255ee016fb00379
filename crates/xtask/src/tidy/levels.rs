//! Do dependencies between our crates point down, and do pure crates stay pure?
//!
//! Source: section "Code map" of ARCHITECTURE.md. A new crate gets a row here in the same change.

use serde_json::Value;

use super::Violation;

const RULE: &str = "levels";

struct Room {
    name: &'static str,
    level: u8,
    may: May,
}

enum May {
    /// Only these of our crates.
    Only(&'static [&'static str]),
    /// Any of our crates on a lower level.
    Below,
    /// Anything but `xtask`; nothing outside its level depends on it.
    Anything,
}

/// Whether the shipped code needs a dependency, or only its tests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Build,
    Test,
}

const ROOMS: &[Room] = &[
    Room {
        name: "sprawl-model",
        level: 0,
        may: May::Only(&[]),
    },
    Room {
        name: "sprawl-io",
        level: 0,
        may: May::Only(&[]),
    },
    Room {
        name: "sprawl-protocol",
        level: 1,
        may: May::Only(&["sprawl-model"]),
    },
    Room {
        name: "sprawl-core",
        level: 1,
        may: May::Only(&["sprawl-model"]),
    },
    Room {
        name: "sprawl-log",
        level: 1,
        may: May::Only(&["sprawl-model", "sprawl-io"]),
    },
    Room {
        name: "sprawl-meta",
        level: 2,
        may: May::Only(&["sprawl-core", "sprawl-io", "sprawl-model"]),
    },
    Room {
        name: "sprawl-client",
        level: 2,
        may: May::Only(&["sprawl-protocol", "sprawl-io", "sprawl-model"]),
    },
    Room {
        name: "sprawl-broker",
        level: 3,
        may: May::Below,
    },
    Room {
        name: "sprawl-gateway",
        level: 4,
        may: May::Only(&["sprawl-client", "sprawl-model", "sprawl-io"]),
    },
    Room {
        name: "sprawl",
        level: 5,
        may: May::Below,
    },
    Room {
        name: "sprawl-sim",
        level: 6,
        may: May::Anything,
    },
    Room {
        name: "sprawl-bench",
        level: 6,
        may: May::Anything,
    },
    Room {
        name: "sprawl-conformance",
        level: 6,
        may: May::Anything,
    },
    Room {
        name: "xtask",
        level: 6,
        may: May::Only(&[]),
    },
];

/// Crates that are pure: bytes and values in, values out.
const PURE: &[&str] = &["sprawl-model", "sprawl-protocol", "sprawl-core"];

/// What a pure crate may not depend on: runtimes, sockets, randomness, clocks, engines.
const IMPURE: &[&str] = &[
    "tokio", "rand", "rustix", "mio", "futures", "rocksdb", "openraft", "tracing", "chrono",
];

/// Checks every normal and build dependency of every workspace member.
pub(crate) fn check(metadata: &Value, violations: &mut Vec<Violation>) {
    let packages = metadata["packages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for package in packages
        .iter()
        .filter(|package| package["source"].is_null())
    {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(room) = room(name) else {
            violations.push(violation(
                name,
                "crate has no level: add it to the table".to_owned(),
            ));
            continue;
        };
        let dependencies = package["dependencies"].as_array().map(Vec::as_slice);
        for dependency in dependencies.unwrap_or_default() {
            let needed = dependency["name"].as_str().unwrap_or_default();
            let kind = match dependency["kind"].as_str() {
                Some("dev") => Kind::Test,
                _ => Kind::Build,
            };
            check_dependency(room, needed, kind, violations);
        }
    }
}

fn check_dependency(room: &Room, needed: &str, kind: Kind, violations: &mut Vec<Violation>) {
    let name = room.name;
    if let Some(other) = self::room(needed) {
        // Tests may look down freely, but never up.
        let allowed = match room.may {
            _ if kind == Kind::Test => other.level <= room.level,
            May::Only(list) => list.contains(&needed),
            May::Below => other.level < room.level,
            May::Anything => needed != "xtask",
        };
        if !allowed {
            let message = format!(
                "{name} (level {}) may not depend on {needed} (level {})",
                room.level, other.level
            );
            violations.push(violation(name, message));
        }
    } else if kind == Kind::Build && PURE.contains(&name) && IMPURE.contains(&needed) {
        violations.push(violation(
            name,
            format!("{name} is pure and may not depend on {needed}"),
        ));
    }
}

fn room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|room| room.name == name)
}

fn violation(name: &str, message: String) -> Violation {
    let place = format!("crates/{name}/Cargo.toml");
    Violation {
        rule: RULE,
        place,
        line: 1,
        measure: 1,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages(name: &str, needed: &str, kind: Value) -> Vec<String> {
        let metadata = json!({ "packages": [
            { "name": name, "source": null, "dependencies": [{ "name": needed, "kind": kind }] },
        ]});
        let mut violations = Vec::new();
        check(&metadata, &mut violations);
        violations
            .into_iter()
            .map(|violation| violation.message)
            .collect()
    }

    #[test]
    fn a_dependency_that_points_up_is_found() {
        let found = messages("sprawl-log", "sprawl-broker", Value::Null);
        assert_eq!(
            found,
            ["sprawl-log (level 1) may not depend on sprawl-broker (level 3)"]
        );
    }

    #[test]
    fn a_dependency_on_a_sibling_is_found() {
        assert_eq!(messages("sprawl-core", "sprawl-log", Value::Null).len(), 1);
        assert_eq!(
            messages("sprawl-gateway", "sprawl-broker", Value::Null).len(),
            1
        );
    }

    #[test]
    fn a_pure_crate_with_a_runtime_is_found() {
        let found = messages("sprawl-core", "tokio", Value::Null);
        assert_eq!(found, ["sprawl-core is pure and may not depend on tokio"]);
        assert_eq!(
            messages("sprawl-core", "tokio", json!("dev")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_crate_without_a_level_is_found() {
        assert_eq!(messages("sprawl-new", "serde", Value::Null).len(), 1);
    }

    #[test]
    fn dependencies_that_point_down_pass() {
        assert!(messages("sprawl-broker", "sprawl-log", Value::Null).is_empty());
        assert!(messages("sprawl-bench", "sprawl-conformance", Value::Null).is_empty());
    }

    #[test]
    fn tests_may_not_depend_upwards() {
        assert_eq!(messages("sprawl-log", "sprawl-sim", json!("dev")).len(), 1);
        assert!(messages("sprawl-broker", "sprawl-client", json!("dev")).is_empty());
    }
}
