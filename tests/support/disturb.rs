//! Other sessions, that keep the connections of a transaction pool moving while something else is looked at.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::wire::Wire;

/// Runs `play` while these sessions work, each in a state of its own, which it finds again wherever it runs.
///
/// They write to `database.others`, which [`TABLE`] makes.
pub(crate) fn while_others_work<T>(others: Vec<Wire>, database: &str, play: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Ends the others also when the play panics.
        let _end = Ended(&over);
        for (number, wire) in (1..).zip(others) {
            let over = &over;
            scope.spawn(move || work(wire, database, number, over));
        }
        play()
    })
}

/// What the others need in their database.
pub(crate) const TABLE: &str = "CREATE TABLE others (id INT AUTO_INCREMENT PRIMARY KEY, session INT)";

struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn work(mut wire: Wire, database: &str, number: u32, over: &AtomicBool) {
    let zone = format!("+0{number}:30");
    wire.ok(&format!("SET NAMES latin1, time_zone = '{zone}', SESSION group_concat_max_len = {}", 100 + number));
    while !over.load(Ordering::Relaxed) {
        let id = wire.ok(&format!("INSERT INTO {database}.others (session) VALUES ({number})"));
        wire.ok(if id.last_insert_id.is_multiple_of(2) {
            "USE information_schema"
        } else {
            "SET @@sql_mode = 'ANSI_QUOTES'"
        });
        let seen = wire.rows("SELECT LAST_INSERT_ID(), @@time_zone, @@character_set_client, @@group_concat_max_len");
        let due = [&id.last_insert_id.to_string(), &zone, "latin1", &(100 + number).to_string()];
        assert_eq!(seen, [due.map(|value| Some(value.to_owned()))], "another session's own state");
        thread::sleep(Duration::from_millis(2));
    }
    assert!(wire.quit().unwrap(), "the proxy closes the connection");
}
