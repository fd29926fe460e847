//! User locks: whether the session still holds any. No server reports them, and `GET_LOCK()` may have given 0.

use std::fmt::Write as _;

use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::sql::PinReason;

use super::conversation::Conversation;
use crate::backend::exchange::Batch;

impl Conversation {
    /// Asks the server which of the locks that the session may have it holds; `false` where the connection is lost.
    pub(super) async fn look_for_locks(&mut self) -> bool {
        let names = self.belongings.as_ref().and_then(|all| all.locks_to_ask_for());
        let Some(card) = self.grant.as_ref().and_then(|grant| grant.card()) else { return false };
        let Some(question) = names.map(|names| question(names, card.thread_id)) else { return true };
        self.previous.lose_sight(None);
        let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else { return false };
        let mut batch = Batch::new(wire.card.capabilities);
        batch.add(Command::Query, question.as_bytes());
        let Ok(outcome) = batch.run(&mut wire.stream).await else { return false };
        let Some(Answer::Rows(rows)) = outcome.answers.first() else { return true };
        let Some(row) = rows.first() else { return true };
        let held = row.iter().map(|value| value.as_deref() != Some(b"0"));
        if self.belongings.as_mut().is_some_and(|all| all.keep_locks(held)) {
            let before = self.hold.pins;
            self.hold.pins.remove(PinReason::UserLock);
            self.belongings = None;
            self.tell_pins(before);
        }
        true
    }
}

/// The names are plain ASCII without quotes or backslashes. The answer is binary, since the session's
/// `character_set_results` need not have ASCII in it.
fn question<'a>(names: impl Iterator<Item = &'a [u8]>, thread_id: u32) -> String {
    let mut question = "SELECT ".to_owned();
    for (at, name) in names.enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        let name = String::from_utf8_lossy(name);
        // Writing into a string can not fail.
        let _ = write!(question, "{comma}CAST(IS_USED_LOCK('{name}') <=> {thread_id} AS BINARY)");
    }
    question + " LIMIT 1"
}

#[cfg(test)]
mod tests {
    use super::question;

    #[test]
    fn one_question_for_all_names() {
        let names: [&[u8]; 2] = [b"a", b"b c"];
        let asked = "SELECT CAST(IS_USED_LOCK('a') <=> 7 AS BINARY), CAST(IS_USED_LOCK('b c') <=> 7 AS BINARY) LIMIT 1";
        assert_eq!(question(names.into_iter(), 7), asked);
    }
}
