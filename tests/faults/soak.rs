//! All faults at random, for as long as wanted, while crews work in every pool mode: `make soak`.
//!
//! `GREENROOM_SOAK_SECONDS` says how long, for both servers together, `GREENROOM_SEED` which faults in which order.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    thread::sleep,
    time::{Duration, Instant},
};

use greenroom::demo::server::{Options, Server};

use super::{CREW, bed_of};
use crate::support::{
    crew::{Crew, LOSSES},
    dice::Dice,
    observe::Root,
    proxy::{ADMIN_PASSWORD, ADMIN_USER, Proxy},
    servers::{Tenant, each_private_server, has_mysql},
    wire::{Login, Wire},
};

const MODES: [&str; 3] = ["transaction", "session", "none"];
/// Where no seed is given; and how long where nothing is said.
const SEED: u64 = 1;
const SECONDS: u64 = 60;
/// In mode none there is a connection for everybody, and for those who come and go.
const ROOM: usize = 2 * CREW;
/// Where connections are shared: fewer than sessions.
const SHARED: usize = 4;
/// How much more one session may do than another in a transaction pool.
const UNFAIR: usize = 4;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// A proxy in a pool mode, and whose crew works there.
struct Place {
    tenant: Tenant,
    proxy: Proxy,
    width: usize,
}

impl Place {
    fn new(server: &Server, mode: &str) -> Self {
        let width = if mode == "transaction" { SHARED } else { ROOM };
        let pool = format!("pool = \"{mode}\"");
        let (tenant, proxy) = bed_of(
            width,
            server,
            server.address(),
            mode,
            &["connect_timeout = \"5s\""],
            &[&pool, "lease_timeout = \"8s\""],
        );
        Self { tenant, proxy, width }
    }

    /// What a session may be told: that something is lost, or that there is no connection; a console's pause refuses nobody.
    fn crew<'a>(&'a self, tolerated: &'a [u16]) -> Crew<'a> {
        Crew::new(&self.tenant, &self.proxy, CREW, self.width, tolerated).who_may_end()
    }

    fn administer(&self, commands: &[&str], pause: Duration) {
        let login = Login::new(ADMIN_USER, ADMIN_PASSWORD);
        let mut console = Wire::connect(self.proxy.admin(), &login).expect("the administrator logs in");
        for command in commands {
            // A pause that is not quiet in time holds nevertheless.
            console.query(command).unwrap();
            sleep(pause);
        }
    }
}

/// One fault, of which there are many kinds; restarts of the server are rarest.
fn strike(dice: &mut Dice, server: &mut Server, places: &[Place]) -> &'static str {
    let place = &places[dice.roll(places.len())];
    match dice.roll(24) {
        0 => {
            server.kill().unwrap();
            sleep(Duration::from_millis(dice.roll(1000) as u64));
            server.restart().unwrap();
            "crash"
        }
        1 => {
            server.stop().unwrap();
            server.restart().unwrap();
            "restart"
        }
        2..=4 => {
            let times = ["lease_timeout = \"8s\"", "lease_timeout = \"9s\""];
            let turn = dice.roll(2);
            place.proxy.rewrite(|text| text.replace(times[turn], times[1 - turn]));
            place.proxy.hup();
            "reload"
        }
        5..=7 => {
            place.administer(&["PAUSE app WAIT 1s", "RESUME app"], Duration::from_millis(dice.roll(300) as u64));
            "pause"
        }
        8..=11 => {
            for _ in 0..10 {
                vanish(place);
            }
            "clients vanish"
        }
        _ => {
            let mut root = Root::on(server);
            for _ in 0..1 + dice.roll(3) {
                let ids: Vec<u64> = root.all_connections(&place.tenant.name).into_keys().collect();
                if !ids.is_empty() {
                    root.kill(ids[dice.roll(ids.len())]);
                }
            }
            "kills"
        }
    }
}

/// A client that goes away inside a transaction, if it gets that far.
fn vanish(place: &Place) {
    if let Ok(mut wire) = Wire::connect(place.proxy.address(), &place.tenant.login()) {
        let _ = wire.query("START TRANSACTION");
        let _ = wire.query("INSERT INTO crew (tag) VALUES ('nobody')");
    }
}

fn soak(mut server: Server, time: Duration, dice: &mut Dice) {
    let places: Vec<Place> = MODES.iter().map(|mode| Place::new(&server, mode)).collect();
    let tolerated: Vec<u16> = LOSSES.into_iter().chain([1040]).collect();
    let crews: Vec<Crew<'_>> = places.iter().map(|place| place.crew(&tolerated)).collect();
    let [one, two, three] = crews.as_slice() else { unreachable!("a crew for each mode") };
    let mut counts = BTreeMap::<_, usize>::new();
    let until_when = Instant::now() + time;
    one.work(|| {
        two.work(|| {
            three.work(|| {
                while Instant::now() < until_when {
                    *counts.entry(strike(dice, &mut server, &places)).or_default() += 1;
                    sleep(Duration::from_millis(100 + dice.roll(700) as u64));
                    if dice.roll(8) == 0 {
                        crews.iter().for_each(|crew| crew.goes_on("everybody works on"));
                    }
                }
            });
        });
    });
    println!("{}: {counts:?}", server.flavor());
    for (crew, (place, mode)) in crews.iter().zip(places.iter().zip(MODES)) {
        crew.leaves_nothing(place.width);
        let rounds = crew.rounds();
        println!("{}, {mode}: rounds {rounds:?}", server.flavor());
        let (least, most) = (rounds.iter().min().unwrap(), rounds.iter().max().unwrap());
        assert!(mode != "transaction" || *most <= UNFAIR * least, "unfair: {rounds:?}");
        assert_eq!(place.proxy.metrics().sum("greenroom_panics_total", &[]), 0.0, "{}", place.proxy.log());
    }
}

#[test]
#[ignore = "it takes as long as it is told to; make soak runs it"]
fn all_faults_at_random_leave_nothing_behind() {
    let seconds = number("GREENROOM_SOAK_SECONDS", SECONDS);
    let seed = number("GREENROOM_SEED", SEED);
    println!("GREENROOM_SEED={seed}");
    let dice = RefCell::new(Dice::new(seed));
    let share = Duration::from_secs(seconds) / if has_mysql() { 2 } else { 1 };
    each_private_server(&Options::default(), |server| soak(server, share, &mut dice.borrow_mut()));
}
