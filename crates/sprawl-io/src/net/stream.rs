//! A byte stream and its halves; enums, so that the real ones cost no indirection.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::disk::File;
use crate::sim::net::{MemoryReader, MemoryWriter};

/// The most one `sendfile` call copies, in bytes: it may block on the disk, and other tasks wait.
const SEND_FILE_BYTES_MAX: usize = 1024 * 1024;
/// What is read at a time from a file without a descriptor, in bytes.
const COPY_BYTES: usize = 64 * 1024;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// A TCP socket with `TCP_NODELAY`.
    Tcp(TcpStream),
    /// One end of a pair of in-memory pipes.
    Memory(MemoryReader, MemoryWriter),
}

/// The half of a connection that is read.
#[derive(Debug)]
pub enum ReadHalf {
    /// Of a TCP socket.
    Tcp(OwnedReadHalf),
    /// Of an in-memory connection.
    Memory(MemoryReader),
}

/// The half of a connection that is written; dropping it ends the peer's input.
#[derive(Debug)]
pub enum WriteHalf {
    /// Of a TCP socket.
    Tcp(OwnedWriteHalf),
    /// Of an in-memory connection.
    Memory(MemoryWriter),
}

impl Stream {
    /// Splits into halves that different tasks may own. Neither half locks the other.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (ReadHalf::Tcp(reader), WriteHalf::Tcp(writer))
            }
            Self::Memory(reader, writer) => (ReadHalf::Memory(reader), WriteHalf::Memory(writer)),
        }
    }

    /// Sends `size` bytes of `file` from `position` on; see [`WriteHalf::send_file`].
    pub async fn send_file(
        &mut self,
        file: &dyn File,
        position: u64,
        size: usize,
    ) -> io::Result<usize> {
        match (&mut *self, file.descriptor()) {
            (Self::Tcp(stream), Some(descriptor)) => {
                send_descriptor(stream, descriptor, position, size).await
            }
            (stream, _) => copy_file(stream, file, position, size).await,
        }
    }
}

impl WriteHalf {
    /// Sends `size` bytes of `file` from `position` on and returns how many were sent: fewer only
    /// where the file ends before.
    ///
    /// The kernel copies from the page cache to the socket where both are real. It reads from the
    /// disk in place what is not cached, so a caller with cold data reads ahead on a blocking
    /// thread.
    /// Cancel: bytes may have been sent; the connection is of no further use.
    pub async fn send_file(
        &mut self,
        file: &dyn File,
        position: u64,
        size: usize,
    ) -> io::Result<usize> {
        match (&mut *self, file.descriptor()) {
            (Self::Tcp(stream), Some(descriptor)) => {
                send_descriptor(stream.as_ref(), descriptor, position, size).await
            }
            (stream, _) => copy_file(stream, file, position, size).await,
        }
    }
}

async fn send_descriptor(
    stream: &TcpStream,
    descriptor: BorrowedFd<'_>,
    position: u64,
    size: usize,
) -> io::Result<usize> {
    let mut position = position;
    let mut sent = 0;
    while sent < size {
        let chunk = (size - sent).min(SEND_FILE_BYTES_MAX);
        let send = || loop {
            match rustix::fs::sendfile(stream, descriptor, Some(&mut position), chunk) {
                Err(Errno::INTR) => {}
                result => return result.map_err(io::Error::from),
            }
        };
        match stream.async_io(Interest::WRITABLE, send).await? {
            0 => break,
            written => sent += written,
        }
    }
    Ok(sent)
}

async fn copy_file(
    stream: &mut (impl AsyncWrite + Unpin),
    file: &dyn File,
    position: u64,
    size: usize,
) -> io::Result<usize> {
    let mut bytes = vec![0; size.min(COPY_BYTES)];
    let mut sent = 0;
    while sent < size {
        let chunk = bytes
            .get_mut(..(size - sent).min(COPY_BYTES))
            .unwrap_or_default();
        let read = file.read_at(chunk, position.saturating_add(sent as u64))?;
        if read == 0 {
            break;
        }
        stream
            .write_all(chunk.get(..read).unwrap_or_default())
            .await?;
        sent += read;
    }
    Ok(sent)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Memory(reader, _) => Pin::new(reader).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(reader) => Pin::new(reader).poll_read(cx, buf),
            Self::Memory(reader) => Pin::new(reader).poll_read(cx, buf),
        }
    }
}

/// Passes every call on to whichever half is inside.
macro_rules! forward_writes {
    ($name:ident, $memory:pat => $writer:ident) => {
        impl AsyncWrite for $name {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Tcp(writer) => Pin::new(writer).poll_write(cx, bytes),
                    $memory => Pin::new($writer).poll_write(cx, bytes),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    Self::Tcp(writer) => Pin::new(writer).poll_write_vectored(cx, slices),
                    $memory => Pin::new($writer).poll_write_vectored(cx, slices),
                }
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(writer) => Pin::new(writer).poll_flush(cx),
                    $memory => Pin::new($writer).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    Self::Tcp(writer) => Pin::new(writer).poll_shutdown(cx),
                    $memory => Pin::new($writer).poll_shutdown(cx),
                }
            }
        }
    };
}

forward_writes!(Stream, Self::Memory(_, writer) => writer);
forward_writes!(WriteHalf, Self::Memory(writer) => writer);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::disk::OpenMode;
    use crate::{Io, Listener};

    async fn pair(io: &Io) -> (Stream, Stream) {
        let listener: Box<dyn Listener> =
            io.net.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        let (client, server) = tokio::join!(io.net.connect(&address), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    /// Both halves, vectored writes, a file from its middle to beyond its end, then end of input.
    async fn check(io: &Io, dir: &Path) {
        io.disk.create_dir_all(dir).unwrap();
        let file = io
            .disk
            .open(&dir.join("sent"), OpenMode::ReadWrite)
            .unwrap();
        let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 3) as u8).collect();
        file.write_at(&[IoSlice::new(&content)], 0).unwrap();

        let (client, server) = pair(io).await;
        let (mut reader, _writer) = client.into_split();
        let (_reader, mut writer) = server.into_split();
        let send = async {
            let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"c")];
            assert!(writer.is_write_vectored());
            assert_eq!(writer.write_vectored(&slices).await.unwrap(), 3);
            assert_eq!(
                writer.send_file(&*file, 1_000_000, 500_000).await.unwrap(),
                500_000
            );
            assert_eq!(
                writer.send_file(&*file, 2_900_000, 500_000).await.unwrap(),
                100_000
            );
            writer.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (read, ()) = tokio::join!(reader.read_to_end(&mut received), send);
        read.unwrap();
        assert_eq!(received[..3], *b"abc");
        assert_eq!(received[3..500_003], content[1_000_000..1_500_000]);
        assert_eq!(received[500_003..], content[2_900_000..]);
        io.disk.remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn real_socket_carries_bytes_and_files() {
        let dir = std::env::temp_dir().join(format!("sprawl-io-stream-{}", std::process::id()));
        check(&Io::real(), &dir).await;
    }

    #[tokio::test(start_paused = true)]
    async fn simulated_socket_carries_bytes_and_files() {
        check(&Io::simulated(1).0, Path::new("/sim")).await;
    }

    #[tokio::test]
    async fn port_in_use_names_the_address() {
        let io = Io::real();
        let listener = io.net.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_address().unwrap();
        let error = io.net.bind(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(
            error.to_string().starts_with(&address.to_string()),
            "{error}"
        );
    }
}
