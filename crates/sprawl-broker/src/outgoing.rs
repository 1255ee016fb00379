//! How a response leaves: headers and payload by reference, file ranges by the kernel.
//!
//! Payload bytes are never copied here: memory goes out by vectored writes, disk by `sendfile`
//! where the stream and the file allow it.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use sprawl_io::{Spawn, Stream, spawn, time};
use sprawl_log::{FileRange, Part};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Slices given to one vectored write; the kernel takes up to 1,024.
const SLICES_PER_WRITE_MAX: usize = 64;

/// Bytes of a file range that are sent, or loaded where the kernel cannot copy them itself, at
/// once.
const FILE_STEP_BYTES_MAX: usize = 1024 * 1024;

/// A piece of a response.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Bytes in memory.
    Memory(Bytes),
    /// Bytes in a segment file.
    File(FileRange),
}

/// A whole response, its size field included.
#[derive(Debug, Default)]
pub(crate) struct OutgoingFrame {
    /// The pieces, in order.
    pub(crate) chunks: Vec<Chunk>,
}

impl Chunk {
    /// The size in bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(range) => range.size,
        }
    }
}

impl From<Part> for Chunk {
    fn from(part: Part) -> Self {
        match part {
            Part::Memory(bytes) => Self::Memory(bytes),
            Part::File(range) => Self::File(range),
        }
    }
}

impl OutgoingFrame {
    /// A response that is one piece of memory.
    pub(crate) fn from_bytes(bytes: Bytes) -> Self {
        Self {
            chunks: vec![Chunk::Memory(bytes)],
        }
    }

    /// The size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.chunks.iter().map(Chunk::size).sum()
    }
}

/// Writes the frames, in order.
///
/// Errors: the socket's, or `TimedOut` where the peer takes nothing for `stall_max`.
pub(crate) async fn write_all(
    spawn: &Arc<dyn Spawn>,
    stream: &mut Stream,
    frames: Vec<OutgoingFrame>,
    stall_max: Duration,
) -> io::Result<()> {
    let mut memory = Vec::with_capacity(frames.len());
    for chunk in frames.into_iter().flat_map(|frame| frame.chunks) {
        match chunk {
            Chunk::Memory(bytes) => memory.push(bytes),
            Chunk::File(range) => {
                write_memory(stream, &mut memory, stall_max).await?;
                write_file(spawn, stream, range, stall_max).await?;
            }
        }
    }
    write_memory(stream, &mut memory, stall_max).await?;
    progress(stall_max, stream.flush()).await
}

/// Waits for one step of writing, but not for ever: a peer that does not read holds memory here.
async fn progress<T>(
    stall_max: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let stalled = || Err(io::ErrorKind::TimedOut.into());
    time::timeout(stall_max, step).await.unwrap_or_else(stalled)
}

async fn write_memory(
    stream: &mut Stream,
    chunks: &mut Vec<Bytes>,
    stall_max: Duration,
) -> io::Result<()> {
    let mut first = 0;
    while first < chunks.len() {
        let written = {
            let slices: Vec<IoSlice<'_>> = chunks
                .iter()
                .skip(first)
                .take(SLICES_PER_WRITE_MAX)
                .map(|bytes| IoSlice::new(bytes))
                .collect();
            progress(stall_max, write_vectored(stream, &slices)).await?
        };
        first = advance(chunks, first, written);
    }
    chunks.clear();
    Ok(())
}

async fn write_vectored(stream: &mut Stream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let written = std::future::poll_fn(|context| {
        std::pin::Pin::new(&mut *stream).poll_write_vectored(context, slices)
    })
    .await?;
    if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(written)
}

/// Drops `written` bytes from the front; returns the first chunk that is not empty.
fn advance(chunks: &mut [Bytes], mut first: usize, mut written: usize) -> usize {
    while let Some(chunk) = chunks.get_mut(first) {
        let taken = written.min(chunk.len());
        chunk.advance(taken);
        written -= taken;
        if !chunk.is_empty() {
            break;
        }
        first += 1;
    }
    first
}

async fn write_file(
    spawn: &Arc<dyn Spawn>,
    stream: &mut Stream,
    range: FileRange,
    stall_max: Duration,
) -> io::Result<()> {
    let mut sent = 0;
    while sent < range.size {
        let position = range.position + sent as u64;
        let step = FILE_STEP_BYTES_MAX.min(range.size - sent);
        if range.file.descriptor().is_some() && matches!(stream, Stream::Tcp(_)) {
            let sending = stream.send_file(range.file.as_ref(), position, step);
            match progress(stall_max, sending).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => sent += count,
            }
            continue;
        }
        let piece = FileRange {
            position,
            size: step,
            ..range.clone()
        };
        let size = piece.size;
        let bytes = spawn::blocking(spawn.as_ref(), move || piece.load())
            .await
            .unwrap_or_else(|| Err(io::Error::other("reading a segment was interrupted")))?;
        progress(stall_max, stream.write_all(&bytes)).await?;
        sent += size;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_write_resumes_inside_a_chunk() {
        let mut chunks = [
            Bytes::from_static(b"abc"),
            Bytes::new(),
            Bytes::from_static(b"defg"),
        ];
        assert_eq!(advance(&mut chunks, 0, 2), 0);
        assert_eq!(chunks[0].as_ref(), b"c");
        assert_eq!(advance(&mut chunks, 0, 3), 2);
        assert_eq!(chunks[2].as_ref(), b"fg");
        assert_eq!(advance(&mut chunks, 2, 2), 3);
    }
}
