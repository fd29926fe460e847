//! TLS towards clients and servers: every mode, whom each side trusts, and that nothing else is different in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "tls/between.rs"]
mod between;
#[path = "tls/clients.rs"]
mod clients;
#[path = "tls/endpoint.rs"]
mod endpoint;
#[path = "tls/files.rs"]
mod files;
#[path = "tls/memory.rs"]
mod memory;
#[path = "tls/node.rs"]
mod node;
#[path = "tls/subject.rs"]
mod subject;
#[path = "tls/traffic.rs"]
mod traffic;
#[path = "tls/voucher.rs"]
mod voucher;

use std::path::Path;
use std::sync::OnceLock;

use greenroom::demo::server::{Flavor, Options, Server};
use support::authority::{Authority, Wish};
use support::proxy::Setup;
use support::servers::{Tenant, each_private_server};
use support::wire::Identity;

/// Who vouches for everybody whom these tests trust.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("one"))
}

/// Somebody else who vouches for people.
fn stranger() -> &'static Authority {
    static STRANGER: OnceLock<Authority> = OnceLock::new();
    STRANGER.get_or_init(|| Authority::new("another"))
}

/// What a server is started with to show this certificate.
fn showing(identity: &Identity) -> Options {
    let file = |key: &str, path: &Path| format!("--{key}={}", path.display()).into();
    let extra_args =
        vec![file("ssl-cert", &identity.cert), file("ssl-key", &identity.key), file("ssl-ca", &authority().file)];
    Options { extra_args, ..Options::default() }
}

/// Both servers, one of each for all tests, with a certificate for where they listen.
fn each_server(test: impl Fn(&Server)) {
    static SERVERS: OnceLock<Vec<Server>> = OnceLock::new();
    let servers = SERVERS.get_or_init(|| {
        let identity = authority().issue(&Wish::of(&["127.0.0.1"]));
        let servers = std::sync::Mutex::new(Vec::new());
        each_private_server(&showing(&identity), |server| servers.lock().unwrap().push(server));
        servers.into_inner().unwrap()
    });
    for server in servers {
        println!("on {} {}", server.flavor(), server.version());
        test(server);
    }
}

/// A proxy whose endpoint shows a certificate for `localhost`, and whose node has these lines.
fn setup(server: &Server, tenant: &Tenant, node: &[&str]) -> Setup {
    let identity = authority().issue(&Wish::of(&["localhost"]));
    let lines = [&["max_connections = 10"], node].concat();
    Setup::new(server.address())
        .first_node(server.address(), &lines)
        .user(&tenant.name, &tenant.password)
        .endpoint(&format!("tls_cert = \"{}\"", identity.cert.display()))
        .endpoint(&format!("tls_key = \"{}\"", identity.key.display()))
}

/// What a server says of the connection that it hears a statement on.
const CIPHER: &str = "SELECT variable_value FROM STATUS WHERE variable_name = 'Ssl_cipher'";

/// The same with the table's name as this server has it.
fn cipher(server: &Server) -> String {
    let schema = match server.flavor() {
        Flavor::MariaDb => "information_schema.SESSION_STATUS",
        Flavor::MySql => "performance_schema.session_status",
    };
    CIPHER.replace("STATUS", schema)
}
