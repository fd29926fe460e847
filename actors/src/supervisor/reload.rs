//! What a reload changes of the cast.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::cast::new_node;
use super::console::{self, Door};
use super::doors::Doors;
use super::{House, StartError, Supervisor};
use crate::inherited::{Handed, Inherited};
use crate::listener::{Cease, Drain, Rearm};
use crate::monitor::{self, Observed, Watch};
use crate::settings::{Address, AdminSettings, EndpointSettings, NodeSettings, Settings};

/// Every new address, opened before anything is changed.
struct Opened {
    /// By the endpoint's name.
    doors: FxHashMap<String, Doors>,
    console: Option<Door>,
}

impl Supervisor {
    /// Takes new settings over, or nothing of them where a new address cannot be listened on. Sessions and connections that
    /// live keep what they were born with. Gives whose listeners are to end.
    pub(super) fn apply(&mut self, settings: Settings) -> Result<Vec<House>, Vec<StartError>> {
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
        let houses = std::mem::take(&mut self.houses).into_iter();
        let (kept, closed): (_, Vec<House>) = houses.partition(|house| house.stays(&settings));
        self.houses = kept;
        for house in &closed {
            slog::info!(self.stage.log, "no longer listening"; "endpoint" => &house.name, "address" => %house.listen);
        }
        for endpoint in &settings.endpoints {
            match doors.remove(&endpoint.name) {
                Some(doors) => self.open(endpoint, doors),
                None => self.rearm(endpoint),
            }
        }
        self.show_endpoints();
        Ok(closed)
    }

    /// Opens what is not listened on yet. What is to be closed goes to whoever has its address from now on: an endpoint with
    /// another name, say.
    fn open_anew(&self, settings: &Settings) -> Result<Opened, Vec<StartError>> {
        let (mut wrong, mut left) = (Vec::new(), Inherited::default());
        for house in self.houses.iter().filter(|house| !house.stays(settings)) {
            for socket in &house.sockets {
                if let Err(cause) = socket.bound().and_then(|bound| left.add("", bound)) {
                    let (endpoint, address) = (house.name.clone(), house.listen.clone());
                    wrong.push(StartError::Listen { endpoint, address, cause });
                }
            }
        }
        if let Some((listen, socket)) = self.console_to_close(settings)
            && let Err(cause) = socket.bound().and_then(|bound| left.add("", bound))
        {
            wrong.push(StartError::Console { listen, cause });
        }
        let own: Vec<_> = self.sockets().filter_map(Handed::address).collect();
        let mut doors = FxHashMap::default();
        let is_new = |name: &str| !self.houses.iter().any(|house| house.name == name && house.stays(settings));
        for endpoint in settings.endpoints.iter().filter(|endpoint| is_new(&endpoint.name)) {
            let free = Doors::are_free(endpoint, &left, &own);
            match free.and_then(|()| Doors::find(endpoint, &mut left, self.stage.workers())) {
                Ok(found) => drop(doors.insert(endpoint.name.clone(), found)),
                Err(error) => wrong.push(error),
            }
        }
        let open = |admin: &AdminSettings| {
            console::is_free(admin.listen, &left, &own)?;
            console::bind(admin, &mut left)
        };
        let console = self.console_to_open(settings).map(open).transpose().unwrap_or_else(|error| {
            wrong.push(error);
            None
        });
        if wrong.is_empty() {
            return Ok(Opened { doors, console });
        }
        // A socket's file that is left behind would look like an endpoint that has failed.
        for endpoint in &settings.endpoints {
            if let (Some(found), Address::Unix(path)) = (doors.get(&endpoint.name), &endpoint.listen)
                && !found.inherited
            {
                let _ = std::fs::remove_file(path);
            }
        }
        Err(wrong)
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
    /// Ends its listeners. None goes while another may still hand it a client.
    pub(super) async fn close(self) {
        for listener in &self.listeners {
            // One that has failed accepts nobody either.
            let _ = listener.send(Cease).await;
        }
        self.listeners.iter().for_each(|listener| listener.do_send(Drain));
    }

    /// Whether these settings leave it where it is.
    fn stays(&self, settings: &Settings) -> bool {
        settings.endpoints.iter().any(|it| it.name == self.name && it.listen == self.listen)
    }
}
