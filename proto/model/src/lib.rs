//! The nouns both processes speak: identifiers, the lab document, steps, events and facts.
//!
//! Nothing here performs anything, reads a clock or knows the wire. Values are validated when they are made, so whoever
//! holds one may rely on it.

pub mod causes;
pub mod event;
pub mod evidence;
pub mod fact;
pub mod fault;
pub mod fault_parts;
pub mod ids;
pub mod invalid;
pub mod lab;
pub mod lab_default;
pub mod lab_rules;
pub mod lease;
pub mod moment;
pub mod node_log;
pub mod planted;
pub mod redact;
pub mod step;

pub use invalid::Invalid;
