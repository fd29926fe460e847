//! Settings that an administrator changes while Greenroom runs: for as long as no configuration is read again.

use std::sync::Arc;
use std::time::Duration;

use actix::{Context, Handler, Message, MessageResult};

use super::Supervisor;

/// What may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    DrainTimeout(Duration),
    IdleTimeout(Duration),
    LeaseTimeout(Duration),
    LoginFailureDelay(Duration),
    LoginTimeout(Duration),
    MaxClients(usize),
    MaxConnections(usize),
    PauseLimit(Duration),
    QueryShapes(usize),
    QueryStatistics(bool),
    SlowQueryRate(usize),
    SlowQueryTime(Option<Duration>),
}

/// Change one; where there are several of what has it, all of them or the one of this name.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), String>")]
pub(crate) struct Change {
    pub(crate) target: Option<String>,
    pub(crate) setting: Setting,
}

/// Asks what they are.
#[derive(Debug, Message)]
#[rtype(result = "Vec<(String, String)>")]
pub(crate) struct Current;

impl Supervisor {
    fn change(&mut self, target: Option<&str>, setting: Setting) -> Result<(), String> {
        match setting {
            Setting::IdleTimeout(_) | Setting::LeaseTimeout(_) => return self.change_endpoints(target, setting),
            Setting::MaxConnections(limit) => return self.change_nodes(target, limit),
            _ => {}
        }
        if let Some(target) = target {
            return Err(format!("there is one of it for all, and none of '{target}'"));
        }
        let (server, queries) = (&mut self.settings.server, &mut self.settings.queries);
        match setting {
            Setting::DrainTimeout(time) => server.drain_timeout = time,
            Setting::LoginFailureDelay(time) => server.login_failure_delay = time,
            Setting::LoginTimeout(time) => server.login_timeout = time,
            Setting::MaxClients(count) => server.max_clients = count,
            Setting::PauseLimit(time) => self.settings.pause_limit = time,
            Setting::QueryShapes(count) => queries.query_shapes = count,
            Setting::QueryStatistics(on) => queries.query_statistics = on,
            Setting::SlowQueryRate(count) => queries.slow_query_rate = count,
            Setting::SlowQueryTime(time) => queries.slow_query_time = time,
            Setting::IdleTimeout(_) | Setting::LeaseTimeout(_) | Setting::MaxConnections(_) => {}
        }
        self.resettle();
        Ok(())
    }

    fn change_endpoints(&mut self, target: Option<&str>, setting: Setting) -> Result<(), String> {
        let mut changed = Vec::new();
        for endpoint in &mut self.settings.endpoints {
            if target.is_some_and(|target| target != endpoint.name) {
                continue;
            }
            let endpoint = {
                let own = Arc::make_mut(endpoint);
                match setting {
                    Setting::IdleTimeout(time) => own.idle_timeout = time,
                    Setting::LeaseTimeout(time) => own.lease_timeout = time,
                    _ => {}
                }
                Arc::clone(endpoint)
            };
            changed.push(endpoint);
        }
        if changed.is_empty() {
            return Err(format!("there is no endpoint '{}'", target.unwrap_or_default()));
        }
        for endpoint in &changed {
            self.rearm(endpoint);
        }
        self.show_endpoints();
        Ok(())
    }

    fn change_nodes(&mut self, target: Option<&str>, limit: usize) -> Result<(), String> {
        let mut changed = Vec::new();
        for node in &mut self.settings.nodes {
            if target.is_none_or(|target| target == node.name) {
                Arc::make_mut(node).max_connections = limit;
                changed.push(Arc::clone(node));
            }
        }
        if changed.is_empty() {
            return Err(format!("there is no node '{}'", target.unwrap_or_default()));
        }
        changed.iter().for_each(|node| self.apply_node(node));
        Ok(())
    }
}

impl Handler<Change> for Supervisor {
    type Result = Result<(), String>;

    fn handle(&mut self, change: Change, _: &mut Context<Self>) -> Self::Result {
        let target = change.target.as_deref();
        let changed = self.change(target, change.setting);
        if changed.is_ok() {
            slog::info!(self.stage.log, "changed by an administrator";
                "setting" => format!("{:?}", change.setting), "of" => target.unwrap_or("all"));
        }
        changed
    }
}

impl Handler<Current> for Supervisor {
    type Result = MessageResult<Current>;

    fn handle(&mut self, _: Current, _: &mut Context<Self>) -> Self::Result {
        let (server, queries) = (&self.settings.server, &self.settings.queries);
        let time = |name: &str, time: Duration| (name.to_owned(), format!("{}ms", time.as_millis()));
        let mut all = vec![
            time("drain_timeout", server.drain_timeout),
            time("login_failure_delay", server.login_failure_delay),
            time("login_timeout", server.login_timeout),
            time("pause_limit", self.settings.pause_limit),
            ("max_clients".to_owned(), server.max_clients.to_string()),
            ("query_shapes".to_owned(), queries.query_shapes.to_string()),
            ("query_statistics".to_owned(), if queries.query_statistics { "on" } else { "off" }.to_owned()),
            ("slow_query_rate".to_owned(), queries.slow_query_rate.to_string()),
        ];
        all.push(match queries.slow_query_time {
            Some(slow) => time("slow_query_time", slow),
            None => ("slow_query_time".to_owned(), "off".to_owned()),
        });
        for endpoint in &self.settings.endpoints {
            all.push(time(&format!("{}.idle_timeout", endpoint.name), endpoint.idle_timeout));
            all.push(time(&format!("{}.lease_timeout", endpoint.name), endpoint.lease_timeout));
        }
        for node in &self.settings.nodes {
            all.push((format!("{}.max_connections", node.name), node.max_connections.to_string()));
        }
        MessageResult(all)
    }
}
