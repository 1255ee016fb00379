//! Accepts connections and keeps their number below a limit.
//!
//! Source: `max.connections`, `max.connections.per.ip` of Kafka's `SocketServer`.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sprawl_io::{Listener, Stream, time};
use tracing::{debug, info, warn};

use crate::broker::Broker;
use crate::connection::{Connection, ConnectionError, Peer, Software};
use crate::options::Limits;
use crate::quotas::Mute;

/// The pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How many connections are open, and from where.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    by_ip: BTreeMap<IpAddr, usize>,
}

/// The limit that a new connection would break.
#[derive(Clone, Copy, Debug)]
enum Refused {
    MaxConnections,
    MaxConnectionsPerIp,
}

impl Connections {
    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.lock().count
    }

    fn admit(&self, ip: IpAddr, limits: &Limits) -> Result<(), Refused> {
        let mut open = self.lock();
        if open.count >= limits.connection_count_max {
            return Err(Refused::MaxConnections);
        }
        let from_ip = open.by_ip.get(&ip).copied().unwrap_or_default();
        if from_ip >= limits.connection_per_ip_count_max {
            return Err(Refused::MaxConnectionsPerIp);
        }
        open.by_ip.insert(ip, from_ip + 1);
        open.count += 1;
        Ok(())
    }

    fn release(&self, ip: IpAddr) {
        let mut open = self.lock();
        open.count -= 1;
        if let Some(from_ip) = open.by_ip.get_mut(&ip) {
            *from_ip -= 1;
            if *from_ip == 0 {
                open.by_ip.remove(&ip);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts until the broker stops.
pub(crate) async fn accept_loop(broker: Arc<Broker>, listener: Box<dyn Listener>) {
    loop {
        tokio::select! {
            biased;
            () = broker.stopping() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => admit(&broker, stream, address),
                Err(error) => {
                    warn!(%error, "accepting a connection failed");
                    time::sleep(ACCEPT_RETRY_PAUSE).await;
                }
            },
        }
    }
}

fn admit(broker: &Arc<Broker>, stream: Stream, address: SocketAddr) {
    let connections = broker.connections();
    if let Err(limit) = connections.admit(address.ip(), broker.limits()) {
        broker.metrics().connections_refused.increment(1);
        debug!(%address, ?limit, "connection refused");
        return;
    }
    let peer = Peer {
        address,
        mute: Mute::default(),
        software: Software::default(),
    };
    let serving = broker.clone();
    let now = broker.io().clock.monotonic();
    if let Some(wait) = broker.quotas.admit_connection(address.ip(), now) {
        broker.metrics().connections_refused.increment(1);
        debug!(%address, ?wait, "connection refused, its address opens too many");
        broker.io().spawn.task(Box::pin(async move {
            let closed = Guard(serving.clone(), address.ip());
            keep_waiting(&serving, stream, wait).await;
            drop(closed);
        }));
        return;
    }
    broker.io().spawn.task(Box::pin(async move {
        let closed = Guard(serving.clone(), address.ip());
        let connection = Connection::new(serving, peer.clone(), stream);
        log_end(address, connection.serve().await);
        closed.0.telemetry.disconnect(&peer);
        crate::share::acknowledge::release_connection(&closed.0, address);
        drop(closed);
    }));
}

/// Closes a connection after a while in which its client gets no answer, as Kafka does: a client
/// that is refused at once tries again at once.
async fn keep_waiting(broker: &Broker, stream: Stream, wait: Duration) {
    tokio::select! {
        biased;
        () = broker.stopping() => {}
        () = time::sleep(wait) => {}
    }
    drop(stream);
}

/// Counts the connection as closed however its task ends.
struct Guard(Arc<Broker>, IpAddr);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.connections().release(self.1);
    }
}

fn log_end(address: SocketAddr, result: Result<(), ConnectionError>) {
    match result {
        Ok(()) => {}
        Err(ConnectionError::Io(error)) if is_ordinary(&error) => {
            debug!(%address, %error, "connection lost");
        }
        Err(ConnectionError::Idle(idle)) => debug!(%address, ?idle, "idle connection closed"),
        Err(ConnectionError::NoRoom(held)) => {
            warn!(%address, held, "connection closed, too many unfinished requests are held");
        }
        Err(error) => info!(%address, %error, "connection closed for breaking the protocol"),
    }
}

fn is_ordinary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::TimedOut
    )
}
