//! Wire to model and back.

mod event;
mod fault;
mod ids;
mod node_log;
mod step;

pub use event::{event_from_wire, event_to_wire, probe_from_wire, probe_to_wire};
pub use fault::{survey_from_wire, survey_to_wire, terms, terms_to_wire};
pub use ids::{boot_id, digest, incarnation, lease_id, log_id, run_id, step_id};
pub use node_log::{node_log, node_log_to_wire};
pub use step::{order, probe_step, run_step, secret_name, secret_name_to_wire};

use model::Invalid;

/// The error for a field that must be there and is not.
pub(crate) fn missing(field: &str) -> Invalid {
    Invalid::new(field, "", "is required")
}
