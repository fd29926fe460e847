//! No two listeners may have one address.

use std::collections::HashMap;
use std::net::SocketAddr;

use greenroom_actors::settings::Address;

use super::Checker;
use super::admin::listens;
use crate::config::problem::Place;
use crate::config::raw::Raw;
use crate::config::reader::Field;

impl Checker<'_> {
    /// Notes every address that is listened on before. Port 0 is any free port, so it never repeats.
    pub(super) fn listeners(&mut self, raw: &Raw) {
        let endpoints = raw.endpoints.iter().filter_map(|endpoint| of_endpoint(&endpoint.listen));
        let console = listens(&raw.admin).flatten().map(|listen| (listen, &raw.admin.listen.place));
        let pages = raw.http.listen.value.and_then(|listen| Some((listen.0?, &raw.http.listen.place)));
        let others = [pages, console].into_iter().flatten().filter_map(of_other);
        let mut seen: HashMap<String, &Place> = HashMap::new();
        for (address, place) in endpoints.chain(others) {
            if let Some(first) = seen.get(&address) {
                let what = format!("{address:?} is already listened on by {}, at {}", first.key, first.source);
                self.wrong(place, what, "an address of its own");
            } else {
                seen.insert(address, place);
            }
        }
    }
}

fn of_endpoint(field: &Field<Address>) -> Option<(String, &Place)> {
    let listen = field.value.as_ref()?;
    let is_any = listen.socket().is_some_and(|address| address.port() == 0);
    (!is_any).then(|| (listen.to_string(), &field.place))
}

fn of_other((listen, place): (SocketAddr, &Place)) -> Option<(String, &Place)> {
    (listen.port() != 0).then(|| (listen.to_string(), place))
}
