//! Galera: every member takes writes, so Greenroom chooses the primary.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use greenroom::demo::server::{Flavor, Options, ROOT, Server, free_port};
use tempfile::TempDir;

use super::members::{BLIND, CREW, Members, WIDTH, goes_on, port};
use crate::support::{
    crew::{Crew, LOSSES},
    observe::until,
    proxy::Proxy,
    servers::Tenant,
    wire::Wire,
};

/// From where Debian's package has it.
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// All begin with equal data, as a saved state says, and need not copy them to each other.
const STATE: &str =
    "# GALERA saved state\nversion: 2.1\nuuid: bbbbbbbb-0000-4000-8000-000000000001\nseqno: 0\nsafe_to_bootstrap: 1\n";
const BEGINNING: &str = "bbbbbbbb-0000-4000-8000-000000000001:0";

/// Galera's start fails now and then on a busy machine, since it asks after a thread that is not there yet (measured).
const ATTEMPTS: usize = 20;

/// Of a member that may not serve (1047), and of writes that met others' (1213).
const CLUSTER: [u16; 2] = [1047, 1213];

fn options(at: usize, own: [SocketAddr; 3], ist: SocketAddr, home: &Path) -> Options {
    let others = own.map(|address| address.to_string()).join(",");
    std::fs::write(home.join("grastate.dat"), STATE).unwrap();
    let arguments = [
        "--wsrep-on=ON".into(),
        format!("--wsrep-provider={PROVIDER}"),
        format!("--wsrep-cluster-address=gcomm://{}", if at == 0 { "" } else { &others }),
        "--wsrep-node-address=127.0.0.1".into(),
        format!("--wsrep-node-name=db{}", at + 1),
        format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://{};ist.recv_addr={ist};gcache.size=16M;\
             evs.keepalive_period=PT0.3S;evs.inactive_check_period=PT0.3S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S",
            own[at]
        ),
        format!("--wsrep-data-home-dir={}", home.display()),
        format!("--wsrep-start-position={BEGINNING}"),
        // Which a server may do that runs as root, unlike the usual rsync. Nothing is ever dumped: there is only what one
        // has missed.
        "--wsrep-sst-method=mysqldump".into(),
        format!("--wsrep-sst-auth={}:{}", ROOT.user, ROOT.password),
        "--binlog-format=ROW".into(),
        "--innodb-autoinc-lock-mode=2".into(),
    ];
    Options { extra_args: arguments.map(Into::into).to_vec(), binary_log: false }
}

/// Three members that are all in step, and what they keep of themselves.
struct Galera {
    members: Members,
    _homes: Vec<TempDir>,
}

fn cluster() -> Galera {
    assert!(Path::new(PROVIDER).exists(), "no {PROVIDER}: scripts/install-mariadb installs galera-4 with the server");
    let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
    let (own, ist) = ([(); 3].map(|()| address()), [(); 3].map(|()| address()));
    let (mut members, mut homes) = (Members { servers: Vec::new() }, Vec::new());
    for (at, ist) in ist.into_iter().enumerate() {
        let home = tempfile::Builder::new().prefix("greenroom-galera-").tempdir().unwrap();
        members.servers.push(start(|| options(at, own, ist, home.path())));
        homes.push(home);
        until("it is in step", || status(&members, at, "wsrep_local_state") == "4");
    }
    members.accounts();
    Galera { members, _homes: homes }
}

fn start(options: impl Fn() -> Options) -> Server {
    for _ in 1..ATTEMPTS {
        match Server::start(Flavor::MariaDb, &options()) {
            Ok(server) => return server,
            Err(error) => {
                assert!(error.to_string().contains("WSREP") || error.to_string().contains("ended while"), "{error}")
            }
        }
    }
    Server::start(Flavor::MariaDb, &options()).unwrap()
}

fn status(members: &Members, at: usize, name: &str) -> String {
    members.root(at).rows(&format!("SHOW GLOBAL STATUS LIKE '{name}'"))[0][1].clone().unwrap()
}

/// Cuts a member off from the others, or lets it in again.
fn isolate(members: &Members, at: usize, isolated: bool) {
    let isolated = u8::from(isolated);
    members.root(at).ok(&format!("SET GLOBAL wsrep_provider_options = 'gmcast.isolate={isolated}'"));
}

#[test]
fn one_member_is_written_to_and_another_when_it_goes() {
    let Galera { mut members, _homes } = cluster();
    let tenant = members.tenant("galera");
    let proxy = members.before(&tenant, BLIND, &[], &["lease_timeout = \"30s\""]);
    members.wait_for(&proxy, ["primary", "replica", "replica"]);
    let tolerated: Vec<u16> = LOSSES.into_iter().chain(CLUSTER).collect();
    let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &tolerated).who_may_end();
    crew.work(|| {
        goes_on(&crew);
        assert_eq!(crew.errors(), 0, "nobody is in anybody's way");
        isolate(&members, 0, true);
        members.wait_for(&proxy, ["down", "primary", "replica"]);
        goes_on(&crew);
        isolate(&members, 0, false);
        // It does not take the writes back.
        members.wait_for(&proxy, ["replica", "primary", "replica"]);
        let errors = crew.errors();
        goes_on(&crew);
        assert_eq!(crew.errors(), errors, "nobody is in anybody's way");
        // Who copies itself, or does as if, gives way.
        members.root(1).ok("SET GLOBAL wsrep_desync = ON");
        until("another is the primary", || members.primary(&proxy).is_some_and(|at| at != 1));
        goes_on(&crew);
        members.root(1).ok("SET GLOBAL wsrep_desync = OFF");
        let at = members.primary(&proxy).unwrap();
        members.servers[at].kill().unwrap();
        until("another is the primary", || members.primary(&proxy).is_some_and(|now| now != at));
        assert_eq!(members.roles(&proxy)[at], "down");
        goes_on(&crew);
    });
    crew.leaves_nothing(WIDTH);
}

#[test]
fn reads_go_to_the_others() {
    let Galera { members, _homes } = cluster();
    let tenant = members.tenant("reads");
    let ports = [0, 1, 2].map(|at| members.address(at).port());
    let reads = members.before(&tenant, BLIND, &[], &["access = \"read_only\""]);
    members.wait_for(&reads, ["primary", "replica", "replica"]);
    let mut session = Wire::connect(reads.address(), &tenant.login()).unwrap();
    assert!((0..20).all(|_| ports[1..].contains(&port(&mut session))));
    a_donor_is_read_from_while_nobody_else_is_there(&members, &reads, &mut session);
    who_has_written_reads_from_the_primary(&members, &tenant);
}

fn a_donor_is_read_from_while_nobody_else_is_there(members: &Members, reads: &Proxy, session: &mut Wire) {
    let ports = [0, 1, 2].map(|at| members.address(at).port());
    members.root(1).ok("SET GLOBAL wsrep_desync = ON");
    until("it is left alone", || (0..20).all(|_| port(session) == ports[2]));
    isolate(members, 2, true);
    members.wait_for(reads, ["primary", "replica", "down"]);
    until("it is used again", || port(session) == ports[1]);
    isolate(members, 2, false);
    members.root(1).ok("SET GLOBAL wsrep_desync = OFF");
    members.wait_for(reads, ["primary", "replica", "replica"]);
}

/// Members count transactions each in its own way, or in a way that nobody can be asked to wait for.
fn who_has_written_reads_from_the_primary(members: &Members, tenant: &Tenant) {
    let proxy = members.before(tenant, BLIND, &[], &["access = \"split\"", "causal_timeout = \"60s\""]);
    members.wait_for(&proxy, ["primary", "replica", "replica"]);
    let mut session = Wire::connect(proxy.address(), &tenant.login()).unwrap();
    let replicas = || proxy.metrics().sum("greenroom_routed_statements_total", &["side=\"replica\""]);
    let count = "SELECT COUNT(*) FROM crew";
    until("it reads from a replica", || {
        session.ok("DO 0");
        session.rows(count);
        replicas() > 0.0
    });
    for written in 1..=5 {
        session.ok("INSERT INTO crew (tag) VALUES ('mine')");
        assert_eq!(session.scalar(count), Some(written.to_string()));
    }
    until("it is counted", || {
        proxy.metrics().sum("greenroom_routed_statements_total", &["reason=\"unknown_position\""]) >= 5.0
    });
}
