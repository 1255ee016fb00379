//! A Kafka client of the plainest kind: real frames over a simulated socket, nothing cached.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use sprawl_io::sim::SimNet;
use sprawl_io::time::timeout;
use sprawl_io::{Net, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Where the broker listens.
pub(super) const ADDRESS: &str = "127.0.0.1:9092";
/// How long a client waits for an answer; longer than any wait it asks for.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// The largest answer a client takes, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client with one connection, made again when it breaks.
#[derive(Debug)]
pub(super) struct Client {
    net: Arc<SimNet>,
    name: String,
    stream: Option<Stream>,
    correlation_id: i32,
    /// Correlation ids sent and not answered, oldest first.
    waiting: std::collections::VecDeque<i32>,
}

impl Client {
    pub(super) fn new(net: &Arc<SimNet>, name: &str) -> Self {
        Self {
            net: Arc::clone(net),
            name: name.to_owned(),
            stream: None,
            correlation_id: 0,
            waiting: std::collections::VecDeque::new(),
        }
    }

    /// Sends a request and waits for its answer. After an error the connection is gone, and whether
    /// the request was carried out is unknown.
    pub(super) async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> io::Result<R::Response> {
        self.send(version, request).await?;
        self.receive::<R>(version).await
    }

    /// Sends a request; several may be under way.
    pub(super) async fn send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<()> {
        let frame = self.encode(version, request).map_err(io::Error::other)?;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.net.connect(ADDRESS).await?),
        };
        let sent = timeout(ANSWER_WAIT, stream.write_all(&frame)).await;
        let sent = sent.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        self.keep_or_close(sent)
    }

    /// Waits for the answer to the oldest request under way.
    pub(super) async fn receive<R: Request>(&mut self, version: i16) -> io::Result<R::Response> {
        let received = timeout(ANSWER_WAIT, self.read_frame()).await;
        let received = received.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        let frame = self.keep_or_close(received)?;
        let expected = self.waiting.pop_front();
        let decoded = decode::<R>(frame, version).map_err(io::Error::other)?;
        if expected != Some(decoded.0) {
            self.close();
            let message = format!("expected the answer to {expected:?}, found {}", decoded.0);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(decoded.1)
    }

    pub(super) fn close(&mut self) {
        self.stream = None;
        self.waiting.clear();
    }

    fn keep_or_close<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.close())
    }

    fn encode<R: Request>(&mut self, version: i16, request: &R) -> Result<BytesMut, anyhow::Error> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        self.waiting.push_back(self.correlation_id);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_string(self.name.clone())));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version))?;
        request.encode(&mut body, version)?;
        let mut frame = BytesMut::with_capacity(body.len() + 4);
        frame.extend_from_slice(&u32::try_from(body.len())?.to_be_bytes());
        frame.extend_from_slice(&body);
        Ok(frame)
    }

    async fn read_frame(&mut self) -> io::Result<Bytes> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let size = usize::try_from(stream.read_u32().await?).map_err(io::Error::other)?;
        if size > ANSWER_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("answer of {size} bytes"),
            ));
        }
        let mut frame = vec![0; size];
        stream.read_exact(&mut frame).await?;
        Ok(frame.into())
    }
}

fn decode<R: Request>(mut frame: Bytes, version: i16) -> Result<(i32, R::Response), anyhow::Error> {
    let header_version = <R::Response as HeaderVersion>::header_version(version);
    let header = ResponseHeader::decode(&mut frame, header_version)?;
    let response = R::Response::decode(&mut frame, version)?;
    anyhow::ensure!(frame.is_empty(), "{} bytes follow the answer", frame.len());
    Ok((header.correlation_id, response))
}
