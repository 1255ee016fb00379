//! How axum gets its connections from a `sprawl_io` listener, and how many it may hold.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sprawl_io::Stream;
use sprawl_io::net::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections are held at once; further ones wait in the kernel's backlog.
pub const CONNECTION_COUNT_MAX: usize = 256;

/// How long a connection may go without sending a byte.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(60);

/// The pause after a failed accept, so that running out of descriptors does not spin.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A `sprawl_io` listener with a limit on connections, in the form axum takes.
#[derive(Debug)]
pub(crate) struct Listen {
    listener: Box<dyn sprawl_io::Listener>,
    permits: Arc<Semaphore>,
}

impl Listen {
    pub(crate) fn new(listener: Box<dyn sprawl_io::Listener>) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(CONNECTION_COUNT_MAX)),
        }
    }
}

impl axum::serve::Listener for Listen {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        loop {
            let permit = Arc::clone(&self.permits)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, peer)) => return (Guarded::new(stream, permit), peer),
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    sprawl_io::time::sleep(ACCEPT_RETRY_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }
}

/// A connection that counts against the limit and is given up when the peer stays silent.
pub(crate) struct Guarded {
    stream: Stream,
    idle: BoxFuture<'static, ()>,
    _permit: OwnedSemaphorePermit,
}

impl Guarded {
    fn new(stream: Stream, permit: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            idle: idle(),
            _permit: permit,
        }
    }
}

fn idle() -> BoxFuture<'static, ()> {
    Box::pin(sprawl_io::time::sleep(CONNECTION_IDLE_MAX))
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buf) {
            self.idle = idle();
            return Poll::Ready(result);
        }
        ready!(self.idle.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
