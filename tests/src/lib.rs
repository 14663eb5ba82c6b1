//! What scenarios share: the real program in a lab of their own, and waiting on predicates.

pub mod lab;
pub mod patience;
