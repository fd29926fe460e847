//! A statement as OpenTelemetry's semantic conventions for databases (1.33 and later) have it.

use std::time::{Duration, SystemTime};

use greenroom_actors::settings::Address;
use greenroom_actors::spans::{Part, PartSpan, StatementSpan};
use greenroom_protocol::flavor::Flavor;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// The longest summary, in characters, as the conventions want it.
const LONGEST_SUMMARY: usize = 255;

/// The statement, and below it its parts.
pub(crate) fn spans(statement: &StatementSpan, scope: &InstrumentationScope) -> Vec<SpanData> {
    let parent = statement.parent_id.map_or(SpanId::INVALID, SpanId::from_bytes);
    let status = match (statement.error, statement.cut_off) {
        (Some(code), _) => Status::error(format!("error {code}")),
        (None, true) => Status::error("the session ended"),
        (None, false) => Status::Unset,
    };
    let whole = Place { id: statement.span_id, parent, remote: statement.parent_id.is_some() };
    let times = (statement.began, statement.whole);
    let mut all = vec![SpanData {
        // To its client it is the server.
        span_kind: SpanKind::Server,
        attributes: attributes(statement),
        status,
        ..span(statement, whole, summary(statement), times, scope)
    }];
    all.extend(statement.parts.iter().map(|part| below(statement, part, scope)));
    all
}

fn below(statement: &StatementSpan, part: &PartSpan, scope: &InstrumentationScope) -> SpanData {
    let place = Place { id: part.span_id, parent: SpanId::from_bytes(statement.span_id), remote: false };
    let times = (statement.began + part.at, part.length);
    let span = span(statement, place, part.part.name().to_owned(), times, scope);
    match part.part {
        Part::Server => {
            let attributes = [vec![system(statement.flavor)], server(statement.server.as_ref())].concat();
            SpanData { span_kind: SpanKind::Client, attributes, ..span }
        }
        Part::Wait | Part::Adapt | Part::Relay => span,
    }
}

/// Where a span stands in its trace.
struct Place {
    id: [u8; 8],
    parent: SpanId,
    /// The parent is another process's.
    remote: bool,
}

fn span(
    statement: &StatementSpan,
    place: Place,
    name: String,
    (began, length): (SystemTime, Duration),
    scope: &InstrumentationScope,
) -> SpanData {
    let (trace, own) = (TraceId::from_bytes(statement.trace_id), SpanId::from_bytes(place.id));
    SpanData {
        span_context: SpanContext::new(trace, own, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: place.parent,
        parent_span_is_remote: place.remote,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: began,
        end_time: began + length,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope.clone(),
    }
}

/// The statement's first word and the table behind it, as far as that can be told without knowing more than the words.
fn summary(statement: &StatementSpan) -> String {
    let mut words = statement.shape.split_whitespace();
    let Some(verb) = words.next() else { return "statement".to_owned() };
    let is_name =
        |word: &&str| word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_' || letter == '`');
    let leads = |word: &&str| ["FROM", "INTO", "UPDATE", "TABLE"].iter().any(|it| word.eq_ignore_ascii_case(it));
    let target = match leads(&verb) {
        true => words.next(),
        false => words.skip_while(|word| !leads(word)).nth(1),
    };
    let target = target.map(|word| word.split(['(', ',', ';', ')']).next().unwrap_or_default()).filter(is_name);
    let summary = [Some(verb), target].into_iter().flatten().collect::<Vec<_>>().join(" ");
    summary.chars().take(LONGEST_SUMMARY).collect()
}

fn system(flavor: Flavor) -> KeyValue {
    KeyValue::new(
        "db.system.name",
        match flavor {
            Flavor::MySql => "mysql",
            Flavor::MariaDb => "mariadb",
        },
    )
}

fn server(address: Option<&Address>) -> Vec<KeyValue> {
    match address {
        Some(Address::Tcp { host, port }) => {
            vec![KeyValue::new("server.address", host.clone()), KeyValue::new("server.port", i64::from(*port))]
        }
        Some(Address::Unix(path)) => vec![KeyValue::new("server.address", path.display().to_string())],
        None => Vec::new(),
    }
}

fn attributes(statement: &StatementSpan) -> Vec<KeyValue> {
    let count = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    let mut all = vec![
        system(statement.flavor),
        KeyValue::new("db.query.summary", summary(statement)),
        KeyValue::new("db.response.returned_rows", count(statement.rows)),
        KeyValue::new("greenroom.affected_rows", count(statement.affected)),
        KeyValue::new("greenroom.endpoint", statement.endpoint.clone()),
        KeyValue::new("greenroom.session", i64::from(statement.session)),
        KeyValue::new("greenroom.user", statement.user.clone()),
    ];
    all.extend(server(statement.server.as_ref()));
    let texts = [("db.query.text", &statement.shape), ("db.namespace", &statement.database)];
    all.extend(texts.into_iter().filter(|(_, it)| !it.is_empty()).map(|(key, it)| KeyValue::new(key, it.clone())));
    if let Some(code) = statement.error {
        all.extend(["db.response.status_code", "error.type"].map(|key| KeyValue::new(key, code.to_string())));
    } else if statement.cut_off {
        all.push(KeyValue::new("error.type", "session_ended"));
    }
    if !statement.pins.is_empty() {
        all.push(KeyValue::new("greenroom.pinned", statement.pins.join(",")));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use greenroom_actors::spans::StatementSpan;
    use greenroom_protocol::flavor::Flavor;

    use super::summary;

    fn of(shape: &str) -> String {
        summary(&StatementSpan {
            trace_id: [1; 16],
            span_id: [2; 8],
            parent_id: None,
            began: SystemTime::UNIX_EPOCH,
            whole: Duration::ZERO,
            parts: Vec::new(),
            shape: shape.to_owned(),
            endpoint: String::new(),
            user: String::new(),
            database: String::new(),
            session: 1,
            flavor: Flavor::MySql,
            server: None,
            rows: 0,
            affected: 0,
            error: None,
            cut_off: false,
            pins: Vec::new(),
        })
    }

    #[test]
    fn a_summary_names_what_is_done_to_which_table() {
        for (shape, expected) in [
            ("SELECT a, b FROM shop.orders WHERE id = ?", "SELECT shop.orders"),
            ("insert into t(a, b) VALUES (?, …), …", "insert t"),
            ("UPDATE `t` SET a = ?", "UPDATE `t`"),
            ("DELETE FROM t; SELECT ?", "DELETE t"),
            ("SELECT a FROM (SELECT b FROM c) AS d", "SELECT"),
            ("COMMIT", "COMMIT"),
            ("", "statement"),
        ] {
            assert_eq!(of(shape), expected, "{shape}");
        }
    }
}
