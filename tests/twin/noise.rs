//! The others: sessions of the same account that do the same kinds of things with other values, all the time.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{Scope, sleep},
    time::Duration,
};

use super::{client::Client, generate, moves::Holds, stage::Stage};
use crate::support::dice::Dice;

/// At most so long between two statements of one session: all together still want more than there is.
const PAUSE: usize = 16_000;

/// Starts this many, until `stop` says so.
pub(crate) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    stage: &'scope Stage<'_>,
    count: usize,
    stop: &'scope AtomicBool,
) {
    for number in 0..count {
        scope.spawn(move || {
            let place = stage.place(&format!("n{number}"));
            let mut dice = Dice::new(number as u64);
            let mut session = stage.proxied(&place, dice.one_of(&Client::ALL));
            // What it has done since it last began anew.
            let mut past = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let (lines, holds) = generate::noise(&mut dice, stage.server.flavor());
                for line in lines {
                    let (answer, goes_on) = session.run(&line);
                    past.push(line);
                    assert!(goes_on, "another session, n{number}: {answer:#?} after\n{}", past.join("\n"));
                    if past.last().is_some_and(|line| line == ":reset" || line == ":change {db}") {
                        past.clear();
                    }
                    // Whoever holds a connection is quick, or nobody else would get far.
                    if holds == Holds::Nothing {
                        pause(&mut dice);
                    }
                }
                pause(&mut dice);
            }
            session.quit();
        });
    }
}

fn pause(dice: &mut Dice) {
    sleep(Duration::from_micros(dice.roll(PAUSE) as u64));
}
