//! Panics that tests ask for, of any actor, by a statement: `greenroom: panic connection`. No release build has this.

use actix::{Actor, Context, Handler, Message};

use super::Supervisor;
use crate::backend::BackendConnection;
use crate::console::ConsoleListener;
use crate::fleet::FleetMember;
use crate::listener::Listener;
use crate::monitor::NodeMonitor;
use crate::stage::Stage;

/// Who is to panic: all of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Connection,
    Shard,
    Listener,
    Monitor,
    Console,
    Fleet,
    Supervisor,
}

/// You, or those below you, are to panic.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Panic(pub(crate) Who);

/// Heeds a statement that asks for a panic: the session's own, or another's.
pub(crate) fn heed(text: &[u8], stage: &Stage) {
    let who = match text {
        b"greenroom: panic" => blow_up(),
        b"greenroom: panic connection" => Who::Connection,
        b"greenroom: panic shard" => Who::Shard,
        b"greenroom: panic listener" => Who::Listener,
        b"greenroom: panic monitor" => Who::Monitor,
        b"greenroom: panic console" => Who::Console,
        b"greenroom: panic fleet" => Who::Fleet,
        b"greenroom: panic supervisor" => Who::Supervisor,
        _ => return,
    };
    if let Some(main) = stage.main() {
        main.supervisor.do_send(Panic(who));
    }
}

/// Panics.
#[expect(clippy::panic, reason = "a test asks for it")]
pub(crate) fn blow_up() -> ! {
    panic!("asked for by a test")
}

impl Handler<Panic> for Supervisor {
    type Result = ();

    fn handle(&mut self, panic: Panic, _: &mut Context<Self>) {
        match panic.0 {
            Who::Supervisor => blow_up(),
            Who::Connection | Who::Shard => self.stage.shards().iter().for_each(|shard| shard.do_send(panic)),
            Who::Listener => {
                let listeners = self.houses.iter().flat_map(|house| &house.listeners);
                listeners.for_each(|listener| listener.do_send(panic));
            }
            Who::Monitor => {
                self.nodes.iter().filter_map(|node| node.monitor()).for_each(|monitor| monitor.do_send(panic));
            }
            Who::Fleet => {
                if let Some(fleet) = self.stage.fleet() {
                    fleet.panic(panic);
                }
            }
            Who::Console => self.console.iter().for_each(|console| console.panic(panic)),
        }
    }
}

/// Those that have nobody below them.
macro_rules! panics {
    ($($actor:ty),+) => {$(
        impl Handler<Panic> for $actor
        where
            Self: Actor<Context = Context<Self>>,
        {
            type Result = ();

            fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
                blow_up()
            }
        }
    )+};
}

panics!(BackendConnection, Listener, NodeMonitor, ConsoleListener, FleetMember);
