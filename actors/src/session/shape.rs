//! Which statement a pin began with. It is read when a pin begins, and not before.

use std::sync::Arc;

use greenroom_protocol::command::Command;
use greenroom_protocol::packet::HEADER;
use greenroom_protocol::sql::shape::shape;

use super::conversation::Conversation;
use super::turn::Turn;

/// Where the text of the command under way is to be found.
#[derive(Debug, Clone, Default)]
pub(super) enum UnderWay {
    /// Nowhere.
    #[default]
    Nothing,
    /// It is this command, and so many bytes in the inlet.
    Text(Command, usize),
    /// It is a prepared statement's, by the client's id.
    Prepared(u32),
    /// The inlet has it no more, but what the server is asked about it may pin yet.
    Kept(Arc<str>),
}

impl UnderWay {
    /// Of a command that is about to run.
    pub(super) fn of(turn: &Turn) -> Self {
        match (turn.command, turn.statement) {
            (Command::Query | Command::StmtPrepare, _) if turn.incoming.scanned.complete && turn.reader.is_none() => {
                Self::Text(turn.command, turn.incoming.scanned.used)
            }
            (Command::StmtExecute | Command::StmtBulkExecute, Some(id)) => Self::Prepared(id),
            _ => Self::Nothing,
        }
    }
}

impl Conversation {
    /// The shape of the command under way; empty where there is none.
    pub(super) fn text_shape(&self) -> Arc<str> {
        let read = |text: &[u8], (mode, doubt)| shape(text, mode, doubt).map(Arc::from).unwrap_or_default();
        match &self.under_way {
            UnderWay::Nothing => Arc::default(),
            UnderWay::Kept(shape) => Arc::clone(shape),
            UnderWay::Text(command, used) => {
                let filled = self.client.inlet.as_ref().map_or(&[][..], |inlet| inlet.filled());
                let argument = filled.get(HEADER + 1..*used).unwrap_or_default();
                self.split_text(*command, argument)
                    .map_or_else(Arc::default, |(_, text)| read(text, self.mode_and_doubt()))
            }
            UnderWay::Prepared(id) => {
                let known = self.statements.get(*id).and_then(|it| Some((it.source.as_ref()?, it.way)));
                known.map_or_else(Arc::default, |(source, way)| read(source.text(), way))
            }
        }
    }

    /// Its bytes go before it is over.
    pub(super) fn keep_text_shape(&mut self) {
        self.under_way = UnderWay::Kept(self.text_shape());
    }

    /// The command is over and its bytes go: what the server is still to be asked of it may pin.
    pub(super) fn put_away(&mut self) {
        let debts = self.debts;
        let doubtful = debts.suspicion || debts.triggers || debts.unreported || debts.warnings;
        self.under_way = if doubtful { UnderWay::Kept(self.text_shape()) } else { UnderWay::Nothing };
    }
}
