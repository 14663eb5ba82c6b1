//! How long a Prometheus agent's write-ahead log keeps what it cannot send.
//!
//! ```text
//! tick every T      first ........ bound | bound+1 ... last-1 | last | (cut) last+1
//!                   deleted by the count rule                   newest
//! reader, blocked                          held              the backlog dies when the bound passes held
//! ```
//!
//! Nothing looks at what was sent: at every tick the older two thirds of the segment *files* go. [`rule`] is that rule,
//! [`timeline`] plays it forward, [`deadline`] asks when an outage's backlog dies, [`window`] how long it lives at the
//! worst, mean and best moment, [`limits`] what else may end it, [`start`] when to begin an outage so that a pass proves
//! the guaranteed window, [`loss`] what is gone once it died. [`observe`] reads all inputs off a running agent.

pub mod deadline;
pub mod limits;
pub mod listing;
pub mod loss;
pub mod observe;
pub mod rule;
pub mod start;
pub mod timeline;
pub mod window;
