//! What instances write for each other, and under which keys:
//!
//! | key below `greenroom/NAME/` | by whom | value |
//! | --- | --- | --- |
//! | `members/NUMBER` | the instance, with its lease | who it is, and what it holds of each node |
//! | `last` | whoever was given a number last | the number |
//! | `calls/TO/FROM-COUNT` | an instance, with its lease | what it asks of another |
//! | `answers/TO/FROM-COUNT` | the one that was asked, with its own | what came of it |
//!
//! Numbers have three digits, so that one prefix is no other's beginning.

use serde::{Deserialize, Serialize};

use super::etcd::Stored;
use super::share::{Claim, Claims, Ledger};

/// An instance, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The machine's name, for people.
    pub(super) host: String,
    /// The process there, for people.
    pub(super) process: u32,
    /// The process, for its own: nobody else has it.
    #[serde(default)]
    pub(super) mark: String,
    /// Others who had what they have before etcd lost them may not be back yet: until then nobody takes more.
    pub(super) settling: bool,
    /// By nodes' names.
    pub(super) nodes: Vec<Held>,
}

/// What an instance holds of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) node: String,
    pub(super) held: usize,
    pub(super) whole: usize,
}

/// What one instance asks of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// End this session, or what it runs.
    Kill {
        id: u32,
        /// The statement only.
        query: bool,
        /// For this user, as clients name it; `None`: it is allowed.
        by: Option<Vec<u8>>,
        /// What was opened to have it judged is not needed any more.
        ticket: Option<String>,
    },
    /// The same, where it was not allowed.
    Dismiss { ticket: String },
}

/// What is asked of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Call {
    /// As that one's record has it: another process with its number is not meant.
    pub(super) mark: String,
    pub(super) ask: Ask,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is as asked.
    Done,
    /// There is no such session.
    Unknown,
    /// It is another user's: whether it may be killed, a server is to say about this connection of its account.
    Judge { node: String, thread_id: u32, ticket: String },
    /// Why it could not be done.
    Failed(String),
}

/// Where everything of a fleet is.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) base: String,
}

/// Something that an instance has asked, or answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter<T> {
    /// What of the key names it: who has asked, and which of the askings that is.
    pub(super) name: String,
    pub(super) text: T,
}

/// All that instances have written, read.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    pub(super) members: Vec<(u8, Record)>,
    /// The numbers of those whose records nobody here can read: a version to come may write others.
    pub(super) strangers: Vec<u8>,
    /// The number that was given last.
    pub(super) last: u8,
    /// What is asked of this instance.
    pub(super) calls: Vec<Letter<Call>>,
    /// What it has asked, and is answered.
    pub(super) answers: Vec<Letter<Reply>>,
}

impl Keys {
    pub(super) fn new(fleet: &str) -> Self {
        Self { base: format!("greenroom/{fleet}/") }
    }

    pub(super) fn members(&self) -> String {
        format!("{}members/", self.base)
    }

    pub(super) fn member(&self, number: u8) -> String {
        format!("{}members/{number:03}", self.base)
    }

    pub(super) fn last(&self) -> String {
        format!("{}last", self.base)
    }

    pub(super) fn call(&self, to: u8, name: &str) -> String {
        format!("{}calls/{to:03}/{name}", self.base)
    }

    pub(super) fn answer(&self, to: u8, name: &str) -> String {
        format!("{}answers/{to:03}/{name}", self.base)
    }

    /// Who has asked what has this name.
    pub(super) fn asker(name: &str) -> Option<u8> {
        name.split_once('-')?.0.parse().ok()
    }

    /// What there is for the instance with this number.
    pub(super) fn read(&self, stored: &[Stored], number: u8) -> Board {
        let mut board = Board::default();
        for Stored { key, value } in stored {
            let Some(path) = key.strip_prefix(&self.base) else { continue };
            let mut parts = path.splitn(3, '/');
            match (parts.next(), parts.next(), parts.next()) {
                (Some("members"), Some(of), None) => match (of.parse(), serde_json::from_slice(value)) {
                    (Ok(number), Ok(record)) => board.members.push((number, record)),
                    (Ok(number), Err(_)) => board.strangers.push(number),
                    (Err(_), _) => {}
                },
                (Some("last"), None, None) => {
                    board.last = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                }
                (Some("calls"), Some(to), Some(name)) if to.parse() == Ok(number) => {
                    let text = serde_json::from_slice(value).ok();
                    board.calls.extend(text.map(|text| Letter { name: name.to_owned(), text }));
                }
                (Some("answers"), Some(to), Some(name)) if to.parse() == Ok(number) => {
                    let text = serde_json::from_slice(value).ok();
                    board.answers.extend(text.map(|text| Letter { name: name.to_owned(), text }));
                }
                _ => {}
            }
        }
        board
    }
}

impl Board {
    /// What all hold.
    pub(super) fn ledger(&self) -> Ledger {
        let claims = |record: &Record| {
            let claim = |it: &Held| (it.node.clone(), Claim { held: it.held, whole: it.whole });
            record.nodes.iter().map(claim).collect::<Claims>()
        };
        Ledger(self.members.iter().map(|(number, record)| (*number, claims(record))).collect())
    }

    /// The next number that nobody has, counted on from the one that was given last: one that has become free may be part of
    /// ids that are still in use. Where it is not known which was last, `first` or the next one: it should be anybody's guess,
    /// for those that had numbers may come back.
    pub(super) fn free_number(&self, first: u8) -> Option<u8> {
        let last = if self.last == 0 { first.wrapping_sub(1) } else { self.last };
        let mut after = (1..=u8::MAX).map(|step| last.wrapping_add(step)).chain([last]);
        after.find(|number| *number != 0 && !self.has(*number))
    }

    /// What the instance with this number says.
    pub(super) fn record_of(&self, number: u8) -> Option<&Record> {
        self.members.iter().find(|(known, _)| *known == number).map(|(_, record)| record)
    }

    /// The number of the process with this mark.
    pub(super) fn number_of(&self, mark: &str) -> Option<u8> {
        self.members.iter().find(|(_, record)| record.mark == mark).map(|(number, _)| *number)
    }

    /// Whether what can be read is all that instances have, as far as anybody knows.
    pub(super) fn is_whole(&self) -> bool {
        self.strangers.is_empty() && !self.members.iter().any(|(_, record)| record.settling)
    }

    /// Whether there are no instances, and once were.
    pub(super) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.strangers.is_empty() && self.last != 0
    }

    /// Whether there is an instance with this number.
    pub(super) fn has(&self, number: u8) -> bool {
        self.members.iter().any(|(taken, _)| *taken == number) || self.strangers.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Board, Call, Held, Keys, Record, Reply, Stored};

    fn json(value: &impl serde::Serialize) -> Vec<u8> {
        serde_json::to_vec(value).unwrap()
    }

    fn record(held: usize) -> Record {
        let nodes = vec![Held { node: "db1".to_owned(), held, whole: 10 }];
        Record { host: "here".to_owned(), process: 7, mark: "m7".to_owned(), settling: false, nodes }
    }

    #[test]
    fn each_instance_reads_what_is_for_it() {
        let keys = Keys::new("web");
        let ask = Ask::Kill { id: 1, query: true, by: Some(b"app".to_vec()), ticket: None };
        let ask = Call { mark: "m3".to_owned(), ask };
        let stored = [
            (keys.member(3), json(&record(4))),
            (keys.last(), b"3".to_vec()),
            (keys.call(3, "007-1"), json(&ask)),
            (keys.call(4, "007-2"), json(&ask)),
            (keys.answer(3, "003-9"), json(&Reply::Done)),
            (keys.member(5), b"of a version to come".to_vec()),
        ];
        let stored: Vec<_> = stored.into_iter().map(|(key, value)| Stored { key, value }).collect();
        let board = keys.read(&stored, 3);
        assert_eq!(board.members, [(3, record(4))]);
        assert_eq!((board.last, &board.strangers, board.has(5)), (3, &vec![5], true));
        assert_eq!((board.calls.len(), board.calls[0].name.as_str(), &board.calls[0].text), (1, "007-1", &ask));
        assert_eq!((board.answers.len(), &board.answers[0].text), (1, &Reply::Done));
        assert_eq!(Keys::asker("007-1"), Some(7));
        assert_eq!(board.ledger().0[&3]["db1"].held, 4);
    }

    #[test]
    fn numbers_go_on_from_the_last_one_and_come_round() {
        let taken = |numbers: &[u8], last| Board {
            members: numbers.iter().map(|number| (*number, record(0))).collect(),
            last,
            ..Board::default()
        };
        assert_eq!(taken(&[1, 3], 3).free_number(9), Some(4));
        assert_eq!(taken(&[255, 1], 254).free_number(9), Some(2));
        assert_eq!(taken(&(1..=255).collect::<Vec<_>>(), 9).free_number(9), None);
        assert_eq!(taken(&(1..=254).collect::<Vec<_>>(), 255).free_number(9), Some(255));
    }

    #[test]
    fn where_the_last_number_is_not_known_any_may_be_the_first() {
        let alone = Board::default();
        assert_eq!([1, 9, 255].map(|first| alone.free_number(first)), [Some(1), Some(9), Some(255)]);
        let taken = Board { members: vec![(255, record(0))], ..Board::default() };
        assert_eq!([9, 255].map(|first| taken.free_number(first)), [Some(9), Some(1)]);
    }

    #[test]
    fn a_process_finds_what_it_has_written_and_not_what_another_has_under_its_number() {
        let board = Board { members: vec![(3, record(0))], ..Board::default() };
        assert_eq!((board.number_of("m7"), board.number_of("m8")), (Some(3), None));
        assert_eq!((board.record_of(3), board.record_of(4)), (Some(&record(0)), None));
    }
}
