//! Where a driver plays: one server, directly and through one proxy in its three modes, with other sessions about.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use greenroom::demo::server::{Server, free_port};

use super::support::{
    disturb::{TABLE, while_others_work},
    observe::until,
    proxy::{Proxy, Setup},
    servers::{Tenant, each_server},
};

const MODES: [&str; 3] = ["none", "session", "transaction"];
/// What a scenario that ran as it should has met: errors, characters, values, its own end.
const SEEN: [&str; 10] =
    ["1062", "1064", "1146", "1305", "raised ü", "😀", "alive", "18446744073709551615", "gone", "back"];

/// One server and the ways to it.
pub(super) struct Stage {
    pub(super) tenant: Tenant,
    /// The server itself first, then the proxy's endpoints, each named.
    pub(super) targets: Vec<(String, SocketAddr)>,
    proxy: Proxy,
}

/// Runs `play` on both servers, while other sessions of the same user keep the transaction pool's connections moving.
pub(super) fn each_stage(label: &str, play: impl Fn(&Stage)) {
    let label: String = label.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    each_server(|server| {
        let stage = Stage::new(server, &label);
        let others = (0..3).map(|_| stage.tenant.connect(stage.proxy.address())).collect();
        while_others_work(others, &stage.tenant.name, || play(&stage));
        stage.was_used();
    });
}

impl Stage {
    fn new(server: &Server, label: &str) -> Self {
        let tenant = Tenant::new(server, label);
        let mut wire = tenant.connect(server.address());
        wire.ok(TABLE);
        // What a scenario drops first is there at the first target, too.
        for name in ["child", "types", "work", "texts", "big"] {
            wire.ok(&format!("CREATE TABLE {name} (id INT)"));
        }
        wire.ok("CREATE PROCEDURE twice() DO 1");
        let mut targets = vec![("direct".to_owned(), server.address())];
        // Fewer connections than sessions: they have to share.
        let mut setup = Setup::new(server.address()).first_node(server.address(), &["max_connections = 4"]);
        for mode in &MODES[..2] {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
            setup = setup.extra(&format!(
                "[[endpoints]]\nname = \"{mode}\"\nlisten = \"{address}\"\npool = \"{mode}\"\nnodes = [\"db1\"]\n"
            ));
            targets.push(((*mode).to_owned(), address));
        }
        let proxy = setup.user(&tenant.name, &tenant.password).start();
        targets.push((MODES[2].to_owned(), proxy.address()));
        for (name, address) in &targets {
            until(&format!("{name} listens"), || TcpStream::connect(address).is_ok());
        }
        Self { tenant, targets, proxy }
    }

    /// What was printed at each target must be what was printed at the first.
    pub(super) fn compare(&self, what: &str, texts: &[(String, String)]) {
        let ((_, direct), through) = texts.split_first().unwrap();
        for seen in SEEN {
            assert!(direct.contains(seen), "{what}: the scenario did not meet {seen:?}");
        }
        assert_eq!(through.len(), MODES.len());
        for (mode, text) in through {
            let mut statement = "";
            for (number, (theirs, due)) in text.lines().zip(direct.lines()).enumerate() {
                statement = if due.starts_with("> ") { due } else { statement };
                assert_eq!(theirs, due, "{what}, {mode}, line {number}, after {statement} (left: through the proxy)");
            }
            assert_eq!(text.lines().count(), direct.lines().count(), "{what}, {mode}: one is longer");
        }
    }

    /// Every mode had its sessions, and those of the transaction pool took connections from each other.
    fn was_used(&self) {
        let metrics = self.proxy.metrics();
        for endpoint in ["app", MODES[0], MODES[1]] {
            let labels = [&*format!("endpoint=\"{endpoint}\""), "result=\"ok\""];
            assert!(metrics.sum("greenroom_logins_total", &labels) >= 4.0, "{endpoint} was not used");
        }
        assert!(metrics.sum("greenroom_leases_total", &["found=\"other\""]) > 10.0, "nothing was shared");
    }
}
