//! The advice as programs read it.

use greenroom_protocol::advice::{Group, decide};
use serde_json::{Value, json};

use super::report::{Report, database, moment, user};

/// One object.
pub(super) fn of(report: &Report) -> Value {
    let findings = &report.findings;
    let span = findings.span.map(|(from, to)| json!({ "from": moment(from), "to": moment(to) }));
    let remark = |remark: &super::Remark| json!({ "log": remark.log, "line": remark.line, "what": remark.what });
    json!({
        "logs": report.logs,
        "span": span,
        "seconds": findings.all.traffic.observed.as_secs_f64(),
        "entries": findings.entries,
        "pinning": if report.strict { "strict" } else { "tracked" },
        "statement_seconds": report.statement_time.as_secs_f64(),
        "connections_without_end": findings.unended,
        "logins_refused": findings.refused,
        "statements_cut": findings.cut,
        "remarks": report.remarks.iter().map(remark).collect::<Vec<_>>(),
        "not_told": report.limits(),
        "all": group(&findings.all, report.strict),
        "groups": findings.groups.iter().map(|of| group(of, report.strict)).collect::<Vec<_>>(),
    })
}

fn group(group: &Group, strict: bool) -> Value {
    let (traffic, advice) = (&group.traffic, decide(&group.traffic));
    let pins = group.suspects.list().into_iter().map(|pin| {
        json!({
            "statement": pin.shape,
            "count": pin.count,
            "reason": pin.reason.name(),
            "certain": !pin.may,
            "until": pin.reason.until(strict),
            "remedy": pin.reason.remedy(),
        })
    });
    json!({
        "user": group.user.as_ref().map(|_| user(group)),
        "database": database(group),
        "others": group.is_rest,
        "pool": advice.pool.name(),
        "reason": advice.why.name(),
        "why": advice.why.to_string(),
        "pool_size": traffic.size,
        "pool_size_max": traffic.most,
        "pool_size_if_ten_times_slower": group.size_if_slow,
        "connections": traffic.connections,
        "connections_at_once": traffic.peak_connections,
        "connections_per_second": traffic.connects_per_second,
        "short_connections": traffic.short,
        "lasting_connections": traffic.lasting,
        "median_life_seconds": traffic.median_life.as_secs_f64(),
        "statistics_per_second": traffic.statistics_per_second,
        "statements": traffic.statements,
        "transactions": traffic.transactions,
        "sessions": traffic.sessions,
        "pinned_sessions": traffic.pinned,
        "maybe_pinned_sessions": group.maybe_pinned,
        "pins": pins.collect::<Vec<_>>(),
    })
}
