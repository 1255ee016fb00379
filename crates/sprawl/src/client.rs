//! How do the verbs reach a cluster, and how do failures tell what to do?

use clap::Args;
use sprawl_client::admin::Admin;
use sprawl_client::{Client, ClientError, ClientOptions, ErrorCode};
use sprawl_io::Io;

/// Where the cluster is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Brokers to ask first
    #[arg(short = 'b', long, value_name = "HOST:PORT,...", value_delimiter = ',')]
    #[arg(
        env = "SPRAWL_BOOTSTRAP_SERVER",
        default_value = "127.0.0.1:9092",
        global = true
    )]
    bootstrap_server: Vec<String>,
}

impl ConnectArgs {
    /// Connects to the first broker that answers.
    pub(crate) async fn client(&self, io: Io) -> anyhow::Result<Client> {
        let servers = self
            .bootstrap_server
            .iter()
            .map(|server| server.trim().to_owned());
        let options = ClientOptions::new(servers.collect());
        Client::connect(io, options).await.map_err(explain)
    }

    /// Connects for administration.
    pub(crate) async fn admin(&self, io: Io) -> anyhow::Result<Admin> {
        Ok(Admin::new(self.client(io).await?))
    }
}

/// Adds to an error what to do about it.
pub(crate) fn explain(error: ClientError) -> anyhow::Error {
    let advice = match (&error, error.code()) {
        (ClientError::Connect { .. }, _) => {
            "start a broker with `sprawl start`, or pass --bootstrap-server HOST:PORT"
        }
        (_, Some(ErrorCode::UnknownTopicOrPartition)) => {
            "`sprawl topic list` shows the topics, `sprawl topic create NAME` makes one"
        }
        (_, Some(ErrorCode::TopicAlreadyExists)) => "`sprawl topic describe NAME` shows it",
        (_, Some(ErrorCode::NonEmptyGroup)) => "stop the group's members first",
        (_, Some(ErrorCode::GroupIdNotFound)) => "`sprawl group list` shows the groups",
        (_, Some(ErrorCode::TransactionalIdNotFound)) => {
            "`sprawl transaction list` shows the transactional ids"
        }
        (_, Some(ErrorCode::SecurityDisabled)) => {
            "this cluster keeps no access rules, so none is obeyed; let only those reach its \
             listener who may do everything"
        }
        (_, Some(ErrorCode::ResourceNotFound)) => "`sprawl scram list` shows who has credentials",
        (_, Some(ErrorCode::MessageTooLarge)) => "raise the topic's max.message.bytes",
        _ => return anyhow::anyhow!("{error}"),
    };
    anyhow::anyhow!("{error}; {advice}")
}

/// Splits `name=value`.
pub(crate) fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("expected NAME=VALUE, found {text:?}")),
    }
}
