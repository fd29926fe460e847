//! Accounts of one plugin on a server, and a proxy that knows them by every source.

use std::{net::SocketAddr, path::PathBuf, sync::OnceLock};

use greenroom::demo::server::{Flavor, Options, Server};
use greenroom_protocol::{
    login::scramble::{native, sha2},
    secret::Secret,
};
use mysql_common::constants::CapabilityFlags;
use tempfile::TempDir;

use super::support::{
    proxy::{Proxy, Setup},
    servers::{Tenant, mysql},
    wire::{AuthPath, Login, Tls, Wire, WireError},
};

/// A server's plugin: the server, its name there, and how an account gets it.
pub(super) type Kind = (Flavor, &'static str, &'static str);

pub(super) const KINDS: [Kind; 4] = [
    (Flavor::MariaDb, "mysql_native_password", "VIA mysql_native_password USING PASSWORD("),
    (Flavor::MariaDb, "ed25519", "VIA ed25519 USING PASSWORD("),
    (Flavor::MySql, "caching_sha2_password", "WITH caching_sha2_password BY "),
    (Flavor::MySql, "sha256_password", "WITH sha256_password BY "),
];

/// What a client begins with.
pub(super) const CLIENTS: [&str; 7] = [
    "mysql_native_password",
    "caching_sha2_password",
    "client_ed25519",
    "parsec",
    "sha256_password",
    "mysql_clear_password",
    "none",
];

/// How it reaches Greenroom.
pub(super) const CHANNELS: [&str; 3] = ["TCP", "TLS", "Unix socket"];

/// How Greenroom knows the user.
pub(super) const SOURCES: [&str; 4] = ["password", "`*HEX`", "`sha256:HEX`", "learned"];

pub(super) const PASSWORD: &str = "matrix-secret";

/// One kind of account behind a proxy.
pub(super) struct Field {
    kind: Kind,
    proxy: Proxy,
    sockets: TempDir,
    learning: SocketAddr,
    tenants: Vec<Tenant>,
}

/// MariaDB with its plugin for ed25519.
fn mariadb_with_ed25519() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let extra_args = vec!["--plugin-load-add=auth_ed25519".into()];
        Server::start(Flavor::MariaDb, &Options { extra_args, ..Options::default() }).unwrap()
    })
}

impl Field {
    /// One for each kind; `None` where there is no MySQL, without which no row is whole.
    pub(super) fn all() -> Option<Vec<Self>> {
        let mysql = mysql()?;
        let server = |flavor| if flavor == Flavor::MySql { mysql } else { mariadb_with_ed25519() };
        Some(KINDS.iter().map(|kind| Self::new(kind, server(kind.0))).collect())
    }

    fn new(kind: &Kind, server: &Server) -> Self {
        let (_, _, how) = *kind;
        // The first for users of the configuration, each other for one login that is learned.
        let tenants: Vec<_> = (0..=CLIENTS.len() * CHANNELS.len()).map(|_| Tenant::new(server, "matrix")).collect();
        let end = if how.ends_with('(') { ")" } else { "" };
        for tenant in &tenants {
            tenant.administer(&[format!("ALTER USER {}@'%' IDENTIFIED {how}'{PASSWORD}'{end}", tenant.name)]);
        }
        let name = &tenants[0].name;
        // From here on MySQL has it in its cache.
        drop(Wire::connect(server.address(), &Login::new(name, PASSWORD)).unwrap());
        let (one, two) = (native::stage1(&Secret::new(PASSWORD)), sha2::stage1(&Secret::new(PASSWORD)));
        let keys = [
            format!("password = \"{PASSWORD}\""),
            format!("password_hash = \"*{}\"", hex::encode(native::stage2(&one).expose())),
            format!("password_hash = \"sha256:{}\"", hex::encode(sha2::stage2(&two).expose())),
        ];
        let users = keys
            .iter()
            .enumerate()
            .map(|(n, key)| format!("[[users]]\nname = \"user{n}\"\nbackend_user = \"{name}\"\n{key}\n"));
        let sockets = tempfile::tempdir().unwrap();
        let learning = SocketAddr::from(([127, 0, 0, 1], greenroom::demo::server::free_port().unwrap()));
        let ends = [
            (format!("unix:{}", sockets.path().join("static").display()), "static"),
            (learning.to_string(), "learned"),
            (format!("unix:{}", sockets.path().join("learned").display()), "learned"),
        ];
        let ends = ends.iter().enumerate().map(|(n, (listen, source))| {
            format!("[[endpoints]]\nname = \"more{n}\"\nlisten = \"{listen}\"\ncredentials = \"{source}\"\nnodes = [\"db1\"]\n")
        });
        let tables = users.chain(ends).collect::<String>();
        let setup =
            Setup::new(server.address()).server("login_failure_delay = \"0s\"").endpoint("credentials = \"static\"");
        Self { kind: *kind, proxy: setup.extra(&tables).start(), sockets, learning, tenants }
    }

    pub(super) fn title(&self) -> String {
        format!("{}'s `{}`", self.kind.0, self.kind.1)
    }

    /// Where clients connect by this channel.
    pub(super) fn socket(&self, source: &str) -> PathBuf {
        self.sockets.path().join(if source == "learned" { "learned" } else { "static" })
    }

    /// Where clients connect by TCP, whose passwords are in the configuration.
    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// How a login goes.
    pub(super) fn outcome(&self, client: &str, channel: &str, source: &str) -> String {
        let place = |of: &[&str], what: &str| of.iter().position(|one| *one == what).unwrap();
        let user = match source {
            "learned" => {
                self.tenants[1 + place(&CHANNELS, channel) * CLIENTS.len() + place(&CLIENTS, client)].name.clone()
            }
            _ => format!("user{}", place(&SOURCES, source)),
        };
        let login = match client {
            "none" => Login::new(&user, PASSWORD)
                .plugin("mysql_native_password")
                .without(CapabilityFlags::CLIENT_PLUGIN_AUTH | CapabilityFlags::CLIENT_CONNECT_ATTRS),
            plugin => Login::new(&user, PASSWORD).plugin(plugin),
        };
        let wire = match (channel, source) {
            ("TCP", "learned") => Wire::connect(self.learning, &login),
            ("TCP", _) => Wire::connect(self.address(), &login),
            ("TLS", "learned") => Wire::connect_tls(self.learning, &login.in_clear(), &Tls::credulous()),
            ("TLS", _) => Wire::connect_tls(self.address(), &login.in_clear(), &Tls::credulous()),
            _ => Wire::connect_unix(&self.socket(source), &login.in_clear()),
        };
        match wire {
            Ok(mut wire) => {
                let path = path(wire.auth);
                match wire.query("SELECT 1").unwrap().remove(0) {
                    super::support::wire::Reply::Rows(_) => path.into(),
                    super::support::wire::Reply::Err(error) => format!("{path}, then {}", error.code),
                    other => panic!("{other:?}"),
                }
            }
            Err(WireError::Refused(error)) => error.code.to_string(),
            Err(error) => panic!("{client}, {channel}, {source}: {error}"),
        }
    }
}

fn path(auth: AuthPath) -> &'static str {
    match auth {
        AuthPath::None => "nothing",
        AuthPath::Native => "native",
        AuthPath::Fast => "fast",
        AuthPath::FullRsa => "full",
        AuthPath::FullClear => "full, clear",
        AuthPath::Signed => "ed25519",
        AuthPath::Salted => "parsec",
        AuthPath::Sha256Rsa => "sha256",
        AuthPath::Sha256Clear => "sha256, clear",
        AuthPath::Clear => "clear",
    }
}
