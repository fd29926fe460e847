//! What a reload changes of the cast.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::cast::new_node;
use super::console::{self, Door};
use super::doors::Doors;
use super::{House, StartError, Supervisor};
use crate::inherited::{Handed, Inherited};
use crate::listener::{self, Rearm};
use crate::monitor::{self, Observed, Watch};
use crate::settings::{EndpointSettings, NodeSettings, Settings};

/// Every new address, opened before anything is changed.
struct Opened {
    /// By the endpoint's name.
    doors: FxHashMap<String, Doors>,
    console: Option<Door>,
}

impl Supervisor {
    /// Takes new settings over, or nothing of them where a new address cannot be listened on. Sessions and connections that
    /// live keep what they were born with.
    pub(super) fn apply(&mut self, settings: Settings) -> Result<(), Vec<StartError>> {
        let Opened { mut doors, console } = self.open_anew(&settings)?;
        self.settings = settings.clone();
        self.resettle();
        self.stage.set_watch(Watch::new(&settings.monitor));
        self.stage.limits.resettle(&settings.limits);
        self.apply_console(settings.admin.clone(), console);
        self.expiries.watch(&settings.endpoints, &settings.nodes);
        if let Some(main) = self.stage.main() {
            main.credentials.rewrite(settings.users.clone());
        }
        for node in &settings.nodes {
            self.apply_node(node);
        }
        self.call_roll(&settings.nodes);
        let (kept, closed) = std::mem::take(&mut self.houses).into_iter().partition(|house| house.stays(&settings));
        self.houses = kept;
        for house in closed {
            slog::info!(self.stage.log, "no longer listening"; "endpoint" => &house.name, "address" => %house.listen);
            house.listeners.iter().for_each(|listener| listener.do_send(listener::Drain));
        }
        for endpoint in &settings.endpoints {
            match doors.remove(&endpoint.name) {
                Some(doors) => self.open(endpoint, doors),
                None => self.rearm(endpoint),
            }
        }
        self.show_endpoints();
        Ok(())
    }

    /// Opens what is not listened on yet. What is to be closed goes to whoever has its address from now on: an endpoint with
    /// another name, say.
    fn open_anew(&self, settings: &Settings) -> Result<Opened, Vec<StartError>> {
        let (mut wrong, mut left) = (Vec::new(), Inherited::default());
        let closed = self.houses.iter().filter(|house| !house.stays(settings)).flat_map(|house| &house.sockets);
        for socket in closed.chain(self.console_to_close(settings)) {
            // One that cannot be shared is opened anew, or that fails and says so.
            let _ = socket.bound().and_then(|bound| left.add("", bound));
        }
        // What stays open may be at the same port as what is new: of another address, but in its way all the same.
        let own: Vec<_> = self.houses.iter().flat_map(|house| &house.sockets).filter_map(Handed::port).collect();
        let mut doors = FxHashMap::default();
        let is_new = |name: &str| !self.houses.iter().any(|house| house.name == name && house.stays(settings));
        for endpoint in settings.endpoints.iter().filter(|endpoint| is_new(&endpoint.name)) {
            let is_ours = endpoint.listen.socket().is_some_and(|address| own.contains(&address.port()));
            let free = if is_ours { Ok(()) } else { Doors::are_free(endpoint, &left) };
            match free.and_then(|()| Doors::find(endpoint, &mut left, self.stage.workers())) {
                Ok(found) => drop(doors.insert(endpoint.name.clone(), found)),
                Err(error) => wrong.push(error),
            }
        }
        let console = match self.console_to_open(settings).map(|admin| console::bind(admin, &mut left)).transpose() {
            Ok(console) => console,
            Err(error) => {
                wrong.push(error);
                None
            }
        };
        if wrong.is_empty() { Ok(Opened { doors, console }) } else { Err(wrong) }
    }

    /// Sessions of an endpoint are of these settings from now on.
    pub(super) fn rearm(&mut self, settings: &Arc<EndpointSettings>) {
        let endpoint = self.endpoint(settings);
        if let Some(house) = self.houses.iter().find(|house| house.name == settings.name) {
            house.listeners.iter().for_each(|listener| listener.do_send(Rearm(Arc::clone(&endpoint))));
        }
    }

    /// Notes which nodes are still configured.
    fn call_roll(&self, settings: &[Arc<NodeSettings>]) {
        let latest = |name: &str| self.nodes.iter().rev().find(|node| node.settings().name == name);
        let current: Vec<_> = settings.iter().filter_map(|node| latest(&node.name).cloned()).collect();
        for node in &self.nodes {
            let (was, is) = (node.is_retired(), !current.iter().any(|current| Arc::ptr_eq(current, node)));
            node.retire(is);
            let name = &node.settings().name;
            if is && !was && !settings.iter().any(|it| it.name == *name) {
                monitor::forget(name);
            }
        }
        self.stage.set_nodes(current);
    }

    pub(super) fn apply_node(&mut self, settings: &Arc<NodeSettings>) {
        let known = self.nodes.iter().rev().find(|node| node.settings().name == settings.name);
        match known {
            Some(node) if node.settings().address == settings.address => {
                let before = node.role();
                node.resettle(Arc::clone(settings));
                if let Some(monitor) = node.monitor() {
                    monitor.do_send(Observed { before });
                }
            }
            // Another address is another server: its connections and counts have nothing to do with the old one's.
            _ => {
                let node = new_node(&self.stage, self.made_nodes, settings);
                self.made_nodes = self.made_nodes.saturating_add(1);
                self.attend(&node);
                self.nodes.push(node);
            }
        }
    }
}

impl House {
    /// Whether these settings leave it where it is.
    fn stays(&self, settings: &Settings) -> bool {
        settings.endpoints.iter().any(|it| it.name == self.name && it.listen == self.listen)
    }
}
