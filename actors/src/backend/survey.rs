//! Reading what is stored in a server, as far as the connection's account may see it.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::answer::{Answer, Row};
use greenroom_protocol::command::Command;
use greenroom_protocol::sql::{Catalog, Hidden, Mode, Stored};
use slog::Logger;
use tokio::time::timeout;

use super::exchange::{Batch, ExchangeError};
use crate::wire::Wire;

/// How long it may take. A server that needs longer is asked again as seldom as that deserves.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most functions, triggers or views that are read; where there are more, none is taken for harmless.
const MOST: usize = 5000;

/// Bodies longer than that are not read, and count as not to be seen.
const QUERIES: [(Stored, &str); 4] = [
    (
        Stored::Function,
        "SELECT ROUTINE_NAME, IF(CHAR_LENGTH(ROUTINE_DEFINITION)>50000, NULL, ROUTINE_DEFINITION) \
        FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='FUNCTION' AND ROUTINE_SCHEMA NOT IN ('mysql','sys')",
    ),
    (
        Stored::Procedure,
        "SELECT ROUTINE_NAME, IF(CHAR_LENGTH(ROUTINE_DEFINITION)>50000, NULL, ROUTINE_DEFINITION) \
        FROM information_schema.ROUTINES WHERE ROUTINE_TYPE='PROCEDURE' AND ROUTINE_SCHEMA NOT IN ('mysql','sys')",
    ),
    (
        Stored::Trigger,
        "SELECT EVENT_OBJECT_TABLE, IF(CHAR_LENGTH(ACTION_STATEMENT)>50000, NULL, ACTION_STATEMENT) \
        FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA NOT IN ('mysql','sys')",
    ),
    (
        Stored::View,
        "SELECT TABLE_NAME, IF(CHAR_LENGTH(VIEW_DEFINITION)>50000, NULL, VIEW_DEFINITION) \
        FROM information_schema.VIEWS \
        WHERE TABLE_SCHEMA NOT IN ('mysql','sys','information_schema','performance_schema')",
    ),
];

/// How many rights to change rows the account has without the right to see the triggers there; NULL where that does
/// not show, because the account has them by a role.
const BLIND: &str = "SELECT IF(COALESCE(CURRENT_ROLE(), 'NONE')='NONE' AND EXISTS(SELECT 1 FROM \
    information_schema.USER_PRIVILEGES WHERE GRANTEE=me), (SELECT COUNT(*) FROM (\
    SELECT GRANTEE g, PRIVILEGE_TYPE p, NULL s, NULL t FROM information_schema.USER_PRIVILEGES UNION ALL \
    SELECT GRANTEE, PRIVILEGE_TYPE, TABLE_SCHEMA, NULL FROM information_schema.SCHEMA_PRIVILEGES UNION ALL \
    SELECT GRANTEE, PRIVILEGE_TYPE, TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLE_PRIVILEGES UNION ALL \
    SELECT GRANTEE, PRIVILEGE_TYPE, TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMN_PRIVILEGES) changes \
    WHERE g=me AND p IN ('INSERT','UPDATE','DELETE') \
    AND NOT EXISTS(SELECT 1 FROM information_schema.USER_PRIVILEGES \
    WHERE GRANTEE=me AND PRIVILEGE_TYPE='TRIGGER') \
    AND NOT EXISTS(SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES \
    WHERE GRANTEE=me AND PRIVILEGE_TYPE='TRIGGER' AND (TABLE_SCHEMA=s OR t IS NOT NULL AND s LIKE TABLE_SCHEMA)) \
    AND NOT EXISTS(SELECT 1 FROM information_schema.TABLE_PRIVILEGES \
    WHERE GRANTEE=me AND PRIVILEGE_TYPE='TRIGGER' AND TABLE_SCHEMA=s AND TABLE_NAME=t)), NULL) \
    FROM (SELECT CONCAT('''', SUBSTR(CURRENT_USER(), 1, CHAR_LENGTH(CURRENT_USER()) \
    - CHAR_LENGTH(SUBSTRING_INDEX(CURRENT_USER(), '@', -1)) - 1), '''@''', \
    SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''') me) who";

/// Takes a survey where one is due and this connection is the one to take it.
///
/// # Errors
/// [`ExchangeError`]; the connection is then of no use to anybody.
pub(super) async fn survey(wire: &mut Wire, log: &Logger) -> Result<(), ExchangeError> {
    let node = Arc::clone(wire.card.permit.node());
    let account = wire.card.account.id;
    let claim = wire.card.claim.take().or_else(|| node.surveys().claim(account).filter(|_| wire.card.tracked));
    let (Some(claim), Some(facts)) = (claim, node.facts()) else { return Ok(()) };
    let mut batch = Batch::new(wire.card.capabilities).rows(MOST + 1);
    for (_, query) in QUERIES {
        batch.add(Command::Query, format!("{query} LIMIT {}", MOST + 1).as_bytes());
    }
    batch.add(Command::Query, BLIND.as_bytes());
    let outcome = timeout(TIMEOUT, batch.run(&mut wire.stream)).await;
    let read = match &outcome {
        Ok(Ok(outcome)) => read(&outcome.answers, &Mode::new(facts.flavor, facts.number)),
        _ => None,
    };
    let (name, known) = (node.settings().name.clone(), read.is_some());
    let news = node.surveys().settle(claim, read.unwrap_or_else(Hidden::unknown));
    if !known {
        slog::warn!(log, "triggers and views could not be read: connections are reset after every use"; "node" => name);
    } else if news {
        slog::info!(log, "an account may not see all triggers or views: its connections are reset after their use \
            (grant it TRIGGER and SHOW VIEW to avoid that)"; "node" => name, "account" => account);
    }
    outcome.map_or(Err(ExchangeError::Closed), |outcome| outcome.map(drop))
}

/// `None` where the server did not tell all.
fn read(answers: &[Answer], mode: &Mode) -> Option<Hidden> {
    let mut catalog = Catalog::default();
    for ((stored, _), answer) in QUERIES.iter().zip(answers) {
        let rows = rows(answer).filter(|rows| rows.len() <= MOST)?;
        for row in rows {
            let [Some(name), body] = row.as_slice() else { return None };
            catalog.add(*stored, name, body.as_deref(), mode);
        }
    }
    let blind = rows(answers.get(QUERIES.len())?)?.first()?.first()?;
    if blind.as_deref() != Some(b"0") {
        catalog.hide_triggers();
    }
    Some(catalog.judge())
}

fn rows(answer: &Answer) -> Option<&[Row]> {
    match answer {
        Answer::Rows(rows) => Some(rows),
        Answer::Ok | Answer::Prepared(_) | Answer::Failed(_) => None,
    }
}
