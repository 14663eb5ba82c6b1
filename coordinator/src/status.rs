//! The status document; the domain knows the state, this adds what only the component folders know.

use domain::state::State;
use model::lab::Lab;
use model::moment::Moment;
use serde_json::Value;

/// The document of design section 6.
pub fn document(state: &State, lab: &Lab, versions: &[(String, String)], now: Moment) -> Value {
    let _ = (state, versions, now);
    serde_json::json!({"lab": lab.name})
}
