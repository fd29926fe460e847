//! Commands: the first byte of what a client sends, and the shape of the reply that it asks for.

pub mod attributes;
pub mod inbound;

use mysql_common::constants::Command as Byte;

pub use inbound::{Inbound, InboundError, Scanned};

/// What a client can ask for. The byte values are the protocol's; those that servers only ever
/// refuse are here too, so that an unknown byte is really unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each name is the protocol's own, without its COM_")]
pub enum Command {
    Sleep = Byte::COM_SLEEP as u8,
    Quit = Byte::COM_QUIT as u8,
    InitDb = Byte::COM_INIT_DB as u8,
    Query = Byte::COM_QUERY as u8,
    FieldList = Byte::COM_FIELD_LIST as u8,
    CreateDb = Byte::COM_CREATE_DB as u8,
    DropDb = Byte::COM_DROP_DB as u8,
    Refresh = Byte::COM_REFRESH as u8,
    Shutdown = Byte::COM_DEPRECATED_1 as u8,
    Statistics = Byte::COM_STATISTICS as u8,
    ProcessInfo = Byte::COM_PROCESS_INFO as u8,
    Connect = Byte::COM_CONNECT as u8,
    ProcessKill = Byte::COM_PROCESS_KILL as u8,
    Debug = Byte::COM_DEBUG as u8,
    Ping = Byte::COM_PING as u8,
    Time = Byte::COM_TIME as u8,
    DelayedInsert = Byte::COM_DELAYED_INSERT as u8,
    ChangeUser = Byte::COM_CHANGE_USER as u8,
    BinlogDump = Byte::COM_BINLOG_DUMP as u8,
    TableDump = Byte::COM_TABLE_DUMP as u8,
    ConnectOut = Byte::COM_CONNECT_OUT as u8,
    RegisterSlave = Byte::COM_REGISTER_SLAVE as u8,
    StmtPrepare = Byte::COM_STMT_PREPARE as u8,
    StmtExecute = Byte::COM_STMT_EXECUTE as u8,
    StmtSendLongData = Byte::COM_STMT_SEND_LONG_DATA as u8,
    StmtClose = Byte::COM_STMT_CLOSE as u8,
    StmtReset = Byte::COM_STMT_RESET as u8,
    SetOption = Byte::COM_SET_OPTION as u8,
    StmtFetch = Byte::COM_STMT_FETCH as u8,
    Daemon = Byte::COM_DAEMON as u8,
    BinlogDumpGtid = Byte::COM_BINLOG_DUMP_GTID as u8,
    ResetConnection = Byte::COM_RESET_CONNECTION as u8,
    /// MySQL only, 0x20; not in mysql_common.
    Clone = 0x20,
    /// MySQL only, 0x21; not in mysql_common.
    SubscribeGroupReplicationStream = 0x21,
    /// MariaDB only.
    StmtBulkExecute = Byte::COM_STMT_BULK_EXECUTE as u8,
}

/// The shape of a command's reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expect {
    /// No reply at all: close of a statement, long data, quit.
    Nothing,
    /// One packet: OK, ERR, or what a server that speaks `DEPRECATE_EOF` sends for EOF
    /// (`COM_SET_OPTION` and `COM_DEBUG`: an OK that starts with 0xFE, measured on both).
    Ok,
    /// OK, ERR, a request for a local file, or result sets of text rows; any number of them.
    Results,
    /// The same with binary rows, which may also open a cursor.
    BinaryResults,
    /// A statement id with parameter and column definitions.
    Prepared,
    /// Rows of an open cursor without definitions.
    Rows,
    /// Column definitions without a count before them.
    Fields,
    /// One packet that holds a bare string (`COM_STATISTICS`).
    Text,
    /// A login exchange; `login` knows it, the reply machine does not.
    Login,
    /// Packets until one side closes (binary log, clone): the connection is the session's for good.
    Endless,
    /// Servers know it no more, or never let a client send it: one ERR (1047).
    Refused,
}

impl Command {
    /// Every command, in the order of its byte.
    pub const ALL: [Self; 35] = [
        Self::Sleep,
        Self::Quit,
        Self::InitDb,
        Self::Query,
        Self::FieldList,
        Self::CreateDb,
        Self::DropDb,
        Self::Refresh,
        Self::Shutdown,
        Self::Statistics,
        Self::ProcessInfo,
        Self::Connect,
        Self::ProcessKill,
        Self::Debug,
        Self::Ping,
        Self::Time,
        Self::DelayedInsert,
        Self::ChangeUser,
        Self::BinlogDump,
        Self::TableDump,
        Self::ConnectOut,
        Self::RegisterSlave,
        Self::StmtPrepare,
        Self::StmtExecute,
        Self::StmtSendLongData,
        Self::StmtClose,
        Self::StmtReset,
        Self::SetOption,
        Self::StmtFetch,
        Self::Daemon,
        Self::BinlogDumpGtid,
        Self::ResetConnection,
        Self::Clone,
        Self::SubscribeGroupReplicationStream,
        Self::StmtBulkExecute,
    ];

    /// The command with that byte. `None` for a byte that no server knows: they answer ERR 1047.
    #[inline]
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        // Bytes 0 to 0x21 have no hole, so the byte is the place in the table.
        let found = Self::ALL.get(usize::from(byte)).copied();
        found.filter(|command| command.byte() == byte).or((byte == 0xFA).then_some(Self::StmtBulkExecute))
    }

    /// Its byte on the wire.
    #[inline]
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The fewest bytes behind its own byte with which a command that has no reply is one. MySQL answers a shorter one
    /// all the same, with error 1835; MariaDB passes over it (measured).
    #[must_use]
    pub const fn least(self) -> usize {
        match self {
            Self::StmtClose => 4,
            Self::StmtSendLongData => 6,
            _ => 0,
        }
    }

    /// The shape of the reply to it.
    #[must_use]
    pub const fn expect(self) -> Expect {
        match self {
            Self::Query | Self::ProcessInfo => Expect::Results,
            Self::StmtExecute | Self::StmtBulkExecute => Expect::BinaryResults,
            Self::StmtPrepare => Expect::Prepared,
            Self::StmtFetch => Expect::Rows,
            Self::FieldList => Expect::Fields,
            Self::Statistics => Expect::Text,
            Self::Quit | Self::StmtSendLongData | Self::StmtClose => Expect::Nothing,
            Self::ChangeUser => Expect::Login,
            Self::BinlogDump | Self::BinlogDumpGtid | Self::Clone | Self::SubscribeGroupReplicationStream => {
                Expect::Endless
            }
            // CREATE_DB, DROP_DB, REFRESH and SHUTDOWN live on in older servers, as plain OK or ERR.
            Self::InitDb
            | Self::CreateDb
            | Self::DropDb
            | Self::Refresh
            | Self::Shutdown
            | Self::ProcessKill
            | Self::Debug
            | Self::Ping
            | Self::RegisterSlave
            | Self::StmtReset
            | Self::SetOption
            | Self::ResetConnection => Expect::Ok,
            Self::Sleep
            | Self::Connect
            | Self::Time
            | Self::DelayedInsert
            | Self::TableDump
            | Self::ConnectOut
            | Self::Daemon => Expect::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_byte_and_nothing_else_is() {
        let known: Vec<u8> = (0..=255).filter(|&byte| Command::from_byte(byte).is_some()).collect();
        assert_eq!(known, Command::ALL.map(Command::byte));
        for command in Command::ALL {
            assert_eq!(Command::from_byte(command.byte()), Some(command));
        }
    }
}
