//! TCP.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::net::{BoxFuture, Listener, Net, Stream};

/// Connections the kernel completes and keeps before they are accepted.
const BACKLOG: u32 = 1024;

/// The network of this machine.
#[derive(Debug)]
pub(super) struct RealNet;

impl Net for RealNet {
    fn bind(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let name =
                |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4(),
                SocketAddr::V6(_) => TcpSocket::new_v6(),
            }?;
            // A restarted broker takes its port back from connections still in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(address).map_err(name)?;
            let listener = socket.listen(BACKLOG).map_err(name)?;
            Ok(Box::new(RealListener(listener)) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Stream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        })
    }
}

#[derive(Debug)]
struct RealListener(TcpListener);

impl Listener for RealListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Stream::Tcp(stream), peer))
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
