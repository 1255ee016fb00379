//! Which histogram gets which buckets, and how recorded samples become Prometheus text.
//!
//! Samples wait in memory until they are sorted into buckets, so [`Metrics::upkeep`] has to run
//! every [`UPKEEP_PAUSE`] even when nobody scrapes; [`crate::Gateway::serve`] does that.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error::GatewayError;

/// The time between two rounds of sorting samples into buckets.
pub const UPKEEP_PAUSE: Duration = Duration::from_secs(5);

/// Upper bounds for histograms whose name ends in `_seconds`: 50 us (an append to memory) to 30 s
/// (the default request timeout), two to three per decade.
const SECONDS_BUCKETS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Upper bounds for histograms whose name ends in `_bytes`: 64 B to 64 MiB by factors of 4.
const BYTES_BUCKETS: [f64; 11] = [
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Upper bounds for histograms whose name ends in `_count`.
const COUNT_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 1000.0, 10_000.0];

/// The process's metrics, as text on demand.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Makes this the recorder that every `metrics::counter!` in the process reaches.
    ///
    /// Errors: `Metrics` where another recorder was installed before.
    pub fn install() -> Result<Self, GatewayError> {
        let recorder = builder()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder)
            .map_err(|error| GatewayError::Metrics(error.to_string()))?;
        Ok(Self { handle })
    }

    /// Sorts the samples recorded since the last call into their buckets.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Returns every metric in Prometheus text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

fn builder() -> Result<PrometheusBuilder, GatewayError> {
    let buckets: [(&str, &[f64]); 3] = [
        ("_seconds", &SECONDS_BUCKETS),
        ("_bytes", &BYTES_BUCKETS),
        ("_count", &COUNT_BUCKETS),
    ];
    let mut builder = PrometheusBuilder::new();
    for (suffix, bounds) in buckets {
        builder = builder
            .set_buckets_for_metric(Matcher::Suffix(suffix.to_owned()), bounds)
            .map_err(|error| GatewayError::Metrics(error.to_string()))?;
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lands_in_the_bucket_above_it() {
        let recorder = builder().unwrap().build_recorder();
        let metrics = Metrics {
            handle: recorder.handle(),
        };
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("request_seconds", "api" => "Produce").record(0.003);
        });
        metrics.upkeep();
        let text = metrics.render();
        assert!(
            text.contains(r#"request_seconds_bucket{api="Produce",le="0.0025"} 0"#),
            "{text}"
        );
        assert!(
            text.contains(r#"request_seconds_bucket{api="Produce",le="0.005"} 1"#),
            "{text}"
        );
    }

    #[test]
    fn bucket_bounds_grow() {
        for bounds in [&SECONDS_BUCKETS[..], &BYTES_BUCKETS, &COUNT_BUCKETS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
