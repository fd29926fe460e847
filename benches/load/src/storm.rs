//! A storm: clients that all connect at once, log in, run a statement and leave.

use std::thread;
use std::time::Instant;

use anyhow::anyhow;

use crate::wire::{Entrance, Line, Target};

/// Threads, each with its part of the clients.
const HANDS: usize = 8;

const BUFFER: usize = 16 * 1024;

/// What became of a hand's clients: how many were served, and what the first of the others ran into.
type Fate = (usize, Option<anyhow::Error>);

/// Prints how many were served, in how many milliseconds, and why not all.
pub(crate) fn run(target: &Target, clients: usize) -> anyhow::Result<String> {
    let begun = Instant::now();
    let fates = thread::scope(|scope| {
        let hands = (0..HANDS).map(|hand| scope.spawn(move || storm(target, (hand..clients).step_by(HANDS).len())));
        let hands: Vec<_> = hands.collect();
        let fates = hands.into_iter().map(|hand| hand.join().map_err(|_| anyhow!("a client panicked")));
        fates.collect::<anyhow::Result<Vec<Fate>>>()
    })?;
    let took = begun.elapsed().as_millis();
    let served: usize = fates.iter().map(|(served, _)| served).sum();
    let why = fates.into_iter().find_map(|(_, why)| why).map_or_else(String::new, |error| format!("{error:#}"));
    Ok(format!("{served} {took} {why}"))
}

/// Each step is taken by all of a hand's clients before the next is by any: they are all in the same need at once.
fn storm(target: &Target, clients: usize) -> Fate {
    let (mut buffer, mut why) = (vec![0; BUFFER], None);
    let buffer = &mut *buffer;
    let lines = each(0..clients, &mut why, |_| Line::dial(target, None));
    let entrances = each(lines, &mut why, |line| line.log_in(target, buffer));
    let lines = each(entrances, &mut why, |entrance| ask(entrance, buffer));
    let served = each(lines, &mut why, |line| hear(line, buffer));
    (served.len(), why)
}

/// What became of those that got through; of the others, why the first did not.
fn each<From, To>(
    all: impl IntoIterator<Item = From>,
    why: &mut Option<anyhow::Error>,
    mut step: impl FnMut(From) -> anyhow::Result<To>,
) -> Vec<To> {
    let mut through = Vec::new();
    for one in all {
        match step(one) {
            Ok(to) => through.push(to),
            Err(error) => drop(why.get_or_insert(error)),
        }
    }
    through
}

fn ask(entrance: Entrance, buffer: &mut [u8]) -> anyhow::Result<Line> {
    let mut wire = entrance.enter(buffer)?;
    wire.ask("SELECT 1")?;
    Ok(wire.into_line())
}

fn hear(line: Line, buffer: &mut [u8]) -> anyhow::Result<()> {
    let mut wire = line.take_up(buffer);
    wire.hear()?;
    wire.quit()
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn the_first_failure_is_told_and_the_others_go_on() {
        let mut why = None;
        let through =
            each(1..=4, &mut why, |number| if number % 2 == 0 { Ok(number) } else { anyhow::bail!("{number}") });
        assert_eq!((through, why.map(|error| error.to_string())), (vec![2, 4], Some("1".to_owned())));
    }
}
