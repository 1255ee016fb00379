//! Which client instances are known, and what each may do right now.
//!
//! Bounds: [`INSTANCES_MAX`] instances, the one that asked least lately goes first; an instance is
//! forgotten when its connection ends, or after [`EXPIRY_MIN`] or three push intervals of silence.
//! Every look-up is O(log instances), and so is forgetting one.
//!
//! Source: `ClientMetricsManager`, `ClientMetricsInstance`. Kafka remembers what a client looked
//! like when it first asked; here it is what it looks like now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::client::Client;
use super::subscriptions::Subscriptions;
use super::{Push, Subscription, TelemetryError, is_reserved};
use crate::config::ConfigMap;

/// The most instances that are remembered.
const INSTANCES_MAX: usize = 16_384;

/// How long a silent instance is remembered at least.
const EXPIRY_MIN: Duration = Duration::from_secs(60);

/// After how many push intervals a silent instance is forgotten.
const EXPIRY_INTERVALS: u32 = 3;

/// Who is asked for metrics and who pushes them.
#[derive(Debug)]
pub struct ClientMetrics {
    subscriptions: Subscriptions,
    bytes_max: usize,
    instances: BTreeMap<Uuid, Instance>,
    by_use: BTreeMap<u64, Uuid>,
    by_expiry: BTreeSet<(Duration, Uuid)>,
    by_connection: BTreeMap<SocketAddr, Uuid>,
    uses: u64,
}

/// A client that asked.
#[derive(Debug)]
struct Instance {
    /// The version of the subscriptions that it follows.
    version: u64,
    subscription_id: i32,
    push_interval: Duration,
    connection: SocketAddr,
    got: Option<Duration>,
    pushed: Option<Duration>,
    is_terminating: bool,
    last_error: Option<TelemetryError>,
    use_number: u64,
    expiry: Duration,
}

impl ClientMetrics {
    /// Knows nobody; takes pushes of up to `bytes_max` bytes (`telemetry.max.bytes`).
    pub fn new(bytes_max: usize) -> Self {
        Self {
            subscriptions: Subscriptions::default(),
            bytes_max,
            instances: BTreeMap::new(),
            by_use: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            by_connection: BTreeMap::new(),
            uses: 0,
        }
    }

    /// Takes the subscriptions of the cluster over where they have changed.
    pub fn follow(&mut self, subscriptions: &Arc<BTreeMap<String, ConfigMap>>) {
        self.subscriptions.follow(subscriptions);
    }

    /// How many instances are known.
    pub fn instance_count(&self) -> usize {
        self.instances.len()
    }

    /// Whether an instance is known.
    pub fn knows(&self, instance_id: Uuid) -> bool {
        self.instances.contains_key(&instance_id)
    }

    /// Tells a client what to push.
    pub fn subscribe(
        &mut self,
        client: Client<'_>,
        now: Duration,
    ) -> Result<Subscription, TelemetryError> {
        let subscription = self.subscriptions.of(client);
        let instance = self.instance(client, now);
        // After these errors a client asks again at once.
        let may_ask_again = matches!(
            instance.last_error,
            Some(TelemetryError::UnknownSubscription | TelemetryError::UnknownCompression)
        );
        let last = instance.got.max(instance.pushed);
        if has_passed(last, instance.push_interval, now) {
            instance.got = Some(now);
        } else if !may_ask_again {
            return Err(TelemetryError::TooEarly);
        }
        instance.last_error = None;
        instance.subscription_id = subscription.id;
        instance.push_interval = subscription.push_interval;
        Ok(subscription)
    }

    /// Decides whether a push is taken; its payload is to be read then, and
    /// [`Self::finish_push`] to be told what came of it.
    ///
    /// Returns how long what is pushed may be kept: as long as the instance is remembered.
    pub fn admit_push(
        &mut self,
        client: Client<'_>,
        push: Push,
        now: Duration,
    ) -> Result<Duration, TelemetryError> {
        if is_reserved(client.instance_id) {
            return Err(TelemetryError::ReservedInstanceId);
        }
        let bytes_max = self.bytes_max;
        let instance = self.instance(client, now);
        let admitted = instance.admit_push(push, bytes_max, now);
        instance.is_terminating = push.is_terminating;
        if let Err(error) = admitted {
            instance.last_error = Some(error);
        }
        admitted.map(|()| instance.expiry)
    }

    /// Notes what came of a push that was admitted.
    pub fn finish_push(&mut self, instance_id: Uuid, result: Result<(), TelemetryError>) {
        if let Some(instance) = self.instances.get_mut(&instance_id) {
            instance.last_error = result.err();
        }
    }

    /// Forgets the instance that asked on a connection that has ended.
    pub fn disconnect(&mut self, connection: SocketAddr) {
        if let Some(instance_id) = self.by_connection.remove(&connection) {
            self.forget(instance_id);
        }
    }

    /// Forgets the instances that are silent for too long.
    pub fn expire(&mut self, now: Duration) {
        while let Some((expiry, instance_id)) = self.by_expiry.first().copied()
            && expiry <= now
        {
            self.forget(instance_id);
        }
    }

    /// Finds the client's instance. It begins anew where the subscriptions have changed since.
    fn instance(&mut self, client: Client<'_>, now: Duration) -> &mut Instance {
        self.expire(now);
        let (id, version) = (client.instance_id, self.subscriptions.version());
        let known = self.instances.get(&id);
        if known.is_none_or(|instance| instance.version < version) {
            self.forget(id);
            self.make_room();
            self.by_connection.insert(client.address, id);
            let subscription = self.subscriptions.of(client);
            let instance = Instance::new(client.address, version, &subscription);
            self.instances.insert(id, instance);
        }
        self.uses += 1;
        let instance = self.instances.get_mut(&id).expect("it was put in");
        self.by_use.remove(&instance.use_number);
        self.by_use.insert(self.uses, id);
        instance.use_number = self.uses;
        let silence = EXPIRY_MIN.max(instance.push_interval.saturating_mul(EXPIRY_INTERVALS));
        self.by_expiry.remove(&(instance.expiry, id));
        instance.expiry = now.saturating_add(silence);
        self.by_expiry.insert((instance.expiry, id));
        instance
    }

    fn make_room(&mut self) {
        while self.instances.len() >= INSTANCES_MAX
            && let Some((_, oldest)) = self.by_use.first_key_value()
        {
            self.forget(*oldest);
        }
    }

    fn forget(&mut self, instance_id: Uuid) {
        let Some(instance) = self.instances.remove(&instance_id) else {
            return;
        };
        self.by_use.remove(&instance.use_number);
        self.by_expiry.remove(&(instance.expiry, instance_id));
        // The connection may have brought another instance since.
        if self.by_connection.get(&instance.connection) == Some(&instance_id) {
            self.by_connection.remove(&instance.connection);
        }
    }
}

impl Instance {
    fn new(connection: SocketAddr, version: u64, subscription: &Subscription) -> Self {
        Self {
            version,
            subscription_id: subscription.id,
            push_interval: subscription.push_interval,
            connection,
            got: None,
            pushed: None,
            is_terminating: false,
            last_error: None,
            use_number: 0,
            expiry: Duration::ZERO,
        }
    }

    fn admit_push(
        &mut self,
        push: Push,
        bytes_max: usize,
        now: Duration,
    ) -> Result<(), TelemetryError> {
        if self.is_terminating {
            return Err(TelemetryError::Terminated);
        }
        // The first push after a subscription comes when it likes: clients spread it over the
        // interval.
        let is_due = self.got > self.pushed || has_passed(self.pushed, self.push_interval, now);
        if is_due {
            self.pushed = Some(now);
        } else if !push.is_terminating {
            return Err(TelemetryError::TooEarly);
        }
        if push.subscription_id != self.subscription_id {
            return Err(TelemetryError::UnknownSubscription);
        }
        if !push.has_known_compression {
            return Err(TelemetryError::UnknownCompression);
        }
        if push.size > bytes_max {
            let (max, found) = (bytes_max, push.size);
            return Err(TelemetryError::TooLarge { max, found });
        }
        Ok(())
    }
}

fn has_passed(since: Option<Duration>, interval: Duration, now: Duration) -> bool {
    since.is_none_or(|since| now.saturating_sub(since) >= interval)
}
