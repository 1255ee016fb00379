//! Who is using more than its quota, and until when is its connection muted?
//!
//! A client above its quota is answered at once, told for how long it is throttled, and then not
//! listened to for so long, whatever it makes of what it was told (KIP-219). Where nobody has a
//! quota, a request costs one look at a flag.
//!
//! Bounds: uses are remembered while they count, of at most [`USERS_TRACKED_MAX`] at once; clients
//! beyond that share one use. Everybody is the user ANONYMOUS until there is authentication.
//!
//! Source: `ClientQuotaManager`, `ClientRequestQuotaManager`, `ControllerMutationQuotaManager`,
//! `ConnectionQuotas`; KIP-124, KIP-219, KIP-599, KIP-612.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use metrics::{Counter, counter, describe_counter};
use sprawl_core::config::QuotaSettings;
use sprawl_core::metadata::{MetadataImage, QuotaEntity, Quotas};
use sprawl_core::quota::{QuotaKind, QuotaLimits, QuotaWindows, Rate, TokenBucket};
use sprawl_protocol::ErrorCode;

use crate::api::admin::{Failure, principal};
use crate::broker::Broker;
use crate::dispatch::RequestContext;

/// The most clients whose use is remembered.
const USERS_TRACKED_MAX: usize = 65_536;

/// Uses that no longer count are swept when there are this many, and at each doubling.
const SWEEP_COUNT_MIN: usize = 64;

/// The bit of the active quotas that stands for connection rates; below it is one for each kind.
const CONNECTIONS: u8 = 1 << 7;

/// Requests that were throttled, by quota.
const THROTTLED_TOTAL: &str = "sprawl_throttled_total";
/// Milliseconds that connections were muted for, by quota.
const THROTTLE_MS_TOTAL: &str = "sprawl_throttle_ms_total";

/// Until when a connection is muted. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mute(Arc<AtomicU64>);

impl Mute {
    /// Mutes until this time on the monotonic clock, or longer where it is already.
    fn extend(&self, until_ms: u64) {
        self.0.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Whether the connection is muted, for all that was found so far.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// How long it is muted still; it listens again from when there is nothing left.
    pub(crate) fn left(&self, now: Duration) -> Duration {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(ms(now));
        if left == 0 {
            self.0.store(0, Ordering::Relaxed);
        }
        Duration::from_millis(left)
    }
}

/// With whom a use is shared: the user and the client id, where the quota speaks of them.
type Shared = (QuotaKind, Option<String>, Option<String>);

/// What was used lately.
#[derive(Debug, Default)]
struct Used {
    rates: BTreeMap<Shared, Rate>,
    mutations: BTreeMap<Shared, TokenBucket>,
    addresses: BTreeMap<IpAddr, Rate>,
    sweep_count: usize,
}

/// The quotas of this broker and what is used of them.
pub(crate) struct ClientQuotas {
    windows: QuotaWindows,
    mutation_windows: QuotaWindows,
    active: AtomicU8,
    limits: ArcSwap<QuotaLimits>,
    followed: Mutex<Arc<BTreeMap<QuotaEntity, Quotas>>>,
    used: Mutex<Used>,
    throttled: Vec<(QuotaKind, Counter, Counter)>,
}

impl std::fmt::Debug for ClientQuotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientQuotas").finish_non_exhaustive()
    }
}

impl ClientQuotas {
    /// Nobody has a quota until [`Self::follow`] finds some.
    pub(crate) fn new(settings: &QuotaSettings) -> Self {
        describe_counter!(THROTTLED_TOTAL, "Requests throttled, by quota");
        describe_counter!(THROTTLE_MS_TOTAL, "Milliseconds of throttling, by quota");
        let throttled = QuotaKind::ALL.map(|kind| {
            let quota = kind.quota();
            (
                kind,
                counter!(THROTTLED_TOTAL, "quota" => quota),
                counter!(THROTTLE_MS_TOTAL, "quota" => quota),
            )
        });
        Self {
            windows: settings.windows,
            mutation_windows: settings.mutation_windows,
            active: AtomicU8::new(0),
            limits: ArcSwap::default(),
            followed: Mutex::default(),
            used: Mutex::default(),
            throttled: throttled.into(),
        }
    }

    /// Takes over the quotas of an image, where they changed.
    pub(crate) fn follow(&self, image: &MetadataImage) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let quotas = image.client_quotas();
        if Arc::ptr_eq(&followed, quotas) {
            return;
        }
        *followed = Arc::clone(quotas);
        let limits = QuotaLimits::new(quotas);
        let kinds = QuotaKind::ALL
            .into_iter()
            .filter(|kind| limits.limits(*kind));
        let mut active = kinds.map(bit).fold(0, |all, bit| all | bit);
        if limits.limits_connections() {
            active |= CONNECTIONS;
        }
        self.limits.store(Arc::new(limits));
        self.active.store(active, Ordering::Release);
    }

    fn is_active(&self, kind: QuotaKind) -> bool {
        self.active.load(Ordering::Relaxed) & bit(kind) != 0
    }

    /// The most bytes that a fetch may return without a wait that is sure to follow.
    pub(crate) fn fetch_bytes_max(&self, context: &RequestContext) -> Option<usize> {
        if !self.is_active(QuotaKind::Fetch) {
            return None;
        }
        let limits = self.limits.load();
        let found = limits.find(QuotaKind::Fetch, principal::ANONYMOUS, client_id(context))?;
        // `as` stays within the bounds of the type.
        Some(self.windows.largest_use(found.limit) as usize)
    }

    /// Adds a use and returns for how long its client is to be throttled, in milliseconds.
    fn record(&self, kind: QuotaKind, context: &RequestContext, value: f64, now_ms: u64) -> u64 {
        if !self.is_active(kind) {
            return 0;
        }
        let limits = self.limits.load();
        let Some(found) = limits.find(kind, principal::ANONYMOUS, client_id(context)) else {
            return 0;
        };
        let shared = (
            kind,
            found.user.map(str::to_owned),
            found.client_id.map(str::to_owned),
        );
        let mut used = self.used(now_ms);
        let shared = used.place_of(shared);
        let rate = used.rates.entry(shared).or_default();
        rate.record(self.windows, value, now_ms);
        let throttle_ms = rate.throttle_ms(self.windows, found.limit, now_ms);
        match kind {
            // Time that was spent says little about the next request: no wait beyond a window.
            QuotaKind::Request => throttle_ms.min(self.windows.window_ms),
            QuotaKind::Produce | QuotaKind::Fetch | QuotaKind::ControllerMutation => throttle_ms,
        }
    }

    /// Takes partitions that are made or deleted out of the client's bucket.
    fn mutate(&self, mutations: &Mutations<'_>, count: f64, now_ms: u64) -> Result<u64, u64> {
        let kind = QuotaKind::ControllerMutation;
        if !self.is_active(kind) {
            return Ok(0);
        }
        let limits = self.limits.load();
        let client_id = client_id(mutations.context);
        let Some(found) = limits.find(kind, principal::ANONYMOUS, client_id) else {
            return Ok(0);
        };
        let shared = (
            kind,
            found.user.map(str::to_owned),
            found.client_id.map(str::to_owned),
        );
        let mut used = self.used(now_ms);
        let shared = used.place_of(shared);
        let bucket = used.mutations.entry(shared).or_default();
        let windows = self.mutation_windows;
        let wait_ms = bucket.throttle_ms(windows, found.limit, now_ms);
        match mutations.enforcement {
            Enforcement::Strict if wait_ms > 0 => Err(wait_ms),
            Enforcement::Strict => {
                bucket.record(windows, found.limit, (count, now_ms));
                Ok(0)
            }
            Enforcement::Permissive => {
                bucket.record(windows, found.limit, (count, now_ms));
                Ok(bucket.throttle_ms(windows, found.limit, now_ms))
            }
        }
    }

    /// For how long a new connection is to be kept waiting before it is closed, since its address
    /// opens too many; `None` where it is welcome.
    pub(crate) fn admit_connection(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        if self.active.load(Ordering::Relaxed) & CONNECTIONS == 0 {
            return None;
        }
        let limit = self.limits.load().connection_rate(address)?;
        let now_ms = ms(now);
        let mut used = self.used(now_ms);
        if used.addresses.len() >= USERS_TRACKED_MAX && !used.addresses.contains_key(&address) {
            return Some(Duration::from_millis(self.windows.window_ms));
        }
        let rate = used.addresses.entry(address).or_default();
        rate.record(self.windows, 1.0, now_ms);
        let wait_ms = rate.throttle_ms(self.windows, limit, now_ms);
        if wait_ms == 0 {
            return None;
        }
        rate.record(self.windows, -1.0, now_ms);
        Some(Duration::from_millis(wait_ms.min(self.windows.window_ms)))
    }

    fn used(&self, now_ms: u64) -> MutexGuard<'_, Used> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_ms = self
            .windows
            .total_ms()
            .max(self.mutation_windows.total_ms());
        used.sweep(now_ms.saturating_sub(kept_ms));
        used
    }

    fn count(&self, kind: QuotaKind, throttle_ms: u64) {
        if let Some((_, requests, time)) = self.throttled.iter().find(|(known, ..)| *known == kind)
        {
            requests.increment(1);
            time.increment(throttle_ms);
        }
    }
}

impl Used {
    /// Forgets what no longer counts, when there is much of it.
    fn sweep(&mut self, before_ms: u64) {
        let count = self.rates.len() + self.mutations.len() + self.addresses.len();
        if count < self.sweep_count.max(SWEEP_COUNT_MIN) {
            return;
        }
        self.rates.retain(|_, rate| rate.last_ms() > before_ms);
        self.addresses.retain(|_, rate| rate.last_ms() > before_ms);
        // A bucket that was not touched for all windows is full.
        self.mutations
            .retain(|_, bucket| bucket.last_ms() > before_ms);
        let count = self.rates.len() + self.mutations.len() + self.addresses.len();
        self.sweep_count = count.saturating_mul(2);
    }

    /// Where a use is kept: with its own, or with those of all who came too late.
    fn place_of(&self, shared: Shared) -> Shared {
        let count = self.rates.len() + self.mutations.len();
        let is_known = self.rates.contains_key(&shared) || self.mutations.contains_key(&shared);
        if count < USERS_TRACKED_MAX || is_known {
            return shared;
        }
        (shared.0, None, None)
    }
}

/// Which quotas a request is charged with, besides the time it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Enforcement {
    /// Nothing is done above the quota.
    Strict,
    /// It is done, and the client throttled.
    Permissive,
}

/// The partitions that one request makes or deletes.
pub(crate) struct Mutations<'a> {
    broker: &'a Broker,
    context: &'a RequestContext,
    enforcement: Enforcement,
}

impl<'a> Mutations<'a> {
    /// Those of a request that knows of the quota from version `strict_since` on.
    pub(crate) fn new(broker: &'a Broker, context: &'a RequestContext, strict_since: i16) -> Self {
        let enforcement = if context.version >= strict_since {
            Enforcement::Strict
        } else {
            Enforcement::Permissive
        };
        Self {
            broker,
            context,
            enforcement,
        }
    }

    /// Charges partitions, or refuses them.
    pub(crate) fn take(&self, partition_count: i32) -> Result<(), Failure> {
        let now_ms = ms(self.broker.io().clock.monotonic());
        let count = f64::from(partition_count.max(0));
        let (quotas, kind) = (&self.broker.quotas, QuotaKind::ControllerMutation);
        match quotas.mutate(self, count, now_ms) {
            Ok(0) => Ok(()),
            Ok(throttle_ms) => {
                throttle(self.broker, self.context, (kind, throttle_ms));
                Ok(())
            }
            Err(throttle_ms) => {
                throttle(self.broker, self.context, (kind, throttle_ms));
                Err(Failure::of(ErrorCode::ThrottlingQuotaExceeded))
            }
        }
    }
}

/// Mutes a request's connection from when it is answered.
fn throttle(broker: &Broker, context: &RequestContext, (kind, throttle_ms): (QuotaKind, u64)) {
    if throttle_ms > 0 {
        broker.quotas.count(kind, throttle_ms);
        let now_ms = ms(broker.io().clock.monotonic());
        context.peer.mute.extend(now_ms.saturating_add(throttle_ms));
    }
}

/// Charges a use and mutes its client above the quota; without one not even the clock is read.
fn charge(broker: &Broker, context: &RequestContext, (kind, value): (QuotaKind, f64)) {
    let quotas = &broker.quotas;
    if quotas.is_active(kind) {
        let now_ms = ms(broker.io().clock.monotonic());
        let throttle_ms = quotas.record(kind, context, value, now_ms);
        throttle(broker, context, (kind, throttle_ms));
    }
}

/// Charges the time that a request took.
pub(crate) fn charge_time(broker: &Broker, context: &RequestContext, spent: Duration) {
    let percent = spent.as_secs_f64() * 100.0;
    charge(broker, context, (QuotaKind::Request, percent));
}

/// Charges the bytes of a produce request.
pub(crate) fn charge_produce(broker: &Broker, context: &RequestContext) {
    charge(broker, context, (QuotaKind::Produce, context.size as f64));
}

/// Whether a fetch may return what it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchVerdict {
    /// It is within the quotas.
    Return,
    /// Nothing is returned; the client asks again after the throttle.
    Throttle,
}

/// Charges the bytes of a fetch and the time it took. What is not returned is not charged.
pub(crate) fn charge_fetch(
    broker: &Broker,
    context: &RequestContext,
    (size, spent): (usize, Duration),
) -> FetchVerdict {
    let kind = QuotaKind::Fetch;
    charge_time(broker, context, spent);
    charge(broker, context, (kind, size as f64));
    if !context.peer.mute.is_set() {
        return FetchVerdict::Return;
    }
    let now_ms = ms(broker.io().clock.monotonic());
    broker.quotas.record(kind, context, -(size as f64), now_ms);
    FetchVerdict::Throttle
}

/// Charges the bytes of a share fetch and the time it took. What was given out is returned all the
/// same: its locks run, so that the wait comes after it. (Kafka throws it away; it is lost until
/// its locks run out then, and counts as delivered.)
pub(crate) fn charge_share_fetch(
    broker: &Broker,
    context: &RequestContext,
    (size, spent): (usize, Duration),
) {
    charge_time(broker, context, spent);
    charge(broker, context, (QuotaKind::Fetch, size as f64));
}

/// For how long the connection will be muted, as responses say it.
pub(crate) fn throttle_time_ms(broker: &Broker, context: &RequestContext) -> i32 {
    if !context.peer.mute.is_set() {
        return 0;
    }
    let left = context.peer.mute.left(broker.io().clock.monotonic());
    i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
}

/// Measures how much time of a thread a request takes, where that is limited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    started: Option<Duration>,
}

impl Stopwatch {
    /// Begins to measure.
    pub(crate) fn start(broker: &Broker) -> Self {
        let is_limited = broker.quotas.is_active(QuotaKind::Request);
        Self {
            started: is_limited.then(|| broker.io().clock.monotonic()),
        }
    }

    /// What has passed; nothing where time is not limited.
    pub(crate) fn spent(self, broker: &Broker) -> Duration {
        self.started.map_or(Duration::ZERO, |started| {
            broker.io().clock.monotonic().saturating_sub(started)
        })
    }
}

/// Runs a request's work and says how much time of a thread it took, where that is limited.
pub(crate) async fn timed<F: Future>(broker: &Broker, work: F) -> (F::Output, Duration) {
    let mut work = pin!(work);
    let mut spent = Duration::ZERO;
    let output = std::future::poll_fn(|context| {
        let watch = Stopwatch::start(broker);
        let polled = work.as_mut().poll(context);
        spent += watch.spent(broker);
        polled
    })
    .await;
    (output, spent)
}

fn client_id(context: &RequestContext) -> &str {
    context.client_id.as_deref().unwrap_or_default()
}

fn bit(kind: QuotaKind) -> u8 {
    match kind {
        QuotaKind::Produce => 1,
        QuotaKind::Fetch => 1 << 1,
        QuotaKind::Request => 1 << 2,
        QuotaKind::ControllerMutation => 1 << 3,
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
