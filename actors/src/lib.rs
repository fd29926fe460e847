//! The cast: the actors that make up a running Greenroom, and what each may be told.
//!
//! | actor | lives | owns |
//! | --- | --- | --- |
//! | `Supervisor` | main arbiter, one | the cast list, the clock, restart budgets |
//! | `Listener` | one an endpoint and worker | the listening socket |
//! | `ClientSession` | its worker's arbiter | client socket, session state, statements, the lease while it has one |
//! | `PoolShard` | one a worker | idle connections by key and state, the waiting line |
//! | `BackendConnection` | its shard's arbiter | one server connection, except while it is on lease |
//! | `NodeMonitor` | main arbiter, one a node | the judgement whether it answers, and what it is |
//! | `FleetMember` | main arbiter, one in a fleet | what this instance may have of each node, its lease in etcd |
//! | `Credentials` | main arbiter, one | users and what logins need |
//! | `Directory` | main arbiter, one | virtual connection id to session |
//!
//! Messages carry ownership; bytes never travel through mailboxes. What decides is in plain structs that take
//! `now` as an argument; handlers are a few lines around them.

mod account;
mod backend;
#[cfg(feature = "bench")]
pub mod bench;
mod buffer;
mod cluster;
mod console;
mod credentials;
mod election;
pub mod end;
mod endpoint;
mod fleet;
mod gate;
mod grant;
pub mod inherited;
mod limits;
mod listener;
mod local;
pub mod metrics;
mod monitor;
pub mod networks;
mod node;
mod observed;
mod packets;
mod pool;
mod queries;
mod quota;
mod random;
mod role;
mod rosters;
mod session;
pub mod settings;
mod sluice;
pub mod spans;
mod spread;
mod sql_modes;
mod stage;
mod stream;
mod supervisor;
mod surveys;
mod tally;
mod throttle;
pub mod tls;
mod waits;
mod wire;

pub use console::{
    EndpointStatus, Key, NodeStatus, Office, PinStatus, Reloaded, Sample, ShadowStatus, Status, WaitStatus, pin_remedy,
};
pub use supervisor::{Running, StartError, start};
