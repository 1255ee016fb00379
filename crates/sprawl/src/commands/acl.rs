//! `sprawl acl`: who may do what, on a cluster that keeps access rules?
//!
//! Source: KIP-140, KIP-290. A cluster without an authorizer, as ours is so far, keeps none and
//! says so.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use sprawl_client::admin::{
    AclOperation, AclPattern, AclPermission, AclResource, AclRule, AclRuleFilter, Admin,
};
use sprawl_io::Io;

use crate::client::{ConnectArgs, explain};
use crate::output::{self, Table};

/// The one cluster's name in rules.
const CLUSTER_NAME: &str = "kafka-cluster";

/// Anywhere.
const ANY_HOST: &str = "*";

#[derive(Debug, Args)]
pub(crate) struct AclArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(subcommand)]
    command: AclCommand,
}

#[derive(Debug, Subcommand)]
enum AclCommand {
    /// Show access rules
    #[command(after_help = "\
Examples:
  sprawl acl list
  sprawl acl list --topic orders
  sprawl acl list --principal User:alice --json")]
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Allow or deny something
    #[command(after_help = "\
Examples:
  sprawl acl create --allow User:alice --operation read --operation describe --topic orders
  sprawl acl create --allow User:etl --operation all --topic staging. --prefixed
  sprawl acl create --deny 'User:*' --operation delete --topic orders --host 10.0.0.7
  sprawl acl create --allow User:alice --operation read --group billing")]
    Create(CreateArgs),
    /// Take rules away
    #[command(after_help = "\
Examples:
  sprawl acl delete --topic orders --principal User:alice
  sprawl acl delete --principal User:alice --all")]
    Delete {
        #[command(flatten)]
        filter: FilterArgs,
        /// Delete whatever the other arguments leave open
        #[arg(long)]
        all: bool,
    },
}

/// What a rule is about.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ResourceArgs {
    /// A topic, or `*`
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// A group, or `*`
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// A transactional id, or `*`
    #[arg(long, value_name = "ID")]
    transactional_id: Option<String>,
    /// A delegation token's owner, or `*`
    #[arg(long, value_name = "ID")]
    delegation_token: Option<String>,
    /// The user whose tokens it is about, or `*`
    #[arg(long, value_name = "PRINCIPAL")]
    user: Option<String>,
    /// The cluster
    #[arg(long)]
    cluster: bool,
}

#[derive(Debug, Args)]
struct FilterArgs {
    #[command(flatten)]
    resource: ResourceArgs,
    /// Only rules about names that begin so
    #[arg(long)]
    prefixed: bool,
    /// Only rules for this principal, such as `User:alice`
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// Only rules for this host
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Only rules for this operation
    #[arg(long, value_enum)]
    operation: Option<Operation>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("who").required(true).multiple(true))]
struct CreateArgs {
    /// Who may, such as `User:alice`, or `User:*` for everybody; may be repeated
    #[arg(long, value_name = "PRINCIPAL", group = "who")]
    allow: Vec<String>,
    /// Who may not; may be repeated
    #[arg(long, value_name = "PRINCIPAL", group = "who")]
    deny: Vec<String>,
    /// What; may be repeated
    #[arg(long, value_enum, required = true)]
    operation: Vec<Operation>,
    /// From where
    #[arg(long, value_name = "ADDRESS", default_value = ANY_HOST)]
    host: String,
    #[command(flatten)]
    resource: ResourceArgs,
    /// The name is the beginning of names
    #[arg(long)]
    prefixed: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Operation {
    All,
    Read,
    Write,
    Create,
    Delete,
    Alter,
    Describe,
    ClusterAction,
    DescribeConfigs,
    AlterConfigs,
    IdempotentWrite,
    CreateTokens,
    DescribeTokens,
    TwoPhaseCommit,
}

impl From<Operation> for AclOperation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::All => Self::All,
            Operation::Read => Self::Read,
            Operation::Write => Self::Write,
            Operation::Create => Self::Create,
            Operation::Delete => Self::Delete,
            Operation::Alter => Self::Alter,
            Operation::Describe => Self::Describe,
            Operation::ClusterAction => Self::ClusterAction,
            Operation::DescribeConfigs => Self::DescribeConfigs,
            Operation::AlterConfigs => Self::AlterConfigs,
            Operation::IdempotentWrite => Self::IdempotentWrite,
            Operation::CreateTokens => Self::CreateTokens,
            Operation::DescribeTokens => Self::DescribeTokens,
            Operation::TwoPhaseCommit => Self::TwoPhaseCommit,
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    resource: &'static str,
    name: String,
    pattern: &'static str,
    principal: String,
    host: String,
    operation: &'static str,
    permission: &'static str,
}

impl ResourceArgs {
    fn named(&self) -> Option<(AclResource, String)> {
        let named = [
            (AclResource::Topic, &self.topic),
            (AclResource::Group, &self.group),
            (AclResource::TransactionalId, &self.transactional_id),
            (AclResource::DelegationToken, &self.delegation_token),
            (AclResource::User, &self.user),
        ];
        let cluster = || (AclResource::Cluster, CLUSTER_NAME.to_owned());
        named
            .into_iter()
            .find_map(|(resource, name)| Some((resource, name.clone()?)))
            .or_else(|| self.cluster.then(cluster))
    }
}

impl FilterArgs {
    fn filter(self) -> AclRuleFilter {
        let (resource, name) = self.resource.named().unzip();
        let prefixed = self.prefixed.then_some(AclPattern::Prefixed);
        AclRuleFilter {
            resource,
            pattern: prefixed.or(name.as_ref().map(|_| AclPattern::Literal)),
            name,
            principal: self.principal,
            host: self.host,
            operation: self.operation.map(AclOperation::from),
            permission: None,
        }
    }
}

impl CreateArgs {
    fn rules(&self) -> anyhow::Result<Vec<AclRule>> {
        let Some((resource, name)) = self.resource.named() else {
            anyhow::bail!(
                "pass what it is about: --topic, --group, --transactional-id, --cluster, \
                 --delegation-token or --user"
            );
        };
        let pattern = if self.prefixed {
            AclPattern::Prefixed
        } else {
            AclPattern::Literal
        };
        let allowed = self.allow.iter().map(|who| (who, AclPermission::Allow));
        let denied = self.deny.iter().map(|who| (who, AclPermission::Deny));
        let mut rules = Vec::new();
        for (principal, permission) in allowed.chain(denied) {
            if !principal.contains(':') {
                anyhow::bail!("expected a principal as User:NAME, found {principal:?}");
            }
            rules.extend(self.operation.iter().map(|operation| AclRule {
                resource,
                name: name.clone(),
                pattern,
                principal: principal.clone(),
                host: self.host.clone(),
                operation: (*operation).into(),
                permission,
            }));
        }
        Ok(rules)
    }
}

pub(crate) async fn run(io: Io, args: AclArgs) -> anyhow::Result<()> {
    let admin = args.connect.admin(io).await?;
    match args.command {
        AclCommand::List { filter, json } => {
            let rules = admin.acls(&filter.filter()).await.map_err(explain)?;
            if json {
                output::json(&rules.into_iter().map(row).collect::<Vec<_>>())
            } else {
                print(rules)
            }
        }
        AclCommand::Create(args) => create(&admin, &args).await,
        AclCommand::Delete { filter, all } => delete(&admin, filter, all).await,
    }
}

async fn create(admin: &Admin, args: &CreateArgs) -> anyhow::Result<()> {
    let rules = args.rules()?;
    admin.create_acls(&rules).await.map_err(explain)?;
    print(rules)
}

async fn delete(admin: &Admin, filter: FilterArgs, all: bool) -> anyhow::Result<()> {
    let filter = filter.filter();
    let is_narrow = filter.resource.is_some() && filter.principal.is_some();
    if !is_narrow && !all {
        anyhow::bail!(
            "pass a resource and --principal, or --all to delete whatever is left open; \
             `sprawl acl list` with the same arguments shows what that is"
        );
    }
    let rules = admin.delete_acls(&filter).await.map_err(explain)?;
    if rules.is_empty() {
        anyhow::bail!("no rule is like that; `sprawl acl list` shows the rules");
    }
    print(rules)
}

fn row(rule: AclRule) -> Row {
    Row {
        resource: rule.resource.name(),
        name: rule.name,
        pattern: rule.pattern.name(),
        principal: rule.principal,
        host: rule.host,
        operation: rule.operation.name(),
        permission: rule.permission.name(),
    }
}

fn print(rules: Vec<AclRule>) -> anyhow::Result<()> {
    let head = [
        "RESOURCE",
        "NAME",
        "PATTERN",
        "PRINCIPAL",
        "HOST",
        "OPERATION",
        "PERMISSION",
    ];
    let mut table = Table::new(&head);
    for rule in rules {
        let row = row(rule);
        table.row(vec![
            row.resource.to_owned(),
            row.name,
            row.pattern.to_owned(),
            row.principal,
            row.host,
            row.operation.to_owned(),
            row.permission.to_owned(),
        ]);
    }
    table.print()?;
    Ok(())
}
