//! What a backend connection may be told.

use actix::{Addr, Message};
use greenroom_protocol::sql::PinReason;

use crate::account::PoolKey;
use crate::end::BackendEnd;
use crate::grant::Condition;
use crate::pool::{Lease, PoolShard};
use crate::wire::Wire;

/// Its shard has chosen it: answer the session with the lease.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Lend {
    pub(crate) lease: Lease,
}

/// A session gives the wire back.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Return {
    pub(crate) wire: Box<Wire>,
    pub(crate) condition: Condition,
}

/// The lease was dropped without being given back; the socket is closed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Lost;

/// The session keeps it past its transaction.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Pin {
    pub(crate) reason: PinReason,
}

/// The reason for a pin is over.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Unpin {
    pub(crate) reason: PinReason,
}

/// It is not wanted any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Expire {
    pub(crate) end: BackendEnd,
}

/// Another shard gets its socket.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Move {
    pub(crate) to: Addr<PoolShard>,
    pub(crate) key: PoolKey,
}
