//! How things stand, as JSON: what the status page shows. Every field is described in docs/status.md.

use std::time::Duration;

use greenroom_actors::{EndpointStatus, NodeStatus, PinStatus, Sample, ShadowStatus, Status, WaitStatus, pin_remedy};
use serde_json::{Map, Value, json};

/// The document at `/api/v1/status`.
#[must_use]
pub fn document(status: &Status, samples: &[Sample], uptime: Duration) -> Value {
    let sum = |name: &str| samples.iter().filter(|it| it.name == name).map(|it| it.value).sum::<f64>();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": uptime.as_secs(),
        "stopping": status.stopping,
        "silent_workers": status.silent_workers,
        "endpoints": status.endpoints.iter().map(|it| endpoint(it, samples)).collect::<Vec<_>>(),
        "nodes": status.nodes.iter().map(node).collect::<Vec<_>>(),
        "pins": status.pins.iter().map(pin).collect::<Vec<_>>(),
        "pins_total": pins_total(samples),
        "leases": leases(samples),
        "slowest_waits": status.waits.iter().map(wait).collect::<Vec<_>>(),
        "shadows": status.shadows.iter().map(shadow).collect::<Vec<_>>(),
        "actor_restarts_total": whole(sum("greenroom_actor_restarts_total")),
        "panics_total": whole(sum("greenroom_panics_total")),
    })
}

fn endpoint(it: &EndpointStatus, samples: &[Sample]) -> Value {
    let own = format!("endpoint=\"{}\"", it.name);
    let queries = samples.iter().find(|sample| sample.name == "greenroom_queries_total" && sample.labels == own);
    json!({
        "name": it.name,
        "listen": it.listen,
        "access": it.access,
        "pool": it.pool,
        "traffic": it.traffic,
        "clients": it.clients,
        "active": it.active,
        "waiting": it.waiting,
        "backends": it.backends,
        "pinned": it.pinned,
        "queries_total": whole(queries.map_or(0.0, |sample| sample.value)),
    })
}

fn node(it: &NodeStatus) -> Value {
    json!({
        "name": it.name,
        "address": it.address,
        "role": it.role,
        "health": it.health,
        "fault": it.fault,
        "traffic": it.traffic,
        "lagging": it.lagging,
        "version": it.version,
        "connections": it.connections,
        "max_connections": it.max_connections,
        "idle": it.idle,
        "leased": it.leased,
        "waiting": it.waiting,
    })
}

fn pin(it: &PinStatus) -> Value {
    json!({
        "reason": it.reason,
        "sessions": it.sessions,
        "longest_seconds": it.longest.as_secs_f64(),
        "remedy": it.remedy,
    })
}

fn wait(it: &WaitStatus) -> Value {
    json!({
        "endpoint": it.endpoint,
        "user": it.user,
        "seconds": it.waited.as_secs_f64(),
        "ended_seconds_ago": it.ago.as_secs_f64(),
        "end": it.end,
    })
}

/// What a transaction pool would have done.
fn shadow(it: &ShadowStatus) -> Value {
    let [connections, at_once] = it.connections;
    let pins = it.pins.iter().map(|(reason, remedy, statement, count)| {
        json!({ "reason": reason, "remedy": remedy, "statement": statement, "count": count })
    });
    json!({
        "endpoint": it.endpoint,
        "leases": it.leases,
        "size": it.size,
        "size_max": it.size_max,
        "connections": connections,
        "connections_at_once": at_once,
        "saved_connections": at_once.saturating_sub(it.size_max),
        "saved_logins": connections.saturating_sub(it.size_max),
        "pinned_sessions": it.pinned,
        "pins": pins.collect::<Vec<_>>(),
    })
}

/// Pins since the start, by reason.
fn pins_total(samples: &[Sample]) -> Value {
    let mut all = Map::new();
    for (reason, count) in labelled(samples, "greenroom_pins_total", "reason") {
        all.insert(reason.to_owned(), json!({ "count": whole(count), "remedy": pin_remedy(reason) }));
    }
    Value::Object(all)
}

fn leases(samples: &[Sample]) -> Value {
    let of = |found: &str| {
        let all = labelled(samples, "greenroom_leases_total", "found");
        all.filter(|(label, _)| *label == found).map(|(_, count)| count).sum::<f64>()
    };
    let [own, equal, other, opened] = ["own", "equal", "other", "opened"].map(of);
    let all = own + equal + other + opened;
    json!({
        "own": whole(own),
        "equal": whole(equal),
        "other": whole(other),
        "opened": whole(opened),
        "reuse_ratio": if all > 0.0 { json!(1.0 - opened / all) } else { Value::Null },
    })
}

/// A metric's samples by the value of their only label.
fn labelled<'s>(samples: &'s [Sample], name: &'s str, label: &'s str) -> impl Iterator<Item = (&'s str, f64)> {
    let own = samples.iter().filter(move |it| it.name == name);
    own.filter_map(move |it| {
        let text = it.labels.strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"')?;
        Some((text, it.value))
    })
}

/// A count that a metric gives as a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are whole, and never below 0")]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use greenroom_actors::{Sample, Status};

    use super::document;

    #[test]
    fn what_nobody_has_counted_is_0_and_has_no_ratio() {
        let empty = document(&Status::default(), &[], Duration::from_secs(7));
        assert_eq!(empty["uptime_seconds"], 7);
        assert_eq!((&empty["panics_total"], empty["leases"]["reuse_ratio"].is_null()), (&0.into(), true));
        let sample =
            |labels: &str, value| Sample { name: "greenroom_leases_total".into(), labels: labels.into(), value };
        let samples = [sample("found=\"own\"", 3.0), sample("found=\"opened\"", 1.0)];
        let some = document(&Status::default(), &samples, Duration::ZERO);
        assert_eq!(some["leases"]["reuse_ratio"], 0.75);
    }
}
