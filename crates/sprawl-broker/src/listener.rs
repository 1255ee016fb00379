//! Accepts connections and keeps their number below a limit.
//!
//! Source: `max.connections`, `connections.max.idle.ms` of Kafka's `SocketServer`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sprawl_io::{Listener, Stream, time};
use tracing::{debug, info, warn};

use crate::broker::Broker;
use crate::connection::{Connection, ConnectionError, Peer};

/// The pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How many connections are open, and which number the next one gets.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: AtomicUsize,
    next_id: AtomicU64,
}

impl Connections {
    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
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
    let connection_count_max = broker.limits().connection_count_max;
    if connections.open.fetch_add(1, Ordering::Relaxed) >= connection_count_max {
        connections.open.fetch_sub(1, Ordering::Relaxed);
        broker.metrics().connections_refused.increment(1);
        debug!(%address, connection_count_max, "connection refused: max.connections is reached");
        return;
    }
    let connection_id = connections.next_id.fetch_add(1, Ordering::Relaxed);
    let peer = Peer {
        address,
        connection_id,
    };
    let serving = broker.clone();
    broker.io().spawn.task(Box::pin(async move {
        let closed = Guard(serving.clone());
        log_end(
            address,
            Connection::new(serving, peer, stream).serve().await,
        );
        drop(closed);
    }));
}

/// Counts the connection as closed however its task ends.
struct Guard(Arc<Broker>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.connections().open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn log_end(address: SocketAddr, result: Result<(), ConnectionError>) {
    match result {
        Ok(()) => {}
        Err(ConnectionError::Io(error)) if is_ordinary(&error) => {
            debug!(%address, %error, "connection lost");
        }
        Err(ConnectionError::Idle(idle)) => debug!(%address, ?idle, "idle connection closed"),
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
    )
}
