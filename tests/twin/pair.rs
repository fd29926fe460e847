//! A session through the proxy whose server connections are killed, and its twin on the server itself, which follows it.
//!
//! Each has a database of its own and runs every line, the session first. What it is told must be what the twin is told,
//! unless its connection was lost. Then the twin does not run the line, and what is left must be what is documented
//! (ARCHITECTURE.md, "The life of a query" and "Where it differs from the design"):
//!
//! - what is stored: as without the line, or as after it, and nothing in between;
//! - a session that goes on: all of its state as before the line, no transaction and no warnings;
//! - a session that had on its connection what no other connection can be given: it ends. Both log in anew.

use std::{collections::VecDeque, mem};

use super::{
    client::Client,
    compare::Difference,
    generate::Script,
    kills::{Arena, Count},
    run::Runner,
    stage::Place,
};
use crate::support::{dice::Dice, twin::CLEAR};

/// Where the numbers of each session's rows begin, after those that scripts choose; and how far they are apart.
const FIRST: u64 = 10_000_000;
const APART: u64 = 1_000_000;
/// How much further they go on after a loss.
const FURTHER: u64 = 1_000;
/// Losses in a row, without a statement that runs.
const SERIES: usize = 20;

/// What shows the session's state right after a loss.
const PROBES: [&str; 6] = [
    "SELECT ROW_COUNT()",
    "SHOW WARNINGS",
    "SELECT DATABASE(), @@time_zone, @@sql_mode, @@autocommit, @@collation_connection, @@group_concat_max_len",
    "SELECT @a, @b, @c",
    "SHOW SESSION VARIABLES",
    "ROLLBACK",
];

/// What commits a transaction before it does its own work.
const COMMITS_FIRST: [&str; 8] = ["CREATE ", "ALTER ", "DROP ", "RENAME ", "TRUNCATE ", "ANALYZE ", "CHECK ", "LOCK "];

/// How a session hears of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// By the proxy: its transaction is lost.
    Transaction,
    /// By the proxy: it may or may not have had an effect.
    Outcome,
    /// By the proxy: the statement was not run. A part of it was lost; or one connection after the other was, before it
    /// could be used.
    Refused,
    /// By the proxy: the warnings that the statement asks for were lost, at some time before.
    Warnings,
    /// By the server, which was still able to say so; the connection is lost with the next statement.
    ByServer,
    /// Its own connection is closed.
    Ended,
}

/// Both sessions.
pub(crate) struct Pair<'a> {
    arena: &'a Arena<'a>,
    client: Client,
    proxied: Place,
    direct: Place,
    through: Option<Runner>,
    twin: Option<Runner>,
    dice: Dice,
    next: u64,
    /// After an error `LAST_INSERT_ID()` is undefined, by both servers' documents: it need not be kept.
    undefined: bool,
    lines: VecDeque<String>,
    /// What was run since both logged in.
    past: Vec<String>,
}

impl<'a> Pair<'a> {
    pub(crate) fn new(arena: &'a Arena<'a>, number: usize) -> Self {
        let [proxied, direct] = ["pq", "dq"].map(|side| arena.stage.place(&format!("{side}{number:02}")));
        Self {
            arena,
            client: Client::Modern,
            proxied,
            direct,
            through: None,
            twin: None,
            dice: Dice::new(number as u64),
            next: FIRST + APART * number as u64,
            undefined: false,
            lines: VecDeque::new(),
            past: Vec::new(),
        }
    }

    /// Runs a script in fresh databases; gives what was not as it must be, and what led to it.
    pub(crate) fn play(&mut self, script: Script) -> Option<String> {
        self.client = script.client;
        self.lines = script.lines.into();
        self.begin(true);
        let mut found = None;
        while let (None, Some(line)) = (&found, self.lines.pop_front()) {
            found = self.step(&line).err();
        }
        self.leave();
        found.map(|difference| {
            let lines = mem::take(&mut self.past);
            difference.show(&Script { client: self.client, lines })
        })
    }

    fn step(&mut self, line: &str) -> Result<(), Difference> {
        self.past.push(line.to_owned());
        let (answer, _) = self.through().run(line);
        match loss(&answer) {
            None => {
                self.undefined |= answer.iter().any(|line| line.starts_with("error "));
                let identified = |line: &String| line.starts_with("ok affected ") && !line.contains(" id 0 ");
                self.undefined &= !answer.iter().any(identified);
                if answer.iter().any(|line| line.starts_with("error 1421 ")) {
                    // Its own error the proxy does not list (docs/pinning.md).
                    self.lines.push_front(CLEAR.into());
                }
                let (due, _) = self.twin().run(line);
                self.same(due, answer)
            }
            Some(Loss::Warnings) => {
                self.note(Loss::Warnings, &answer);
                self.twin().run(CLEAR);
                Ok(())
            }
            Some(loss) => self.follow(line, loss, answer),
        }
    }

    /// Brings the twin to where the session must be after a loss.
    fn follow(&mut self, line: &str, loss: Loss, mut answer: Vec<String>) -> Result<(), Difference> {
        self.note(loss, &answer);
        self.arena.wait_for_the_killed();
        answer.pop();
        if !answer.is_empty() && only_reads(line) {
            let (mut due, _) = self.twin().run(line);
            due.truncate(answer.len());
            self.same(due, answer)?;
        }
        // What a twin has locked nobody can look at.
        let locked = self.past.iter().any(|line| line.starts_with("LOCK TABLES"));
        // In a transaction, all but its end commits it first, if it commits it at all.
        let commits_first = loss == Loss::Transaction && starts_with_any(line, &COMMITS_FIRST);
        let in_part = commits_first || takes_effect_in_part(line);
        let doubtful = locked || in_part && self.proxied_contents() != self.direct_contents();
        if !doubtful && !in_part {
            self.settle(line)?;
        }
        let ended = loss == Loss::Ended || self.ended(loss)?;
        if ended || doubtful || starts_with_any(line, &[":reset", ":change"]) {
            self.begin(doubtful);
            return Ok(());
        }
        self.go_on(line)
    }

    /// What is stored is as without the line, or as after it.
    fn settle(&mut self, line: &str) -> Result<(), Difference> {
        let stored = self.proxied_contents();
        if self.direct_contents() == stored {
            return Ok(());
        }
        self.past.push("-- which had been done".into());
        let (before, _) = self.twin().run("SELECT LAST_INSERT_ID()");
        self.twin().run(line);
        if let Some(id) = number(&before) {
            // The session has not heard of another.
            self.twin().run(&format!("DO LAST_INSERT_ID({id})"));
        }
        let due = self.direct_contents();
        self.same(due, stored)
    }

    /// Whether the session is over: seen with its next statement.
    fn ended(&mut self, first: Loss) -> Result<bool, Difference> {
        let mut any = self.undefined || first == Loss::Transaction;
        for _ in 0..SERIES {
            let (answer, _) = self.through().run("SELECT LAST_INSERT_ID()");
            let loss = loss(&answer);
            if let Some(loss) = loss {
                self.past.push("SELECT LAST_INSERT_ID()".into());
                self.note(loss, &answer);
            }
            match loss {
                None => {
                    self.past.push("-- goes on".into());
                    return self.take_insert_id(answer, any).map(|()| false);
                }
                Some(Loss::Ended) => return Ok(true),
                Some(loss) => any |= loss == Loss::Transaction,
            }
        }
        self.same(Vec::new(), vec!["one loss after the other".into()]).map(|()| true)
    }

    /// The session has the id that it had; or, where that was a lost transaction's, any of its own.
    fn take_insert_id(&mut self, answer: Vec<String>, any: bool) -> Result<(), Difference> {
        self.twin().run("ROLLBACK AND NO CHAIN");
        let (due, _) = self.twin().run("SELECT LAST_INSERT_ID()");
        match number(&answer).filter(|id| any && (*id < FIRST || *id / APART == self.next / APART)) {
            Some(id) => {
                self.twin().run(&format!("DO LAST_INSERT_ID({id})"));
                Ok(())
            }
            None => self.same(due, answer),
        }
    }

    fn go_on(&mut self, line: &str) -> Result<(), Difference> {
        if let Some(slot) = line.strip_prefix(':').and_then(|line| line.split(' ').nth(1)?.parse::<usize>().ok()) {
            // What of it came to the server nobody knows.
            let close = format!(":close {slot}");
            self.through().run(&close);
            self.twin().run(&close);
        }
        self.twin().run(CLEAR);
        self.number_anew();
        let probe = self.dice.one_of(&PROBES);
        self.lines.push_front(probe.into());
        Ok(())
    }

    fn note(&mut self, loss: Loss, answer: &[String]) {
        self.past.push(format!("-- {loss:?}: {}", answer.last().map(String::as_str).unwrap_or_default()));
        self.arena.count(match loss {
            Loss::Transaction => Count::Transaction,
            Loss::Outcome => Count::Outcome,
            Loss::Refused | Loss::Warnings => Count::Refused,
            Loss::ByServer => Count::ByServer,
            Loss::Ended => Count::Ended,
        });
    }

    /// Both log in; into databases as in the beginning, where they must be.
    fn begin(&mut self, afresh: bool) {
        self.leave();
        if afresh {
            self.proxied.empty();
            self.direct.empty();
        }
        self.number_anew();
        self.past.clear();
        self.through = Some(self.arena.proxied(&self.proxied, self.client));
        self.twin = Some(self.arena.direct(&self.direct, self.client));
    }

    fn leave(&mut self) {
        self.through.take().into_iter().chain(self.twin.take()).for_each(Runner::quit);
        self.arena.wait_for_the_killed();
        self.proxied.wait_until_left();
        self.direct.wait_until_left();
    }

    fn number_anew(&mut self) {
        self.next += FURTHER;
        self.proxied.number_from(self.next);
        self.direct.number_from(self.next);
    }

    fn through(&mut self) -> &mut Runner {
        self.through.as_mut().expect("it has logged in")
    }

    fn twin(&mut self) -> &mut Runner {
        self.twin.as_mut().expect("it has logged in")
    }

    fn proxied_contents(&mut self) -> Vec<String> {
        plain(self.proxied.contents(), self.proxied.tag())
    }

    fn direct_contents(&mut self) -> Vec<String> {
        plain(self.direct.contents(), self.direct.tag())
    }

    fn same(&self, direct: Vec<String>, proxied: Vec<String>) -> Result<(), Difference> {
        let (direct, proxied) = (plain(direct, self.direct.tag()), plain(proxied, self.proxied.tag()));
        if direct == proxied { Ok(()) } else { Err(Difference::new(self.past.len() - 1, direct, proxied)) }
    }
}

/// Without what the session is called, be it in hexadecimal.
fn plain(lines: Vec<String>, tag: &str) -> Vec<String> {
    let hex: String = tag.bytes().map(|byte| format!("{byte:02X}")).collect();
    // MySQL writes names in its information_schema in capitals (measured).
    let capitals = tag.to_uppercase();
    let plain = |line: String| line.replace(tag, "{tag}").replace(&hex, "{hex}").replace(&capitals, "{TAG}");
    lines.into_iter().map(plain).collect()
}

/// Whether an answer says that the connection is lost, and how.
fn loss(answer: &[String]) -> Option<Loss> {
    let last = answer.last()?;
    // Silence is no loss.
    let closed = ["failed to fill", "reset by peer", "roken pipe"].iter().any(|end| last.contains(end));
    if last.starts_with("LOST: the socket") && closed {
        return Some(Loss::Ended);
    }
    // An error with its state, or, of a change of user, with a colon behind that.
    let error = last.strip_prefix("error ").unwrap_or(last).replacen("):", ")", 1);
    let begins = |head: &str| error.starts_with(head);
    let refusals = [
        begins("1615 (HY000) "),
        begins("1429 (HY000) ") && error.contains("its connections are lost before they can be used"),
        // They were killed while they were being opened.
        begins("1429 (HY000) ") && error.contains("connections to it failed again and again"),
    ];
    if begins("1180 (HY000) Transaction lost: ") {
        Some(Loss::Transaction)
    } else if begins("1105 (HY000) Outcome unknown: ") {
        Some(Loss::Outcome)
    } else if begins("1105 (HY000) Warnings lost: ") {
        Some(Loss::Warnings)
    } else if refusals.into_iter().any(|refusal| refusal) {
        Some(Loss::Refused)
    } else {
        ["1927 ", "1317 ", "1053 "].iter().any(|code| begins(code)).then_some(Loss::ByServer)
    }
}

/// What a query for one number gave.
fn number(answer: &[String]) -> Option<u64> {
    answer.iter().find_map(|line| line.strip_prefix("row '")?.strip_suffix('\'')?.parse().ok())
}

fn only_reads(line: &str) -> bool {
    starts_with_any(line, &["SELECT ", "SHOW ", ":found", "TABLE ", "WITH ", "VALUES "]) && !line.contains("@")
}

/// What may be done in part, or do more than to change what is stored.
fn takes_effect_in_part(line: &str) -> bool {
    let words = ["; ", ":=", "DATABASE", "CALL ", "INTO @"];
    starts_with_any(line, &["SET ", ":change", ":reset"]) || words.iter().any(|word| line.contains(word))
}

fn starts_with_any(line: &str, heads: &[&str]) -> bool {
    heads.iter().any(|head| line.starts_with(head))
}
