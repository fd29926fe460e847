//! Makes a script that shows a difference shorter: leaves out what it does not take.

use std::time::{Duration, Instant};

use super::{
    compare::{Difference, run},
    generate::Script,
    stage::{Place, Stage},
};

/// How often a shorter script is tried before it counts as one that shows nothing: others take part in most faults.
const ATTEMPTS: usize = 2;

/// Leaves lines out, in ever smaller pieces, until none can be missed or the time is up.
pub(crate) fn shrink(
    stage: &Stage<'_>,
    place: &mut Place,
    script: Script,
    found: Difference,
    limit: Duration,
) -> (Script, Difference) {
    let deadline = Instant::now() + limit;
    let (mut script, mut found) = (script, found);
    script.lines.truncate(found.at + 1);
    let last = script.lines[found.at].clone();
    let mut piece = script.lines.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        // The last line is the one that shows it.
        while at + 1 < script.lines.len() {
            let end = (at + piece).min(script.lines.len() - 1);
            let mut shorter = script.clone();
            shorter.lines.drain(at..end);
            if Instant::now() > deadline {
                return (script, found);
            }
            // Another difference is another matter.
            let shows = |difference: &Difference| shorter.lines[difference.at] == last;
            match (0..ATTEMPTS).find_map(|_| run(stage, place, &shorter).filter(shows)) {
                Some(difference) => {
                    shorter.lines.truncate(difference.at + 1);
                    (script, found) = (shorter, difference);
                }
                None => at = end,
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
    (script, found)
}
