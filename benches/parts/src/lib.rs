//! The parts of a query's way that need no socket, each alone and ready to run over and over.
//!
//! `benches/parts.rs` times them, `main.rs` runs them to have their instructions counted.

mod commands;
mod logins;
mod replies;
mod sql;
mod statements;
mod states;
mod ways;

use std::hint::black_box;

/// One part.
pub struct Part {
    /// `place/what`, and stable: `instructions.txt` has it.
    pub name: &'static str,
    runs: Box<dyn FnMut(u64) -> bool>,
}

impl Part {
    /// What `once` does. `None` is no work done: it must never give that.
    fn new<T>(name: &'static str, mut once: impl FnMut() -> Option<T> + 'static) -> Self {
        let runs = move |times| (0..times).fold(true, |works, _| works & black_box(once()).is_some());
        Self { name, runs: Box::new(runs) }
    }

    /// Runs it so many times; whether it did its work each time.
    #[must_use]
    pub fn run(&mut self, times: u64) -> bool {
        (self.runs)(times)
    }
}

/// All of them, in the order of a query's way.
#[must_use]
pub fn all() -> Vec<Part> {
    let places = [commands::parts, sql::parts, statements::parts, states::parts, replies::parts, ways::parts];
    places.into_iter().chain([logins::parts as fn() -> Vec<Part>]).flat_map(|parts| parts()).collect()
}
