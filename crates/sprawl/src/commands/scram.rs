//! `sprawl scram`: who can log in with a password?

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use sprawl_client::admin::{Admin, ScramMechanism};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

/// The longest password that is read, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;

#[derive(Debug, Args)]
pub(crate) struct ScramArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: ScramCommand,
}

#[derive(Debug, Subcommand)]
enum ScramCommand {
    /// Show which users have credentials, and for which mechanisms
    #[command(after_help = "\
Examples:
  sprawl scram list
  sprawl scram list alice bob --json")]
    List {
        /// Only these users
        #[arg(value_name = "USER")]
        users: Vec<String>,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Give a user a password, or a new one
    ///
    /// The password is the first line of standard input, or of a file. It is hashed here: the
    /// cluster never sees it.
    #[command(after_help = "\
Examples:
  sprawl scram set alice < password.txt
  sprawl scram set alice --password-file password.txt
  sprawl scram set alice --mechanism scram-sha-512 --iterations 8192 < password.txt")]
    Set(SetArgs),
    /// Take a user's password away
    #[command(after_help = "\
Examples:
  sprawl scram delete alice
  sprawl scram delete alice --mechanism scram-sha-512")]
    Delete {
        /// The user
        user: String,
        /// For which mechanism
        #[arg(long, value_enum, default_value_t = Mechanism::ScramSha256)]
        mechanism: Mechanism,
    },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The user
    user: String,
    /// For which mechanism
    #[arg(long, value_enum, default_value_t = Mechanism::ScramSha256)]
    mechanism: Mechanism,
    /// How often the password is hashed
    #[arg(long, value_name = "COUNT", default_value_t = 4096)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    iterations: u32,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mechanism {
    #[value(name = "scram-sha-256", alias = "SCRAM-SHA-256")]
    ScramSha256,
    #[value(name = "scram-sha-512", alias = "SCRAM-SHA-512")]
    ScramSha512,
}

impl From<Mechanism> for ScramMechanism {
    fn from(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::ScramSha256 => Self::Sha256,
            Mechanism::ScramSha512 => Self::Sha512,
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    user: String,
    mechanism: &'static str,
    iterations: i32,
}

pub(crate) async fn run(io: Io, args: ScramArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io.clone()).await?;
    match args.command {
        ScramCommand::List { users, json } => list(&admin, &users, json).await,
        ScramCommand::Set(args) => set(&io, &admin, args).await,
        ScramCommand::Delete { user, mechanism } => {
            let mechanism = ScramMechanism::from(mechanism);
            admin
                .delete_scram_credential(&user, mechanism)
                .await
                .map_err(explain)?;
            output::line(&format!("{user}: {} taken away", mechanism.name()))?;
            Ok(())
        }
    }
}

async fn list(admin: &Admin, users: &[String], json: bool) -> anyhow::Result<()> {
    let found = admin.scram_credentials(users).await.map_err(explain)?;
    let rows = found.into_iter().map(|credential| Row {
        user: credential.user,
        mechanism: credential.mechanism.map_or("unknown", ScramMechanism::name),
        iterations: credential.iterations,
    });
    let rows: Vec<Row> = rows.collect();
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(&["USER", "MECHANISM", "ITERATIONS"]);
    for row in rows {
        let iterations = row.iterations.to_string();
        table.row(vec![row.user, row.mechanism.to_owned(), iterations]);
    }
    table.print()?;
    Ok(())
}

async fn set(io: &Io, admin: &Admin, args: SetArgs) -> anyhow::Result<()> {
    let text = match &args.password_file {
        Some(path) => from_file(io, path)?,
        None => from_input()?,
    };
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        anyhow::bail!("no password; its first line goes to standard input or to --password-file");
    }
    let mechanism = ScramMechanism::from(args.mechanism);
    admin
        .set_scram_password(
            &args.user,
            mechanism,
            (password.as_bytes(), args.iterations),
        )
        .await
        .map_err(explain)?;
    output::line(&format!("{}: {} set", args.user, mechanism.name()))?;
    Ok(())
}

fn from_input() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn from_file(io: &Io, path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let bytes = io
        .disk
        .read(path, PASSWORD_BYTES_MAX)
        .map_err(|error| anyhow::anyhow!("cannot read password file {name}: {error}"))?;
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("password file {name} is not UTF-8 text"))
}
