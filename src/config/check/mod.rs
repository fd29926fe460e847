//! What keys must be to each other: raw shapes become [`Settings`], or problems.
//!
//! Each `Option` here is `None` exactly where a problem was noted, so that one mistake never hides the next.

mod admin;
mod endpoint;
mod fleet;
mod limit;
mod listeners;
mod monitor;
mod names;
mod node;
mod password;
mod proxied;
mod queries;
mod server;
mod tls;
mod tracing;
mod user;

use std::fmt::Display;

use greenroom_actors::settings::Settings;

use super::problem::{Place, Problem, Warning};
use super::raw::Raw;
use super::reader::Field;
use super::sources::Sources;
use crate::telemetry::log::LogSettings;

/// Checks, and notes what is wrong.
#[derive(Debug)]
pub(super) struct Checker<'s> {
    sources: &'s Sources,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// What is legal and worth knowing.
    pub(super) warnings: Vec<Warning>,
}

impl<'s> Checker<'s> {
    /// A checker that may look up what `password_env` names.
    pub(super) fn new(sources: &'s Sources) -> Self {
        Self { sources, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Checks everything, whatever fails on the way.
    pub(super) fn check(&mut self, raw: &Raw) -> Option<(Settings, LogSettings)> {
        let server = self.server(&raw.server);
        let nodes = self.nodes(&raw.nodes);
        let endpoints = self.endpoints(raw, nodes.as_deref());
        let users = self.users(&raw.users);
        self.warn_of_subjects(raw);
        let limits = self.limits(&raw.limits);
        let monitor = self.monitor(&raw.monitor);
        let admin = self.admin(&raw.admin);
        let fleet = self.fleet(raw);
        let pause_limit = self.some_time(&raw.admin.pause_limit);
        let queries = self.queries(&raw.queries);
        let tracing = self.tracing(&raw.tracing);
        self.listeners(raw);
        let log = LogSettings { level: raw.log.level.value?, format: raw.log.format.value? };
        let http = raw.http.listen.value?.0;
        let (server, nodes, endpoints) = (server?, nodes?, endpoints?);
        let (users, limits, monitor, admin) = (users?, limits?, monitor?, admin?);
        let (pause_limit, fleet, queries, tracing) = (pause_limit?, fleet?, queries?, tracing?);
        let settings = Settings {
            server,
            nodes,
            endpoints,
            users,
            limits,
            monitor,
            http,
            admin,
            pause_limit,
            fleet,
            queries,
            tracing,
        };
        Some((settings, log))
    }

    fn wrong(&mut self, place: &Place, what: impl Into<String>, expected: impl Into<String>) {
        self.problems.push(Problem { place: place.clone(), what: what.into(), expected: expected.into() });
    }

    fn warn(&mut self, place: &Place, what: impl Into<String>) {
        self.warnings.push(Warning { place: place.clone(), what: what.into() });
    }

    /// A key that every entry must have.
    fn required<T: Clone>(&mut self, field: &Field<T>, expected: &str) -> Option<T> {
        if !field.given {
            self.wrong(&field.place, "it is missing", expected);
        }
        field.value.clone()
    }

    /// A value that must be above a limit of its type, which is mostly zero.
    fn above<T: PartialOrd + Copy + Display>(&mut self, field: &Field<T>, limit: T) -> Option<T> {
        let value = field.value?;
        if value > limit {
            return Some(value);
        }
        self.wrong(&field.place, format!("{value} is too small"), format!("more than {limit}"));
        None
    }
}
