//! Creates a topic and waits until every partition has a leader.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
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

pub fn run(settings: &ClientConfig, topic: &Topic) -> Result<()> {
    let client: AdminClient<DefaultClientContext> = settings.create()?;
    let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1));
    for config in &topic.configs {
        let Some((name, value)) = config.split_once('=') else {
            bail!("expected name=value, found {config:?}");
        };
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
