//! Where does everything foreign come from? From registries, by name and pinned version, into one
//! cache folder.
//!
//! A pin file (pom, lock file, requirements) names the folder through its hash: a changed pin is a
//! new folder, an unchanged one is installed once. Invariant: a folder counts as installed only
//! when its marker, written last, is there; a half-made one is removed and made anew. A file lock
//! keeps two runs apart.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use xxhash_rust::xxh3::xxh3_64;

const MARKER: &str = ".installed";

/// A program or header that must be there, and the Debian packages that bring it.
#[derive(Debug)]
pub struct Need {
    /// Programs looked for in PATH, and files looked for where they are, when absolute.
    pub found_by: &'static [&'static str],
    /// What apt installs.
    pub packages: &'static [&'static str],
}

/// Java and Maven.
pub const JAVA: Need = Need {
    found_by: &["java", "javac", "mvn"],
    packages: &["default-jdk-headless", "maven"],
};
/// Python with virtual environments.
pub const PYTHON: Need = Need {
    found_by: &["python3"],
    packages: &["python3", "python3-venv"],
};
/// Node with npm.
pub const NODE: Need = Need {
    found_by: &["node", "npm"],
    packages: &["nodejs", "npm"],
};
/// Go.
pub const GO: Need = Need {
    found_by: &["go"],
    packages: &["golang-go"],
};
/// kcat.
pub const KCAT: Need = Need {
    found_by: &["kcat"],
    packages: &["kcat"],
};
/// What librdkafka and its tests are built with.
pub const C_COMPILER: Need = Need {
    found_by: &[
        "make",
        "g++",
        "/usr/include/openssl/ssl.h",
        "/usr/include/zlib.h",
        "/usr/include/zstd.h",
        "/usr/include/rapidjson/document.h",
    ],
    packages: &[
        "build-essential",
        "libssl-dev",
        "zlib1g-dev",
        "libzstd-dev",
        "rapidjson-dev",
    ],
};

/// Makes sure that `need` is met: by apt as root or through sudo, otherwise one line says what to
/// install.
pub fn need(need: &Need) -> Result<()> {
    // Clients are set up side by side, and apt locks its lists against a second apt.
    static ONE_APT: Mutex<()> = Mutex::new(());
    if is_met(need) {
        return Ok(());
    }
    let _turn = ONE_APT.lock().unwrap_or_else(PoisonError::into_inner);
    if is_met(need) {
        return Ok(());
    }
    let packages = need.packages.join(" ");
    let script = format!(
        "if [ \"$(id -u)\" = 0 ]; then as_root=; else as_root='sudo -n'; fi; \
         $as_root apt-get update -qq && \
         DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qq -y {packages}"
    );
    run(Command::new("sh").args(["-c", &script]))
        .with_context(|| format!("please install: apt-get install {packages}"))
}

fn is_met(need: &Need) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    need.found_by.iter().all(is_there)
}

/// The root of the checkout.
#[must_use]
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// The cache folder: `SPRAWL_CACHE_DIR`, or `.cache` in the checkout.
#[must_use]
pub fn cache() -> PathBuf {
    std::env::var_os("SPRAWL_CACHE_DIR").map_or_else(|| repository().join(".cache"), PathBuf::from)
}

/// Installs Kafka's jars (broker, Java client, tools) and returns a Java class path for them.
pub fn java_tools() -> Result<String> {
    jars("kafka", "conformance/kafka/pom.xml")
}

/// Installs everything that `pom` names into the cache folder of `name` and returns a Java class
/// path for it.
pub fn jars(name: &str, pom: &str) -> Result<String> {
    let pom = repository().join(pom);
    need(&JAVA)?;
    let folder = install(name, &[&pom], |folder| {
        run(Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!(
                "-DoutputDirectory={}",
                folder.join("jars").display()
            )))
    })?;
    Ok(folder.join("jars/*").display().to_string())
}

/// The version of Kafka pinned in the pom.
pub fn kafka_version() -> Result<String> {
    let pom = std::fs::read_to_string(repository().join("conformance/kafka/pom.xml"))?;
    let after = pom
        .split_once("<kafka.version>")
        .context("the pom pins no kafka.version")?
        .1;
    let version = after
        .split_once('<')
        .context("kafka.version is not closed")?
        .0;
    Ok(version.to_owned())
}

/// Returns the cache folder for `name` at the state of its `pins`, filled by `fill` if it was not
/// yet.
pub fn install(
    name: &str,
    pins: &[&Path],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut pinned = Vec::new();
    for pin in pins {
        pinned.extend(std::fs::read(pin).with_context(|| format!("no pin {}", pin.display()))?);
    }
    let folder = cache().join(format!("{name}-{:016x}", xxh3_64(&pinned)));
    std::fs::create_dir_all(cache())?;
    let lock = File::create(cache().join(format!("{name}.lock")))?;
    lock.lock().context("cannot lock the cache")?;
    if !folder.join(MARKER).is_file() {
        if folder.is_dir() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        fill(&folder).with_context(|| format!("cannot install {name}"))?;
        std::fs::write(folder.join(MARKER), b"")?;
    }
    Ok(folder)
}

/// Runs a command of the set-up; its whole output becomes the error when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pom_pins_a_whole_version() {
        let version = kafka_version().unwrap();
        assert_eq!(version.split('.').count(), 3, "{version}");
    }

    #[test]
    fn failed_set_up_command_shows_its_output() {
        let error = run(Command::new("sh").args(["-c", "echo no such package >&2; exit 1"]));
        assert!(format!("{:#}", error.unwrap_err()).contains("no such package"));
    }
}
