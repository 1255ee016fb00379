//! Kafka's broker settings that mean nothing here, each with what to do instead.

const ONE_BINARY: &str = "a node is broker and controller in one; remove it";
const THREADS: &str = "work is spread over the processors there are; remove it";
const SECURITY: &str = "this release listens without encryption or authentication; remove it and \
                        keep the listener private";
const REPLICATION: &str = "this release runs one node; remove it";
const PLUGINS: &str = "Java classes cannot be loaded; remove it";
const TIERS: &str = "this release has no object store; remove it";
const QUOTAS: &str = "set a quota of connection_creation_rate on an address, or on all";
const NO_OFFLOAD: &str = "an assignment takes less than a heartbeat; remove it";
const NOT_SERVED: &str = "this release does not serve the feature; remove it";
const METRICS: &str = "metrics are served at /metrics in Prometheus text; remove it";
const OWN_LOG: &str = "the log manages it itself; remove it";
const SOCKETS: &str = "the system sizes sockets; remove it";
const DATA_DIR: &str = "give --data-dir, or data-dir in the configuration file";

/// Kafka names that end in nothing particular: matched whole.
const WHOLE: &[(&str, &str)] = &[
    ("authorizer.class.name", SECURITY),
    ("auto.leader.rebalance.enable", REPLICATION),
    ("background.threads", THREADS),
    ("broker.id.generation.enable", "set node.id"),
    ("connection.failed.authentication.delay.ms", SECURITY),
    ("connections.max.reauth.ms", SECURITY),
    (
        "controlled.shutdown.enable",
        "a stop is always controlled; remove it",
    ),
    ("cordoned.log.dirs", DATA_DIR),
    ("early.start.listeners", ONE_BINARY),
    ("inter.broker.listener.name", REPLICATION),
    ("kafka.metrics.polling.interval.secs", METRICS),
    ("listener.security.protocol.map", SECURITY),
    ("log.dir", DATA_DIR),
    ("log.dirs", DATA_DIR),
    ("max.connection.creation.rate", QUOTAS),
    (
        "max.connections.per.ip.overrides",
        "set max.connections.per.ip for all addresses",
    ),
    ("num.io.threads", THREADS),
    ("num.network.threads", THREADS),
    ("num.recovery.threads.per.data.dir", THREADS),
    ("num.replica.alter.log.dirs.threads", THREADS),
    ("num.replica.fetchers", REPLICATION),
    ("offsets.load.buffer.size", OWN_LOG),
    ("offsets.topic.compression.codec", OWN_LOG),
    ("principal.builder.class", SECURITY),
    ("process.roles", ONE_BINARY),
    ("producer.id.expiration.check.interval.ms", OWN_LOG),
    (
        "queued.max.requests",
        "set queued.max.request.bytes, which bounds what is held",
    ),
    ("request.timeout.ms", REPLICATION),
    ("server.max.startup.time.ms", OWN_LOG),
    ("socket.listen.backlog.size", SOCKETS),
    ("socket.receive.buffer.bytes", SOCKETS),
    ("socket.send.buffer.bytes", SOCKETS),
    ("unstable.api.versions.enable", NOT_SERVED),
    ("unstable.feature.versions.enable", NOT_SERVED),
];

/// Kafka names by how they begin.
const PREFIXES: &[(&str, &str)] = &[
    (
        "add.partitions.to.txn.",
        "the coordinator is in the same process; remove it",
    ),
    ("broker.heartbeat.", ONE_BINARY),
    ("broker.session.", ONE_BINARY),
    (
        "config.providers",
        "give the values themselves, or SPRAWL_* environment variables",
    ),
    ("control.plane.", ONE_BINARY),
    ("controller.", ONE_BINARY),
    ("delegation.token.", SECURITY),
    ("follower.fetch.", TIERS),
    ("group.consumer.assignor.", NO_OFFLOAD),
    (
        "group.consumer.assignors",
        "uniform and range are always there; remove it",
    ),
    (
        "group.consumer.regex.",
        "patterns follow every change of topics; remove it",
    ),
    (
        "group.coordinator.",
        "groups need no tuning here; remove it",
    ),
    (
        "group.share.assign",
        "share groups have one assignor; remove it",
    ),
    (
        "group.share.initialize.",
        "share groups need no tuning here; remove it",
    ),
    (
        "group.share.max.assignment.",
        "share groups are assigned at once; remove it",
    ),
    (
        "group.share.min.assignment.",
        "share groups are assigned at once; remove it",
    ),
    (
        "group.streams.assignor",
        "streams groups have one assignor; remove it",
    ),
    ("initial.broker.registration.", ONE_BINARY),
    ("inter.broker.", REPLICATION),
    ("internal.", OWN_LOG),
    ("kafka.metrics.", METRICS),
    ("leader.imbalance.", REPLICATION),
    ("log.", OWN_LOG),
    ("metadata.", "metadata manages its own log; remove it"),
    ("metric.", METRICS),
    ("metrics.", METRICS),
    ("alter.log.dirs.", REPLICATION),
    ("remote.", TIERS),
    ("replica.", REPLICATION),
    ("replication.quota.", REPLICATION),
    ("sasl.", SECURITY),
    ("security.", SECURITY),
    ("share.", "share groups need no tuning here; remove it"),
    ("socket.connection.setup.", REPLICATION),
    ("ssl.", SECURITY),
    ("transaction.state.log.", OWN_LOG),
    ("transaction.", NOT_SERVED),
    ("unclean.leader.election.", REPLICATION),
    ("zookeeper.", "there is no ZooKeeper; remove it"),
];

/// Kafka names by how they end.
const SUFFIXES: &[(&str, &str)] = &[
    (".class", PLUGINS),
    (".class.name", PLUGINS),
    (".purgatory.purge.interval.requests", OWN_LOG),
];

/// Returns what to do instead of setting `name`, where Kafka knows it and we have no use for it.
pub(super) fn instead_of(name: &str) -> Option<&'static str> {
    let whole = WHOLE.iter().find(|(known, _)| *known == name);
    let prefix = || PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix));
    let suffix = || SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix));
    whole
        .or_else(prefix)
        .or_else(suffix)
        .map(|(_, instead)| *instead)
}
