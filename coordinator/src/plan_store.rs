//! Plans beside the log, by digest: a run's record names one, and the file was durable before the record.

use crate::files::write_private;
use crate::places::Places;
use domain::plan::Plan;
use model::ids::Digest;
use std::io;
use std::path::PathBuf;

/// Where the plan of that digest is.
pub fn path(places: &Places, digest: Digest) -> PathBuf {
    places.home.join("plans").join(format!("{digest}.json"))
}

/// Makes the plan durable.
pub fn save(places: &Places, plan: &Plan) -> io::Result<()> {
    let path = path(places, plan.digest);
    if path.exists() {
        return Ok(());
    }
    write_private(&path, &serde_json::to_vec(plan)?)
}

/// Reads a plan back; None when it is missing or unreadable.
pub fn load(places: &Places, digest: Digest) -> Option<Plan> {
    serde_json::from_slice(&std::fs::read(path(places, digest)).ok()?).ok()
}
