//! The words after the verb that decide what a statement does.

use super::Kind;
use super::scan::Scan;
use super::statement::{Last, Phase};
use crate::sql::facts::Facts;
use crate::sql::keyword::Kw;
use crate::sql::pin::PinReason;
use crate::sql::token::Token;

impl Scan {
    pub(super) fn head(&mut self, token: Token<'_>, kw: Kw) {
        match self.statement.phase {
            Phase::Start => return self.start(token, kw),
            Phase::Label => self.label(token),
            Phase::Set(phase) => self.set(phase, token, kw),
            Phase::With(depth) => self.with(depth, kw),
            Phase::Begin => self.begin(kw),
            Phase::StartOf => self.start_of(kw),
            Phase::Starting => self.starting(token, kw),
            Phase::Ending => self.ending(kw),
            Phase::Lock => self.lock(kw),
            Phase::Unlock => self.unlock(kw),
            Phase::Backup => self.backup(kw),
            Phase::Flush { tables, names } => self.flush(tables, names, token, kw),
            Phase::Handler => self.handler(kw),
            Phase::Xa => self.xa(kw),
            Phase::Prepare => self.prepare(kw),
            Phase::Execute => self.execute(kw),
            Phase::Literal => self.literal(token, kw),
            Phase::Kill { query } => self.kill(query, token, kw),
            Phase::Show => self.show(token, kw),
            Phase::Explain { analyze } => self.explain(analyze, kw),
            Phase::Analyze => self.analyze(kw),
            Phase::Create => self.create(kw),
            Phase::Drop => self.drop_what(kw),
            Phase::Declare { handler } => self.declare(handler, kw),
            Phase::Body | Phase::Inert | Phase::Routine(_) => {}
        }
        if self.compound {
            self.divide(kw);
        }
    }

    /// In a block: words after which a statement begins, unless they belong to a CASE expression.
    fn divide(&mut self, kw: Kw) {
        let cases = &mut self.statement.cases;
        match kw {
            Kw::Case => *cases += 1,
            Kw::End => *cases = cases.saturating_sub(1),
            Kw::Then | Kw::Else | Kw::Do | Kw::Atomic if *cases == 0 => self.end_statement(),
            _ => {}
        }
    }

    fn body(&mut self) {
        self.statement.phase = Phase::Body;
    }
}

// -- queries --

impl Scan {
    fn with(&mut self, depth: u32, kw: Kw) {
        let is_verb =
            matches!(kw, Kw::Select | Kw::Values | Kw::Table | Kw::Insert | Kw::Replace | Kw::Update | Kw::Delete);
        if is_verb && self.statement.depth == depth {
            self.verb(kw);
        }
    }

    fn show(&mut self, token: Token<'_>, kw: Kw) {
        if self.statement.counts.shows(token) {
            return;
        }
        match kw {
            Kw::Warnings | Kw::Errors | Kw::Count => {
                self.statement.kind = Kind::ShowWarnings;
                self.statement.fact(Facts::READS_DIAGNOSTICS);
            }
            Kw::Processlist => {
                self.statement.kind = Kind::ShowProcesslist { full: self.statement.last_kw == Kw::Full };
            }
            _ => {}
        }
        self.body();
    }

    fn explain(&mut self, analyze: bool, kw: Kw) {
        match kw {
            Kw::For | Kw::Into => return self.statement.counts.untold(),
            Kw::Select | Kw::With | Kw::Values | Kw::Table | Kw::Insert | Kw::Replace | Kw::Update | Kw::Delete => {
                self.statement.counts.explains(analyze);
            }
            _ => {}
        }
        match kw {
            Kw::Analyze => self.statement.phase = Phase::Explain { analyze: true },
            Kw::Select | Kw::With | Kw::Values | Kw::Table => self.body(),
            Kw::Insert | Kw::Replace | Kw::Update | Kw::Delete => {
                if analyze {
                    self.statement.writes = true;
                    self.statement.fact(Facts::IS_DML);
                }
                self.body();
            }
            _ => {}
        }
    }

    /// MariaDB's `ANALYZE statement` runs it; `ANALYZE TABLE` does not.
    fn analyze(&mut self, kw: Kw) {
        if matches!(kw, Kw::Table | Kw::Tables) {
            self.statement.fact(Facts::BEGINS_OR_ENDS_TRANSACTION);
            return self.is(Kind::Ddl, Phase::Body);
        }
        self.explain(true, kw);
    }

    fn kill(&mut self, query: bool, token: Token<'_>, kw: Kw) {
        let fresh = matches!(self.statement.last_kw, Kw::Kill | Kw::Hard | Kw::Soft | Kw::Connection | Kw::Query);
        let query = query || kw == Kw::Query;
        let id = match token {
            Token::Number(id) if fresh => id,
            _ => None,
        };
        self.is(Kind::Kill { query, id }, Phase::Kill { query });
    }
}

// -- transactions and locks --

impl Scan {
    fn begin(&mut self, kw: Kw) {
        if kw == Kw::Not && self.mode.is_mariadb() {
            self.enter_compound();
        }
        self.body();
    }

    fn start_of(&mut self, kw: Kw) {
        if kw == Kw::Transaction {
            self.statement.kind = Kind::Begin;
            self.statement.fact(Facts::IS_TRANSACTION_START | Facts::BEGINS_OR_ENDS_TRANSACTION);
            self.statement.phase = Phase::Starting;
            return;
        }
        self.body();
    }

    /// What follows START TRANSACTION. The server refuses READ ONLY beside READ WRITE.
    fn starting(&mut self, token: Token<'_>, kw: Kw) {
        let is = |name: &[u8]| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(name));
        // A read-only MariaDB refuses to commit one with a savepoint in it (measured).
        if is(b"snapshot") && self.mode.is_mariadb() {
            self.statement.fact(Facts::READS_SERVER);
        }
        let only = is(b"only");
        if only && kw == Kw::None && self.statement.last_kw == Kw::Read {
            self.statement.fact(Facts::BEGINS_READ_ONLY);
        }
    }

    fn ending(&mut self, kw: Kw) {
        let no = self.statement.last_kw == Kw::No;
        match kw {
            Kw::Chain if !no => self.statement.fact(Facts::CHAINED),
            Kw::Release if !no => self.statement.fact(Facts::RELEASES_CONNECTION),
            Kw::To => {
                self.statement.facts.remove(Facts::BEGINS_OR_ENDS_TRANSACTION);
                self.is(Kind::Savepoint, Phase::Body);
            }
            _ => {}
        }
    }

    fn xa(&mut self, kw: Kw) {
        match kw {
            Kw::Start | Kw::Begin => self.statement.pin(PinReason::XaTransaction),
            Kw::Commit | Kw::Rollback => self.statement.unpin(PinReason::XaTransaction),
            // MariaDB keeps a prepared transaction with its connection.
            Kw::Prepare if !self.mode.is_mariadb() => self.statement.unpin(PinReason::XaTransaction),
            _ => {}
        }
        self.body();
    }

    fn lock(&mut self, kw: Kw) {
        let tables = matches!(kw, Kw::Table | Kw::Tables);
        self.statement.pin(if tables { PinReason::TableLock } else { PinReason::InstanceLock });
        self.body();
    }

    fn unlock(&mut self, kw: Kw) {
        if matches!(kw, Kw::Table | Kw::Tables) {
            self.statement.unpin(PinReason::TableLock);
            self.statement.unpin(PinReason::GlobalReadLock);
        } else {
            self.statement.unpin(PinReason::InstanceLock);
        }
        self.body();
    }

    /// MariaDB: `BACKUP STAGE START | … | END`, `BACKUP LOCK t`, `BACKUP UNLOCK`.
    fn backup(&mut self, kw: Kw) {
        if kw == Kw::Stage {
            return;
        }
        if kw == Kw::Unlock || (kw == Kw::End && self.statement.last_kw == Kw::Stage) {
            self.statement.unpin(PinReason::InstanceLock);
            return self.is(Kind::Unlock, Phase::Body);
        }
        self.statement.pin(PinReason::InstanceLock);
        self.body();
    }

    fn flush(&mut self, tables: bool, names: bool, token: Token<'_>, kw: Kw) {
        let names = match (token, kw) {
            (_, Kw::Table | Kw::Tables) if !tables => {
                self.statement.phase = Phase::Flush { tables: true, names: false };
                return;
            }
            (_, Kw::With) if tables => {
                self.statement.pin(if names { PinReason::TableLock } else { PinReason::GlobalReadLock });
                return self.body();
            }
            (_, Kw::For) if tables => {
                self.statement.pin(PinReason::TableLock);
                return self.body();
            }
            (Token::Word(_) | Token::Quoted(_), _) => tables,
            _ => names,
        };
        self.statement.phase = Phase::Flush { tables, names };
    }

    fn handler(&mut self, kw: Kw) {
        let is_name = self.statement.last_kw == Kw::Handler;
        match kw {
            _ if is_name => return,
            Kw::Open => self.statement.pin(PinReason::Handler),
            Kw::Close => self.statement.unpin(PinReason::Handler),
            Kw::Read => {}
            _ => return,
        }
        self.body();
    }
}

// -- definitions --

impl Scan {
    /// CREATE and ALTER, up to the word for what they define. `DEFINER = name` may hold any word.
    fn create(&mut self, kw: Kw) {
        if self.statement.last == Last::Punct(b'=') {
            return;
        }
        match kw {
            Kw::Temporary => {
                self.statement.pin(PinReason::TemporaryTable);
                self.statement.facts.remove(Facts::BEGINS_OR_ENDS_TRANSACTION);
            }
            Kw::Procedure | Kw::Function | Kw::Trigger | Kw::Event | Kw::Package => self.defines_routine(kw),
            Kw::View => self.statement.phase = Phase::Inert,
            Kw::Table | Kw::Sequence | Kw::User | Kw::Role | Kw::Index => self.body(),
            _ => {}
        }
    }

    fn drop_what(&mut self, kw: Kw) {
        match kw {
            Kw::Prepare => {
                self.statement.facts.remove(Facts::BEGINS_OR_ENDS_TRANSACTION);
                self.statement.kind = Kind::Deallocate;
                self.statement.unpin(PinReason::SqlPrepare);
            }
            Kw::Temporary => {
                self.statement.facts.remove(Facts::BEGINS_OR_ENDS_TRANSACTION);
                self.statement.unpin(PinReason::TemporaryTable);
            }
            // DROP TABLE may have dropped another kind of table.
            _ => {}
        }
        self.body();
    }
}

// -- blocks (MariaDB) --

impl Scan {
    fn label(&mut self, token: Token<'_>) {
        if token == Token::Punct(b':') && self.has_blocks() {
            if !self.compound {
                self.enter_compound();
            }
            self.statement.phase = Phase::Start;
            return;
        }
        self.body();
    }

    /// `DECLARE … HANDLER FOR condition statement`: the statement follows without a mark.
    fn declare(&mut self, handler: bool, kw: Kw) {
        let begins = !matches!(kw, Kw::None | Kw::For | Kw::Not | Kw::Handler | Kw::Value);
        if handler && begins {
            self.verb(kw);
        } else if kw == Kw::Handler {
            self.statement.phase = Phase::Declare { handler: true };
        }
    }
}
