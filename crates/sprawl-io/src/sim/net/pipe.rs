//! One direction of an in-memory connection.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes on their way, shared by the reader, the writer and whoever breaks the connection.
#[derive(Clone, Debug)]
pub(super) struct Pipe(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    health: Health,
    is_writer_gone: bool,
    is_reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    Reset,
    Silent,
}

impl Pipe {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            bytes: VecDeque::new(),
            bytes_max,
            health: Health::Good,
            is_writer_gone: false,
            is_reader_gone: false,
            reader: None,
            writer: None,
        })))
    }

    pub(super) fn reset(&self) {
        self.break_down(Health::Reset);
    }

    pub(super) fn silence(&self) {
        self.break_down(Health::Silent);
    }

    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.health == Health::Reset || state.is_writer_gone || state.is_reader_gone
    }

    fn break_down(&self, health: Health) {
        let mut state = self.state();
        state.health = health;
        state.bytes.clear();
        state.wake_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_all(&mut self) {
        for waker in self.reader.take().into_iter().chain(self.writer.take()) {
            waker.wake();
        }
    }
}

/// The end that reads; dropping it makes writes fail.
#[derive(Debug)]
pub struct MemoryReader(pub(super) Pipe);

/// The end that writes; dropping it ends the input.
#[derive(Debug)]
pub struct MemoryWriter(pub(super) Pipe);

impl AsyncRead for MemoryReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.health == Health::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if state.bytes.is_empty() {
            if state.is_writer_gone && state.health == Health::Good {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(state.bytes.len());
        let (front, back) = state.bytes.as_slices();
        let front_count = count.min(front.len());
        buf.put_slice(&front[..front_count]);
        buf.put_slice(&back[..count - front_count]);
        state.bytes.drain(..count);
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        let total = slices.iter().map(|slice| slice.len()).sum();
        match state.health {
            Health::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Health::Silent => return Poll::Ready(Ok(total)),
            Health::Good => {}
        }
        if state.is_reader_gone || state.is_writer_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = state.bytes_max - state.bytes.len();
        if room == 0 && total > 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut left = room;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            state.bytes.extend(part);
            left -= part.len();
        }
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(room - left))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl MemoryWriter {
    fn close(&self) {
        let mut state = self.0.state();
        state.is_writer_gone = true;
        state.wake_all();
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_reader_gone = true;
        state.wake_all();
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.close();
    }
}
