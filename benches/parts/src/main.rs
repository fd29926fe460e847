//! Runs each part a hundred times, for `make instructions` to have its instructions counted by valgrind: one dump of
//! counters whenever `counted` is left, in the order of the names that are printed. An argument chooses the part of
//! that name, for a profile of it.

use std::env;
use std::io::{self, Write};

use greenroom_parts::{Part, all};

/// Often enough that what the loop itself takes is nothing, and that an allocation now and then is seen.
const TIMES: u64 = 100;

fn main() -> io::Result<()> {
    let mut names = io::stdout().lock();
    let chosen = env::args().nth(1);
    for mut part in all().into_iter().filter(|part| chosen.as_deref().is_none_or(|name| name == part.name)) {
        // Buffers have grown, and names been looked up, before anything is counted.
        if !(part.run(2) && counted(&mut part)) {
            return Err(io::Error::other(format!("{} does not do its work", part.name)));
        }
        writeln!(names, "{}", part.name)?;
    }
    Ok(())
}

/// What valgrind counts: named in `count`, so never to become part of its caller.
#[inline(never)]
fn counted(part: &mut Part) -> bool {
    part.run(TIMES)
}
