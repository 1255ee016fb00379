//! What if single requests come late, or twice? A proxy between clients and broker that holds and
//! doubles the requests of transactions (fault class F14).
//!
//! It understands a frame's size, key and version and nothing else. A held request blocks its
//! connection, as a stalled network does; the client may give up and ask again on another, and the
//! held one arrives after all. A doubled request travels on a connection of its own.
//!
//! Clients older than transaction version 2 cannot be protected against a request that arrives
//! after its successor (KIP-890): theirs are held for less than their patience and never doubled.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// EndTxn and TxnOffsetCommit, each with its first version of transaction version 2.
const TRANSACTIONAL: [(u16, u16); 2] = [(26, 5), (28, 5)];
/// One request of so many is held, and one of so many is doubled.
const FAULT_EVERY: u64 = 12;
/// Longer than the patience of a client of version 2 in the drill (2 s).
const HOLD_MS: std::ops::Range<u64> = 50..3_000;
const HOLD_OLD_MS: std::ops::Range<u64> = 50..1_000;
const DOUBLE_DELAY_MS: std::ops::Range<u64> = 0..1_500;
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// Frames of the drill are far smaller; a larger one is no request of it.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    broker: SocketAddr,
    seed: u64,
    requests: AtomicU64,
    held: AtomicU64,
    doubled: AtomicU64,
    is_over: AtomicBool,
}

impl Proxy {
    /// Listens on a free port in front of `broker`.
    pub fn start(broker: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no free loopback port")?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State {
            broker,
            seed,
            requests: AtomicU64::new(0),
            held: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = state.clone();
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { addr, state })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many requests were held, and how many were sent twice.
    #[must_use]
    pub fn faults(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.state.held), count(&self.state.doubled))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener; it fails only where that is gone already.
        drop(TcpStream::connect_timeout(&self.addr, CONNECT_WAIT_MAX));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        if state.is_over.load(Ordering::Relaxed) {
            return;
        }
        let state = state.clone();
        if let Ok(client) = client {
            // A connection that breaks is what clients must live with.
            thread::spawn(move || drop(serve(&client, &state)));
        }
    }
}

fn serve(client: &TcpStream, state: &Arc<State>) -> io::Result<()> {
    let broker = TcpStream::connect_timeout(&state.broker, CONNECT_WAIT_MAX)?;
    broker.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (mut from, mut to) = (broker.try_clone()?, client.try_clone()?);
    let answers = thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        let _closed = to.shutdown(Shutdown::Both);
        copied
    });
    let (mut requests, mut to) = (client.try_clone()?, broker.try_clone()?);
    let passed = pass_requests(&mut requests, &mut to, state);
    let _closed = (
        broker.shutdown(Shutdown::Both),
        client.shutdown(Shutdown::Both),
    );
    drop(answers.join());
    passed
}

fn pass_requests(
    client: &mut TcpStream,
    broker: &mut TcpStream,
    state: &Arc<State>,
) -> io::Result<()> {
    loop {
        let frame = read_frame(client)?;
        let [_, _, _, _, k0, k1, v0, v1, ..] = frame.as_slice() else {
            return broker.write_all(&frame);
        };
        let (key, version) = (
            u16::from_be_bytes([*k0, *k1]),
            u16::from_be_bytes([*v0, *v1]),
        );
        let newest = TRANSACTIONAL.iter().find(|(one, _)| *one == key);
        if let Some((_, of_version_2)) = newest {
            let number = state.requests.fetch_add(1, Ordering::Relaxed);
            let dice = xxh3_64_with_seed(&number.to_le_bytes(), state.seed);
            disturb(&frame, dice, version >= *of_version_2, state);
        }
        broker.write_all(&frame)?;
    }
}

/// Holds some requests, and sends some a second time, later.
fn disturb(frame: &[u8], dice: u64, is_version_2: bool, state: &State) {
    if is_version_2 && dice.is_multiple_of(FAULT_EVERY) {
        state.doubled.fetch_add(1, Ordering::Relaxed);
        let (frame, broker) = (frame.to_vec(), state.broker);
        let delay = within(dice, &DOUBLE_DELAY_MS);
        thread::spawn(move || {
            thread::sleep(delay);
            // A double that does not arrive is no fault at all.
            drop(ask(broker, &frame));
        });
    }
    if (dice / FAULT_EVERY).is_multiple_of(FAULT_EVERY) {
        let range = if is_version_2 { HOLD_MS } else { HOLD_OLD_MS };
        state.held.fetch_add(1, Ordering::Relaxed);
        thread::sleep(within(dice, &range));
    }
}

fn ask(broker: SocketAddr, frame: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&broker, CONNECT_WAIT_MAX)?;
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
    stream.write_all(frame)?;
    read_frame(&mut stream).map(drop)
}

fn within(dice: u64, range: &std::ops::Range<u64>) -> Duration {
    let spread = range.end.saturating_sub(range.start).max(1);
    Duration::from_millis(range.start + (dice >> 16) % spread)
}

/// Reads one frame, its size field included.
fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let body = u32::from_be_bytes(size) as usize;
    if body > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a frame of {body} bytes")));
    }
    let mut frame = vec![0; size.len() + body];
    let (head, rest) = frame.split_at_mut(size.len());
    head.copy_from_slice(&size);
    stream.read_exact(rest)?;
    Ok(frame)
}
