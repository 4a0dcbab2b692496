//! What `/metrics` shows of the edge itself; the workers put theirs into the same registry.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hansard_store::jobs::QueueStats;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the request durations that are counted together, in seconds: from a probe to a synchronous transcription.
const DURATION_BUCKETS: [f64; 11] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// A gauge of fractions.
type Fraction = Gauge<f64, AtomicU64>;

/// A kind of request. Every label has few values: the matched route, never the path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    /// `2xx`, `4xx` and so on.
    status: &'static str,
}

/// The edge's metrics, and the registry with everybody's.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    queued: Gauge,
    running: Gauge,
    oldest: Fraction,
    memory: Gauge,
}

impl Metrics {
    /// Puts the edge's metrics into `registry` and keeps it.
    pub(crate) fn register(mut registry: Registry) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            queued: Gauge::default(),
            running: Gauge::default(),
            oldest: Fraction::default(),
            memory: Gauge::default(),
        };
        registry.register("hansard_http_requests", "Requests answered", metrics.requests.clone());
        registry.register_with_unit(
            "hansard_http_request_duration",
            "Time from the head of a request to the end of its answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register("hansard_queue_jobs", "Jobs that wait", metrics.queued.clone());
        registry.register("hansard_running_jobs", "Jobs that run", metrics.running.clone());
        registry.register_with_unit(
            "hansard_queue_oldest_age",
            "Time since the oldest waiting job was accepted",
            Unit::Seconds,
            metrics.oldest.clone(),
        );
        registry.register_with_unit(
            "hansard_process_resident_memory",
            "Resident memory of this process",
            Unit::Bytes,
            metrics.memory.clone(),
        );
        Self { registry, ..metrics }
    }

    /// Counts a request.
    pub(crate) fn request(&self, method: &http::Method, route: &str, status: u16, took: Duration) {
        let labels = RequestLabels {
            method: method_label(method),
            route: route.to_owned(),
            status: status_label(status),
        };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
    }

    /// Sets what is measured when somebody asks.
    pub(crate) fn measure(&self, queue: &QueueStats, oldest_age: Duration, memory: Option<u64>) {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.queued.set(whole(queue.queued));
        self.running.set(whole(queue.running));
        self.oldest.set(oldest_age.as_secs_f64());
        if let Some(bytes) = memory {
            self.memory.set(whole(bytes));
        }
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// Where a metric cannot be written.
    pub(crate) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A client can make methods up; the label takes those that routes have.
fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn status_label(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Bytes of memory that the process holds, where the system says so.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::routes::declarations;

    #[test]
    fn methods_have_their_label_where_a_route_has_them() {
        for route in declarations() {
            assert_eq!(method_label(&route.method), route.method.as_str(), "{route:?}");
        }
        assert_eq!(method_label(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
