//! A Kafka client of the plainest kind: real frames over a simulated socket, nothing cached.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::messages::{RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use sprawl_io::sim::SimNet;
use sprawl_io::time::{sleep, timeout};
use sprawl_io::{Net, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error_code::TOPIC_ALREADY_EXISTS;

/// Where the broker listens.
pub(crate) const ADDRESS: &str = "127.0.0.1:9092";
/// How long a client waits for an answer; longer than any wait it asks for.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// The largest answer a client takes, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

const CREATE_TOPICS_VERSION: i16 = 5;
const CREATE_TOPICS_TIMEOUT_MS: i32 = 10_000;
/// The pause before what failed is tried again.
const CREATE_RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A client with one connection, made again when it breaks.
#[derive(Debug)]
pub(crate) struct Client {
    net: Arc<SimNet>,
    name: String,
    stream: Option<Stream>,
    correlation_id: i32,
    /// Correlation ids sent and not answered, oldest first.
    waiting: std::collections::VecDeque<i32>,
}

impl Client {
    pub(crate) fn new(net: &Arc<SimNet>, name: &str) -> Self {
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
    pub(crate) async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> io::Result<R::Response> {
        self.send(version, request).await?;
        self.receive::<R>(version).await
    }

    /// Sends a request; several may be under way.
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<()> {
        let frame = self.encode(version, request).map_err(io::Error::other)?;
        self.write(&frame).await
    }

    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.net.connect(ADDRESS).await?),
        };
        let sent = timeout(ANSWER_WAIT, stream.write_all(frame)).await;
        let sent = sent.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        self.keep_or_close(sent)
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let received = timeout(ANSWER_WAIT, self.read_frame()).await;
        let received = received.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
        self.keep_or_close(received)
    }

    /// Waits for the answer to the oldest request under way.
    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> io::Result<R::Response> {
        let frame = self.read().await?;
        let expected = self.waiting.pop_front();
        let decoded = decode::<R>(frame, version).map_err(io::Error::other)?;
        if expected != Some(decoded.0) {
            self.close();
            let message = format!("expected the answer to {expected:?}, found {}", decoded.0);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(decoded.1)
    }

    /// Sends a frame that somebody else encodes, for the correlation id it is given, and waits for
    /// any answer.
    pub(crate) async fn post(
        &mut self,
        encode: impl FnOnce(i32) -> io::Result<BytesMut>,
    ) -> io::Result<()> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = encode(self.correlation_id)?;
        self.waiting.push_back(self.correlation_id);
        self.write(&frame).await?;
        self.read().await?;
        self.waiting.pop_front();
        Ok(())
    }

    pub(crate) fn close(&mut self) {
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

/// Creates a topic, in whichever life of the broker that succeeds.
pub(crate) async fn create_topic(
    client: &mut Client,
    name: &'static str,
    partition_count: usize,
    configs: &[(&str, &str)],
) {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string((*name).to_owned()))
            .with_value(Some(StrBytes::from_string((*value).to_owned())))
    });
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(name)))
        .with_num_partitions(i32::try_from(partition_count).unwrap_or(1))
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(CREATE_TOPICS_TIMEOUT_MS);
    loop {
        let answer = client.call(CREATE_TOPICS_VERSION, &request).await;
        let code = answer.map(|answer| answer.topics.first().map(|topic| topic.error_code));
        // That it exists says that an earlier attempt got through.
        if matches!(code, Ok(Some(0 | TOPIC_ALREADY_EXISTS))) {
            return;
        }
        client.close();
        sleep(CREATE_RETRY_PAUSE).await;
    }
}
