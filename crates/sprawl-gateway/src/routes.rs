//! The routes and the loop that serves them.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::error::GatewayError;
use crate::listen::Listen;
use crate::metrics::{Metrics, UPKEEP_PAUSE};

/// Whether clients are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Requests are answered.
    Ready,
    /// They are not; the text says why.
    NotReady(String),
}

/// The HTTP side of a node.
#[derive(Clone)]
pub struct Gateway {
    metrics: Metrics,
    readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    more_metrics: Option<MoreMetrics>,
}

/// Appends metrics in Prometheus text format.
type MoreMetrics = Arc<dyn Fn(&mut String) + Send + Sync>;

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Makes a gateway that asks `readiness` on every call of `/readyz`.
    pub fn new(
        metrics: Metrics,
        readiness: impl Fn() -> Readiness + Send + Sync + 'static,
    ) -> Self {
        Self {
            metrics,
            readiness: Arc::new(readiness),
            more_metrics: None,
        }
    }

    /// Has `append` add to what `/metrics` answers: metrics in Prometheus text format that the
    /// process's recorder does not have, of other names.
    #[must_use]
    pub fn with_more_metrics(
        mut self,
        append: impl Fn(&mut String) + Send + Sync + 'static,
    ) -> Self {
        self.more_metrics = Some(Arc::new(append));
        self
    }

    /// Serves until `stop` is done and the requests under way are answered.
    ///
    /// Errors: `Listen` where the listening socket fails.
    pub async fn serve(
        self,
        listener: Box<dyn sprawl_io::Listener>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), GatewayError> {
        let metrics = self.metrics.clone();
        let server = axum::serve(Listen::new(listener), self.router())
            .with_graceful_shutdown(stop)
            .into_future();
        tokio::select! {
            biased;
            result = server => Ok(result?),
            () = keep_up(metrics) => unreachable!("upkeep never ends"),
        }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render_metrics))
            .with_state(self)
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(gateway): State<Gateway>) -> Response {
    match (gateway.readiness)() {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::NotReady(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
        }
    }
}

async fn render_metrics(State(gateway): State<Gateway>) -> Response {
    gateway.metrics.upkeep();
    let content_type = (
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    );
    // First, since it may set metrics of the process.
    let mut more = String::new();
    if let Some(append) = &gateway.more_metrics {
        append(&mut more);
    }
    ([content_type], gateway.metrics.render() + &more).into_response()
}

async fn keep_up(metrics: Metrics) {
    loop {
        sprawl_io::time::sleep(UPKEEP_PAUSE).await;
        metrics.upkeep();
    }
}

#[cfg(test)]
mod tests;
