//! One client connection: frames in, responses out, in the order of the requests.
//!
//! Invariants: responses leave in request order; produce requests that follow each other are
//! appended as they arrive, so that their waits for the disk overlap; any other request starts only
//! when all before it are answered, as Kafka does. Nothing is allocated for bytes that have not
//! arrived, beyond [`FRAME_RESERVE_BYTES_MAX`]. A connection holds at most
//! [`REQUESTS_IN_FLIGHT_MAX`] requests.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use sprawl_io::net::BoxFuture;
use sprawl_io::{Stream, time};
use sprawl_protocol::FrameError;
use sprawl_protocol::frame::SIZE_BYTES;
use tokio::io::AsyncReadExt;

use crate::broker::Broker;
use crate::dispatch::{self, Arrival, Reply};
use crate::outgoing::{self, OutgoingFrame};

/// Requests of one connection that may be waiting for their answer.
pub(crate) const REQUESTS_IN_FLIGHT_MAX: usize = 32;

/// The read buffer of a connection that has nothing to say, in bytes.
const BUFFER_BYTES_MIN: usize = 4 * 1024;

/// A frame up to this size gets its whole buffer at once; a larger one grows as its bytes arrive,
/// so that a lying size costs nothing.
const FRAME_RESERVE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How long reading stops when memory is full, before the next look.
const PRESSURE_PAUSE: Duration = Duration::from_millis(5);

/// Who is on the other side.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The client's address.
    pub(crate) address: SocketAddr,
}

/// Why a connection ended before the client closed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// A frame that cannot be a request.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A request that cannot be decoded.
    #[error(transparent)]
    Request(#[from] dispatch::BadRequest),
    /// Nothing was heard for `connections.max.idle.ms`.
    #[error("idle for {0:?}")]
    Idle(Duration),
}

/// A request that has arrived, until its response is ready.
struct InFlight {
    request: Started,
    /// Counted against `queued.max.request.bytes`.
    _queued: QueuedBytes,
}

enum Started {
    /// Appended; waits for the disk.
    Produce(BoxFuture<'static, Reply>),
    /// Runs when it is at the head.
    Other(BoxFuture<'static, Reply>),
}

/// Request bytes that the broker holds, counted for as long as this lives.
struct QueuedBytes {
    broker: Arc<Broker>,
    count: u64,
}

impl QueuedBytes {
    fn new(broker: &Arc<Broker>, count: u64) -> Self {
        broker.queued_bytes.fetch_add(count, Ordering::Relaxed);
        Self {
            broker: broker.clone(),
            count,
        }
    }
}

impl Drop for QueuedBytes {
    fn drop(&mut self) {
        self.broker
            .queued_bytes
            .fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// What ended a wait.
enum Event {
    Replies(Vec<OutgoingFrame>),
    Received(usize),
    Look,
    Idle,
    Shutdown,
}

/// A connection being served.
pub(crate) struct Connection {
    broker: Arc<Broker>,
    peer: Peer,
    stream: Stream,
    buffer: BytesMut,
    in_flight: VecDeque<InFlight>,
    closing: bool,
}

impl Connection {
    pub(crate) fn new(broker: Arc<Broker>, peer: Peer, stream: Stream) -> Self {
        let (buffer, in_flight) = (BytesMut::new(), VecDeque::new());
        Self {
            broker,
            peer,
            stream,
            buffer,
            in_flight,
            closing: false,
        }
    }

    /// Serves requests until the client closes, the broker stops, or the client breaks the
    /// protocol.
    pub(crate) async fn serve(mut self) -> Result<(), ConnectionError> {
        loop {
            self.start_arrived_requests()?;
            if self.closing && self.in_flight.is_empty() {
                return Ok(());
            }
            match self.wait().await? {
                Event::Replies(frames) => self.write(frames).await?,
                Event::Received(0) => return Ok(()),
                Event::Received(_) | Event::Look => {}
                Event::Idle => return Err(ConnectionError::Idle(self.broker.limits().idle_max)),
                Event::Shutdown => self.closing = true,
            }
        }
    }

    /// Takes every whole frame off the buffer and starts it.
    fn start_arrived_requests(&mut self) -> Result<(), ConnectionError> {
        while !self.closing && self.in_flight.len() < REQUESTS_IN_FLIGHT_MAX {
            let Some(frame) = self.take_frame()? else {
                break;
            };
            let size = frame.len() as u64;
            self.broker.metrics().bytes_in.increment(size);
            let now = self.broker.io().clock.monotonic();
            let _queued = QueuedBytes::new(&self.broker, size);
            let request = self.start(dispatch::parse(frame, &self.peer, now)?);
            self.in_flight.push_back(InFlight { request, _queued });
        }
        Ok(())
    }

    /// Starts a request: produce at once where only produce is before it, anything else when it is
    /// its turn.
    fn start(&self, arrival: Arrival) -> Started {
        let broker = self.broker.clone();
        match arrival {
            Arrival::Produce(context, produce) if self.only_produce_in_flight() => {
                Started::Produce(dispatch::produce(&broker, context, produce))
            }
            Arrival::Produce(context, produce) => Started::Other(Box::pin(async move {
                dispatch::produce(&broker, context, produce).await
            })),
            Arrival::Other(context, request) => {
                Started::Other(dispatch::run(broker, context, request))
            }
            Arrival::Unsupported(answer) => {
                let frame = answer.map(|bytes| OutgoingFrame::from_bytes(bytes.freeze()));
                Started::Other(Box::pin(std::future::ready(Ok(frame))))
            }
        }
    }

    fn only_produce_in_flight(&self) -> bool {
        self.in_flight
            .iter()
            .all(|held| matches!(held.request, Started::Produce(_)))
    }

    /// Splits one frame's body off the buffer, without its size field.
    fn take_frame(&mut self) -> Result<Option<BytesMut>, ConnectionError> {
        let Some(field) = self.buffer.first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let body_bytes = self.broker.limits().frames.frame_size(*field)?;
        let frame_bytes = SIZE_BYTES + body_bytes;
        if self.buffer.len() < frame_bytes {
            let missing = frame_bytes - self.buffer.len();
            let step = FRAME_RESERVE_BYTES_MAX.max(self.buffer.len());
            self.buffer.reserve(missing.min(step));
            return Ok(None);
        }
        self.buffer.advance(SIZE_BYTES);
        Ok(Some(self.buffer.split_to(body_bytes)))
    }

    async fn wait(&mut self) -> Result<Event, ConnectionError> {
        let may_read = !self.closing && self.in_flight.len() < REQUESTS_IN_FLIGHT_MAX;
        let pressed = may_read && self.broker.must_stop_reading();
        let idle = self.in_flight.is_empty();
        let idle_max = self.broker.limits().idle_max;
        if self.buffer.capacity() - self.buffer.len() < SIZE_BYTES {
            self.buffer.reserve(BUFFER_BYTES_MIN);
        }
        let Self {
            broker,
            stream,
            buffer,
            in_flight,
            closing,
            ..
        } = self;
        let nap = if pressed { PRESSURE_PAUSE } else { idle_max };
        tokio::select! {
            biased;
            replies = poll_fn(|context| poll_replies(in_flight, context)), if !idle => {
                Ok(Event::Replies(replies?))
            }
            () = broker.stopping(), if !*closing => Ok(Event::Shutdown),
            received = stream.read_buf(buffer), if may_read && !pressed => Ok(Event::Received(received?)),
            () = time::sleep(nap), if pressed || idle => {
                Ok(if pressed { Event::Look } else { Event::Idle })
            }
        }
    }

    async fn write(&mut self, frames: Vec<OutgoingFrame>) -> Result<(), ConnectionError> {
        for frame in &frames {
            self.broker
                .metrics()
                .bytes_out
                .increment(frame.size() as u64);
        }
        outgoing::write_all(&self.broker.io().spawn, &mut self.stream, frames).await?;
        Ok(())
    }
}

/// Collects the responses at the head of the queue that are ready; pending while there is none.
fn poll_replies(
    in_flight: &mut VecDeque<InFlight>,
    context: &mut Context<'_>,
) -> Poll<Result<Vec<OutgoingFrame>, dispatch::BadRequest>> {
    let mut frames = Vec::new();
    let mut answered = false;
    while let Some(head) = in_flight.front_mut() {
        let (Started::Produce(future) | Started::Other(future)) = &mut head.request;
        match future.as_mut().poll(context) {
            Poll::Ready(reply) => frames.extend(reply?),
            Poll::Pending => break,
        }
        answered = true;
        in_flight.pop_front();
    }
    if answered {
        Poll::Ready(Ok(frames))
    } else {
        Poll::Pending
    }
}
