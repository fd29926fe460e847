//! Statements that belong to a trace, from real clients through the whole proxy to a collector, and what it gets of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test's helper fails by panicking")]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use greenroom::demo::server::Flavor;
use mysql_common::constants::{CapabilityFlags, Command};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use support::{
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server, mariadb, mysql},
    wire::{Param, Wire, execute_body},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// How a collector answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Well,
    /// 500, always.
    Badly,
    /// Not at all.
    Never,
}

/// A collector: takes what is sent to it by OTLP, protobuf over HTTP.
#[derive(Debug, Clone)]
struct Collector {
    address: SocketAddr,
    batches: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self { address: listener.local_addr().unwrap(), batches: Arc::default() };
        let own = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let own = own.clone();
                thread::spawn(move || own.serve(stream.unwrap(), manner));
            }
        });
        collector
    }

    /// Requests of one connection, until it is closed.
    fn serve(&self, stream: TcpStream, manner: Manner) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line.trim_end().is_empty() {
                    break;
                }
                head.push(line.trim_end().to_lowercase());
            }
            assert_eq!(head[0], "post /v1/traces http/1.1");
            assert!(head.iter().any(|line| line == "content-type: application/x-protobuf"), "{head:?}");
            let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let status = match manner {
                Manner::Well => "200 OK",
                Manner::Badly => "500 No",
                Manner::Never => continue,
            };
            self.batches.lock().unwrap().push(ExportTraceServiceRequest::decode(&body[..]).unwrap());
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
            (&stream).write_all(answer.as_bytes()).unwrap();
        }
    }

    fn spans(&self) -> Vec<Span> {
        let batches = self.batches.lock().unwrap();
        let resources = batches.iter().flat_map(|batch| &batch.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The statements that it was told of, once there are so many; each with its parts.
    fn statements(&self, count: usize) -> Vec<(Span, Vec<Span>)> {
        until(&format!("{count} statements"), || {
            self.spans().iter().filter(|span| is_statement(span)).count() >= count
        });
        let (statements, parts): (Vec<_>, Vec<_>) = self.spans().into_iter().partition(is_statement);
        assert_eq!(statements.len(), count, "{statements:?}");
        let below = |own: &Span| parts.iter().filter(|part| part.parent_span_id == own.span_id).cloned().collect();
        statements.into_iter().map(|own| (own.clone(), below(&own))).collect()
    }
}

/// Its kind is SERVER.
fn is_statement(span: &Span) -> bool {
    span.kind == 2
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|it| it.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn proxy(setup: Setup, collector: SocketAddr, further: &str) -> Proxy {
    setup.extra(&format!("[tracing]\notlp_endpoint = \"http://{collector}\"\n{further}\n")).start()
}

/// The parts of a statement are all there, in order, inside it.
fn add_up((own, parts): &(Span, Vec<Span>), names: &[&str]) {
    assert_eq!(parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), names, "{own:?}");
    let mut at = own.start_time_unix_nano;
    for part in parts {
        assert!(part.start_time_unix_nano >= at && part.end_time_unix_nano >= part.start_time_unix_nano, "{parts:?}");
        assert_eq!(part.trace_id, own.trace_id);
        at = part.end_time_unix_nano;
    }
    assert!(at <= own.end_time_unix_nano, "{own:?} {parts:?}");
}

#[test]
fn a_sampled_statement_is_told_of_with_all_its_parts_and_others_are_not() {
    each_server(|server| {
        let tenant = Tenant::new(server, "traced");
        let collector = Collector::start(Manner::Well);
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = proxy(setup, collector.address, "service_name = \"the-proxy\"");
        let mut session = tenant.connect(proxy.address());
        session.ok("CREATE TABLE t (a VARCHAR(20))");
        session.ok("INSERT INTO t VALUES ('x'), ('y')");
        let comment = |flags: &str| format!("/*db_driver='d',traceparent='{}'*/", traceparent(flags));
        session.rows(&format!("SELECT a, SLEEP(0.1), 'hush-hush' FROM t WHERE a <> 'z' {}", comment("00")));
        session.rows("SELECT a, 'hush-hush' FROM t");
        session.rows(&format!("SELECT '{}' FROM t", traceparent("01")));
        session.rows(&format!("SELECT a, SLEEP(0.1), 'hush-hush' FROM t WHERE a <> 'z' {}", comment("01")));
        let [statement] = collector.statements(1).try_into().unwrap();
        let own = &statement.0;
        assert_eq!((hex(&own.trace_id), hex(&own.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        add_up(&statement, &["wait", "adapt", "server", "relay"]);
        let parts = &statement.1;
        let millis = |span: &Span| (span.end_time_unix_nano - span.start_time_unix_nano) / 1_000_000;
        // Both rows sleep; at least the first does before the reply begins, or both do.
        assert!(millis(own) >= 195 && millis(&parts[2]) >= 95, "{parts:?}");
        assert_eq!(own.name, "SELECT t");
        let of = |key: &str| text(&own.attributes, key).unwrap_or_default();
        let system = if server.flavor() == Flavor::MySql { "mysql" } else { "mariadb" };
        assert_eq!(of("db.system.name"), system);
        assert_eq!(of("db.query.text"), "SELECT a, SLEEP(?), ? FROM t WHERE a <> ?");
        assert_eq!((of("db.query.summary"), of("db.namespace")), ("SELECT t".into(), tenant.name.clone()));
        assert_eq!(
            (of("server.address"), of("server.port")),
            ("127.0.0.1".into(), server.address().port().to_string())
        );
        assert_eq!((of("db.response.returned_rows"), of("greenroom.endpoint")), ("2".into(), "app".into()));
        assert_eq!(of("greenroom.session"), session.greeting.thread_id.to_string());
        assert_eq!(text(&parts[2].attributes, "db.system.name").as_deref(), Some(system));
        let batches = collector.batches.lock().unwrap();
        let resource = batches[0].resource_spans[0].resource.clone().unwrap();
        assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("the-proxy"));
        assert!(!format!("{batches:?}").contains("hush"), "{batches:?}");
    });
}

#[test]
fn a_statement_on_a_held_connection_has_no_wait_and_one_that_fails_its_error() {
    let server = mariadb();
    let tenant = Tenant::new(server, "failed");
    let collector = Collector::start(Manner::Well);
    let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
    let proxy = proxy(setup, collector.address, "");
    let mut session = tenant.connect(proxy.address());
    session.ok("BEGIN");
    session.err(&format!("SELECT * FROM nowhere /* traceparent='{}' */", traceparent("01")));
    let [statement] = collector.statements(1).try_into().unwrap();
    add_up(&statement, &["server", "relay"]);
    assert_eq!(statement.0.status.clone().unwrap().code, 2, "{:?}", statement.0);
    assert_eq!(text(&statement.0.attributes, "db.response.status_code").as_deref(), Some("1146"));
    assert_eq!(text(&statement.0.attributes, "error.type").as_deref(), Some("1146"));
}

/// Attributes, all of them strings, as MySQL's clients put them before a text.
fn attributed(pairs: &[(&str, &str)], sql: &str) -> Vec<u8> {
    let mut payload = vec![pairs.len() as u8, 1, 0, 1];
    for (name, _) in pairs {
        payload.extend([0xFE, 0, name.len() as u8]);
        payload.extend(name.as_bytes());
    }
    for (_, value) in pairs {
        payload.push(value.len() as u8);
        payload.extend(value.as_bytes());
    }
    [payload, sql.into()].concat()
}

#[test]
fn a_query_attribute_names_the_trace_of_texts_and_of_prepared_statements() {
    let Some(server) = mysql() else { return };
    for mode in ["transaction", "session"] {
        let tenant = Tenant::new(server, "attributes");
        let collector = Collector::start(Manner::Well);
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let proxy = proxy(setup.endpoint(&format!("pool = \"{mode}\"")), collector.address, "");
        let login = tenant.login().with(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
        let mut session = Wire::connect(proxy.address(), &login).unwrap();
        let pairs = [("other", "1"), ("traceparent", &traceparent("01"))];
        session.send(Command::COM_QUERY, &attributed(&pairs, "SELECT 1")).unwrap();
        session.replies().unwrap();
        session.send(Command::COM_QUERY, &attributed(&[("traceparent", &traceparent("00"))], "SELECT 2, 3")).unwrap();
        session.replies().unwrap();
        let statement = session.prepare("SELECT 1 + ?").unwrap();
        // With PARAMETER_COUNT_AVAILABLE: a parameter without a name, an attribute with one.
        let value = traceparent("01");
        let mut body = execute_body(statement.id, 8, &[]);
        body.extend([2, 0, 1, 8, 0, 0, 0xFE, 0, 11]);
        body.extend(b"traceparent");
        body.extend(7_u64.to_le_bytes());
        body.push(value.len() as u8);
        body.extend(value.as_bytes());
        session.send(Command::COM_STMT_EXECUTE, &body).unwrap();
        session.executed().unwrap();
        let statements = collector.statements(2);
        let shapes = statements.iter().map(|(own, _)| text(&own.attributes, "db.query.text"));
        assert_eq!(
            shapes.collect::<Vec<_>>(),
            ["SELECT ?", "SELECT ? + ?"].map(|shape| Some(shape.to_owned())),
            "{mode}"
        );
        for (own, _) in &statements {
            assert_eq!((hex(&own.trace_id), hex(&own.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        }
    }
}

#[test]
fn traces_of_its_own_begin_as_often_as_configured() {
    let server = mariadb();
    let tenant = Tenant::new(server, "own");
    let collector = Collector::start(Manner::Well);
    let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
    let proxy = proxy(setup, collector.address, "sample_one_in = 5");
    let mut session = tenant.connect(proxy.address());
    let statement = session.prepare("SELECT ? + 1").unwrap();
    for number in 0..20 {
        session.execute(&statement, &[Param::Int(number)]).unwrap();
    }
    session.rows(&format!("SELECT 1 /*traceparent='{}'*/", traceparent("00")));
    let statements = collector.statements(4);
    let traces: std::collections::BTreeSet<_> = statements.iter().map(|(own, _)| own.trace_id.clone()).collect();
    assert!(traces.len() == 4 && statements.iter().all(|(own, _)| own.parent_span_id.is_empty()), "{statements:?}");
}

#[test]
fn whatever_the_collector_does_sessions_go_on_and_what_is_dropped_is_counted() {
    let server = mariadb();
    let tenant = Tenant::new(server, "faulty");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let collectors = [
        ("refuses", nobody),
        ("fails", Collector::start(Manner::Badly).address),
        ("is silent", Collector::start(Manner::Never).address),
    ];
    for (what, address) in collectors {
        println!("the collector {what}");
        let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
        let mut proxy = proxy(setup, address, "span_queue = 4");
        let mut session = tenant.connect(proxy.address());
        for _ in 0..600 {
            assert_eq!(session.rows(&format!("SELECT 1 /*traceparent='{}'*/", traceparent("01"))).len(), 1);
        }
        let dropped =
            |reason: &str| proxy.metrics().sum("greenroom_spans_dropped_total", &[&format!("reason=\"{reason}\"")]);
        until("some are dropped", || dropped("queue_full") + dropped("collector") > 0.0);
        if what == "is silent" {
            until("the queue is full", || dropped("queue_full") > 0.0);
        } else {
            until("each is accounted for", || dropped("queue_full") + dropped("collector") == 600.0);
            until("the log says so", || proxy.log().contains("the collector takes no spans"));
        }
        assert_eq!(proxy.metrics().sum("greenroom_spans_exported_total", &[]), 0.0);
        session.rows("SELECT 2");
        proxy.term();
        assert!(proxy.wait().success(), "it stops all the same");
    }
}

#[test]
fn what_waits_is_sent_before_the_process_ends() {
    let server = mariadb();
    let tenant = Tenant::new(server, "farewell");
    let collector = Collector::start(Manner::Well);
    let setup = Setup::new(server.address()).user(&tenant.name, &tenant.password);
    let mut proxy = proxy(setup, collector.address, "");
    let mut session = tenant.connect(proxy.address());
    session.rows(&format!("SELECT 1 /*traceparent='{}'*/", traceparent("01")));
    proxy.term();
    assert!(proxy.wait().success());
    collector.statements(1);
}
