//! Load on a real coordinator: simulated agents that speak the real protocol over mTLS, subscribers that check what they
//! get, and the same work done by etcd and by NATS JetStream. The figures of `docs/performance.md` come from here.
//!
//! Real: the daemon process with its listeners, log and engine; enrolment, sessions, window and back-off of the agent crate;
//! mTLS over loopback, every agent from an address of its own; the operators' subscriptions. Not real: an agent keeps its journal in
//! memory, has no root helper, and shares its process with all others and with the subscribers.

mod cold;
mod crowd;
mod etcd;
mod etcd_grpc;
mod figures;
mod fleet;
mod nats;
mod rival;
mod stream;
mod subscriber;
mod writers;
mod yard;

pub use cold::{Cold, cold_start, fill_log};
pub use crowd::{Crowd, crowd};
pub use etcd::Etcd;
pub use figures::{Delays, Row, table};
pub use fleet::Fleet;
pub use nats::Nats;
pub use rival::Rival;
pub use stream::{Pace, Streamed, stream};
pub use subscriber::Subscriber;
pub use writers::{Closed, closed_loop};
pub use yard::{Memory, Yard};

/// What a measurement gives, or what kept it from being made.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
