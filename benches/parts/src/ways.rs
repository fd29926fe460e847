//! A whole query's way, but for sockets and actors: what every one costs.

use std::hint::black_box;

use greenroom_protocol::command::{Command, Expect};
use greenroom_protocol::constants::{CapabilityFlags, StatusFlags};
use greenroom_protocol::sql::{Flavor, classify};
use greenroom_protocol::statement::bindings::Bindings;

use crate::Part;
use crate::commands::{command, scan};
use crate::replies::{Relay, binary_point_select, point_select};
use crate::sql::{POINT_SELECT, mode};
use crate::statements::{TYPED, cache};

/// Scanned, classified, its reply relayed, and judged.
fn text(name: &'static str, flavor: Flavor) -> Part {
    let (query, wire) = (command(Command::Query, POINT_SELECT), point_select(flavor));
    let (mut relay, mut room) = (Relay::new(flavor, CapabilityFlags::all()), wire.clone());
    Part::new(name, move || {
        let query = black_box(&query);
        let (command, seq) = scan(query)?;
        let verdict = classify(query.get(5..)?, mode());
        room.copy_from_slice(black_box(&wire));
        let status = relay.whole(command.expect(), seq, &mut room)?;
        let free = !status.contains(StatusFlags::SERVER_STATUS_IN_TRANS) && verdict.pins.tracked().is_empty();
        free.then_some(())
    })
}

/// Scanned, found among what its connection has prepared, its types read, its reply relayed.
fn prepared(name: &'static str, flavor: Flavor) -> Part {
    let (execute, wire) = (command(Command::StmtExecute, TYPED), binary_point_select(flavor));
    let (mut relay, mut room) = (Relay::new(flavor, CapabilityFlags::all()), wire.clone());
    let (mut cache, source) = cache();
    Part::new(name, move || {
        let execute = black_box(&execute);
        let (_, seq) = scan(execute)?;
        let id = cache.find(7, Some(&source))?.id;
        let bindings = Bindings::of_execute(execute.get(5..)?, 2, false)??;
        room.copy_from_slice(black_box(&wire));
        let status = relay.whole(Expect::BinaryResults, seq, &mut room)?;
        (!status.contains(StatusFlags::SERVER_STATUS_IN_TRANS)).then_some((id, bindings))
    })
}

pub(crate) fn parts() -> Vec<Part> {
    vec![
        text("way/text-mariadb", Flavor::MariaDb),
        text("way/text-mysql", Flavor::MySql),
        prepared("way/prepared-mariadb", Flavor::MariaDb),
        prepared("way/prepared-mysql", Flavor::MySql),
    ]
}
