//! The routes over a real socket, and the end of the server.

use std::sync::atomic::{AtomicBool, Ordering};

use sprawl_io::Io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;

async fn get_text(io: &Io, address: &str, path: &str) -> String {
    let mut stream = io.net.connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn routes_answer_and_stopping_ends_the_server() {
    let io = Io::real();
    let listener = io.net.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address().unwrap().to_string();
    let metrics = Metrics::install().unwrap();
    metrics::counter!("sprawl_test_requests_total").increment(3);
    let ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ready);
    let gateway = Gateway::new(metrics, move || {
        if asked.load(Ordering::Relaxed) {
            Readiness::Ready
        } else {
            Readiness::NotReady("recovering".to_owned())
        }
    })
    .with_more_metrics(|out| out.push_str("kafka_client_more 1\n"));
    let (stop, stopped) = oneshot::channel::<()>();
    let (ended, end) = oneshot::channel();
    io.spawn.task(Box::pin(async move {
        let stop = async move { drop(stopped.await) };
        drop(ended.send(gateway.serve(listener, stop).await));
    }));

    assert!(
        get_text(&io, &address, "/healthz")
            .await
            .starts_with("HTTP/1.1 200 OK")
    );
    let early = get_text(&io, &address, "/readyz").await;
    assert!(
        early.starts_with("HTTP/1.1 503") && early.ends_with("recovering\n"),
        "{early}"
    );
    ready.store(true, Ordering::Relaxed);
    assert!(
        get_text(&io, &address, "/readyz")
            .await
            .starts_with("HTTP/1.1 200 OK")
    );
    let text = get_text(&io, &address, "/metrics").await;
    assert!(text.contains("sprawl_test_requests_total 3"), "{text}");
    assert!(text.ends_with("kafka_client_more 1\n"), "{text}");
    assert!(
        get_text(&io, &address, "/nothing")
            .await
            .starts_with("HTTP/1.1 404")
    );

    stop.send(()).unwrap();
    end.await.unwrap().unwrap();
}
