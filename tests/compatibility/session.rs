//! A client that sends what a row names.

use std::net::SocketAddr;

use greenroom::demo::server::ROOT;
use mysql_common::constants::{CapabilityFlags, Command};

use super::{
    support::wire::{ErrPacket, Login, OkPacket, Param, Prepared, Reply, Wire, WireError, execute_body},
    table::Step,
};

/// MariaDB's bulk operations, among its further capabilities.
const BULK: u32 = 4;
/// More than Greenroom writes answers into.
const LONG: usize = 17 << 10;
/// More than fits into a packet.
const LARGE: usize = 17 << 20;

/// There is no connection: the other session has it.
pub(super) const BUSY: u16 = 1040;
const PATIENCE: usize = 20;

/// A session, and the statement that it prepared last.
pub(super) struct Session {
    wire: Wire,
    database: String,
    prepared: Option<Prepared>,
}

impl Session {
    /// Logs in as root. A connection that a login has used may still be on its way home.
    pub(super) fn new(address: SocketAddr, database: &str) -> Self {
        let login = Login::new(ROOT.user, ROOT.password).database(database);
        let login = login.with(CapabilityFlags::CLIENT_LOCAL_FILES).with_mariadb(BULK);
        let wire = (0..20).find_map(|_| Wire::connect(address, &login).ok()).expect("the login gets a connection");
        Self { wire, database: database.into(), prepared: None }
    }

    /// Sends a step and reads its answers; fails where an error came, or did not come, against what is due.
    pub(super) fn play(&mut self, step: &Step) -> Result<Vec<Reply>, String> {
        let replies = self.patiently(&step.text).map_err(|error| format!("{}: {error}", step.text))?;
        let failed = replies.iter().find(|reply| matches!(reply, Reply::Err(_)));
        if failed.is_some() == step.fails { Ok(replies) } else { Err(format!("{}: {replies:?}", step.text)) }
    }

    /// As [`Session::answers`], again where the connection is still being cleaned of somebody who has gone.
    pub(super) fn patiently(&mut self, text: &str) -> Result<Vec<Reply>, WireError> {
        for _ in 0..PATIENCE {
            match self.answers(text) {
                Err(WireError::Refused(error)) if error.code == BUSY => {}
                Ok(replies) if is_busy(&replies) => {}
                answer => return answer,
            }
        }
        self.answers(text)
    }

    /// Sends SQL, or a command by its name, and reads its answers.
    pub(super) fn answers(&mut self, text: &str) -> Result<Vec<Reply>, WireError> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let id = self.prepared.as_ref().map_or(0, |statement| statement.id);
        match name {
            "COM_STMT_PREPARE" => {
                self.prepared = Some(self.wire.prepare(rest)?);
                Ok(Vec::new())
            }
            "COM_STMT_EXECUTE" if rest == "with a cursor" => {
                self.wire.send(Command::COM_STMT_EXECUTE, &execute_body(id, 1, &[]))?;
                // The count of columns, the one definition, and what ends them; the rows wait for a fetch.
                self.skip(3)
            }
            "COM_STMT_EXECUTE" => {
                let statement = self.prepared.clone().expect("a statement was prepared");
                self.wire.execute(&statement, &vec![Param::Int(1); statement.params.len()])
            }
            "COM_STMT_BULK_EXECUTE" => {
                // Two rows of a text each, with its type.
                let body = [&id.to_le_bytes()[..], b"\x80\0\xfd\0", b"\0\x04bulk\0\x05bulk2"].concat();
                self.wire.send(Command::COM_STMT_BULK_EXECUTE, &body)?;
                self.wire.executed()
            }
            "COM_STMT_FETCH" => self.fetch(id, rest.parse().expect("a number of rows")),
            "COM_STMT_SEND_LONG_DATA" => {
                let body = [&id.to_le_bytes()[..], &[0, 0], rest.as_bytes()].concat();
                self.wire.send(Command::COM_STMT_SEND_LONG_DATA, &body)?;
                Ok(Vec::new())
            }
            "COM_STMT_CLOSE" => {
                self.wire.send(Command::COM_STMT_CLOSE, &id.to_le_bytes())?;
                Ok(Vec::new())
            }
            "COM_STMT_RESET" => self.command(Command::COM_STMT_RESET, &id.to_le_bytes()),
            "COM_RESET_CONNECTION" => self.command(Command::COM_RESET_CONNECTION, &[]),
            "COM_PING" => self.command(Command::COM_PING, &[]),
            "COM_INIT_DB" => self.command(Command::COM_INIT_DB, rest.as_bytes()),
            "COM_SET_OPTION" => {
                self.wire.send(Command::COM_SET_OPTION, &[rest.parse().expect("a number"), 0])?;
                self.skip(1)
            }
            "COM_CHANGE_USER" => {
                let login = Login::new(ROOT.user, ROOT.password).database(&self.database);
                self.wire.change_user(&login).map(|_| Vec::new())
            }
            _ => self.sql(text),
        }
    }

    fn sql(&mut self, text: &str) -> Result<Vec<Reply>, WireError> {
        let text = text.replace("{db}", &self.database).replace("{16 KiB}", &"x".repeat(LONG));
        let text = text.replace("{1 MiB}", &"x".repeat(1 << 20)).replace("{16 MiB}", &"x".repeat(LARGE));
        self.wire.send(Command::COM_QUERY, text.as_bytes())?;
        let mut replies = self.wire.replies()?;
        if matches!(replies.as_slice(), [Reply::Infile(_)]) {
            self.wire.send_file(b"one\ntwo\n")?;
            let payload = self.wire.packet()?.payload;
            replies = vec![match payload.first() {
                Some(0xFF) => Reply::Err(ErrPacket::parse(&payload)?),
                _ => Reply::Ok(OkPacket::parse(&payload, self.wire.capabilities)?),
            }];
        }
        Ok(replies)
    }

    fn command(&mut self, command: Command, body: &[u8]) -> Result<Vec<Reply>, WireError> {
        self.wire.send(command, body)?;
        self.wire.replies()
    }

    fn skip(&mut self, packets: usize) -> Result<Vec<Reply>, WireError> {
        for _ in 0..packets {
            let payload = self.wire.packet()?.payload;
            if payload.first() == Some(&0xFF) {
                return Err(WireError::Refused(ErrPacket::parse(&payload)?));
            }
        }
        Ok(Vec::new())
    }

    fn fetch(&mut self, id: u32, rows: u32) -> Result<Vec<Reply>, WireError> {
        self.wire.send(Command::COM_STMT_FETCH, &[id.to_le_bytes(), rows.to_le_bytes()].concat())?;
        while self.wire.packet()?.payload.first() == Some(&0) {}
        Ok(Vec::new())
    }

    /// Takes its leave.
    pub(super) fn quit(self) {
        let _ = self.wire.quit();
    }
}

/// Whether there was no connection.
pub(super) fn is_busy(replies: &[Reply]) -> bool {
    matches!(replies, [Reply::Err(error)] if error.code == BUSY)
}
