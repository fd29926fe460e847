//! Select lists, at any depth: where each item begins and ends, and whether it has an alias.

use super::Edit;
use crate::sql::builtin::is_builtin;
use crate::sql::keyword::Kw;
use crate::sql::mode::Mode;
use crate::sql::token::Token;

/// More parentheses than any server's stack takes.
const DEEPEST: usize = 1000;

/// The lists under way, one a parenthesis.
pub(super) struct SelectLists {
    mode: Mode,
    /// The statement is a query, where VALUES makes rows.
    query: bool,
    frames: Vec<Option<Item>>,
    selects: u32,
    doubtful: bool,
}

/// The item under way in a select list.
#[derive(Clone, Copy, Default)]
struct Item {
    /// Where its first token begins, once there is one.
    start: Option<usize>,
    /// Where its last token ends.
    end: usize,
    last: Piece,
    before_last: Piece,
    /// AS came.
    named: bool,
    /// CASE without its END.
    cases: u32,
    /// A call in it was replaced.
    replaced: bool,
    /// It holds the bracket of a version comment, which the column's name would not hold.
    version_mark: bool,
}

/// What a token of an item is to the question of the alias.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Piece {
    /// Nothing yet, or an operator: an operand follows.
    #[default]
    Operator,
    /// The end of an operand, which only an alias can follow.
    Operand,
    /// A string literal: an operand, an alias, or a part of the literal before.
    Text,
    /// A name that is no keyword: an operand or an alias.
    Name,
    /// A keyword of which it is not known here whether it may end an operand.
    Unsure,
}

impl SelectLists {
    pub(super) fn new(mode: Mode, query: bool) -> Self {
        Self { mode, query, frames: vec![None], selects: 0, doubtful: false }
    }

    pub(super) fn token(&mut self, token: Token<'_>, kw: Kw, start: usize, end: usize, edits: &mut Vec<Edit>) {
        match (token, kw) {
            (Token::Punct(b'('), _) => {
                self.add(Piece::Operator, kw, start, end);
                self.doubtful |= self.frames.len() > DEEPEST;
                self.frames.push(None);
            }
            (Token::Punct(b')'), _) => {
                self.close(edits);
                self.frames.pop();
                self.add(Piece::Operand, kw, start, end);
            }
            (Token::Punct(b','), _) => self.next(edits),
            (Token::Punct(b';'), _) => self.close(edits),
            (_, Kw::Select | Kw::Returning) => {
                self.selects = self.selects.saturating_add(1);
                self.open();
            }
            // MariaDB names the columns of VALUES by their texts, MySQL by their numbers.
            (_, Kw::Values) if self.query => self.doubtful = true,
            (_, Kw::For) => self.close_before_for(edits),
            _ if ends_list(kw) => self.close(edits),
            _ => self.add(self.piece(token, kw), kw, start, end),
        }
    }

    /// The call that ended last was replaced; it counts for the items of every list around it.
    pub(super) fn replaced(&mut self) {
        self.frames.iter_mut().flatten().for_each(|item| item.replaced = true);
    }

    pub(super) fn version_mark(&mut self) {
        self.frames.iter_mut().flatten().for_each(|item| item.version_mark = true);
    }

    pub(super) fn finish(&mut self, edits: &mut Vec<Edit>) {
        self.close(edits);
        self.doubtful |= self.frames.len() != 1;
    }

    /// Whether SELECT came.
    pub(super) fn any(&self) -> bool {
        self.selects > 0
    }

    /// How often SELECT came, if the server is MariaDB.
    pub(super) fn mariadb_selects(&self) -> u32 {
        if self.mode.is_mariadb() { self.selects } else { 0 }
    }

    pub(super) fn doubtful(&self) -> bool {
        self.doubtful
    }
}

// -- items --

impl SelectLists {
    fn item(&mut self) -> Option<&mut Item> {
        self.frames.last_mut()?.as_mut()
    }

    fn open(&mut self) {
        // A list in a list, without a parenthesis between: not as this understands SELECT.
        self.doubtful |= self.item().is_some_and(|item| item.start.is_some());
        if let Some(frame) = self.frames.last_mut() {
            *frame = Some(Item::default());
        }
    }

    fn close(&mut self, edits: &mut Vec<Edit>) {
        let Some(item) = self.frames.last_mut().and_then(Option::take) else { return };
        match (item.replaced, item.start, item.has_alias()) {
            (false, ..) | (_, None, _) | (_, _, Some(true)) => {}
            (_, Some(start), Some(false)) if !item.version_mark => edits.push(Edit::Name { start, end: item.end }),
            _ => self.doubtful = true,
        }
    }

    /// MariaDB makes the word FOR a part of the name of the column before it (measured).
    fn close_before_for(&mut self, edits: &mut Vec<Edit>) {
        let edited = edits.len();
        self.close(edits);
        self.doubtful |= self.mode.is_mariadb() && edits.len() > edited;
    }

    fn next(&mut self, edits: &mut Vec<Edit>) {
        if self.item().is_some() {
            self.close(edits);
            self.open();
        }
    }

    fn add(&mut self, piece: Piece, kw: Kw, start: usize, end: usize) {
        let Some(item) = self.item() else { return };
        if item.start.is_none() && is_modifier(kw) {
            return;
        }
        item.start.get_or_insert(start);
        item.end = end;
        let ends_case = kw == Kw::End && item.cases > 0;
        item.named |= kw == Kw::As;
        item.cases = item.cases + u32::from(kw == Kw::Case) - u32::from(ends_case);
        item.before_last = item.last;
        item.last = if ends_case { Piece::Operand } else { piece };
    }

    fn piece(&self, token: Token<'_>, kw: Kw) -> Piece {
        match token {
            Token::Quoted(_) => Piece::Name,
            Token::Text => Piece::Text,
            Token::Number(_) | Token::UserVar => Piece::Operand,
            Token::Word(_) if is_operator(kw) => Piece::Operator,
            Token::Word(_) if matches!(kw, Kw::Null | Kw::True | Kw::False) => Piece::Operand,
            Token::Word(word) if is_builtin(word, &self.mode) => Piece::Unsure,
            Token::Word(_) => Piece::Name,
            _ => Piece::Operator,
        }
    }
}

impl Item {
    /// Whether the item ends in an alias; `None` where that is not sure.
    fn has_alias(&self) -> Option<bool> {
        if self.named {
            return Some(true);
        }
        match (self.before_last, self.last) {
            (_, Piece::Operand | Piece::Operator) | (Piece::Operator, Piece::Name | Piece::Text) => Some(false),
            (Piece::Operand | Piece::Name, Piece::Name) | (Piece::Operand, Piece::Text) => Some(true),
            _ => None,
        }
    }
}

// -- words --

/// What may stand between SELECT and its first item.
fn is_modifier(kw: Kw) -> bool {
    matches!(kw, Kw::All | Kw::Distinct | Kw::Distinctrow | Kw::HighPriority | Kw::StraightJoin | Kw::SqlSmallResult)
        || matches!(kw, Kw::SqlBigResult | Kw::SqlBufferResult | Kw::SqlNoCache | Kw::SqlCache | Kw::SqlCalcFoundRows)
}

/// What ends a select list; reserved words on both servers.
fn ends_list(kw: Kw) -> bool {
    matches!(kw, Kw::From | Kw::Into | Kw::Where | Kw::Group | Kw::Having | Kw::Order | Kw::Limit | Kw::Union)
        || matches!(kw, Kw::Except | Kw::Intersect | Kw::Lock | Kw::Procedure | Kw::On)
}

/// Reserved words after which an operand follows.
fn is_operator(kw: Kw) -> bool {
    matches!(kw, Kw::And | Kw::Or | Kw::Xor | Kw::Not | Kw::Is | Kw::In | Kw::Like | Kw::Rlike | Kw::Regexp)
        || matches!(kw, Kw::Between | Kw::Div | Kw::Mod | Kw::Collate | Kw::Binary | Kw::Case | Kw::When | Kw::Then)
        || matches!(kw, Kw::Else | Kw::Interval | Kw::Exists | Kw::As)
}
