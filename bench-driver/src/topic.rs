//! Creates a topic and waits until every partition has a leader; changes its settings.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;

const READY_WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Topic {
    #[arg(long)]
    name: String,
    #[arg(long)]
    partitions: i32,
    /// Topic setting, as name=value; may be repeated.
    #[arg(long = "config", value_name = "NAME=VALUE")]
    configs: Vec<String>,
}

#[derive(Args)]
pub struct Configure {
    #[arg(long)]
    name: String,
    /// Topic setting, as name=value; may be repeated. Those not named lose their value.
    #[arg(long = "config", value_name = "NAME=VALUE")]
    configs: Vec<String>,
}

pub fn configure(settings: &ClientConfig, topic: &Configure) -> Result<()> {
    let client: AdminClient<DefaultClientContext> = settings.create()?;
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(&topic.name));
    for config in &topic.configs {
        let (name, value) = pair(config)?;
        change = change.set(name, value);
    }
    let options = AdminOptions::new().request_timeout(Some(READY_WAIT_MAX));
    let results = futures_executor::block_on(client.alter_configs([&change], &options))?;
    for result in results {
        if let Err((_, code)) = result {
            bail!("cannot change topic {}: {code}", topic.name);
        }
    }
    Ok(())
}

fn pair(config: &str) -> Result<(&str, &str)> {
    let pair = config.split_once('=');
    pair.ok_or_else(|| anyhow::anyhow!("expected name=value, found {config:?}"))
}

pub fn run(settings: &ClientConfig, topic: &Topic) -> Result<()> {
    let client: AdminClient<DefaultClientContext> = settings.create()?;
    let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1));
    for config in &topic.configs {
        let (name, value) = pair(config)?;
        new = new.set(name, value);
    }
    let options = AdminOptions::new()
        .operation_timeout(Some(READY_WAIT_MAX))
        .request_timeout(Some(READY_WAIT_MAX));
    let results = futures_executor::block_on(client.create_topics([&new], &options))?;
    for result in results {
        if let Err((name, code)) = result {
            bail!("cannot create topic {name}: {code}");
        }
    }
    let started = Instant::now();
    loop {
        let metadata = client
            .inner()
            .fetch_metadata(Some(&topic.name), READY_WAIT_MAX)?;
        let ready = metadata
            .topics()
            .iter()
            .flat_map(|t| t.partitions())
            .filter(|p| p.leader() >= 0);
        if ready.count() == topic.partitions as usize {
            return Ok(());
        }
        ensure!(
            started.elapsed() < READY_WAIT_MAX,
            "topic {} has no leaders",
            topic.name
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
