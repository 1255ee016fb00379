//! Which foreign clients are run, and how is each set up and called?
//!
//! Every client is a program under `conformance/` that takes BOOTSTRAP (and CASES, FULL, METRICS)
//! from the environment and prints its plan and its results as JSON lines ([`crate::row`]).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::kafka::log_setting;
use crate::setup::{self, install, repository, run};

/// A foreign client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its name in rows and on the command line.
    pub name: &'static str,
    /// Installs what it needs and returns the call, without the server's address.
    pub set_up: fn() -> Result<Command>,
    /// Broker settings that its cases rest on.
    pub settings: &'static [(&'static str, &'static str)],
}

/// A rebalance need not wait for members that will not come.
const QUICK_GROUPS: &[(&str, &str)] = &[("group.initial.rebalance.delay.ms", "0")];
/// librdkafka's tests expect several partitions of an auto-created topic, and members that
/// subscribe one after the other to meet in a group's first generation (0118).
const LIBRDKAFKA: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "500"),
    ("num.partitions", "4"),
];
/// For those of librdkafka's tests that must meet unknown topics.
const NO_AUTO_CREATE: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "500"),
    ("num.partitions", "4"),
    ("auto.create.topics.enable", "false"),
];

/// Every client, the slowest first so that two workers end together.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "librdkafka-suite",
        set_up: librdkafka_suite,
        settings: LIBRDKAFKA,
    },
    Client {
        name: "librdkafka-suite-noautocreate",
        set_up: librdkafka_noautocreate,
        settings: NO_AUTO_CREATE,
    },
    Client {
        name: "librdkafka-suite-consumer",
        set_up: librdkafka_consumer,
        settings: LIBRDKAFKA,
    },
    Client {
        name: "kafka-tools",
        set_up: kafka_tools,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-newer-tools",
        set_up: kafka_newer_tools,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-clients",
        set_up: kafka_clients,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-clients-transactions",
        set_up: kafka_clients_transactions,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-clients-groups",
        set_up: kafka_clients_groups,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-clients-shares",
        set_up: kafka_clients_shares,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-clients-admin",
        set_up: kafka_clients_admin,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-streams",
        set_up: kafka_streams,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-connect",
        set_up: kafka_connect,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "flink",
        set_up: flink,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "confluent-kafka",
        set_up: confluent_kafka,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-python",
        set_up: kafka_python,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "aiokafka",
        set_up: aiokafka,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafkajs",
        set_up: kafkajs,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "franz-go",
        set_up: franz_go,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "sarama",
        set_up: sarama,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kafka-go",
        set_up: kafka_go,
        settings: QUICK_GROUPS,
    },
    Client {
        name: "kcat",
        set_up: kcat,
        settings: QUICK_GROUPS,
    },
];

/// The plug-in that makes Kafka take in clients' metrics.
pub(crate) fn kafka_receiver() -> Result<PathBuf> {
    let sources = [source("kafka/Receiver.java")];
    let jars = setup::java_tools()?;
    compile("kafka-receiver", "kafka/pom.xml", &jars, &sources)
}

/// The Java programs and what they share, compiled together.
const JAVA_SOURCES: &[&str] = &[
    "Conformance.java",
    "Cases.java",
    "Transactions.java",
    "Groups.java",
    "Shares.java",
    "Administration.java",
    "Hold.java",
    "TwoPhase.java",
    "WordCount.java",
    "Streams.java",
];

fn source(path: &str) -> PathBuf {
    repository().join("conformance").join(path)
}

fn python_program(python: &Path, program: &str) -> Command {
    let mut command = Command::new(python);
    command
        .arg(source(program))
        .env("PYTHONPATH", source("python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The interpreter of the virtual environment with every Python client.
pub fn python_clients() -> Result<PathBuf> {
    setup::need(&setup::PYTHON)?;
    let pins = source("python/requirements.txt");
    let folder = install("python", &[&pins], |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        run(Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--requirement",
            ])
            .arg(&pins))
    })?;
    Ok(folder.join("bin/python"))
}

fn confluent_kafka() -> Result<Command> {
    Ok(python_program(&python_clients()?, "python/confluent.py"))
}

fn kafka_python() -> Result<Command> {
    Ok(python_program(&python_clients()?, "python/kafka_python.py"))
}

fn aiokafka() -> Result<Command> {
    Ok(python_program(&python_clients()?, "python/aio.py"))
}

fn kcat() -> Result<Command> {
    setup::need(&setup::PYTHON)?;
    setup::need(&setup::KCAT)?;
    Ok(python_program(Path::new("python3"), "kcat/cases.py"))
}

fn tools_program(program: &str) -> Result<Command> {
    setup::need(&setup::PYTHON)?;
    let mut command = python_program(Path::new("python3"), program);
    command
        .env("CLASSPATH", setup::java_tools()?)
        .env("LOG_SETTING", log_setting());
    command.env("KAFKA_VERSION", setup::kafka_version()?);
    Ok(command)
}

fn kafka_tools() -> Result<Command> {
    tools_program("kafka/tools.py")
}

fn kafka_newer_tools() -> Result<Command> {
    let mut command = tools_program("kafka/newer_tools.py")?;
    command.env("JAVA_PROGRAMS", java_programs()?);
    Ok(command)
}

/// The folder of our compiled Java programs.
fn java_programs() -> Result<PathBuf> {
    let sources: Vec<PathBuf> = JAVA_SOURCES
        .iter()
        .map(|name| source("java").join(name))
        .collect();
    compile("java", "kafka/pom.xml", &setup::java_tools()?, &sources)
}

/// Compiles `sources` against the jars of `pom` into the cache folder of `name`.
fn compile(name: &str, pom: &str, classpath: &str, sources: &[PathBuf]) -> Result<PathBuf> {
    let pom = source(pom);
    let mut pins = vec![pom.as_path()];
    pins.extend(sources.iter().map(PathBuf::as_path));
    install(name, &pins, |folder| {
        run(Command::new("javac")
            .args(["-nowarn", "-cp", classpath, "-d"])
            .arg(folder)
            .args(sources))
    })
}

/// The call of a Java program on a class path, without its own arguments.
fn java(classpath: &str, main: &str) -> Command {
    let mut command = Command::new("java");
    command.args([
        "-XX:TieredStopAtLevel=1",
        "-Dconformance.log.level=WARN",
        "-cp",
        classpath,
    ]);
    command.arg(log_setting()).arg(main);
    command
}

fn java_program(main: &str) -> Result<Command> {
    let classpath = format!("{}:{}", java_programs()?.display(), setup::java_tools()?);
    Ok(java(&classpath, main))
}

/// A Java program of one source file, compiled against Kafka's jars.
pub fn lone_java_program(path: &str, class: &str) -> Result<Command> {
    let jars = setup::java_tools()?;
    let name = format!("java-{class}").to_lowercase();
    let classes = compile(&name, "kafka/pom.xml", &jars, &[source(path)])?;
    Ok(java(&format!("{}:{jars}", classes.display()), class))
}

fn flink() -> Result<Command> {
    let jars = setup::jars("flink", "conformance/flink/pom.xml")?;
    let sources = [source("java/Conformance.java"), source("flink/Flink.java")];
    let classes = compile("flink-java", "flink/pom.xml", &jars, &sources)?;
    Ok(java(&format!("{}:{jars}", classes.display()), "Flink"))
}

fn kafka_clients() -> Result<Command> {
    java_program("Cases")
}

fn kafka_clients_transactions() -> Result<Command> {
    java_program("Transactions")
}

/// The program of the drill of two-phase commit, without its arguments.
pub fn java_two_phase() -> Result<Command> {
    java_program("TwoPhase")
}

fn kafka_clients_groups() -> Result<Command> {
    java_program("Groups")
}

fn kafka_clients_shares() -> Result<Command> {
    java_program("Shares")
}

fn kafka_clients_admin() -> Result<Command> {
    java_program("Administration")
}

fn kafka_streams() -> Result<Command> {
    java_program("Streams")
}

fn kafka_connect() -> Result<Command> {
    let mut command = tools_program("connect/worker.py")?;
    let shared = [source("python"), source("kafka")];
    command.env("PYTHONPATH", std::env::join_paths(shared)?);
    Ok(command)
}

fn kafkajs() -> Result<Command> {
    setup::need(&setup::NODE)?;
    let pins = ["package.json", "package-lock.json"].map(|name| source("javascript").join(name));
    let folder = install("javascript", &[&pins[0], &pins[1]], |folder| {
        for pin in &pins {
            std::fs::copy(
                pin,
                folder.join(pin.file_name().context("pin without a name")?),
            )?;
        }
        run(Command::new("npm")
            .args(["ci", "--silent", "--ignore-scripts"])
            .current_dir(folder))
    })?;
    let mut command = Command::new("node");
    command.arg(source("javascript/cases.js"));
    command
        .env("NODE_PATH", folder.join("node_modules"))
        .env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
    Ok(command)
}

fn go_program(name: &str) -> Result<Command> {
    setup::need(&setup::GO)?;
    let module = source("go");
    let main = module.join(name).join("main.go");
    let pins = [
        module.join("go.mod"),
        module.join("go.sum"),
        module.join("cases/cases.go"),
        main,
    ];
    let pins: Vec<&Path> = pins.iter().map(PathBuf::as_path).collect();
    let folder = install(&format!("go-{name}"), &pins, |folder| {
        run(Command::new("go")
            .args(["build", "-mod=readonly", "-o"])
            .arg(folder.join("cases"))
            .arg(format!("./{name}"))
            .current_dir(&module))
    })?;
    Ok(Command::new(folder.join("cases")))
}

fn franz_go() -> Result<Command> {
    go_program("franz")
}

fn sarama() -> Result<Command> {
    go_program("sarama")
}

fn kafka_go() -> Result<Command> {
    go_program("kafkago")
}

fn librdkafka_suite() -> Result<Command> {
    setup::need(&setup::PYTHON)?;
    setup::need(&setup::C_COMPILER)?;
    let (manifest, lock) = (
        source("librdkafka/Cargo.toml"),
        source("librdkafka/Cargo.lock"),
    );
    let folder = install("librdkafka", &[&manifest, &lock], |folder| {
        build_librdkafka(&manifest, folder)
    })?;
    let mut command = python_program(Path::new("python3"), "librdkafka/suite.py");
    command
        .env("LIBRDKAFKA", folder)
        .env("ONE_BROKER", one_broker()?)
        .env("KAFKA_VERSION", setup::kafka_version()?)
        .env("CLASSPATH", setup::java_tools()?)
        .env("LOG_SETTING", log_setting());
    Ok(command)
}

fn librdkafka_noautocreate() -> Result<Command> {
    let mut command = librdkafka_suite()?;
    command.env("SCENARIO", "noautocreate");
    Ok(command)
}

fn librdkafka_consumer() -> Result<Command> {
    let mut command = librdkafka_suite()?;
    command.env("PROTOCOL", "consumer");
    Ok(command)
}

/// Builds what lets tests that were written for three brokers run against one.
fn one_broker() -> Result<PathBuf> {
    let code = source("librdkafka/one_broker.c");
    let folder = install("one-broker", &[&code], |folder| {
        run(Command::new("cc")
            .args(["-O1", "-Wall", "-shared", "-fPIC", "-o"])
            .arg(folder.join("one_broker.so"))
            .arg(&code)
            .arg("-ldl"))
    })?;
    Ok(folder.join("one_broker.so"))
}

/// Copies librdkafka out of the source of the pinned `rdkafka-sys` crate and builds its test
/// runner.
fn build_librdkafka(manifest: &Path, folder: &Path) -> Result<()> {
    run(Command::new(env!("CARGO"))
        .args(["fetch", "--locked", "--manifest-path"])
        .arg(manifest))?;
    let from = crate_source(manifest, "rdkafka-sys")?.join("librdkafka/.");
    run(Command::new("cp").arg("-r").arg(from).arg(folder))?;
    let quiet = ["--disable-syslog", "--disable-gssapi", "--disable-curl"];
    run(Command::new("./configure").args(quiet).current_dir(folder))?;
    let jobs = std::thread::available_parallelism()?.to_string();
    run(Command::new("make")
        .args(["-j", &jobs, "libs"])
        .current_dir(folder))?;
    run(Command::new("make")
        .args(["-j", &jobs, "-C", "tests", "test-runner"])
        .current_dir(folder))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

fn crate_source(manifest: &Path, name: &str) -> Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--manifest-path",
        ])
        .arg(manifest)
        .output()?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let package = metadata
        .packages
        .into_iter()
        .find(|package| package.name == name);
    let path = package
        .with_context(|| format!("the manifest pins no {name}"))?
        .manifest_path;
    Ok(path
        .parent()
        .context("a manifest lies in a folder")?
        .to_path_buf())
}
