//! The recorder behind every metric, and its text for Prometheus.

use std::time::Duration;

use greenroom_actors::Sample;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets of every histogram whose name ends in `_seconds`: from a statement on a warm local
/// server (50 µs) to a wait that nobody sits through (a minute).
const SECONDS: [f64; 19] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 25.0, 60.0,
];

/// The same of those that count server connections.
const CONNECTIONS: [f64; 14] = [1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 32.0, 50.0, 80.0, 125.0, 200.0, 500.0, 1000.0];

/// Between upkeeps, which fold recorded samples into buckets; samples take memory until then.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the process's recorder; the handle renders what it holds. Nothing listens here.
///
/// # Errors
/// When a recorder is already installed.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    builder()?.install_recorder()
}

/// Everything measured so far, in Prometheus' text format (0.0.4).
#[must_use]
pub fn render(metrics: &PrometheusHandle) -> String {
    metrics.render()
}

/// The samples of such a text.
#[must_use]
pub fn samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.strip_suffix('}').unwrap_or(labels).to_owned();
        Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
    };
    lines.filter_map(read).collect()
}

/// Keeps the recorder's memory bounded where nobody asks for metrics. Never ends.
pub async fn upkeep(metrics: PrometheusHandle) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        metrics.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Full("greenroom_shadow_connections".to_owned()), &CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::{builder, render, samples};

    #[test]
    fn samples_are_read_back() {
        let text = "# HELP a b\n# TYPE a counter\na{x=\"1\",y=\"z w\"} 2\n\nb 0.5\n";
        let found: Vec<_> = samples(text).into_iter().map(|it| (it.name, it.labels, it.value)).collect();
        let expected = [("a", "x=\"1\",y=\"z w\"", 2.0), ("b", "", 0.5)];
        assert_eq!(found, expected.map(|(name, labels, value)| (name.to_owned(), labels.to_owned(), value)));
    }

    #[test]
    fn seconds_have_buckets_and_names_stay_as_given() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("greenroom_lease_wait_seconds").record(0.003);
            metrics::counter!("greenroom_panics_total").increment(2);
        });
        let text = render(&recorder.handle());
        assert!(text.contains("greenroom_panics_total 2"), "{text}");
        assert!(text.contains("greenroom_lease_wait_seconds_bucket{le=\"0.0025\"} 0"), "{text}");
        assert!(text.contains("greenroom_lease_wait_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("greenroom_lease_wait_seconds_bucket{le=\"60\"} 1"), "{text}");
    }
}
