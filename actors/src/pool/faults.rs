//! Panics that tests ask for.

use actix::{Context, Handler};

use super::PoolShard;
use crate::supervisor::faults::{Panic, Who, blow_up};

impl Handler<Panic> for PoolShard {
    type Result = ();

    fn handle(&mut self, panic: Panic, _: &mut Context<Self>) {
        if panic.0 == Who::Shard {
            blow_up();
        }
        self.crew.iter().for_each(|member| member.addr.do_send(panic));
    }
}
