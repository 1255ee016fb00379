//! Sockets: TCP, or in-memory pipes under the simulator.

mod stream;

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

pub use stream::{ReadHalf, Stream, WriteHalf};

/// A boxed future, for object-safe async traits.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A network.
pub trait Net: Debug + Send + Sync + 'static {
    /// Listens on an address; port 0 takes a free port.
    fn bind(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;
    /// Connects to `host:port`.
    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Stream>>;
}

/// A listening socket.
pub trait Listener: Debug + Send + Sync + 'static {
    /// Waits for the next connection.
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>>;
    /// Returns the address that was bound.
    fn local_address(&self) -> io::Result<SocketAddr>;
}
