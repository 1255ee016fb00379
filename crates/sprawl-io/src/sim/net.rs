//! Connections in memory that can be reset or go silent.

mod pipe;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use pipe::Pipe;
pub use pipe::{MemoryReader, MemoryWriter};

use super::trace::Trace;
use crate::net::{BoxFuture, Listener, Net, Stream};

/// Bytes in flight in each direction before a writer waits.
const PIPE_BYTES_MAX: usize = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: usize = 128;
/// The first port given out for port 0.
const FREE_PORT_START: u16 = 20_000;
/// The first port a connecting side seems to have.
const PEER_PORT_START: u16 = 40_000;

/// All sockets of the simulated world.
#[derive(Debug)]
pub struct SimNet(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    listeners: BTreeMap<SocketAddr, mpsc::Sender<(Stream, SocketAddr)>>,
    /// Both directions of every connection made, in order; closed ones are dropped now and then.
    connections: Vec<[Pipe; 2]>,
    port_next: u16,
    peer_port_next: u16,
    trace: Arc<Trace>,
}

impl SimNet {
    pub(super) fn new(trace: &Arc<Trace>) -> Self {
        Self(Arc::new(Mutex::new(State {
            listeners: BTreeMap::new(),
            connections: Vec::new(),
            port_next: FREE_PORT_START,
            peer_port_next: PEER_PORT_START,
            trace: Arc::clone(trace),
        })))
    }

    /// Returns how many connections are open.
    pub fn connection_count(&self) -> usize {
        let mut state = lock(&self.0);
        state.sweep();
        state.connections.len()
    }

    /// Resets an open connection, counted in the order they were made: both ends get an error.
    pub fn reset(&self, index: usize) {
        let mut state = lock(&self.0);
        state.sweep();
        state.trace.record("net reset", &[index as u64], &[]);
        for pipe in state.connections.get(index).into_iter().flatten() {
            pipe.reset();
        }
    }

    /// Makes an open connection go silent: what is written vanishes, what is read never comes.
    pub fn silence(&self, index: usize) {
        let mut state = lock(&self.0);
        state.sweep();
        state.trace.record("net silence", &[index as u64], &[]);
        for pipe in state.connections.get(index).into_iter().flatten() {
            pipe.silence();
        }
    }

    /// Resets every connection and frees every address, as the end of a process does.
    pub fn reset_all(&self) {
        let mut state = lock(&self.0);
        state.listeners.clear();
        for pipe in state.connections.drain(..).flatten() {
            pipe.reset();
        }
    }
}

impl State {
    fn sweep(&mut self) {
        self.connections
            .retain(|pipes| pipes.iter().any(|pipe| !pipe.is_over()));
    }

    /// Finds who listens on `host:port`. Every host name is this one; an address must fit.
    fn find(&self, address: &str) -> io::Result<(SocketAddr, mpsc::Sender<(Stream, SocketAddr)>)> {
        let wanted: Option<SocketAddr> = address.parse().ok();
        let port = address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, address.to_owned());
        self.listeners
            .iter()
            .find(|(bound, _)| {
                Some(bound.port()) == port
                    && wanted.is_none_or(|wanted| {
                        bound.ip().is_unspecified() || bound.ip() == wanted.ip()
                    })
            })
            .map(|(bound, queue)| (*bound, queue.clone()))
            .ok_or_else(refused)
    }

    fn connect(&mut self, address: &str) -> io::Result<Stream> {
        let (bound, queue) = self.find(address)?;
        self.sweep();
        self.peer_port_next = self.peer_port_next.wrapping_add(1).max(PEER_PORT_START);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, self.peer_port_next));
        self.trace.record(
            "net connect",
            &[bound.port().into(), peer.port().into()],
            &[],
        );
        let (to_server, to_client) = (Pipe::new(PIPE_BYTES_MAX), Pipe::new(PIPE_BYTES_MAX));
        let server = Stream::Memory(
            MemoryReader(to_server.clone()),
            MemoryWriter(to_client.clone()),
        );
        let client = Stream::Memory(
            MemoryReader(to_client.clone()),
            MemoryWriter(to_server.clone()),
        );
        queue.try_send((server, peer)).map_err(|_| {
            io::Error::new(
                io::ErrorKind::ConnectionRefused,
                format!("{address}: backlog is full"),
            )
        })?;
        self.connections.push([to_server, to_client]);
        Ok(client)
    }

    fn bind(&mut self, address: SocketAddr) -> io::Result<(SocketAddr, Queue)> {
        let mut bound = address;
        if bound.port() == 0 {
            bound.set_port(self.port_next);
            self.port_next += 1;
        }
        if self.listeners.contains_key(&bound) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, bound.to_string()));
        }
        self.trace.record("net bind", &[bound.port().into()], &[]);
        let (sender, receiver) = mpsc::channel(BACKLOG);
        self.listeners.insert(bound, sender);
        Ok((bound, receiver))
    }
}

type Queue = mpsc::Receiver<(Stream, SocketAddr)>;

impl Net for SimNet {
    fn bind(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let (address, queue) = lock(&self.0).bind(address)?;
            let queue = tokio::sync::Mutex::new(queue);
            let state = Arc::clone(&self.0);
            Ok(Box::new(SimListener {
                address,
                queue,
                state,
            }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Stream>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            lock(&self.0).connect(address)
        })
    }
}

#[derive(Debug)]
struct SimListener {
    address: SocketAddr,
    queue: tokio::sync::Mutex<Queue>,
    state: Arc<Mutex<State>>,
}

impl Listener for SimListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(async move {
            let accepted = self.queue.lock().await.recv().await;
            accepted.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        // After a crash the next process may hold the address already: only an own entry goes.
        let is_own = state.listeners.get(&self.address).is_some_and(|sender| {
            self.queue.try_lock().is_ok_and(|mut queue| {
                queue.close();
                sender.is_closed()
            })
        });
        if is_own {
            state.listeners.remove(&self.address);
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::time::timeout;

    async fn pair(net: &SimNet) -> (Box<dyn Listener>, Stream, Stream) {
        let listener = net.bind("127.0.0.1:9092".parse().unwrap()).await.unwrap();
        let client = net.connect("localhost:9092").await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (listener, client, server)
    }

    #[tokio::test(start_paused = true)]
    async fn full_pipe_makes_the_writer_wait() {
        let net = SimNet::new(&Arc::default());
        let (_listener, mut client, mut server) = pair(&net).await;
        let bytes = vec![7; PIPE_BYTES_MAX + 1];
        let pause = Duration::from_secs(1);
        assert!(timeout(pause, client.write_all(&bytes)).await.is_none());
        let mut received = vec![0; PIPE_BYTES_MAX];
        server.read_exact(&mut received).await.unwrap();
        client.write_all(b"x").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn reset_is_an_error_at_both_ends() {
        let net = SimNet::new(&Arc::default());
        let (_listener, mut client, mut server) = pair(&net).await;
        client.write_all(b"lost").await.unwrap();
        assert_eq!(net.connection_count(), 1);
        net.reset(0);
        let error = server.read(&mut [0; 4]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(client.write(b"x").await.is_err());
        assert_eq!(net.connection_count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_connection_takes_writes_and_gives_nothing() {
        let net = SimNet::new(&Arc::default());
        let (_listener, mut client, mut server) = pair(&net).await;
        net.silence(0);
        client
            .write_all(&vec![0; 10 * PIPE_BYTES_MAX])
            .await
            .unwrap();
        let mut received = [0; 4];
        let read = timeout(Duration::from_secs(60), server.read(&mut received));
        assert!(read.await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn closed_peer_is_end_of_input_after_the_last_byte() {
        let net = SimNet::new(&Arc::default());
        let (_listener, mut client, server) = pair(&net).await;
        client.write_all(b"bye").await.unwrap();
        let (mut reader, writer) = server.into_split();
        drop(client);
        let mut received = Vec::new();
        reader.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"bye");
        drop((reader, writer));
        assert_eq!(net.connection_count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn address_is_free_after_its_listener_is_dropped() {
        let net = SimNet::new(&Arc::default());
        let (listener, _client, _server) = pair(&net).await;
        let address = listener.local_address().unwrap();
        assert_eq!(
            net.bind(address).await.unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
        drop(listener);
        let refused = net.connect("127.0.0.1:9092").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

        // A listener that a crash left behind does not take the address from its successor.
        let old = net.bind(address).await.unwrap();
        net.reset_all();
        let new = net.bind(address).await.unwrap();
        drop(old);
        let (connected, accepted) = tokio::join!(net.connect("127.0.0.1:9092"), new.accept());
        connected.unwrap();
        accepted.unwrap();
    }
}
