//! A static pod's manifest is held where kubelet does not look, and its containers are killed; undone by moving it back.
//!
//! The held file carries lease and pod in its name, so that whoever finds it knows what it is. Moving is a rename within
//! one file system: the manifest is in one place or the other, whoever dies when.

use super::took::Took;
use super::{Targets, Trace, containers};
use crate::durable;
use crate::step::{Context, StepError, systemd};
use model::fault_parts::{NodeUnit, StaticPod};
use model::ids::LeaseId;
use std::path::PathBuf;

/// Moves the manifests away, then kills what runs of them: kubelet alone would let it end in its own time. `found` are their
/// containers, the first pod's first.
pub(super) fn inject(
    context: &Context,
    lease: LeaseId,
    pods: &[StaticPod],
    found: &[String],
    took: &mut Took,
) -> Result<(), StepError> {
    let folder = context.paths.held_manifests();
    for pod in pods {
        hold(context, lease, *pod)?;
    }
    containers::kill(found, took)?;
    durable::sync_folder(&folder).map_err(StepError::io("sync", folder))?;
    // One that kubelet started between the look and the move is none of those that were found.
    for pod in pods {
        containers::kill_running(&containers::of_static_pod(*pod)?)?;
    }
    Ok(())
}

/// What runs of the pods, the first one's first.
pub(super) fn running(pods: &[StaticPod]) -> Result<Targets, StepError> {
    let mut all = Targets::new();
    for pod in pods {
        all.extend(containers::of_static_pod(*pod)?);
    }
    containers::alive(&all)
}

/// Moves the manifest back to a kubelet that starts anew, and without an API server that waits for etcd. A kubelet that saw the pod go
/// deletes its mirror in the one loop that all its work goes through, one that starts asks for its own node first, and either is
/// kept waiting for a minute each time; a container whose last one ended lately waits as well, 10 s and twice as long each time.
/// A process that merely ended meets none of that.
pub(super) fn undo(context: &Context, lease: LeaseId, pod: StaticPod, booted: bool) -> Result<(), StepError> {
    if !booted && held(context, lease, pod).exists() {
        // First, so that who dies in between does it again.
        if pod == StaticPod::Etcd {
            containers::kill_running(&containers::of_static_pod(StaticPod::KubeApiserver)?)?;
        }
        // One that another lease has stopped stays so.
        systemd::renew(NodeUnit::Kubelet.unit())?;
    }
    give_back(context, lease, pod)
}

/// Moves the manifest back. Where somebody has written another in the meantime, theirs stays.
pub(super) fn give_back(context: &Context, lease: LeaseId, pod: StaticPod) -> Result<(), StepError> {
    let (manifest, held) = (manifest(context, pod), held(context, lease, pod));
    if !held.exists() {
        return Ok(());
    }
    if manifest.exists() {
        return durable::remove(&held).map_err(StepError::io("remove", &held));
    }
    std::fs::rename(&held, &manifest).map_err(StepError::io("move back", &held))?;
    durable::sync_folder(&context.paths.manifests()).map_err(StepError::io("sync", manifest))
}

pub(super) fn trace(context: &Context, lease: LeaseId, pod: StaticPod) -> Trace {
    match (
        held(context, lease, pod).exists(),
        manifest(context, pod).exists(),
    ) {
        (true, false) => Trace::Whole,
        (true, true) => Trace::Part("the manifest is held and there".into()),
        (false, _) => Trace::Nothing,
    }
}

/// Held manifests with the lease and pod in their names.
pub(super) fn all_held(context: &Context) -> Vec<(LeaseId, StaticPod)> {
    let names = std::fs::read_dir(context.paths.held_manifests())
        .into_iter()
        .flatten();
    names
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (lease, rest) = name.split_once('.')?;
            let pod = rest.strip_suffix(".yaml")?;
            let pod = StaticPod::ALL.into_iter().find(|p| p.name() == pod)?;
            Some((LeaseId::parse(lease).ok()?, pod))
        })
        .collect()
}

/// Durable once the folder is synced.
fn hold(context: &Context, lease: LeaseId, pod: StaticPod) -> Result<(), StepError> {
    let (manifest, held) = (manifest(context, pod), held(context, lease, pod));
    if held.exists() && !manifest.exists() {
        return Ok(());
    }
    if !manifest.exists() {
        let what = format!("the manifest of {}", pod.name());
        return Err(StepError::Missing { what });
    }
    let folder = context.paths.held_manifests();
    durable::folder(&folder, 0o700).map_err(StepError::io("make", &folder))?;
    std::fs::rename(&manifest, &held).map_err(StepError::io("move away", manifest))
}

fn manifest(context: &Context, pod: StaticPod) -> PathBuf {
    context.paths.manifests().join(format!("{}.yaml", pod.name()))
}

/// Where its manifest is while a lease holds it.
pub(super) fn held(context: &Context, lease: LeaseId, pod: StaticPod) -> PathBuf {
    context
        .paths
        .held_manifests()
        .join(format!("{lease}.{}.yaml", pod.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;
    use model::ids::NodeName;

    #[test]
    fn the_manifest_is_in_one_place_and_comes_back_however_often_it_is_undone() {
        let dir = tempfile::tempdir().expect("temp");
        let context = Context {
            paths: Paths::below(dir.path()),
            node: NodeName::new("a").expect("valid"),
            progress: None,
        };
        let (lease, pod) = (LeaseId([1; 16]), StaticPod::Etcd);
        std::fs::create_dir_all(context.paths.manifests()).expect("made");
        assert!(hold(&context, lease, pod).is_err(), "no manifest to hold");
        std::fs::write(manifest(&context, pod), "pod").expect("written");
        hold(&context, lease, pod).expect("held");
        hold(&context, lease, pod).expect("again");
        assert_eq!(trace(&context, lease, pod), Trace::Whole);
        assert_eq!(all_held(&context), [(lease, pod)]);
        give_back(&context, lease, pod).expect("undone");
        give_back(&context, lease, pod).expect("again");
        assert_eq!(trace(&context, lease, pod), Trace::Nothing);
        assert_eq!(std::fs::read(manifest(&context, pod)).expect("back"), b"pod");
        hold(&context, lease, pod).expect("held");
        std::fs::write(manifest(&context, pod), "theirs").expect("written");
        give_back(&context, lease, pod).expect("undone");
        assert_eq!(std::fs::read(manifest(&context, pod)).expect("there"), b"theirs");
        assert_eq!(all_held(&context), []);
    }
}
