//! Twins: the same random script on a connection of its own to the server and, among many busy sessions, through a
//! transaction pool of three. Every packet of every answer must be the same, but for what `twin/mask.rs` names.
//!
//! And twins whose server connections are killed at any moment (`twin/kills.rs`): what a session then sees, and what is left
//! of it, must be what is documented.
//!
//! What differs is printed with its seed, and with the script made as short as time allows. To run one again:
//!
//! - `GREENROOM_TWIN_SEED`: this seed alone
//! - `GREENROOM_TWIN_SEEDS`: so many seeds, all of them new
//! - `GREENROOM_TWIN_STEPS`: lines of a script
//! - `GREENROOM_TWIN_GO_ON`: does not stop at the first that fails
//! - `GREENROOM_TWIN_SCRIPT`: a file with a script, as it was printed; lines as in `twin/step.rs`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helper fails by panicking; clippy knows only the test functions themselves"
)]

mod support;

#[path = "twin/client.rs"]
mod client;
#[path = "twin/compare.rs"]
mod compare;
#[path = "twin/fill.rs"]
mod fill;
#[path = "twin/generate.rs"]
mod generate;
#[path = "twin/kills.rs"]
mod kills;
#[path = "twin/mask.rs"]
mod mask;
#[path = "twin/moves.rs"]
mod moves;
#[path = "twin/noise.rs"]
mod noise;
#[path = "twin/pair.rs"]
mod pair;
#[path = "twin/reply.rs"]
mod reply;
#[path = "twin/run.rs"]
mod run;
#[path = "twin/shrink.rs"]
mod shrink;
#[path = "twin/stage.rs"]
mod stage;
#[path = "twin/step.rs"]
mod step;
#[path = "twin/value.rs"]
mod value;

use std::{
    cell::RefCell,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use generate::Script;
use greenroom::demo::server::{Flavor, Options, Server};
use moves::{GROUPS, READS};
use stage::Stage;
use support::{pair::with_gtids, servers::each_private_server};

/// Sessions that keep the pool busy.
const OTHERS: usize = 30;
/// Scripts that run at a time.
const AT_A_TIME: usize = 4;
/// Seeds of an ordinary run: always the same, so that one change can be compared with another.
const SEEDS: u64 = 12;
const STEPS: usize = 45;
/// How long a script is made shorter.
const SHRINKING: Duration = Duration::from_secs(30);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn seeds() -> Vec<u64> {
    // Few digits, to be copied by hand.
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64 % 1_000_000_000;
    match (number("GREENROOM_TWIN_SEED"), number("GREENROOM_TWIN_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (fresh..fresh + count).collect(),
        (None, None) => (1..=SEEDS).collect(),
    }
}

fn steps() -> usize {
    number("GREENROOM_TWIN_STEPS").map_or(STEPS, |steps| steps as usize)
}

fn goes_on() -> bool {
    std::env::var_os("GREENROOM_TWIN_GO_ON").is_some()
}

/// A script by hand, or that of a seed.
fn script(seed: u64, server: &Server) -> Script {
    let mut script = generate::script(seed, steps(), server.flavor());
    if let Ok(path) = std::env::var("GREENROOM_TWIN_SCRIPT") {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        script.read(&text);
    }
    script
}

/// Runs every seed, several at a time, among the others; gives what those that failed have to say.
fn play(stage: &Stage<'_>, seeds: &[u64]) -> Vec<String> {
    let stop = AtomicBool::new(false);
    let reports = Mutex::new(Vec::new());
    let waiting = Mutex::new(seeds.to_vec());
    thread::scope(|scope| {
        noise::start(scope, stage, OTHERS, &stop);
        let players: Vec<_> = (0..AT_A_TIME.min(seeds.len()))
            .map(|number| {
                scope.spawn({
                    let (reports, waiting) = (&reports, &waiting);
                    move || player(stage, number, waiting, reports)
                })
            })
            .collect();
        let ended: Vec<_> = players.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|end| end.unwrap());
    });
    reports.into_inner().unwrap()
}

/// Whether connections went from hand to hand.
fn assert_shared(stage: &Stage<'_>) {
    let adapted = stage.proxy.metrics().sum("greenroom_adapts_total", &[]);
    assert!(adapted > 10.0, "connections went from hand to hand {adapted} times only");
}

fn player(stage: &Stage<'_>, number: usize, waiting: &Mutex<Vec<u64>>, reports: &Mutex<Vec<String>>) {
    let mut place = stage.place(&format!("t{number}"));
    let goes_on = goes_on();
    loop {
        let Some(seed) = waiting.lock().unwrap().pop() else { return };
        let script = script(seed, stage.server);
        let Some(found) = compare::run(stage, &mut place, &script) else { continue };
        if !goes_on {
            waiting.lock().unwrap().clear();
        }
        let lines = found.at + 1;
        let (short, found) = shrink::shrink(stage, &mut place, script, found, SHRINKING);
        let head = format!("GREENROOM_TWIN_SEED={seed} GREENROOM_TWIN_STEPS={} on {}", steps(), stage.server.flavor());
        reports.lock().unwrap().push(format!("{head}, {lines} lines, of which these show it:\n{}", found.show(&short)));
    }
}

#[test]
fn every_session_is_answered_as_if_it_were_alone() {
    let seeds = seeds();
    println!("seeds {seeds:?}");
    let reports = RefCell::new(Vec::new());
    let options = Options { extra_args: vec!["--lock-wait-timeout=100".into()], ..Options::default() };
    each_private_server(&options, |server| {
        let begun = std::time::Instant::now();
        let stage = Stage::new(&server);
        reports.borrow_mut().extend(play(&stage, &seeds));
        assert_shared(&stage);
        println!("{} took {:?}", server.flavor(), begun.elapsed());
    });
    let reports = reports.into_inner();
    assert!(reports.is_empty(), "\n{}", reports.join("\n"));
}

#[test]
fn on_an_endpoint_that_splits_too() {
    let seeds = seeds();
    let reports = RefCell::new(Vec::new());
    let options = || {
        let mut options = with_gtids();
        options.extra_args.extend(
            ["--lock-wait-timeout=100", "--loose-binlog-format=ROW", "--log-bin-trust-function-creators=1"]
                .map(Into::into),
        );
        options
    };
    each_private_server(&options(), |server| {
        let begun = std::time::Instant::now();
        let replica = Server::start(server.flavor(), &options()).unwrap();
        let stage = Stage::splitting(&server, &replica);
        reports.borrow_mut().extend(play(&stage, &seeds));
        assert_shared(&stage);
        let read = stage.proxy.metrics().sum("greenroom_routed_statements_total", &["side=\"replica\""]);
        println!("{}, split, {read} statements on the replica, took {:?}", server.flavor(), begun.elapsed());
        assert!(read > 20.0, "{read} statements went to the replica");
    });
    let reports = reports.into_inner();
    assert!(reports.is_empty(), "\n{}", reports.join("\n"));
}

#[test]
fn in_the_other_modes_too() {
    let seeds = seeds();
    // Much less of Greenroom is between the two there.
    let seeds = &seeds[..seeds.len().div_ceil(3)];
    let reports = RefCell::new(Vec::new());
    let options = Options { extra_args: vec!["--lock-wait-timeout=100".into()], ..Options::default() };
    for mode in ["none", "session"] {
        each_private_server(&options, |server| {
            reports.borrow_mut().extend(play(&Stage::of_mode(&server, mode), seeds));
        });
    }
    let reports = reports.into_inner();
    assert!(reports.is_empty(), "\n{}", reports.join("\n"));
}

#[test]
fn a_killed_connection_takes_with_it_what_is_documented_and_nothing_else() {
    let seeds = seeds();
    let reports = RefCell::new(Vec::new());
    let options = Options { extra_args: vec!["--lock-wait-timeout=100".into()], ..Options::default() };
    each_private_server(&options, |server| {
        let begun = std::time::Instant::now();
        reports.borrow_mut().extend(kills::play(&server, &seeds, steps(), goes_on()));
        println!("{}, killed, took {:?}", server.flavor(), begun.elapsed());
    });
    let reports = reports.into_inner();
    assert!(reports.is_empty(), "\n{}", reports.join("\n"));
}

#[test]
fn every_move_is_made_of_lines_that_can_be_sent() {
    let mut dice = support::dice::Dice::new(1);
    for flavor in Flavor::ALL {
        for group in GROUPS.iter().chain([&READS]) {
            let moves = group.moves(flavor);
            assert!(!moves.is_empty(), "{}", group.name);
            for line in moves
                .iter()
                .flat_map(|pattern| fill::fill(pattern, &mut dice).lines().map(str::to_owned).collect::<Vec<_>>())
            {
                step::Step::parse(&line);
            }
        }
    }
}
