//! What can be typed after `sprawl`?

use clap::{Parser, Subcommand};

use crate::commands::{
    acl, cluster, completions, config, consume, feature, group, log, log_dir, produce, quorum,
    quota, scram, share_group, start, topic, transaction,
};

/// A Kafka-compatible broker in one binary, with the tools to work with any Kafka cluster.
#[derive(Debug, Parser)]
#[command(
    name = "sprawl",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "\
Examples:
  sprawl start                          serve on 127.0.0.1:9092, data in ./sprawl-data
  sprawl topic create orders -p 6       create a topic
  echo 'key:value' | sprawl produce orders -K :
  sprawl consume orders -e              print what is there and stop
Every verb has examples: sprawl VERB --help")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a broker
    Start(start::StartArgs),
    /// Create, list, describe, change and delete topics
    Topic(topic::TopicArgs),
    /// Write records from standard input or files
    Produce(produce::ProduceArgs),
    /// Read records, alone or as a member of a group
    Consume(consume::ConsumeArgs),
    /// List, describe, reset and delete consumer groups
    Group(group::GroupArgs),
    /// List and describe transactions, find and abort those that hang
    Transaction(transaction::TransactionArgs),
    /// List, describe, reset and delete share groups, and redrive their dead letters
    ShareGroup(share_group::ShareGroupArgs),
    /// Show the cluster's brokers and disks
    Cluster(cluster::ClusterArgs),
    /// Show and change settings of topics, brokers, groups and client metrics
    Config(config::ConfigArgs),
    /// Show and change access rules
    Acl(acl::AclArgs),
    /// Show and change the passwords of users that log in with SCRAM
    Scram(scram::ScramArgs),
    /// Show the brokers' log directories and what is in them
    LogDir(log_dir::LogDirArgs),
    /// Show and change client quotas
    Quota(quota::QuotaArgs),
    /// Show and change the cluster's features
    Feature(feature::FeatureArgs),
    /// Show the metadata quorum
    Quorum(quorum::QuorumArgs),
    /// Check or print a stopped data directory
    Log(log::LogArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_examples_in_its_help() {
        fn check(path: &str, command: &clap::Command) {
            let mut leaves = command.get_subcommands().peekable();
            if leaves.peek().is_none() {
                let help = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.contains("Examples:"), "{path} has no examples");
            }
            for leaf in leaves {
                check(&format!("{path} {}", leaf.get_name()), leaf);
            }
        }
        check("sprawl", &Cli::command());
    }
}
