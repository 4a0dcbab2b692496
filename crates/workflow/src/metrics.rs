//! What workers and deliverers count and measure.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hansard_domain::job::Stage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of stage durations that are counted together, in seconds: from a copy to a day of audio.
const STAGE_BOUNDS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1200.0, 3600.0, 14_400.0];

/// A gauge or counter of fractions.
type Fraction = AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// What the workers and the deliverer of a process count and measure. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    attempts: Family<OutcomeLabels, Counter>,
    stages: Family<StageLabels, Histogram, fn() -> Histogram>,
    audio: Counter<f64, Fraction>,
    speed: Gauge<f64, Fraction>,
    s3_downloads: Family<OutcomeLabels, Counter>,
    s3_bytes: Family<OutcomeLabels, Counter>,
    deliveries: Family<OutcomeLabels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            attempts: Family::default(),
            stages: Family::new_with_constructor(|| Histogram::new(STAGE_BOUNDS)),
            audio: Counter::default(),
            speed: Gauge::default(),
            s3_downloads: Family::default(),
            s3_bytes: Family::default(),
            deliveries: Family::default(),
        }
    }
}

impl Metrics {
    /// Metrics at zero, that nobody sees yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts them where whoever asks is answered from.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "hansard_attempts",
            "Attempts at jobs, by what came of them",
            self.attempts.clone(),
        );
        registry.register_with_unit(
            "hansard_stage_duration",
            "How long stages took",
            Unit::Seconds,
            self.stages.clone(),
        );
        registry.register_with_unit(
            "hansard_audio",
            "Audio that was transcribed",
            Unit::Seconds,
            self.audio.clone(),
        );
        registry.register(
            "hansard_real_time_factor",
            "Time that the last transcription took, as a part of the length of its audio",
            self.speed.clone(),
        );
        registry.register(
            "hansard_s3_downloads",
            "Downloads from S3, by what came of them",
            self.s3_downloads.clone(),
        );
        registry.register_with_unit(
            "hansard_s3_download",
            "What came from S3, by what became of the download",
            Unit::Bytes,
            self.s3_bytes.clone(),
        );
        registry.register(
            "hansard_deliveries",
            "Attempts at webhooks and callbacks, by what came of them",
            self.deliveries.clone(),
        );
    }

    pub(crate) fn attempt_ended(&self, outcome: &'static str) {
        self.attempts.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub(crate) fn stage_ended(&self, stage: Stage, outcome: &'static str, took: Duration) {
        let labels = StageLabels { stage: stage.name(), outcome };
        self.stages.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// So many seconds of audio were transcribed in so many seconds.
    pub(crate) fn transcribed(&self, heard: f64, took: f64) {
        self.audio.inc_by(heard);
        if heard > 0.0 {
            self.speed.set(took / heard);
        }
    }

    pub(crate) fn s3_download_ended(&self, outcome: &'static str, bytes: u64) {
        self.s3_downloads.get_or_create(&OutcomeLabels { outcome }).inc();
        self.s3_bytes.get_or_create(&OutcomeLabels { outcome }).inc_by(bytes);
    }

    pub(crate) fn delivery_ended(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let (metrics, mut registry) = (Metrics::new(), Registry::default());
        metrics.register(&mut registry);

        metrics.attempt_ended("succeeded");
        metrics.stage_ended(Stage::Transcribe, "succeeded", Duration::from_secs(3));
        metrics.transcribed(60.0, 3.0);
        metrics.s3_download_ended("source_denied", 0);
        metrics.s3_download_ended("succeeded", 1000);
        metrics.delivery_ended("retried");

        let mut shown = String::new();
        encode(&mut shown, &registry).unwrap();
        for line in [
            "hansard_attempts_total{outcome=\"succeeded\"} 1",
            "hansard_stage_duration_seconds_count{stage=\"transcribe\",outcome=\"succeeded\"} 1",
            "hansard_audio_seconds_total 60.0",
            "hansard_real_time_factor 0.05",
            "hansard_s3_downloads_total{outcome=\"source_denied\"} 1",
            "hansard_s3_download_bytes_total{outcome=\"succeeded\"} 1000",
            "hansard_deliveries_total{outcome=\"retried\"} 1",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
    }
}
