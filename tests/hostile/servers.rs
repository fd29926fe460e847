//! Hostile servers: a real one whose replies a [`Meddler`] falsifies, at every stage and in every way. Sessions get an
//! error or a close, never wrong rows; and once the server behaves again, so does everything.

use greenroom::demo::server::Server;
use mysql_common::constants::{CapabilityFlags, Command};

use crate::{
    bed::{Bed, KEPT, WIDTH, kept},
    meddler::{Meddler, Target},
    support::{
        observe::until,
        servers::each_server,
        wire::{Login, Reply, Wire, WireError},
    },
    tampers::{ALL, SILENCE, STANDSTILL, Tamper},
};

/// A bed whose server is reached through a meddler.
struct Meddled {
    bed: Bed,
    meddler: Meddler,
}

impl Meddled {
    fn new(server: &Server, pool: &str) -> Self {
        let meddler = Meddler::before(server.address());
        Self { bed: Bed::new(server, meddler.address(), pool), meddler }
    }

    fn connect(&self, login: &Login) -> Result<Wire, WireError> {
        Wire::connect(self.bed.proxy.address(), login)
    }

    /// Whether a session is served; a node that failed is left in peace for a moment first.
    fn recovers(&self) {
        self.meddler.relent();
        until("the server is used again", || {
            let session = self.connect(&self.bed.tenant.login());
            session.is_ok_and(|mut session| is_right(&session.query(KEPT)))
        });
    }
}

/// The rows as they are.
fn is_right(replies: &Result<Vec<Reply>, WireError>) -> bool {
    matches!(replies.as_deref(), Ok([Reply::Rows(rows)]) if rows.rows == kept())
}

/// What a client may see of a server that breaks the protocol: an error, a close, or what is right.
fn is_honest<T>(result: &Result<T, WireError>, is_right: impl Fn(&T) -> bool) -> bool {
    match result {
        Ok(reply) => is_right(reply),
        Err(WireError::Refused(_)) => true,
        Err(WireError::Io(error)) => {
            use std::io::ErrorKind::{TimedOut, WouldBlock};
            assert!(!matches!(error.kind(), TimedOut | WouldBlock), "neither an answer nor a close");
            true
        }
        Err(WireError::Malformed(_)) => false,
    }
}

/// No rows but the right ones, and no request for a file.
fn are_honest(replies: &[Reply]) -> bool {
    replies.iter().all(|reply| match reply {
        Reply::Ok(_) | Reply::Err(_) => true,
        Reply::Rows(rows) => rows.rows == kept(),
        Reply::Infile(_) => false,
    })
}

fn kinds(login: &Login) -> [Login; 2] {
    [
        login.clone(),
        login.clone().without(CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK),
    ]
}

#[test]
fn replies_to_queries() {
    each_server(|server| {
        for pool in ["transaction", "session"] {
            let meddled = Meddled::new(server, pool);
            for tamper in ALL {
                for login in kinds(&meddled.bed.tenant.login()) {
                    println!("pool = {pool}, {}", tamper.name);
                    query(&meddled, &login, tamper);
                }
            }
            meddled.bed.well();
        }
    });
}

fn query(meddled: &Meddled, login: &Login, tamper: Tamper) {
    let mut session = meddled.connect(login).unwrap();
    meddled.meddler.falsify(Target::Command(b"kept"), tamper);
    let answered = session.query(KEPT);
    assert_eq!(meddled.meddler.struck(), 1, "the reply was falsified");
    // A count without its columns is forwarded as it comes; what follows it then makes no sense to the client.
    let senseless = tamper.name == "2^64 columns" || tamper.name == "an old end of the rows in between";
    let honest = is_honest(&answered, |replies| are_honest(replies));
    assert!(honest || senseless && !matches!(&answered, Ok(replies) if !are_honest(replies)), "{answered:?}");
    // The session lives on or is over; if it answers, it answers right.
    let again = session.query(KEPT);
    assert!(again.is_err() || is_right(&again), "{}: {again:?}", tamper.name);
    meddled.recovers();
}

#[test]
fn replies_to_everything_else() {
    each_server(|server| {
        let meddled = Meddled::new(server, "transaction");
        let login = meddled.bed.tenant.login();
        for tamper in ALL {
            println!("{}", tamper.name);
            let mut session = meddled.connect(&login).unwrap();
            meddled.meddler.falsify(Target::Command(b"scratch"), tamper);
            let done = session.query("INSERT INTO scratch VALUES (1, 'x')");
            assert!(is_honest(&done, |replies| are_honest(replies)), "an insert: {done:?}");
            // To a prepare, such an OK announces definitions, which never come.
            if !tamper.name.starts_with("session state") {
                let mut session = meddled.connect(&login).unwrap();
                meddled.meddler.falsify(Target::Command(b"\x16SELECT id"), tamper);
                let prepared = session.prepare(KEPT);
                let plausible = |it: &crate::support::wire::Prepared| it.params.is_empty();
                assert!(
                    matches!(prepared, Err(WireError::Malformed(_))) || is_honest(&prepared, plausible),
                    "{prepared:?}"
                );
            }
            meddled.meddler.relent();
            let mut session = meddled.connect(&login).unwrap();
            let statement = session.prepare(KEPT).unwrap();
            meddled.meddler.falsify(Target::Command(b"\x17"), tamper);
            let executed = session.execute(&statement, &[]);
            let columns = tamper.name == "2^64 columns" || tamper.name == "an old end of the rows in between";
            assert!(columns || is_honest(&executed, |replies| are_honest(replies)), "an execution: {executed:?}");
            meddled.recovers();
        }
        meddled.bed.well();
    });
}

#[test]
fn greetings_and_logins() {
    each_server(|server| {
        for pool in ["transaction", "none"] {
            let meddled = Meddled::new(server, pool);
            for (index, tamper) in ALL.into_iter().flat_map(|tamper| [(0, tamper), (1, tamper)]) {
                // A greeting followed by more is a greeting, and a login's OK may be longer than it needs to be.
                println!("pool = {pool}, {} at {index}", tamper.name);
                meddled.meddler.falsify(Target::Login(index), tamper);
                meddled.bed.proxy.hup();
                let session = meddled.connect(&meddled.bed.tenant.login());
                if let Ok(mut session) = session {
                    let answered = session.query(KEPT);
                    assert!(is_honest(&answered, |replies| are_honest(replies)), "{answered:?}");
                }
                meddled.recovers();
            }
            meddled.bed.well();
        }
    });
}

/// In the question for what a session has changed.
const READ_BACK: &[u8] = b"CAST(LAST_INSERT_ID() AS BINARY)";

/// Greenroom's own questions to a server: what a new connection is like, what a session has changed, a reset.
const OWN: [(&str, &[u8]); 5] = [
    ("trackers on", b"session_track_state_change=ON"),
    ("what a connection is like", b"CURRENT_ROLE()"),
    ("reading state back", READ_BACK),
    ("restoring state", b"@@SESSION.sql_mode="),
    ("a reset", b"\x1f"),
];

#[test]
fn replies_to_questions_of_greenrooms_own() {
    each_server(|server| {
        let meddled = Meddled::new(server, "transaction");
        for (what, bytes) in OWN {
            let struck: usize = ALL.into_iter().map(|tamper| own_question(&meddled, what, bytes, tamper)).sum();
            assert!(struck >= ALL.len() / 2, "{what}: asked {struck} times only");
        }
        meddled.bed.well();
    });
}

/// Runs what brings Greenroom to ask each of its questions; whichever is falsified, nobody gets wrong rows.
fn own_question(meddled: &Meddled, what: &str, bytes: &'static [u8], tamper: Tamper) -> usize {
    println!("{what}: {}", tamper.name);
    meddled.meddler.falsify(Target::Command(bytes), tamper);
    let mut crowd = crowd(meddled);
    for (at, sql) in SCRIPT {
        for session in members(&mut crowd, at) {
            let answered = session.query(sql);
            assert!(
                is_honest(&answered, |replies| are_honest(replies)),
                "{what}, {}: {sql}: {answered:?}",
                tamper.name
            );
        }
    }
    drop(crowd);
    // What is left behind is reset.
    until("rest", || meddled.bed.proxy.is_at_rest());
    let struck = meddled.meddler.struck();
    meddled.recovers();
    struck
}

/// Who says a line of [`SCRIPT`].
#[derive(Clone, Copy)]
enum Part {
    First,
    Others,
}

/// The first session has a state of its own; the others, in as many transactions as there are connections, need its
/// connection with theirs.
const SCRIPT: [(Part, &str); 8] = [
    (Part::First, "SET sql_mode = 'ANSI', NAMES latin1"),
    (Part::First, KEPT),
    (Part::Others, "START TRANSACTION"),
    (Part::Others, KEPT),
    (Part::Others, "COMMIT"),
    (Part::First, "SET @a = 1"),
    (Part::First, KEPT),
    (Part::Others, KEPT),
];

fn crowd(meddled: &Meddled) -> Vec<Wire> {
    let login = meddled.bed.tenant.login();
    (0..=WIDTH).filter_map(|_| meddled.connect(&login).ok()).collect()
}

fn members(crowd: &mut [Wire], part: Part) -> &mut [Wire] {
    let (first, others) = crowd.split_at_mut(crowd.len().min(1));
    match part {
        Part::First => first,
        Part::Others => others,
    }
}

/// A session whose state only the lost connection knew does not go on with another.
#[test]
fn what_is_never_read_back_is_not_made_up() {
    let cases = [
        ("SET NAMES latin1", "SELECT @@character_set_client", "latin1"),
        ("SET collation_server = 'latin1_bin'", "SELECT @@character_set_server", "latin1"),
        ("REPLACE INTO numbered VALUES (LAST_INSERT_ID(7))", "SELECT LAST_INSERT_ID()", "7"),
    ];
    each_server(|server| {
        let meddled = Meddled::new(server, "transaction");
        let login = meddled.bed.tenant.login();
        meddled.connect(&login).unwrap().ok("CREATE TABLE numbered (id INT AUTO_INCREMENT PRIMARY KEY)");
        for tamper in ALL.into_iter().filter(|tamper| tamper.name == "no answer" || tamper.name == "noise") {
            for (sql, question, expected) in cases {
                let mut session = meddled.connect(&login).unwrap();
                meddled.meddler.falsify(Target::Command(READ_BACK), tamper);
                session.ok(sql);
                until("the session is asked after", || meddled.meddler.struck() == 1);
                let answered = session.query(question);
                let honest = match &answered {
                    Ok(replies) => {
                        matches!(&replies[..], [Reply::Rows(rows)] if rows.rows == [[Some(expected.into())]])
                    }
                    Err(_) => true,
                };
                assert!(honest, "{}: {sql}: {answered:?}", tamper.name);
                meddled.recovers();
            }
        }
        meddled.bed.well();
    });
}

/// Who has had enough of waiting leaves; what he held is free again, though the server never says another word.
#[test]
fn silence_holds_nobody_for_ever() {
    let targets: [(&str, &[u8], Tamper); 5] = [
        ("none", b"CURRENT_ROLE()", SILENCE),
        ("transaction", READ_BACK, SILENCE),
        ("transaction", b"@@SESSION.sql_mode=", STANDSTILL),
        ("transaction", b"SELECT id", SILENCE),
        ("transaction", b"SELECT id", STANDSTILL),
    ];
    each_server(|server| {
        for (pool, target, tamper) in targets {
            println!("{} at {}", tamper.name, target.escape_ascii());
            silent(&Meddled::new(server, pool), target, tamper);
        }
    });
}

/// Sessions do what they do until the server falls silent; then they leave.
fn silent(meddled: &Meddled, target: &'static [u8], tamper: Tamper) {
    meddled.meddler.falsify(Target::Command(target), tamper);
    let struck = || meddled.meddler.struck() > 0;
    let mut crowd = crowd(meddled);
    for (at, sql) in SCRIPT {
        for session in members(&mut crowd, at) {
            if !struck() {
                session.send(Command::COM_QUERY, sql.as_bytes()).unwrap();
                until("an answer, or silence", || is_readable(session) || struck());
            }
            if !struck() {
                assert!(session.replies().is_ok());
            }
        }
    }
    // Some of Greenroom's questions come behind the answer.
    until("the server falls silent", struck);
    drop(crowd);
    meddled.recovers();
    meddled.bed.well();
}

fn is_readable(session: &Wire) -> bool {
    let stream = session.stream();
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    peeked.is_ok()
}
