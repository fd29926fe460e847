//! The same commands sent to a server and through the proxy, and every packet of the answers compared.

use greenroom::demo::server::Server;
use mysql_common::constants::{CapabilityFlags, Command};

use super::{
    proxy::Proxy,
    servers::Tenant,
    wire::{Login, Wire},
};

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// All that modern drivers ask for.
    Modern,
    /// Neither `DEPRECATE_EOF` nor `SESSION_TRACK`.
    Old,
    /// `SESSION_TRACK` alone.
    Tracking,
}

/// What is sent, and which shape of answer ends it.
#[derive(Debug, Clone)]
enum Step {
    /// A command with its byte; the answer is one or several replies.
    Command(u8, Vec<u8>),
    /// A prepare; later steps name it by its place among the prepares that succeeded.
    Prepare(Vec<u8>),
    /// A command on the nth prepared statement.
    On(usize, Command, Vec<u8>),
    /// The same, with no answer.
    Silent(usize, Command, Vec<u8>),
    /// An execute that opens a cursor.
    Cursor(usize, Vec<u8>),
    /// A query that asks for a file, and the packets of the file.
    File(Vec<u8>, Vec<Vec<u8>>),
}

/// A list of commands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    steps: Vec<Step>,
    flags: CapabilityFlags,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Modern, Self::Old, Self::Tracking];

    fn login(self, login: Login) -> Login {
        match self {
            Self::Modern => login,
            Self::Old => login.without(CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK),
            Self::Tracking => login.without(CapabilityFlags::CLIENT_DEPRECATE_EOF),
        }
    }
}

impl Step {
    fn name(&self) -> String {
        let (byte, body) = match self {
            Self::Command(byte, body) => (*byte, body),
            Self::Prepare(sql) => (Command::COM_STMT_PREPARE as u8, sql),
            Self::On(_, command, body) | Self::Silent(_, command, body) => (*command as u8, body),
            Self::Cursor(_, body) => (Command::COM_STMT_EXECUTE as u8, body),
            Self::File(sql, _) => (Command::COM_QUERY as u8, sql),
        };
        format!("{byte:#04x} {}", body.escape_ascii())
    }
}

impl Script {
    /// Logs in with these as well.
    pub(crate) fn with(mut self, flags: CapabilityFlags) -> Self {
        self.flags |= flags;
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// A COM_QUERY.
    pub(crate) fn sql(self, sql: &str) -> Self {
        self.command(Command::COM_QUERY, sql.as_bytes())
    }

    /// Any other command with one answer.
    pub(crate) fn command(self, command: Command, body: &[u8]) -> Self {
        self.raw_command(command as u8, body)
    }

    /// A command by its byte.
    pub(crate) fn raw_command(self, byte: u8, body: &[u8]) -> Self {
        self.step(Step::Command(byte, body.to_vec()))
    }

    /// A COM_STMT_PREPARE.
    pub(crate) fn prepare(self, sql: &str) -> Self {
        self.step(Step::Prepare(sql.into()))
    }

    /// A command on the nth prepared statement; `body` is what follows the id.
    pub(crate) fn on(self, nth: usize, command: Command, body: &[u8]) -> Self {
        self.step(Step::On(nth, command, body.to_vec()))
    }

    /// A command without an answer on the nth prepared statement.
    pub(crate) fn silent_on(self, nth: usize, command: Command, body: &[u8]) -> Self {
        self.step(Step::Silent(nth, command, body.to_vec()))
    }

    /// An execute of the nth prepared statement that opens a cursor.
    pub(crate) fn cursor(self, nth: usize, body: &[u8]) -> Self {
        self.step(Step::Cursor(nth, body.to_vec()))
    }

    /// A COM_QUERY that asks for a file.
    pub(crate) fn file(self, sql: &str, packets: &[&[u8]]) -> Self {
        self.step(Step::File(sql.into(), packets.iter().map(|packet| packet.to_vec()).collect()))
    }
}

/// Runs the script both ways and panics with every step whose answers differ.
pub(crate) fn compare(server: &Server, proxy: &Proxy, tenant: &Tenant, client: Client, script: &Script) {
    let login = client.login(tenant.login().with(script.flags));
    let [mut direct, mut through] =
        [server.address(), proxy.address()].map(|address| Runner::new(Wire::connect(address, &login).unwrap()));
    // One after the other: the script may make and drop tables.
    let expected: Vec<_> = script.steps.iter().map(|step| direct.run(step)).collect();
    let differing = script.steps.iter().zip(expected).filter_map(|(step, expected)| {
        let got = through.run(step);
        (got != expected)
            .then(|| format!("{}\n  through the proxy: {got:#?}\n  directly:          {expected:#?}", step.name()))
    });
    let differing: Vec<_> = differing.collect();
    assert!(differing.is_empty(), "{} on {}:\n{}", differing.len(), server.flavor(), differing.join("\n"));
}

struct Runner {
    wire: Wire,
    statements: Vec<u32>,
    /// The one that the last command was about.
    current: u32,
}

impl Runner {
    fn new(wire: Wire) -> Self {
        Self { wire, statements: Vec::new(), current: 0 }
    }

    /// Sends one step; gives the packets of its answer as text, or what went wrong instead.
    fn run(&mut self, step: &Step) -> Vec<String> {
        let mut packets = Vec::new();
        if let Err(error) = self.try_run(step, &mut packets) {
            packets.push(error);
        }
        // The rows of a process list are of the moment; its head has one packet for each of its columns.
        if matches!(step, Step::Command(0x0A, _)) {
            packets.truncate(8);
        }
        packets
    }

    fn try_run(&mut self, step: &Step, packets: &mut Vec<String>) -> Result<(), String> {
        match step {
            Step::Command(byte, body) => self.send(*byte, body)?,
            Step::Prepare(sql) => {
                self.send(Command::COM_STMT_PREPARE as u8, sql)?;
                return self.prepared(packets);
            }
            Step::On(nth, command, body) => self.send_on(*nth, *command, body)?,
            Step::Silent(nth, command, body) => return self.send_on(*nth, *command, body),
            Step::Cursor(nth, body) => self.send_on(*nth, Command::COM_STMT_EXECUTE, body)?,
            Step::File(sql, _) => self.send(Command::COM_QUERY as u8, sql)?,
        }
        let file = if let Step::File(_, file) = step { file.as_slice() } else { &[] };
        let bare = matches!(step, Step::On(_, Command::COM_STMT_FETCH, _) | Step::Command(0x04, _));
        self.answers(file, bare, packets)
    }

    fn send(&mut self, byte: u8, body: &[u8]) -> Result<(), String> {
        self.wire.send_payload(0, &[&[byte], body].concat()).map_err(|error| error.to_string())
    }

    fn send_on(&mut self, nth: usize, command: Command, body: &[u8]) -> Result<(), String> {
        self.current = *self.statements.get(nth).ok_or("that statement was not prepared")?;
        let id = self.current.to_le_bytes();
        self.send(command as u8, &[&id, body].concat())
    }

    fn packet(&mut self, packets: &mut Vec<String>) -> Result<Vec<u8>, String> {
        let packet = self.wire.packet().map_err(|error| error.to_string())?;
        packets.push(format!("{} {}", packet.sequence, self.describe(&packet.payload)));
        Ok(packet.payload)
    }

    /// A payload as text. MySQL counts statements in its trackers, which can not be the same twice.
    fn describe(&self, payload: &[u8]) -> String {
        let mut shown = payload.to_vec();
        if let Some(at) = shown.windows(12).position(|bytes| bytes == b"statement_id") {
            shown.truncate(at);
        }
        // Which number a statement has is the server's choice.
        shown.escape_ascii().to_string().replace(&format!("({})", self.current), "(the statement)")
    }

    /// The EOF after a result set's columns. That no index was used, or that another result will follow, servers
    /// know before the rows; the proxy, whose own server tells it behind them, can not.
    fn columns_end(&mut self, packets: &mut Vec<String>) -> Result<Vec<u8>, String> {
        let mut eof = self.packet(packets)?;
        if let [0xFE, _, _, status, _] = eof.as_mut_slice() {
            *status &= !0x38;
            packets.pop();
            packets.push(self.describe(&eof));
        }
        Ok(eof)
    }

    fn prepared(&mut self, packets: &mut Vec<String>) -> Result<(), String> {
        let head = self.packet(packets)?;
        if head.first() != Some(&0) {
            return Ok(());
        }
        let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        self.statements.push(u32::from_le_bytes([head[1], head[2], head[3], head[4]]));
        packets.clear();
        packets.push(format!("prepared: {} columns, {} parameters", number(5), number(7)));
        for definitions in [number(7), number(5)] {
            let eof = u16::from(definitions > 0 && !self.has(CapabilityFlags::CLIENT_DEPRECATE_EOF));
            for _ in 0..definitions + eof {
                self.packet(packets)?;
            }
        }
        Ok(())
    }

    fn has(&self, flag: CapabilityFlags) -> bool {
        self.wire.capabilities.contains(flag)
    }

    /// Reads replies until none follows. `bare`: rows or definitions with no head.
    fn answers(&mut self, file: &[Vec<u8>], bare: bool, packets: &mut Vec<String>) -> Result<(), String> {
        loop {
            let status = if bare { self.rows(packets)? } else { self.answer(file, packets)? };
            if status & 8 == 0 {
                return Ok(());
            }
        }
    }

    /// Reads one reply; gives the status flags that it ends with.
    fn answer(&mut self, file: &[Vec<u8>], packets: &mut Vec<String>) -> Result<u16, String> {
        let head = self.packet(packets)?;
        match head.first() {
            Some(0x00) => Ok(status_of_ok(&head)),
            Some(0xFF) => Ok(0),
            Some(0xFE) if head.len() == 5 => Ok(u16::from_le_bytes([head[3], head[4]])),
            Some(0xFE) => Ok(status_of_ok(&head)),
            Some(0xFB) => {
                for part in file.iter().map(Vec::as_slice).chain([&[][..]]) {
                    self.wire.answer(part).map_err(|error| error.to_string())?;
                }
                self.answer(&[], packets)
            }
            Some(count) if head.len() == 1 => {
                for _ in 0..*count {
                    self.packet(packets)?;
                }
                if !self.has(CapabilityFlags::CLIENT_DEPRECATE_EOF) {
                    let eof = self.columns_end(packets)?;
                    // An open cursor: its rows are fetched.
                    if eof.len() == 5 && eof[3] & 0x40 != 0 {
                        return Ok(0);
                    }
                }
                self.rows(packets)
            }
            // A bare string.
            _ => Ok(0),
        }
    }

    fn rows(&mut self, packets: &mut Vec<String>) -> Result<u16, String> {
        loop {
            let row = self.packet(packets)?;
            match row.first() {
                Some(0xFF) => return Ok(0),
                Some(0xFE) if !self.has(CapabilityFlags::CLIENT_DEPRECATE_EOF) && row.len() == 5 => {
                    return Ok(u16::from_le_bytes([row[3], row[4]]));
                }
                Some(0xFE) => return Ok(status_of_ok(&row)),
                _ => {}
            }
        }
    }
}

/// The status in an OK; both its numbers are short in these tests.
fn status_of_ok(payload: &[u8]) -> u16 {
    u16::from_le_bytes([payload[3], payload[4]])
}
