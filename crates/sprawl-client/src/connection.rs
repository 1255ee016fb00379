//! One connection to one broker: requests go out in order, many at a time; answers are matched by
//! correlation id.
//!
//! Two tasks own the socket's halves. A broken connection fails everything that waits and is never
//! repaired; the caller opens another. At most [`IN_FLIGHT_COUNT_MAX`] requests wait for an answer.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sprawl_io::{Io, ReadHalf, WriteHalf};
use sprawl_protocol::messages::ApiVersionsRequest;
use sprawl_protocol::{ApiKey, Request, StrBytes, decode_response, encode_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::call::Call;
use crate::error::ClientError;
use crate::versions::Versions;

/// The largest answer that is read, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Memory set aside at once for an answer; more is added as bytes arrive.
const RESPONSE_BYTES_FIRST: usize = 1024 * 1024;

/// Requests waiting for an answer or for the socket.
const IN_FLIGHT_COUNT_MAX: usize = 64;

/// How long opening a connection may take.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);

type Reply = oneshot::Sender<Result<Bytes, ClientError>>;

/// A request on its way to the socket.
struct Outgoing {
    correlation_id: i32,
    frame: Bytes,
    /// `None` where the broker sends no answer (`acks=0`).
    reply: Option<Reply>,
}

/// What both tasks and the callers share.
struct Shared {
    address: String,
    waiting: Mutex<VecDeque<(i32, Reply)>>,
    broken: OnceLock<String>,
}

impl Shared {
    fn error(&self) -> ClientError {
        let reason = self
            .broken
            .get()
            .cloned()
            .unwrap_or_else(|| "closed".to_owned());
        ClientError::Disconnected {
            address: self.address.clone(),
            reason,
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<(i32, Reply)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the connection broken and fails everything that waits.
    fn fail(&self, reason: String) {
        self.broken.get_or_init(|| reason);
        let waiting = std::mem::take(&mut *self.waiting());
        for (_, reply) in waiting {
            drop(reply.send(Err(self.error())));
        }
    }
}

/// An open connection whose API versions are known.
pub struct Connection {
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Outgoing>,
    next_correlation_id: AtomicI32,
    client_id: String,
    versions: Versions,
    request_wait_max: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens a connection and asks for the broker's versions.
    pub async fn open(
        io: &Io,
        address: &str,
        client_id: &str,
        request_wait_max: Duration,
    ) -> Result<Self, ClientError> {
        let refused = |reason: String| ClientError::Connect {
            address: address.to_owned(),
            reason,
        };
        let stream = sprawl_io::time::timeout(CONNECT_WAIT_MAX, io.net.connect(address))
            .await
            .ok_or_else(|| refused("timed out".to_owned()))?
            .map_err(|error| refused(reason(&error)))?;
        let (read_half, write_half) = stream.into_split();
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            waiting: Mutex::new(VecDeque::new()),
            broken: OnceLock::new(),
        });
        let (outgoing, queue) = mpsc::channel(IN_FLIGHT_COUNT_MAX);
        let (close, closed) = oneshot::channel();
        io.spawn.task(Box::pin(write_requests(
            write_half,
            queue,
            Arc::clone(&shared),
            close,
        )));
        io.spawn.task(Box::pin(read_answers(
            read_half,
            Arc::clone(&shared),
            closed,
        )));
        let mut connection = Self {
            shared,
            outgoing,
            next_correlation_id: AtomicI32::new(1),
            client_id: client_id.to_owned(),
            versions: Versions::default(),
            request_wait_max,
        };
        connection.versions = connection.ask_versions().await?;
        Ok(connection)
    }

    async fn ask_versions(&self) -> Result<Versions, ClientError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("sprawl"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        // A broker that does not know version 3 answers in version 0 that it does not; then it is
        // asked in that version.
        let mut response = self.exchange(request, 3, self.request_wait_max).await?;
        if response.error_code != 0 {
            let request = ApiVersionsRequest::default();
            response = self.exchange(request, 0, self.request_wait_max).await?;
        }
        ClientError::check(|| "api versions".to_owned(), response.error_code)?;
        Ok(Versions::new(&response))
    }

    /// Says whether the connection broke.
    pub fn is_broken(&self) -> bool {
        self.shared.broken.get().is_some()
    }

    /// Lists (api key, lowest version, highest version) as the broker announced them.
    pub fn api_versions(&self) -> Vec<(i16, i16, i16)> {
        self.versions.list()
    }

    /// Returns the version in which [`Self::call`] speaks an API.
    pub fn version_of(&self, key: ApiKey) -> Result<i16, ClientError> {
        self.versions.choose(key)
    }

    /// Sends `request` in the highest common version and waits for its answer.
    ///
    /// Errors: `Version`, `Disconnected`, `TimedOut`, `Malformed`.
    /// Cancel: safe; the request may still be carried out.
    pub async fn call<R: Call>(&self, request: R) -> Result<R::Response, ClientError> {
        self.call_within(request, self.request_wait_max).await
    }

    /// As [`Self::call`], with a deadline of its own.
    pub async fn call_within<R: Call>(
        &self,
        request: R,
        wait_max: Duration,
    ) -> Result<R::Response, ClientError> {
        let version = self.versions.choose(R::KEY)?;
        self.exchange(request, version, wait_max).await
    }

    /// Sends `request`, to which the broker sends no answer.
    pub async fn post<R: Call>(&self, request: R) -> Result<(), ClientError> {
        let version = self.versions.choose(R::KEY)?;
        let (correlation_id, frame) = self.encode(&request.into(), version)?;
        let outgoing = Outgoing {
            correlation_id,
            frame,
            reply: None,
        };
        self.outgoing
            .send(outgoing)
            .await
            .map_err(|_| self.shared.error())
    }

    async fn exchange<R: Call>(
        &self,
        request: R,
        version: i16,
        wait_max: Duration,
    ) -> Result<R::Response, ClientError> {
        let (correlation_id, frame) = self.encode(&request.into(), version)?;
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing {
            correlation_id,
            frame,
            reply: Some(reply),
        };
        let exchange = async {
            self.outgoing
                .send(outgoing)
                .await
                .map_err(|_| self.shared.error())?;
            answer.await.map_err(|_| self.shared.error())?
        };
        let frame = sprawl_io::time::timeout(wait_max, exchange)
            .await
            .unwrap_or_else(|| {
                let what = format!("{} from {}", R::KEY.name(), self.shared.address);
                Err(ClientError::TimedOut {
                    what,
                    waited: wait_max,
                })
            })?;
        let response = decode_response(R::KEY, version, frame)
            .map_err(|error| ClientError::Malformed(error.to_string()))?;
        R::response(response)
            .ok_or_else(|| ClientError::Malformed("the answer of another api".to_owned()))
    }

    fn encode(&self, request: &Request, version: i16) -> Result<(i32, Bytes), ClientError> {
        let correlation_id = self.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let mut frame = BytesMut::new();
        encode_request(
            request,
            version,
            correlation_id,
            Some(&self.client_id),
            &mut frame,
        )
        .map_err(|error| ClientError::Invalid(error.to_string()))?;
        Ok((correlation_id, frame.freeze()))
    }
}

/// The operating system's words without its error number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        _ => error.to_string(),
    }
}

/// Writes requests until the connection is dropped or breaks.
async fn write_requests(
    mut socket: WriteHalf,
    mut queue: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
    close: oneshot::Sender<()>,
) {
    while let Some(Outgoing {
        correlation_id,
        frame,
        reply,
    }) = queue.recv().await
    {
        if shared.broken.get().is_some() {
            if let Some(reply) = reply {
                drop(reply.send(Err(shared.error())));
            }
            continue;
        }
        if let Some(reply) = reply {
            shared.waiting().push_back((correlation_id, reply));
        }
        if let Err(error) = socket.write_all(&frame).await {
            shared.fail(error.to_string());
        }
        // The reader may have failed between the check above and the push.
        if shared.broken.get().is_some() {
            shared.fail(String::new());
        }
    }
    drop(socket.shutdown().await);
    drop(close);
}

/// Hands answers to their callers until the socket ends or the writer is gone.
async fn read_answers(mut socket: ReadHalf, shared: Arc<Shared>, closed: oneshot::Receiver<()>) {
    let read = async {
        loop {
            match read_answer(&mut socket).await {
                Ok(answer) => {
                    if let Err(reason) = hand_over(&shared, answer) {
                        return reason;
                    }
                }
                Err(error) => return error,
            }
        }
    };
    let reason = tokio::select! {
        biased;
        _ = closed => "closed".to_owned(),
        reason = read => reason,
    };
    shared.fail(reason);
}

async fn read_answer(socket: &mut ReadHalf) -> Result<Bytes, String> {
    let mut prefix = [0; 4];
    socket
        .read_exact(&mut prefix)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "closed by the broker".to_owned(),
            _ => error.to_string(),
        })?;
    let size = usize::try_from(i32::from_be_bytes(prefix))
        .ok()
        .filter(|size| (4..=RESPONSE_BYTES_MAX).contains(size))
        .ok_or_else(|| format!("expected an answer of 4 to {RESPONSE_BYTES_MAX} bytes"))?;
    let mut answer = BytesMut::with_capacity(size.min(RESPONSE_BYTES_FIRST));
    let mut rest = socket.take(u64::try_from(size).unwrap_or(u64::MAX));
    while answer.len() < size {
        if rest
            .read_buf(&mut answer)
            .await
            .map_err(|error| error.to_string())?
            == 0
        {
            return Err("closed by the broker".to_owned());
        }
    }
    Ok(answer.freeze())
}

/// Matches an answer with the oldest request; brokers answer a connection in order.
fn hand_over(shared: &Shared, answer: Bytes) -> Result<(), String> {
    let found = answer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
    let Some((correlation_id, reply)) = shared.waiting().pop_front() else {
        return Err("an answer to no request".to_owned());
    };
    if found != Some(correlation_id) {
        drop(reply.send(Err(shared.error())));
        return Err(format!(
            "expected correlation id {correlation_id}, found {found:?}"
        ));
    }
    // The caller may have given up; its answer is dropped then.
    drop(reply.send(Ok(answer)));
    Ok(())
}
