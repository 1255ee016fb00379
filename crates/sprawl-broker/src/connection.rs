//! One client connection: frames in, responses out, in the order of the requests.
//!
//! Invariants: responses leave in request order; produce requests that follow each other are
//! appended as they arrive, so that their waits for the disk overlap, and in that order also where
//! one has to be admitted to its transaction first; any other request is decoded
//! and starts only when all before it are answered, as Kafka does, so that a connection holds one
//! decoded request that is not produce; what large decoded ones take is bounded over all
//! connections ([`crate::decoded`]). Whatever ends a connection, what came before is answered.
//!
//! Bounds: no more is reserved for a frame than its peer has proved to send (at least
//! [`FRAME_RESERVE_BYTES_MIN`]); at most [`REQUESTS_IN_FLIGHT_MAX`] requests and about
//! [`IN_FLIGHT_BYTES_MAX`] of them wait; large unfinished frames of all connections share
//! `queued.max.request.bytes`; a peer that neither ends a frame, nor sends
//! [`PROGRESS_BYTES_MIN`], nor takes a response for `connections.max.idle.ms` is cut off.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use sprawl_io::net::BoxFuture;
use sprawl_io::{Stream, time};
use sprawl_protocol::FrameError;
use sprawl_protocol::frame::SIZE_BYTES;
use tokio::io::AsyncReadExt;

use crate::broker::Broker;
use crate::dispatch::{self, AppendedProduce, Arrival, Produced, Reply, Undecoded};
use crate::outgoing::{self, OutgoingFrame};
use crate::quotas::Mute;

/// Requests of one connection that may be waiting for their answer.
pub(crate) const REQUESTS_IN_FLIGHT_MAX: usize = 32;

/// Bytes of one connection's requests after which no more are read until some are answered.
const IN_FLIGHT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of responses that are collected before they are written, a last one on top: they may hold
/// record batches in memory.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// The read buffer of a connection that has nothing to say, in bytes.
const BUFFER_BYTES_MIN: usize = 4 * 1024;

/// A read buffer that grew beyond this is given back when it is empty, in bytes.
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;

/// What a frame gets at once from a peer that has sent none of that size yet, in bytes. The buffer
/// doubles as bytes arrive, so that a lying size costs nothing.
const FRAME_RESERVE_BYTES_MIN: usize = 16 * 1024;

/// The most that a frame gets at once, in bytes.
const FRAME_RESERVE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of an unfinished frame that count as a sign of life.
const PROGRESS_BYTES_MIN: usize = 4 * 1024;

/// How long reading stops when memory is full, before the next look.
const PRESSURE_PAUSE: Duration = Duration::from_millis(5);

/// Who is on the other side.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The client's address.
    pub(crate) address: SocketAddr,
    /// Until when it is not listened to.
    pub(crate) mute: Mute,
    /// What it is made with.
    pub(crate) software: Software,
}

/// A client's software and its version, once it has said so (KIP-511).
#[derive(Clone, Debug, Default)]
pub(crate) struct Software(Arc<OnceLock<(Box<str>, Box<str>)>>);

impl Software {
    /// Notes what a client says of itself first.
    pub(crate) fn set(&self, name: &str, version: &str) {
        self.0.get_or_init(|| (name.into(), version.into()));
    }

    /// What the client said, if it did.
    pub(crate) fn get(&self) -> Option<(&str, &str)> {
        let (name, version) = self.0.get()?;
        Some((name, version))
    }
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
    /// All connections' unfinished requests have reached `queued.max.request.bytes`.
    #[error("no room for the rest of a request, {0} bytes of unfinished ones are held")]
    NoRoom(u64),
}

/// A request that has arrived, until its response is ready.
struct InFlight {
    request: Started,
    /// Counted against `queued.max.request.bytes`.
    queued: HeldBytes,
}

enum Started {
    /// Appended; waits for the disk.
    Produce(BoxFuture<'static, Reply>),
    /// Waits for its admission to a transaction; then it appends and becomes `Produce`.
    Admitting(BoxFuture<'static, AppendedProduce>),
    /// A produce request that arrived behind one that waits for its admission.
    Deferred(Option<Box<Undecoded>>),
    /// Runs when it is at the head.
    Other(BoxFuture<'static, Reply>),
}

/// Bytes of one connection that the broker holds, counted for as long as this lives.
struct HeldBytes {
    broker: Arc<Broker>,
    total: fn(&Broker) -> &AtomicU64,
    count: u64,
}

impl HeldBytes {
    fn new(broker: &Arc<Broker>, total: fn(&Broker) -> &AtomicU64, count: u64) -> Self {
        total(broker).fetch_add(count, Ordering::Relaxed);
        Self {
            broker: broker.clone(),
            total,
            count,
        }
    }

    fn set(&mut self, count: u64) {
        let total = (self.total)(&self.broker);
        total.fetch_add(count, Ordering::Relaxed);
        total.fetch_sub(self.count, Ordering::Relaxed);
        self.count = count;
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        (self.total)(&self.broker).fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// The responses at the head of the queue.
#[derive(Default)]
struct Replies {
    frames: Vec<OutgoingFrame>,
    /// The request after them that ends the connection.
    failed: Option<dispatch::BadRequest>,
}

/// What ended a wait.
enum Event {
    Replies(Replies),
    Admitted,
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
    /// The buffer's size where it is large: a frame that is not complete.
    unfinished: HeldBytes,
    in_flight: VecDeque<InFlight>,
    /// How many of them are deferred.
    deferred_count: usize,
    /// How the connection ends once everything in flight is answered; nothing more is read then.
    ending: Option<Result<(), ConnectionError>>,
    /// The largest frame that this peer has sent, in bytes.
    frame_bytes_seen: usize,
    /// When the peer last showed a sign of life, on the monotonic clock.
    heard: Duration,
    /// Bytes that have arrived since.
    unheard_bytes: usize,
}

impl Connection {
    pub(crate) fn new(broker: Arc<Broker>, peer: Peer, stream: Stream) -> Self {
        let (buffer, in_flight) = (BytesMut::new(), VecDeque::new());
        let heard = broker.io().clock.monotonic();
        let unfinished = HeldBytes::new(&broker, |broker| &broker.unfinished_bytes, 0);
        Self {
            broker,
            peer,
            stream,
            buffer,
            unfinished,
            in_flight,
            deferred_count: 0,
            ending: None,
            frame_bytes_seen: 0,
            heard,
            unheard_bytes: 0,
        }
    }

    /// Serves requests until the client closes, the broker stops, or the client breaks the
    /// protocol; what arrived before is answered first.
    pub(crate) async fn serve(mut self) -> Result<(), ConnectionError> {
        loop {
            // Asked once a turn, so that a frame is not left lying between two answers.
            let pressed = self.broker.must_stop_reading();
            self.start_deferred_requests();
            if !pressed && !self.peer.mute.is_set() {
                self.start_arrived_requests();
            }
            self.count_unfinished()?;
            if self.in_flight.is_empty()
                && let Some(end) = self.ending.take()
            {
                return end;
            }
            let event = if self.peer.mute.is_set() {
                self.wait_muted().await
            } else {
                self.wait(pressed).await?
            };
            match event {
                Event::Replies(Replies { frames, failed }) => {
                    self.write(frames).await?;
                    self.hear();
                    failed.map_or(Ok(()), Err)?;
                }
                Event::Admitted => {}
                Event::Received(0) | Event::Shutdown => self.ending = Some(Ok(())),
                Event::Received(count) => self.hear_bytes(count),
                Event::Look => self.hear(),
                Event::Idle => return Err(ConnectionError::Idle(self.broker.limits().idle_max)),
            }
        }
    }

    /// Counts a large unfinished frame, and gives up where all connections' are too many: small
    /// requests go on.
    fn count_unfinished(&mut self) -> Result<(), ConnectionError> {
        let size = self.buffer.len();
        if size <= BUFFER_KEPT_BYTES_MAX {
            self.unfinished.set(0);
            return Ok(());
        }
        self.unfinished.set(size as u64);
        let held = self.broker.unfinished_bytes.load(Ordering::Relaxed);
        if held > self.broker.limits().queued_bytes_max {
            return Err(ConnectionError::NoRoom(held));
        }
        Ok(())
    }

    /// Notes a sign of life.
    fn hear(&mut self) {
        self.heard = self.broker.io().clock.monotonic();
        self.unheard_bytes = 0;
    }

    /// Notes arrived bytes. Single ones do not count: they could hold a connection for ever.
    fn hear_bytes(&mut self, count: usize) {
        self.unheard_bytes += count;
        if self.unheard_bytes >= PROGRESS_BYTES_MIN {
            self.hear();
        }
    }

    /// Takes every whole frame off the buffer and starts it.
    fn start_arrived_requests(&mut self) {
        while self.may_take_more() {
            let frame = match self.take_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => return self.ending = Some(Err(error.into())),
            };
            self.hear();
            let size = frame.len() as u64;
            self.broker.metrics().bytes_in.increment(size);
            let queued = HeldBytes::new(&self.broker, |broker| &broker.queued_bytes, size);
            match dispatch::parse(frame, &self.peer, self.heard) {
                Ok(arrival) => {
                    let request = self.start(arrival);
                    self.in_flight.push_back(InFlight { request, queued });
                }
                Err(error) => return self.ending = Some(Err(error.into())),
            }
        }
    }

    fn may_take_more(&self) -> bool {
        let bytes: u64 = self.in_flight.iter().map(|held| held.queued.count).sum();
        self.ending.is_none()
            && self.in_flight.len() < REQUESTS_IN_FLIGHT_MAX
            && bytes < IN_FLIGHT_BYTES_MAX as u64
    }

    /// Starts a request: produce at once where only produce is before it and there is room,
    /// anything else when it is its turn. Produce behind produce that waits for its admission is
    /// appended right after that one.
    fn start(&mut self, arrival: Arrival) -> Started {
        match arrival {
            Arrival::Request(request) if request.is_produce() && self.only_produce_in_flight() => {
                if self.is_admitting() {
                    self.deferred_count += 1;
                    return Started::Deferred(Some(Box::new(request)));
                }
                self.start_produce(request)
            }
            Arrival::Request(request) => {
                Started::Other(dispatch::run(self.broker.clone(), request))
            }
            Arrival::Unsupported(answer) => {
                let frame = answer.map(|bytes| OutgoingFrame::from_bytes(bytes.freeze()));
                Started::Other(Box::pin(std::future::ready(Ok(frame))))
            }
        }
    }

    fn start_produce(&self, request: Undecoded) -> Started {
        let broker = &self.broker;
        match broker.decoded.try_take(request.decoded_bytes()) {
            Some(part) => match dispatch::produce(broker, request, part) {
                Produced::Appended(reply) => Started::Produce(reply),
                Produced::Admitting(admission) => Started::Admitting(admission),
            },
            None => Started::Other(dispatch::run(broker.clone(), request)),
        }
    }

    /// Starts deferred produce requests while nothing but appended ones are before them.
    fn start_deferred_requests(&mut self) {
        if self.deferred_count == 0 {
            return;
        }
        for index in 0..self.in_flight.len() {
            let held = &mut self.in_flight[index].request;
            if let Started::Deferred(request) = held {
                let request = request.take().expect("a deferred request is started once");
                self.deferred_count -= 1;
                self.in_flight[index].request = self.start_produce(*request);
            }
            if !matches!(self.in_flight[index].request, Started::Produce(_)) {
                return;
            }
        }
    }

    fn only_produce_in_flight(&self) -> bool {
        self.in_flight
            .iter()
            .all(|held| !matches!(held.request, Started::Other(_)))
    }

    /// Whether a produce request that waits for its admission is in flight.
    fn is_admitting(&self) -> bool {
        let appended = |held: &InFlight| matches!(held.request, Started::Produce(_));
        !self.in_flight.iter().all(appended)
    }

    /// Splits one frame's body off the buffer, without its size field.
    fn take_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(field) = self.buffer.first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let body_bytes = self.broker.limits().frames.frame_size(*field)?;
        let frame_bytes = SIZE_BYTES + body_bytes;
        if self.buffer.len() < frame_bytes {
            let missing = frame_bytes - self.buffer.len();
            let proved = self.frame_bytes_seen.min(FRAME_RESERVE_BYTES_MAX);
            let step = FRAME_RESERVE_BYTES_MIN.max(proved).max(self.buffer.len());
            self.buffer.reserve(missing.min(step));
            return Ok(None);
        }
        self.frame_bytes_seen = self.frame_bytes_seen.max(frame_bytes);
        self.buffer.advance(SIZE_BYTES);
        let body = self.buffer.split_to(body_bytes);
        if self.buffer.is_empty() && frame_bytes > BUFFER_KEPT_BYTES_MAX {
            self.buffer = BytesMut::new();
        }
        Ok(Some(body))
    }

    /// Waits for whatever comes first.
    ///
    /// Where memory is full (`pressed`), who has sent something naps; who has not waits for its
    /// first bytes as ever, since thousands of naps would take the processor from the disk's work.
    async fn wait(&mut self, pressed: bool) -> Result<Event, ConnectionError> {
        let may_read = self.may_take_more();
        let pressed = may_read && pressed && !self.buffer.is_empty();
        let idle = self.in_flight.is_empty();
        let silent = self
            .broker
            .io()
            .clock
            .monotonic()
            .saturating_sub(self.heard);
        let patience = self.broker.limits().idle_max.saturating_sub(silent);
        if self.buffer.capacity() - self.buffer.len() < SIZE_BYTES {
            self.buffer.reserve(BUFFER_BYTES_MIN);
        }
        let Self {
            broker,
            stream,
            buffer,
            in_flight,
            ending,
            peer,
            ..
        } = self;
        let nap = if pressed { PRESSURE_PAUSE } else { patience };
        tokio::select! {
            biased;
            event = poll_fn(|context| poll_requests(in_flight, &peer.mute, context)), if !idle => {
                Ok(event)
            }
            () = broker.stopping(), if ending.is_none() => Ok(Event::Shutdown),
            received = stream.read_buf(buffer), if may_read && !pressed => {
                Ok(Event::Received(received?))
            }
            () = time::sleep(nap), if pressed || idle => {
                Ok(if pressed { Event::Look } else { Event::Idle })
            }
        }
    }

    /// Waits until the connection may be listened to again. What is in flight waits, too: it is
    /// answered in order, and the client was told to be still.
    async fn wait_muted(&mut self) -> Event {
        let left = self.peer.mute.left(self.broker.io().clock.monotonic());
        tokio::select! {
            biased;
            () = self.broker.stopping(), if self.ending.is_none() => Event::Shutdown,
            () = time::sleep(left) => Event::Look,
        }
    }

    async fn write(&mut self, frames: Vec<OutgoingFrame>) -> Result<(), ConnectionError> {
        for frame in &frames {
            self.broker
                .metrics()
                .bytes_out
                .increment(frame.size() as u64);
        }
        let (spawn, stall_max) = (&self.broker.io().spawn, self.broker.limits().idle_max);
        outgoing::write_all(spawn, &mut self.stream, frames, stall_max).await?;
        Ok(())
    }
}

/// Looks whether the first produce request that waits for its admission has got it, else for
/// responses.
fn poll_requests(
    in_flight: &mut VecDeque<InFlight>,
    mute: &Mute,
    context: &mut Context<'_>,
) -> Poll<Event> {
    let mut requests = in_flight.iter_mut().map(|held| &mut held.request);
    let waiting = requests.find(|request| !matches!(request, Started::Produce(_)));
    if let Some(request) = waiting
        && let Started::Admitting(admission) = request
        && let Poll::Ready(appended) = admission.as_mut().poll(context)
    {
        *request = Started::Produce(appended.0);
        return Poll::Ready(Event::Admitted);
    }
    poll_replies(in_flight, mute, context).map(Event::Replies)
}

/// Collects the responses at the head of the queue that are ready, up to one that mutes the
/// connection; pending while there is none.
fn poll_replies(
    in_flight: &mut VecDeque<InFlight>,
    mute: &Mute,
    context: &mut Context<'_>,
) -> Poll<Replies> {
    let mut replies = Replies::default();
    let (mut answered, mut size) = (false, 0);
    while size < REPLY_BYTES_MAX
        && replies.failed.is_none()
        && let Some(head) = in_flight.front_mut()
    {
        let (Started::Produce(future) | Started::Other(future)) = &mut head.request else {
            break;
        };
        match future.as_mut().poll(context) {
            Poll::Ready(Ok(reply)) => {
                size += reply.as_ref().map_or(0, OutgoingFrame::size);
                replies.frames.extend(reply);
            }
            Poll::Ready(Err(error)) => replies.failed = Some(error),
            Poll::Pending => break,
        }
        answered = true;
        in_flight.pop_front();
        if mute.is_set() {
            break;
        }
    }
    if answered {
        Poll::Ready(replies)
    } else {
        Poll::Pending
    }
}
