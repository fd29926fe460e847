//! `SET`: the few settings that can be changed while Greenroom runs.

use std::time::Duration;

use greenroom_protocol::error::SqlError;

use super::office::Office;
use super::time::duration;
use crate::stage::Stage;
use crate::supervisor::{Change, Current, Setting};

/// Their names: those of the configuration, but for the level of the log.
pub(super) const SETTINGS: [&str; 13] = [
    "drain_timeout",
    "idle_timeout",
    "lease_timeout",
    "log_level",
    "login_failure_delay",
    "login_timeout",
    "max_clients",
    "max_connections",
    "pause_limit",
    "query_shapes",
    "query_statistics",
    "slow_query_rate",
    "slow_query_time",
];

/// The answer's second half.
const UNTIL: &str = "until the next RELOAD or restart; the configuration is as it was";

/// What they are now, by the names that `SET` takes.
pub(super) async fn current(stage: &Stage, office: &dyn Office) -> Vec<(String, String)> {
    let mut all = match stage.main() {
        Some(main) => main.supervisor.send(Current).await.unwrap_or_default(),
        None => Vec::new(),
    };
    all.push(("log_level".to_owned(), office.log_level()));
    all
}

/// Changes one. Gives a line about it.
pub(super) async fn set(stage: &Stage, office: &dyn Office, name: &str, value: &str) -> Result<String, SqlError> {
    let (target, bare) = match name.rsplit_once('.') {
        Some((target, bare)) => (Some(target.to_owned()), bare),
        None => (None, name),
    };
    let bad = |expected: &str| wrong(format!("'{value}' is no value for {bare}; expected {expected}"));
    if bare == "log_level" {
        office.set_log_level(value).map_err(|expected| bad(&expected))?;
        return Ok(format!("log_level is {value} {UNTIL}"));
    }
    let time = || duration(value).ok_or_else(|| bad("a time, as in '10s' or '500ms'"));
    let some_time = || time().and_then(|time| if time > Duration::ZERO { Ok(time) } else { Err(bad("more than 0s")) });
    let count = || value.parse().ok().filter(|count: &usize| *count > 0).ok_or_else(|| bad("a whole number above 0"));
    let setting = match bare {
        "drain_timeout" => Setting::DrainTimeout(time()?),
        "idle_timeout" => Setting::IdleTimeout(time()?),
        "lease_timeout" => Setting::LeaseTimeout(some_time()?),
        "login_failure_delay" => Setting::LoginFailureDelay(time()?),
        "login_timeout" => Setting::LoginTimeout(some_time()?),
        "max_clients" => Setting::MaxClients(count()?),
        "max_connections" => Setting::MaxConnections(count()?),
        "pause_limit" => Setting::PauseLimit(some_time()?),
        "query_shapes" => Setting::QueryShapes(count()?),
        "query_statistics" => Setting::QueryStatistics(switch(value).ok_or_else(|| bad("on or off"))?),
        "slow_query_rate" => Setting::SlowQueryRate(count()?),
        "slow_query_time" if switch(value) == Some(false) => Setting::SlowQueryTime(None),
        "slow_query_time" => Setting::SlowQueryTime(Some(some_time()?)),
        _ => return Err(super::command::unknown("setting", bare, &SETTINGS)),
    };
    let Some(main) = stage.main() else { return Err(SqlError::shutting_down()) };
    let changed = main.supervisor.send(Change { target, setting }).await;
    changed.unwrap_or_else(|_| Err("Greenroom is stopping".to_owned())).map_err(wrong)?;
    let whom =
        if matches!(bare, "lease_timeout" | "idle_timeout") { ", for sessions that log in from now on" } else { "" };
    Ok(format!("{name} is {value}{whom}, {UNTIL}"))
}

/// As clients write that something is on or off.
fn switch(value: &str) -> Option<bool> {
    let is = |words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    match (is(["on", "true", "1"]), is(["off", "false", "0"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn wrong(what: String) -> SqlError {
    SqlError::new(1231, *b"42000", what)
}
