//! The network between the proxy and its server, of which each is in one of its own: cut while sessions work, at either end.

use std::{
    net::SocketAddr,
    thread::{scope, sleep},
    time::Duration,
};

use greenroom::demo::server::{Flavor, Options, Server};

use super::{CREW, WIDTH};
use crate::support::{
    crew::{Crew, LOSSES, TABLE, full_width},
    namespaces::{Network, join, run},
    observe::{Root, until},
    proxy::{Proxy, Setup},
    servers::{Tenant, has_mysql, skipped},
    wire::{Reply, Wire},
};

/// Who may be told that no connection came free, or that the server is down.
const WAITED: [u16; 2] = [1040, 1429];

/// Longer than `lease_timeout` and `connect_timeout`, and long enough for the monitor to see it twice.
const CUT: Duration = Duration::from_secs(4);

struct Bed<'a> {
    there: &'a Network,
    server: &'a Server,
    tenant: &'a Tenant,
    proxy: &'a Proxy,
}

impl Bed<'_> {
    /// Packets are lost on their way, and nobody is told.
    fn cut_far(&self) {
        self.there.within(|| run("ip", &["link", "set", "far", "down"]));
    }

    /// The proxy's own machine says that there is no way.
    fn cut_near(&self) {
        run("ip", &["link", "set", "near", "down"]);
    }

    fn mend(&self) {
        self.there.within(|| run("ip", &["link", "set", "far", "up"]));
        run("ip", &["link", "set", "near", "up"]);
    }
}

/// Runs a test on each kind of server, in a network where nobody else is.
fn apart(test: &str, play: impl Fn(&Bed<'_>) + Send + Sync) {
    let flavors = if has_mysql() { Flavor::ALL.to_vec() } else { vec![Flavor::MariaDb] };
    if flavors.len() == 1 {
        skipped();
    }
    let (Some(here), Some(there)) = (Network::new(test), Network::new(test)) else { return };
    join(&here, &there);
    for flavor in flavors {
        println!("on {flavor}");
        let options = Options { extra_args: vec!["--bind-address=0.0.0.0".into()], ..Options::default() };
        let (server, tenant) = there.within(|| {
            let server = Server::start(flavor, &options).unwrap();
            let tenant = Tenant::new(&server, "apart");
            tenant.connect(server.address()).ok(TABLE);
            (server, tenant)
        });
        here.within(|| {
            let address = SocketAddr::from(([10, 77, 0, 2], server.address().port()));
            let limit = format!("max_connections = {WIDTH}");
            let node = ["role = \"auto\"", "connect_timeout = \"1s\"", &limit];
            let setup = Setup::new(address).first_node(address, &node).user(&tenant.name, &tenant.password);
            let setup = setup.extra("[monitor]\ninterval = \"200ms\"").endpoint("lease_timeout = \"2s\"");
            let proxy = setup.start();
            let bed = Bed { there: &there, server: &server, tenant: &tenant, proxy: &proxy };
            play(&bed);
        });
    }
}

#[test]
fn a_network_that_is_cut_for_a_moment_loses_nothing() {
    apart("a_network_that_is_cut_for_a_moment_loses_nothing", |bed| {
        let crew = Crew::new(bed.tenant, bed.proxy, CREW, WIDTH, &WAITED);
        crew.work(|| {
            for cut in [Bed::cut_far, Bed::cut_near] {
                let errors = crew.errors();
                cut(bed);
                // Four wait for an answer; those behind them are told. Nobody is told that anything was lost.
                crew.is_told("those in the line are told");
                sleep(CUT);
                bed.mend();
                crew.goes_on("all that was under way has come to its end");
                assert!(crew.errors() > errors);
            }
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// The server has given its connections up, which the proxy can not hear of.
#[test]
fn connections_that_the_server_gave_up_behind_a_cut_are_lost_when_it_is_mended() {
    apart("connections_that_the_server_gave_up_behind_a_cut_are_lost_when_it_is_mended", |bed| {
        let tolerated: Vec<u16> = LOSSES.into_iter().chain(WAITED).collect();
        let crew = Crew::new(bed.tenant, bed.proxy, CREW, WIDTH, &tolerated);
        crew.work(|| {
            bed.cut_far();
            crew.is_told("those in the line are told");
            bed.there.within(|| {
                let mut root = Root::on(bed.server);
                let ids = root.all_connections(&bed.tenant.name).into_keys();
                ids.for_each(|id| root.kill(id));
            });
            sleep(CUT);
            bed.mend();
        });
        crew.leaves_nothing(WIDTH);
    });
}

/// A network that never comes back: who waits for an answer waits, and who leaves takes his connection with him.
#[test]
fn a_cut_that_lasts_holds_nobody_who_leaves() {
    apart("a_cut_that_lasts_holds_nobody_who_leaves", |bed| {
        full_width(bed.proxy, bed.tenant, WIDTH);
        let files = bed.proxy.open_files();
        let mut wires: Vec<_> = (0..2 * WIDTH).map(|_| bed.tenant.connect(bed.proxy.address())).collect();
        for wire in &mut wires {
            wire.ok("SET @mine = 1");
        }
        bed.cut_far();
        let told: Vec<u16> = scope(|scope| {
            let ask = |wire: &mut Wire| {
                wire.set_timeout(Duration::from_secs(8));
                match wire.query("SELECT 1").as_deref() {
                    Ok([Reply::Err(error)]) => error.code,
                    Ok(other) => panic!("{other:?}"),
                    // No answer within the time.
                    Err(_) => 0,
                }
            };
            let asking: Vec<_> = wires.iter_mut().map(|wire| scope.spawn(move || ask(wire))).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        println!("told {told:?}");
        assert!(told.iter().all(|code| [0, 1040, 1429].contains(code)), "{told:?}");
        assert!(told.iter().filter(|code| **code != 0).count() >= WIDTH, "who has no connection is told so: {told:?}");
        drop(wires);
        until("nobody is left", || bed.proxy.is_at_rest());
        until("no more open files than before", || bed.proxy.open_files() <= files);
        bed.mend();
        until("it serves again", || {
            Wire::connect(bed.proxy.address(), &bed.tenant.login()).is_ok_and(|mut wire| {
                wire.query("SELECT 1").is_ok_and(|replies| matches!(replies[..], [Reply::Rows(_)]))
            })
        });
    });
}
