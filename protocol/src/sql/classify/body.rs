//! Bodies of stored programs in CREATE and ALTER: they do not run now, but they hold semicolons.
//!
//! BEGIN and END are no reserved words. A block that is missed only ends the body too early; a name that is taken for one
//! would hide the statements behind it. So BEGIN counts only where nothing but a statement can stand.

use super::scan::Scan;
use super::statement::Phase;
use crate::sql::keyword::Kw;
use crate::sql::token::Token;

/// How deep in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoutineBody {
    kind: Kw,
    place: Place,
    /// Parentheses open.
    parens: u32,
    /// BEGIN and CASE without their END.
    depth: u32,
    /// Those of them that are CASE expressions.
    expressions: u32,
    /// END came last; the next word tells what it ended.
    ending: bool,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// What stands before a body.
    Head,
    /// The body, or what may stand between it and the head.
    Here,
    /// A statement of a block.
    Fresh,
    /// A name came where a statement may begin: a label if a colon follows.
    Name,
    /// The rest of a DECLARE, up to a handler's conditions.
    Declare,
    /// A handler's conditions, and then its statement.
    Condition,
    /// The rest of a WHILE or FOR, up to its DO.
    Loop,
    /// The rest of a statement.
    Inside,
}

impl RoutineBody {
    /// Before the name of a PROCEDURE, FUNCTION, TRIGGER, EVENT or PACKAGE.
    pub(super) const fn of(kind: Kw) -> Self {
        Self { kind, place: Place::Head, parens: 0, depth: 0, expressions: 0, ending: false }
    }

    fn take(&mut self, token: Token<'_>, kw: Kw, last_kw: Kw) {
        match token {
            Token::Punct(b'(') => self.parens += 1,
            Token::Punct(b')') => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
        let ended = std::mem::take(&mut self.ending);
        // `END IF` and its like close what was never counted; `END CASE` closes a CASE.
        if ended && !matches!(kw, Kw::If | Kw::Loop | Kw::While | Kw::Repeat | Kw::For) {
            self.close();
        }
        let starts = matches!(self.place, Place::Here | Place::Fresh | Place::Condition);
        match kw {
            Kw::Case if !ended => {
                self.depth += 1;
                self.expressions += u32::from(!starts);
            }
            Kw::Begin if starts => {
                (self.depth, self.place) = (self.depth + 1, Place::Fresh);
                return;
            }
            Kw::End => self.ending = true,
            _ => {}
        }
        let starts_another = !ended && matches!(kw, Kw::Then | Kw::Else | Kw::Loop | Kw::Repeat);
        self.place = match self.depth > 0 && self.expressions == 0 && starts_another {
            true => Place::Fresh,
            false => self.next(token, kw, last_kw),
        };
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.expressions = self.expressions.saturating_sub(1);
    }

    fn next(&self, token: Token<'_>, kw: Kw, last_kw: Kw) -> Place {
        let word = matches!(token, Token::Word(_) | Token::Quoted(_));
        match self.place {
            Place::Head => match (self.kind, token) {
                (Kw::Trigger, Token::Word(word)) if word.eq_ignore_ascii_case(b"row") => Place::Here,
                (Kw::Event, _) if kw == Kw::Do => Place::Here,
                (Kw::Procedure | Kw::Function, Token::Punct(b')')) if self.parens == 0 => Place::Here,
                _ => Place::Head,
            },
            // Its type may be any words; without RETURN there is no function.
            Place::Here if self.kind == Kw::Function && self.depth == 0 && kw != Kw::Return => Place::Here,
            Place::Here if is_characteristic(token) => Place::Here,
            Place::Fresh if kw == Kw::Declare => Place::Declare,
            Place::Fresh | Place::Here if matches!(kw, Kw::While | Kw::For) => Place::Loop,
            Place::Here | Place::Fresh if word => Place::Name,
            Place::Name if token == Token::Punct(b':') => Place::Here,
            Place::Declare if kw == Kw::For && last_kw == Kw::Handler => Place::Condition,
            Place::Declare => Place::Declare,
            Place::Condition if is_condition(token, kw) => Place::Condition,
            Place::Loop if kw == Kw::Do && self.parens == 0 => Place::Fresh,
            Place::Loop => Place::Loop,
            _ => Place::Inside,
        }
    }
}

/// What may stand between the parameters and the body.
fn is_characteristic(token: Token<'_>) -> bool {
    const WORDS: [&[u8]; 15] = [
        b"as",
        b"is",
        b"language",
        b"sql",
        b"not",
        b"deterministic",
        b"contains",
        b"no",
        b"reads",
        b"modifies",
        b"data",
        b"security",
        b"definer",
        b"invoker",
        b"comment",
    ];
    match token {
        Token::Word(word) => WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)),
        Token::Text => true,
        _ => false,
    }
}

fn is_condition(token: Token<'_>, kw: Kw) -> bool {
    match token {
        Token::Word(_) | Token::Quoted(_) => matches!(kw, Kw::None | Kw::Not | Kw::Value),
        Token::Text | Token::Number(_) | Token::Punct(b',') => true,
        _ => false,
    }
}

impl Scan {
    pub(super) fn routine(&mut self, body: RoutineBody, token: Token<'_>, kw: Kw) {
        // When an event is due is computed now.
        if body.kind == Kw::Event && body.place == Place::Head {
            self.general(token, kw);
        } else {
            self.names_tracker(token);
        }
        let mut body = body;
        body.take(token, kw, self.statement.last_kw);
        self.statement.phase = Phase::Routine(body);
    }

    /// Ends a statement of a body. True while the body goes on.
    pub(super) fn end_routine_statement(&mut self) -> bool {
        let Phase::Routine(mut body) = self.statement.phase else { return false };
        if std::mem::take(&mut body.ending) {
            body.close();
        }
        body.place = Place::Fresh;
        self.statement.phase = Phase::Routine(body);
        body.depth > 0
    }
}
