//! What is to be seen on this node around a step that waits: facts of the machine, states of units, last lines of logs.
//!
//! Runs as root in a unit of its own, bounded in time by that unit and in size by [`model::evidence`]; changes nothing, and
//! says only what is not as it should be. What it means, the coordinator's domain decides.

mod disks;
mod images;
mod logs;
mod ports;
mod runtime;
mod trust;

use crate::durable;
use crate::paths::Paths;
use crate::step::{StepFile, is_api_ready, systemd};
use model::evidence::{Evidence, EvidenceSource, MOST};
use model::step::NodeStep;
use std::io;
use std::path::Path;

/// Looks around the step in `file` and leaves the answer beside it, with the extension `answer`.
///
/// # Errors
/// When the file cannot be read or the answer cannot be written.
pub fn gather_file(paths: &Paths, file: &Path) -> io::Result<usize> {
    let input = StepFile::read(file)?;
    let found = gather(paths, &input.order.body);
    let bytes = serde_json::to_vec(&found).map_err(io::Error::other)?;
    durable::replace(&file.with_extension("answer"), &bytes, 0o600)?;
    Ok(found.len())
}

/// Everything that is not as it should be, facts before lines of logs; at most [`MOST`] pieces.
pub fn gather(paths: &Paths, step: &NodeStep) -> Vec<Evidence> {
    let mut found = Vec::new();
    found.extend(disks::full(paths));
    found.extend(ports::taken(paths));
    found.extend(images::missing(paths));
    found.extend(runtime::cgroup_drivers(paths));
    found.extend(runtime::swap(paths));
    found.extend(trust::not_valid_now(paths));
    found.extend(
        ["containerd.service", "kubelet.service"]
            .iter()
            .filter_map(|unit| ill(unit)),
    );
    found.extend(api_server(paths, step));
    found.extend(logs::containers(paths));
    found.extend(logs::journal());
    found.truncate(MOST);
    found
}

/// What the cluster's API server answers instead of being ready, once there is an authority to know it by.
fn api_server(paths: &Paths, step: &NodeStep) -> Option<Evidence> {
    let (NodeStep::KubeadmInit { params, .. } | NodeStep::KubeadmJoin { params, .. }) = step else {
        return None;
    };
    let ca = paths.kubernetes().join("pki/ca.crt");
    let error = is_api_ready(&ca, params.control_plane)
        .err()
        .filter(|_| ca.exists())?;
    let server = params.control_plane.to_string();
    Some(Evidence::new(
        EvidenceSource::ApiServer,
        server,
        &error.to_string(),
    ))
}

/// A unit that does not run, in systemd's words. One that was never started is not ill.
fn ill(unit: &str) -> Option<Evidence> {
    let shown = systemd::show(unit)?;
    let of = |key: &str| {
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let (state, result) = (of("ActiveState"), of("Result"));
    if state == "active" || (state == "inactive" && result == "success") {
        return None;
    }
    let text = format!(
        "{unit} is {state} ({}, {result}, status {}), restarted {} times",
        of("SubState"),
        of("ExecMainStatus"),
        of("NRestarts")
    );
    Some(Evidence::new(EvidenceSource::Unit, unit, &text))
}
