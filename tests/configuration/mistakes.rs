//! Each kind of mistake, with its place and its words.

use super::case::{Case, endpoint, file, node, user};

#[test]
fn every_mistake_is_reported_at_once_in_the_order_of_the_lines() {
    let case = file("[server]\nmax_clients = 'many'\nworkerz = 1\n\n[[nodes]]\nname = 'n 1'\nrole = 'master'\n")
        .variable("GREENROOM__ENDPOINTS__0__POOL", "some")
        .set("log.level=loud");
    assert_eq!(
        case.errors(),
        [
            "--set log.level: log.level: \"loud\" is not a log level; expected \"critical\", \"error\", \"warning\", \
             \"info\", \"debug\" or \"trace\"",
            "a.toml:2: server.max_clients: \"many\" is not a whole number; expected a whole number, 0 or more",
            "a.toml:3: server.workerz: [server] has no key \"workerz\"; expected \"workers\"",
            "a.toml:5: nodes[0].address: it is missing; expected \"host:port\", \"[IPv6]:port\" or \"unix:/path\"",
            "a.toml:6: nodes[0].name: \"n 1\" is not a name; expected letters, digits, \"-\", \"_\" and \".\", at most 64",
            "a.toml:7: nodes[0].role: \"master\" is not a role; expected \"primary\", \"replica\" or \"auto\"",
            "environment GREENROOM__ENDPOINTS__0__POOL: endpoints[0].pool: \"some\" is not a pool mode; expected \
             \"none\", \"session\" or \"transaction\"",
        ]
    );
}

/// One wrong file each, and its only error: sections and limits.
fn wrong_sections() -> Vec<(Case, &'static str)> {
    vec![
        (file("[sever]\nx = 1"), "a.toml:1: sever: there is no section \"sever\"; expected \"server\""),
        (
            file("[nodes]\nname = 'x'"),
            "a.toml:1: nodes: it is written in another way; expected tables, each written [[nodes]]",
        ),
        (file("[[server]]"), "a.toml:1: server: it is written in another way; expected one table, written [server]"),
        (file("[http.listen]\nx = 1"), "a.toml:1: http.listen: it is a table; expected a single value"),
        (
            file("[log]\npool = 'session'"),
            "a.toml:2: log.pool: [log] has no key \"pool\"; expected it in [[endpoints]]",
        ),
        (
            file("[monitor]\npassword = 'secret'"),
            "a.toml:2: monitor.password: there is no user whose password it is; expected user beside it",
        ),
        (
            file("[monitor]\nuser = 'm'"),
            "a.toml:2: monitor.user: the user has no password; expected exactly one of password, password_file, password_env",
        ),
        (file("[monitor]\ninterval = '1ms'"), "a.toml:2: monitor.interval: 1ms is too short; expected 50ms or more"),
        (file("[monitor]\nresults = 0"), "a.toml:2: monitor.results: 0 is too small; expected more than 0"),
        (file("server.workers = 5000"), "a.toml:1: server.workers: 5000 is too many; expected 0 to 1024"),
        (file("server.max_clients = 0"), "a.toml:1: server.max_clients: 0 is too small; expected more than 0"),
        (
            file("server.max_packet = '1KiB'"),
            "a.toml:1: server.max_packet: 1024 bytes are too few; expected 64KiB or more",
        ),
        (
            file("server.login_timeout = '0s'"),
            "a.toml:1: server.login_timeout: it is no time at all; expected more than 0s",
        ),
        (file("nodes = []"), "configuration: nodes: there is no server; expected at least one [[nodes]]"),
        (
            file("endpoints = []"),
            "configuration: endpoints: there is nowhere to listen; expected at least one [[endpoints]]",
        ),
        (
            file("[[limits]]\nname = 'x'\nmax_clients = 1"),
            "a.toml:2: limits[0].name: it is nobody's limit; expected user, database or both",
        ),
        (
            file("[[limits]]\nname = 'x'\nuser = 'app'"),
            "a.toml:2: limits[0].name: it limits nothing; expected max_clients, max_connections or both",
        ),
        (
            file("[[limits]]\nname = 'x'\nuser = 'app'\nmax_connections = 0"),
            "a.toml:4: limits[0].max_connections: 0 is too small; expected more than 0, or \"off\"",
        ),
        (
            endpoint("max_waiters = 'few'"),
            "a.toml:4: endpoints[0].max_waiters: \"few\" is not a whole number; expected a whole number above 0, or \"off\"",
        ),
        (node("max_connections = 0"), "a.toml:4: nodes[0].max_connections: 0 is too small; expected more than 0"),
        (
            node("min_idle = 101"),
            "a.toml:4: nodes[0].min_idle: 101 idle connections are more than max_connections = 100; expected 0 to 100",
        ),
        (
            node("tls = 'verify-client'"),
            "a.toml:4: nodes[0].tls: \"verify-client\" is not a TLS mode of nodes; expected \"disabled\", \"preferred\", \"required\", \"verify-ca\" or \"verify-identity\"",
        ),
    ]
}

/// The same: what statements are watched for.
fn wrong_watches() -> Vec<(Case, &'static str)> {
    vec![
        (file("[queries]\nquery_shapes = 0"), "a.toml:2: queries.query_shapes: 0 is too small; expected more than 0"),
        (
            file("[queries]\nslow_query_time = 1"),
            "a.toml:2: queries.slow_query_time: 1 is not a duration; expected a number with its unit, as in \"10s\" or \"500ms\", or \"off\"",
        ),
        (
            file("[queries]\nquery_statistics = 'on'"),
            "a.toml:2: queries.query_statistics: \"on\" is not a yes or no; expected true or false",
        ),
        (
            file("[tracing]\notlp_endpoint = 'https://collector:4318'"),
            "a.toml:2: tracing.otlp_endpoint: \"https://collector:4318\" is no URL of http; expected http://HOST:PORT, or with a path behind it; a collector on this machine can speak TLS to others",
        ),
        (
            file("[tracing]\notlp_endpoint = 'http://:4318'"),
            "a.toml:2: tracing.otlp_endpoint: \"http://:4318\" names no collector; expected http://HOST:PORT, or with a path behind it; a collector on this machine can speak TLS to others",
        ),
        (
            file("[tracing]\nspan_queue = 2_305_843_009_213_693_952"),
            "a.toml:2: tracing.span_queue: 2305843009213693952 is too large; expected 1000000 or less",
        ),
        (
            file("[tracing]\nsample_one_in = 0"),
            "a.toml:2: tracing.sample_one_in: 0 is too small; expected more than 0, or \"off\"",
        ),
    ]
}

/// The same: where instances meet.
fn wrong_fleets() -> Vec<(Case, &'static str)> {
    let fleet = |keys: &str| file(&format!("[fleet]\netcd = ['http://etcd:2379']\n{keys}\n"));
    vec![
        (
            file("[fleet]\netcd = ['http://etcd:2379', 'etcd:2379']"),
            "a.toml:2: fleet.etcd: \"etcd:2379\" is not an address of etcd's; expected \"http://host:port\" or \"https://host:port\"",
        ),
        (
            file("[fleet]\netcd = 'http://etcd'"),
            "a.toml:2: fleet.etcd: \"http://etcd\" is not an address of etcd's; expected \"http://host:port\" or \"https://host:port\"",
        ),
        (
            fleet("name = 'a/b'"),
            "a.toml:3: fleet.name: \"a/b\" is not a name; expected letters, digits, \"-\", \"_\" and \".\", at most 64",
        ),
        (fleet("ttl = '2s'"), "a.toml:3: fleet.ttl: 2s is no time for a lease; expected whole seconds, 5s or more"),
        (
            fleet("ttl = '5500ms'"),
            "a.toml:3: fleet.ttl: 5.5s is no time for a lease; expected whole seconds, 5s or more",
        ),
        (fleet("expected_members = 0"), "a.toml:3: fleet.expected_members: 0 is too small; expected more than 0"),
        (
            fleet("password = 'secret'"),
            "a.toml:3: fleet.password: there is no user whose password it is; expected user beside it",
        ),
        (
            fleet("user = 'greenroom'"),
            "a.toml:3: fleet.user: the user has no password; expected exactly one of password, password_file, password_env",
        ),
        (
            fleet("[server]\nmax_clients = 3_000_000"),
            "a.toml:4: server.max_clients: 3000000 are more than an instance of a fleet can have ids for; expected at most 2000000",
        ),
    ]
}

/// The same: who is let in, and whose word is taken.
fn wrong_access() -> Vec<(Case, &'static str)> {
    vec![
        (
            endpoint("credentials = 'query'"),
            "a.toml:1: endpoints[0].query_user: it is missing; expected the name of one of [[users]] that has a password, not a hash",
        ),
        (
            endpoint("credentials = 'query'\nquery_user = 'reader'"),
            "a.toml:5: endpoints[0].query_user: \"reader\" can not log in to the server; expected the name of one of [[users]] that has a password, not a hash",
        ),
        (
            node("proxy_protocol = 'v3'"),
            "a.toml:4: nodes[0].proxy_protocol: \"v3\" is not a version of the PROXY protocol; expected \"off\", \"v1\" or \"v2\"",
        ),
        (
            endpoint("proxy_protocol_networks = ['10.0.0.0/8', 'proxy.example']"),
            "a.toml:4: endpoints[0].proxy_protocol_networks: \"proxy.example\" is not a network; expected addresses, networks such as \"10.0.0.0/8\", \"localhost\" for Unix sockets, or \"*\"",
        ),
    ]
}

/// The same: nodes and endpoints.
fn wrong_values() -> Vec<(Case, &'static str)> {
    vec![
        (
            node("connect_timeout = 5"),
            "a.toml:4: nodes[0].connect_timeout: 5 is not a duration; expected a number with its unit, as in \"10s\" or \"500ms\"",
        ),
        (node("role = 'replica'"), "built-in default.toml:"),
        (
            endpoint("tls = 'verify-ca'"),
            "a.toml:4: endpoints[0].tls: \"verify-ca\" is not a TLS mode of endpoints; expected \"disabled\", \"preferred\", \"required\" or \"verify-client\"",
        ),
        (
            endpoint("nodes = ['db2']"),
            "a.toml:4: endpoints[0].nodes: there is no node \"db2\"; expected names of nodes, which are \"db1\"",
        ),
        (
            endpoint("nodes = ['db1', 'db1']"),
            "a.toml:4: endpoints[0].nodes: \"db1\" is named twice; expected each node once",
        ),
        (
            endpoint("nodes = []"),
            "a.toml:4: endpoints[0].nodes: it names no node; expected names of nodes, which are \"db1\"",
        ),
        (
            endpoint("access = 'read_only'"),
            "a.toml:4: endpoints[0].access: no node behind it is a replica; expected a node with role replica or auto, or fallback_to_primary = true",
        ),
        (
            endpoint("credentials = 'static'"),
            "a.toml:4: endpoints[0].credentials: \"static\" without any [[users]] lets nobody in; expected [[users]], or \"learned\"",
        ),
        (
            endpoint("shadow = 'transaction'"),
            "a.toml:4: endpoints[0].shadow: a transaction pool needs no shadow of one: SHOW ADVICE tells what it does; expected \"off\", or pool = \"none\" or \"session\"",
        ),
        (
            endpoint("pool = 'none'\nshadow = 'session'"),
            "a.toml:5: endpoints[0].shadow: \"session\" is not a mode to try; expected \"off\" or \"transaction\"",
        ),
        (
            endpoint("pinning = 'loose'"),
            "a.toml:4: endpoints[0].pinning: \"loose\" is not a way to pin; expected \"tracked\" or \"strict\"",
        ),
        (
            endpoint("[[endpoints]]\nname='e'\nlisten='127.0.0.1:3'"),
            "a.toml:5: endpoints[1].name: \"e\" is already the name of another, at a.toml:2; expected a name of its own",
        ),
        (
            endpoint("[[endpoints]]\nname='f'\nlisten='127.0.0.1:2'"),
            "a.toml:6: endpoints[1].listen: \"127.0.0.1:2\" is already listened on by endpoints[0].listen, at a.toml:3; expected an address of its own",
        ),
        (
            endpoint("[http]\nlisten='127.0.0.1:2'"),
            "a.toml:5: http.listen: \"127.0.0.1:2\" is already listened on by endpoints[0].listen, at a.toml:3; expected an address of its own",
        ),
        (
            file("[[endpoints]]\nname='e'\nlisten='localhost:1'"),
            "a.toml:3: endpoints[0].listen: \"localhost:1\" is not an IP address; expected \"IP:port\", \"[IPv6]:port\" or \"unix:/path\"",
        ),
        (
            file("http.listen = ':80'"),
            "a.toml:1: http.listen: \":80\" is not an address to listen on; expected \"IP:port\" or \"off\"",
        ),
    ]
}

/// The same: users, places and variables.
fn wrong_names() -> Vec<(Case, &'static str)> {
    vec![
        (
            user(""),
            "a.toml:2: users[0].name: the user has no password; expected exactly one of password, password_file, password_env, password_hash",
        ),
        (
            user("password='x'\npassword_env='Y'"),
            "a.toml:4: users[0].password_env: the password is already given by users[0].password; expected exactly one of password, password_file, password_env, password_hash",
        ),
        (
            user("password_env='ABSENT'"),
            "a.toml:3: users[0].password_env: environment variable ABSENT is not set; expected a password in it",
        ),
        (
            user("password_file='/nonexistent/x'"),
            "a.toml:3: users[0].password_file: /nonexistent/x cannot be used: No such file or directory (os error 2); expected a file that holds a password",
        ),
        (
            user("password_hash='*12'"),
            "a.toml:3: users[0].password_hash: it is not a double hash of a password; expected \"*\" and 40 hex digits, or \"sha256:\" and 64 hex digits",
        ),
        (
            user("password='x'\ntls_subject='CN=app'"),
            "a.toml:4: users[0].tls_subject: \"CN=app\" is not the subject of a certificate; expected parts with their short names, as in \"/O=Example/CN=app\"",
        ),
        (user("password=12345"), "a.toml:3: users[0].password: it is not a text; expected a text in quotes"),
        (
            user("password='x'\n[[users]]\nname='u'\npassword='y'"),
            "a.toml:5: users[1].name: \"u\" is already the name of another, at a.toml:2; expected a name of its own",
        ),
        (
            user("password='x'\nbackend_password='1'\nbackend_password_env='B'"),
            "a.toml:5: users[0].backend_password_env: the password is already given by users[0].backend_password; expected at most one of backend_password, backend_password_file, backend_password_env",
        ),
        (
            file("admin.listen='127.0.0.1:9'"),
            "a.toml:1: admin.listen: the console has no password; expected exactly one of password, password_file, password_env, password_hash",
        ),
        (Case::new().set("server.max_clients"), "--set: there is no \"=\" in one of them; expected section.key=value"),
        (
            Case::new().set("nodes.address=x"),
            "--set nodes.address: nodes.address: it names no key; expected the entry's number, from 0: nodes.0.key, or GREENROOM__NODES__0__KEY",
        ),
        (
            Case::new().variable("GREENROOM__NODES__9999999999__NAME", "x"),
            "environment GREENROOM__NODES__9999999999__NAME: nodes.9999999999.name: \"9999999999\" is not an entry's number; expected a number from 0 to 9999",
        ),
        (
            Case::new().variable("GREENROOM__SERVER__MAX_CLIENT", "1"),
            "environment GREENROOM__SERVER__MAX_CLIENT: server.max_client: [server] has no key \"max_client\"; expected \"max_clients\"",
        ),
    ]
}

#[test]
fn each_mistake_has_its_place_and_its_words() {
    let all = [wrong_sections(), wrong_fleets(), wrong_watches(), wrong_access(), wrong_values(), wrong_names()];
    for (case, expected) in all.into_iter().flatten() {
        let errors = case.errors();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        if expected.ends_with(':') {
            assert!(errors[0].starts_with(expected), "{errors:#?}");
        } else {
            assert_eq!(errors[0], expected);
        }
    }
}

#[test]
fn a_file_that_is_not_toml_is_reported_without_its_text() {
    let errors = file("[[users]]\nname = 'u'\npassword = 'hunter2\n").errors();
    assert!(errors.iter().all(|error| error.starts_with("a.toml:3: ")), "{errors:#?}");
    assert!(!errors.concat().contains("hunter2"), "{errors:#?}");
}

#[test]
fn a_file_that_is_not_there_is_reported_by_name() {
    let mut case = Case::new();
    case.sources.files.push(case.directory.path().join("absent.toml"));
    assert_eq!(case.errors(), ["absent.toml: it cannot be read: No such file or directory (os error 2)"]);
}

#[test]
fn a_gap_in_the_numbering_is_an_error() {
    let errors =
        Case::new().variable("GREENROOM__NODES__2__NAME", "x").variable("GREENROOM__NODES__2__ADDRESS", "h:1").errors();
    assert!(errors.iter().any(|error| error.contains("nodes[1]")), "{errors:#?}");
}
