//! Accounts of one plugin on a server, and a proxy that knows them by every source.

use std::{
    cell::Cell,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use greenroom::demo::server::{Flavor, Options, Server, free_port};
use greenroom_protocol::{
    login::scramble::{native, sha2},
    secret::Secret,
};
use mysql_common::constants::CapabilityFlags;
use tempfile::TempDir;

use super::support::{
    authority::{Authority, Wish},
    observe::Root,
    proxy::{Proxy, Setup},
    servers::{has_mysql, skipped},
    wire::{AuthPath, Identity, Login, Reply, Tls, Wire, WireError},
};

/// A server's plugin: the server, its name there, and how an account gets it.
pub(super) type Kind = (Flavor, &'static str, &'static str);

pub(super) const KINDS: [Kind; 4] = [
    (Flavor::MariaDb, "mysql_native_password", "VIA mysql_native_password USING PASSWORD('"),
    (Flavor::MariaDb, "ed25519", "VIA ed25519 USING PASSWORD('"),
    (Flavor::MySql, "caching_sha2_password", "WITH caching_sha2_password BY '"),
    (Flavor::MySql, "sha256_password", "WITH sha256_password BY '"),
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
pub(super) const SOURCES: [&str; 5] = ["password", "`*HEX`", "`sha256:HEX`", "learned", "query"];

/// Sources that are an endpoint's own; the others are users of its configuration.
pub(super) const OWN: [&str; 2] = ["learned", "query"];

pub(super) const PASSWORD: &str = "matrix-secret";

/// Who reads the servers' account tables.
const READER: &str = "[[users]]\nname = \"reader\"\npassword = \"reader-secret\"\n";

/// One kind of account behind a proxy.
pub(super) struct Field {
    kind: Kind,
    server: &'static Server,
    proxy: Proxy,
    sockets: TempDir,
    /// Where the sources of [`OWN`] are asked for by TCP.
    own: [SocketAddr; 2],
    /// Accounts are called so, with a number.
    name: String,
    /// How many of them have been given away, and how many there are.
    given: Cell<usize>,
    made: usize,
}

/// Who vouches for servers and proxies.
pub(super) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("logins"))
}

/// A certificate for where all of them listen.
fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| authority().issue(&Wish::of(&["127.0.0.1", "localhost"])))
}

/// A server with that certificate; MariaDB with its plugin for ed25519, too.
fn server(flavor: Flavor) -> &'static Server {
    static SERVERS: [OnceLock<Server>; 2] = [const { OnceLock::new() }; 2];
    let [maria, mysql] = &SERVERS;
    let (server, more) = match flavor {
        Flavor::MariaDb => (maria, vec!["--plugin-load-add=auth_ed25519".into()]),
        Flavor::MySql => (mysql, vec![]),
    };
    server.get_or_init(|| {
        let file = |key: &str, path: &Path| format!("--{key}={}", path.display()).into();
        let tls = [file("ssl-cert", &identity().cert), file("ssl-key", &identity().key)];
        let options = Options { extra_args: [more, tls.to_vec()].concat(), ..Options::default() };
        let server = Server::start(flavor, &options).unwrap();
        let table = if flavor == Flavor::MySql { "mysql.user" } else { "mysql.global_priv" };
        let mut root = Root::on(&server).0;
        root.ok("CREATE USER reader@'%' IDENTIFIED BY 'reader-secret'");
        root.ok(&format!("GRANT SELECT ON {table} TO reader@'%'"));
        server
    })
}

impl Field {
    /// One for each kind, with so many accounts that nobody has used yet; `None` where there is no MySQL, without which
    /// no row is whole.
    pub(super) fn all(fresh: usize) -> Option<Vec<Self>> {
        if !has_mysql() {
            skipped();
            return None;
        }
        Some(KINDS.iter().map(|kind| Self::new(kind, fresh)).collect())
    }

    fn new(kind: &Kind, fresh: usize) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let server = server(kind.0);
        let name = format!("matrix{}_", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        // The first is that of the configuration's users.
        let names: Vec<_> = (0..=fresh).map(|number| format!("{name}{number}")).collect();
        let end = if kind.2.ends_with("('") { "')" } else { "'" };
        let accounts = names.iter().map(|name| format!("{name}@'%' IDENTIFIED {}{PASSWORD}{end}", kind.2));
        Root::on(server).0.ok(&format!("CREATE USER {}", accounts.collect::<Vec<_>>().join(", ")));
        // From here on MySQL has it in its cache.
        drop(Wire::connect(server.address(), &Login::new(&names[0], PASSWORD)).unwrap());
        let sockets = tempfile::tempdir().unwrap();
        let own = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port().unwrap())));
        let setup =
            Setup::new(server.address()).server("login_failure_delay = \"0s\"").endpoint("credentials = \"static\"");
        let setup =
            setup.extra("[log]\nlevel = \"trace\"").endpoint(&certificate()).extra(READER).extra(&users(&names[0]));
        let proxy = setup.extra(&endpoints(sockets.path(), &own)).start();
        Self { kind: *kind, server, proxy, sockets, own, name, given: Cell::new(0), made: fresh }
    }

    pub(super) fn title(&self) -> String {
        format!("{}'s `{}`", self.kind.0, self.kind.1)
    }

    /// An account that nobody has used yet.
    pub(super) fn fresh(&self) -> String {
        self.given.set(self.given.get() + 1);
        assert!(self.given.get() <= self.made, "no more than {} accounts were made", self.made);
        format!("{}{}", self.name, self.given.get())
    }

    /// Where the server itself listens, by TCP and by its Unix socket.
    pub(super) fn direct(&self) -> (SocketAddr, PathBuf) {
        (self.server.address(), self.server.socket())
    }

    /// Where clients whom Greenroom knows so connect, by TCP and by a Unix socket.
    pub(super) fn doors(&self, source: &str) -> (SocketAddr, PathBuf) {
        let at = OWN.iter().position(|own| *own == source);
        let socket = self.sockets.path().join(if at.is_some() { source } else { "static" });
        (at.map_or(self.proxy.address(), |at| self.own[at]), socket)
    }

    /// Somebody whom Greenroom knows so: of the configuration, or an account that nobody has used yet.
    pub(super) fn user(&self, source: &str) -> String {
        match SOURCES.iter().position(|one| *one == source) {
            Some(number) if !OWN.contains(&source) => format!("user{number}"),
            _ => self.fresh(),
        }
    }

    /// Whatever was logged, at the level that says most, it was no password, nor a hash of one.
    pub(super) fn kept_secrets(&self) {
        let log = self.proxy.log();
        assert!(log.contains("TRCE") || log.contains("DEBG"), "the log says little:\n{}", &log[..log.len().min(1000)]);
        let secret = Secret::new(PASSWORD);
        let (one, two) = (native::stage1(&secret), sha2::stage1(&secret));
        let hashes = [one.expose().to_vec(), native::stage2(&one).expose().to_vec(), two.expose().to_vec()];
        let hashes = [&hashes[..], &[sha2::stage2(&two).expose().to_vec(), PASSWORD.into()]].concat();
        let digits = hashes.iter().flat_map(|hash| [hex::encode(hash), hex::encode_upper(hash)]);
        for form in digits.chain([PASSWORD.to_owned()]) {
            assert!(!log.contains(&form), "the log of the proxy before {} has {form}", self.title());
        }
    }

    /// How a login goes.
    pub(super) fn outcome(&self, client: &str, channel: &str, source: &str) -> String {
        let user = self.user(source);
        let login = match client {
            "none" => Login::new(&user, PASSWORD)
                .plugin("mysql_native_password")
                .without(CapabilityFlags::CLIENT_PLUGIN_AUTH | CapabilityFlags::CLIENT_CONNECT_ATTRS),
            plugin => Login::new(&user, PASSWORD).plugin(plugin),
        };
        let (address, socket) = self.doors(source);
        let wire = match channel {
            "TCP" => Wire::connect(address, &login),
            "TLS" => Wire::connect_tls(address, &login.in_clear(), &Tls::credulous()),
            _ => Wire::connect_unix(&socket, &login.in_clear()),
        };
        match wire {
            Ok(mut wire) => {
                let path = path(wire.auth);
                match wire.query("SELECT 1").unwrap().remove(0) {
                    Reply::Rows(_) => path.into(),
                    Reply::Err(error) => format!("{path}, then {}", error.code),
                    other => panic!("{other:?}"),
                }
            }
            Err(WireError::Refused(error)) => error.code.to_string(),
            Err(error) => panic!("{client}, {channel}, {source}: {error}"),
        }
    }
}

/// What an endpoint shows of itself.
fn certificate() -> String {
    let Identity { cert, key } = identity();
    format!("tls_cert = \"{}\"\ntls_key = \"{}\"", cert.display(), key.display())
}

/// The account under a name of its own for each source of the configuration's.
fn users(name: &str) -> String {
    let (one, two) = (native::stage1(&Secret::new(PASSWORD)), sha2::stage1(&Secret::new(PASSWORD)));
    let keys = [
        format!("password = \"{PASSWORD}\""),
        format!("password_hash = \"*{}\"", hex::encode(native::stage2(&one).expose())),
        format!("password_hash = \"sha256:{}\"", hex::encode(sha2::stage2(&two).expose())),
    ];
    let users = keys.iter().enumerate();
    users.map(|(n, key)| format!("[[users]]\nname = \"user{n}\"\nbackend_user = \"{name}\"\n{key}\n")).collect()
}

/// The endpoints beside the first: a Unix socket for its users, and for each of [`OWN`] both.
fn endpoints(sockets: &Path, own: &[SocketAddr; 2]) -> String {
    let socket = |name: &str| format!("unix:{}", sockets.join(name).display());
    let mut ends = vec![(socket("static"), "static")];
    for (source, address) in OWN.into_iter().zip(own) {
        ends.extend([(address.to_string(), source), (socket(source), source)]);
    }
    let ends = ends.iter().enumerate().map(|(n, (listen, source))| {
        let reader = if *source == "query" { "query_user = \"reader\"\n" } else { "" };
        let head = format!("[[endpoints]]\nname = \"more{n}\"\nlisten = \"{listen}\"\nnodes = [\"db1\"]\n");
        format!("{head}credentials = \"{source}\"\n{reader}{}\n", certificate())
    });
    ends.collect()
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
