//! What scenarios share: the real program in a lab of their own, its processes and its log, and waiting on predicates.

pub mod browser;
pub mod dice;
pub mod history;
pub mod hunt;
pub mod lab;
pub mod load;
pub mod log_twin;
pub mod node_net;
pub mod own_drills;
pub mod patience;
pub mod ports;
pub mod prey;
pub mod resume;
pub mod running;
pub mod subscriber;
pub mod twin;
pub mod watched;
pub mod witness;
