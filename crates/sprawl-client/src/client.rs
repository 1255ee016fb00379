//! Who are the brokers, who leads a partition, who coordinates a group?
//!
//! Answers come from the last `Metadata` response and are refreshed when a broker disagrees. One
//! connection a broker is kept and shared; a broken one is replaced on the next call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sprawl_io::Io;
use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::metadata_request::MetadataRequestTopic;
use sprawl_protocol::messages::{
    FindCoordinatorRequest, MetadataRequest, MetadataResponse, TopicName,
};
use uuid::Uuid;

use crate::call::Call;
use crate::connection::Connection;
use crate::error::ClientError;

/// How a client behaves towards every broker.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `host:port` of one or more brokers, tried in order.
    pub bootstrap_servers: Vec<String>,
    /// The name the broker logs and counts under.
    pub client_id: String,
    /// How long one request may take.
    pub request_wait_max: Duration,
    /// How long to keep trying when an error says that a later try may succeed.
    pub retry_wait_max: Duration,
    /// The pause between two tries.
    pub retry_pause: Duration,
}

impl ClientOptions {
    /// The usual waits, as Kafka's clients have them.
    pub fn new(bootstrap_servers: Vec<String>) -> Self {
        Self {
            bootstrap_servers,
            client_id: "sprawl".to_owned(),
            request_wait_max: Duration::from_secs(30),
            retry_wait_max: Duration::from_secs(30),
            retry_pause: Duration::from_millis(100),
        }
    }
}

/// What a `Metadata` answer said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's id.
    pub cluster_id: String,
    /// The broker that carries out administration.
    pub controller_id: i32,
    /// `host:port` by broker id.
    pub brokers: BTreeMap<i32, String>,
    /// The topics asked for, by name.
    pub topics: BTreeMap<String, TopicView>,
}

/// A topic, as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicView {
    /// The topic's identity.
    pub topic_id: Uuid,
    /// Whether the cluster made it for itself.
    pub is_internal: bool,
    /// Kafka's error code, 0 for none.
    pub error_code: i16,
    /// The partitions, by number.
    pub partitions: BTreeMap<i32, PartitionView>,
}

/// A partition, as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionView {
    /// Who leads it, where, and since which epoch; -1 for nobody.
    pub leader: i32,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
}

/// Where a partition's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leader {
    /// The broker.
    pub broker_id: i32,
    /// Its epoch, which fences requests with old views.
    pub epoch: i32,
}

#[derive(Debug, Default)]
struct State {
    cluster: Cluster,
    connections: BTreeMap<String, Arc<Connection>>,
}

/// A handle on a cluster; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    io: Io,
    options: Arc<ClientOptions>,
    state: Arc<Mutex<State>>,
}

impl Client {
    /// Makes a client and checks that a broker answers.
    ///
    /// Errors: `Connect` where none of the bootstrap servers does.
    pub async fn connect(io: Io, options: ClientOptions) -> Result<Self, ClientError> {
        let client = Self {
            io,
            options: Arc::new(options),
            state: Arc::new(Mutex::new(State::default())),
        };
        client.any().await?;
        Ok(client)
    }

    /// Returns the door to clocks and tasks this client was made with.
    pub fn io(&self) -> &Io {
        &self.io
    }

    /// Returns the options this client was made with.
    pub fn options(&self) -> &ClientOptions {
        &self.options
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a working connection to `address`, opening one where there is none.
    pub async fn connection(&self, address: &str) -> Result<Arc<Connection>, ClientError> {
        let known = self.state().connections.get(address).cloned();
        if let Some(connection) = known.filter(|connection| !connection.is_broken()) {
            return Ok(connection);
        }
        let opened = self.open_own(address).await?;
        // Two callers may have opened one each; the later one stays, the other serves out.
        self.state()
            .connections
            .insert(address.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// Opens a connection of the caller's own, for requests that wait long on the broker.
    pub async fn open_own(&self, address: &str) -> Result<Arc<Connection>, ClientError> {
        let ClientOptions {
            client_id,
            request_wait_max,
            ..
        } = self.options.as_ref();
        Connection::open(&self.io, address, client_id, *request_wait_max)
            .await
            .map(Arc::new)
    }

    /// Returns a connection to some broker: a bootstrap server, or one learned since.
    pub async fn any(&self) -> Result<Arc<Connection>, ClientError> {
        let mut first_error = None;
        let learned: Vec<String> = self.state().cluster.brokers.values().cloned().collect();
        for address in self.options.bootstrap_servers.iter().chain(&learned) {
            match self.connection(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        let none = || ClientError::Invalid("no bootstrap server was given".to_owned());
        Err(first_error.unwrap_or_else(none))
    }

    /// Returns the address of a broker by its id.
    pub async fn broker_address(&self, broker_id: i32) -> Result<String, ClientError> {
        let known = self.state().cluster.brokers.get(&broker_id).cloned();
        if let Some(address) = known {
            return Ok(address);
        }
        let cluster = self.cluster(Some(&[])).await?;
        cluster.brokers.get(&broker_id).cloned().ok_or_else(|| {
            ClientError::Invalid(format!(
                "broker {broker_id} is not among the cluster's brokers"
            ))
        })
    }

    /// Returns a connection to a broker by its id.
    pub async fn broker(&self, broker_id: i32) -> Result<Arc<Connection>, ClientError> {
        let address = self.broker_address(broker_id).await?;
        self.connection(&address).await
    }

    /// Asks about `topics` (all of them for `None`) without creating any.
    pub async fn cluster(&self, topics: Option<&[&str]>) -> Result<Cluster, ClientError> {
        self.metadata(topics, AutoCreate::No).await
    }

    async fn metadata(
        &self,
        topics: Option<&[&str]>,
        auto_create: AutoCreate,
    ) -> Result<Cluster, ClientError> {
        let request = MetadataRequest::default()
            .with_allow_auto_topic_creation(auto_create == AutoCreate::Yes)
            .with_topics(topics.map(|topics| topics.iter().map(|name| wanted(name)).collect()));
        let response = self.any().await?.call(request).await?;
        let cluster = cluster_view(response);
        let mut state = self.state();
        state.cluster.brokers.clone_from(&cluster.brokers);
        state.cluster.topics.extend(cluster.topics.clone());
        Ok(cluster)
    }

    /// Returns a topic's partitions; waits while the topic is being created by this very question.
    ///
    /// Errors: `Broker` with `UNKNOWN_TOPIC_OR_PARTITION` where the topic is not there and the
    /// broker does not create topics by itself.
    pub async fn topic(&self, topic: &str) -> Result<TopicView, ClientError> {
        let known = self.state().cluster.topics.get(topic).cloned();
        match known.filter(|view| view.error_code == 0 && !view.partitions.is_empty()) {
            Some(view) => Ok(view),
            None => self.refresh_topic(topic, AutoCreate::Yes).await,
        }
    }

    /// Asks the broker about a topic again.
    pub async fn refresh_topic(
        &self,
        topic: &str,
        auto_create: AutoCreate,
    ) -> Result<TopicView, ClientError> {
        let retry = self.retry();
        loop {
            match self.refresh_topic_once(topic, auto_create).await {
                Ok(view) => return Ok(view),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn refresh_topic_once(
        &self,
        topic: &str,
        auto_create: AutoCreate,
    ) -> Result<TopicView, ClientError> {
        let mut cluster = self.metadata(Some(&[topic]), auto_create).await?;
        let view = cluster.topics.remove(topic).unwrap_or_default();
        ClientError::check(|| format!("topic {topic}"), view.error_code)?;
        Ok(view)
    }

    /// Returns who leads a partition.
    pub async fn leader(&self, topic: &str, partition: i32) -> Result<Leader, ClientError> {
        let view = self.topic(topic).await?;
        let Some(found) = view.partitions.get(&partition) else {
            let count = view.partitions.len();
            let message =
                format!("topic {topic} has {count} partitions, not partition {partition}");
            return Err(ClientError::Invalid(message));
        };
        Ok(Leader {
            broker_id: found.leader,
            epoch: found.leader_epoch,
        })
    }

    /// Forgets what is known of a topic, so that the next call asks again.
    pub fn forget_topic(&self, topic: &str) {
        self.state().cluster.topics.remove(topic);
    }

    /// Returns the address of the broker that coordinates a group.
    pub async fn coordinator(&self, group_id: &str) -> Result<String, ClientError> {
        self.find_coordinator(CoordinatorOf::Group(group_id)).await
    }

    async fn find_coordinator(&self, of: CoordinatorOf<'_>) -> Result<String, ClientError> {
        let retry = self.retry();
        loop {
            match self.find_coordinator_once(of).await {
                Ok(address) => return Ok(address),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn find_coordinator_once(&self, of: CoordinatorOf<'_>) -> Result<String, ClientError> {
        let (key_type, what, id) = match of {
            CoordinatorOf::Group(id) => (0, "group", id),
            CoordinatorOf::Transaction(id) => (1, "transactional id", id),
        };
        let request = FindCoordinatorRequest::default()
            .with_key(StrBytes::from_string(id.to_owned()))
            .with_key_type(key_type);
        let response = self.any().await?.call(request).await?;
        ClientError::check_with(
            || format!("coordinator of {what} {id}"),
            response.error_code,
            response.error_message.map(|message| message.to_string()),
        )?;
        Ok(format!("{}:{}", response.host, response.port))
    }

    /// Calls a group's coordinator.
    pub async fn call_coordinator<R: Call>(
        &self,
        group_id: &str,
        request: R,
    ) -> Result<R::Response, ClientError> {
        let address = self.coordinator(group_id).await?;
        self.connection(&address).await?.call(request).await
    }

    /// Calls a transactional id's coordinator.
    pub async fn call_transaction_coordinator<R: Call>(
        &self,
        transactional_id: &str,
        request: R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.transaction_coordinator(transactional_id).await?;
        connection.call(request).await
    }

    /// Connects to a transactional id's coordinator.
    pub(crate) async fn transaction_coordinator(
        &self,
        transactional_id: &str,
    ) -> Result<Arc<Connection>, ClientError> {
        let of = CoordinatorOf::Transaction(transactional_id);
        let address = self.find_coordinator(of).await?;
        self.connection(&address).await
    }

    /// Makes `attempt` until it succeeds, fails for good or `retry_wait_max` has passed. For what
    /// may be done twice: a coordinator that still loads its groups refuses even to describe them.
    pub(crate) async fn retrying<T>(
        &self,
        attempt: impl AsyncFn() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let retry = self.retry();
        loop {
            match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// Starts a series of tries of one thing.
    pub(crate) fn retry(&self) -> Retry<'_> {
        Retry {
            client: self,
            start: self.io.clock.monotonic(),
        }
    }
}

/// Whose coordinator is looked for.
#[derive(Clone, Copy, Debug)]
enum CoordinatorOf<'a> {
    Group(&'a str),
    Transaction(&'a str),
}

/// A series of tries, bounded by `retry_wait_max`.
#[derive(Debug)]
pub(crate) struct Retry<'a> {
    client: &'a Client,
    start: Duration,
}

impl Retry<'_> {
    /// Waits before the next try, or returns `error` where another try is of no use or too late.
    pub(crate) async fn pause(&self, error: ClientError) -> Result<(), ClientError> {
        if !error.is_retriable() {
            return Err(error);
        }
        let waited = self.client.io.clock.monotonic().saturating_sub(self.start);
        if waited >= self.client.options.retry_wait_max {
            return Err(error);
        }
        tracing::debug!(%error, "trying again");
        sprawl_io::time::sleep(self.client.options.retry_pause).await;
        Ok(())
    }
}

/// Whether asking about a topic may create it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCreate {
    /// The broker may create it, if it is set to.
    Yes,
    /// It must not.
    No,
}

/// A name on the wire.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn wanted(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(topic_name(name)))
}

fn cluster_view(response: MetadataResponse) -> Cluster {
    let brokers = response.brokers.into_iter();
    let topics = response.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let view = PartitionView {
                leader: partition.leader_id.0,
                leader_epoch: partition.leader_epoch,
                replicas: partition.replica_nodes.into_iter().map(|id| id.0).collect(),
                isr: partition.isr_nodes.into_iter().map(|id| id.0).collect(),
            };
            (partition.partition_index, view)
        });
        let view = TopicView {
            topic_id: topic.topic_id,
            is_internal: topic.is_internal,
            error_code: topic.error_code,
            partitions: partitions.collect(),
        };
        (
            topic.name.map(|name| name.to_string()).unwrap_or_default(),
            view,
        )
    });
    Cluster {
        cluster_id: response
            .cluster_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        controller_id: response.controller_id.0,
        brokers: brokers
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host, broker.port)))
            .collect(),
        topics: topics.collect(),
    }
}
