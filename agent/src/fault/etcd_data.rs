//! etcd's data is taken away after a snapshot of it was saved; undone by restoring the snapshot, as one would after a loss.
//!
//! All of it is in one folder beside the data, named after the lease: the snapshot, and what was taken away. The latter is
//! kept until the restore has succeeded, and comes back where it does not: a drill must not cost a cluster.

use super::took::Took;
use super::{Targets, Trace, containers, static_pod};
use crate::command;
use crate::durable;
use crate::step::{Context, StepError, systemd, until};
use model::fault_parts::{LagSeconds, NodeUnit, StaticPod, Volume};
use model::ids::LeaseId;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PREFIX: &str = ".drillyard-restore-";

/// Revisions that a restore skips. Clients that watch must not meet a revision twice: with fewer than this many writes after
/// the snapshot, every new one is above all that anybody has seen.
const BUMP: &str = "1000000000";

/// How long a killed container may take to be gone.
const GONE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// What stands on etcd's data, and must be away while it is exchanged.
const HELD: [StaticPod; 2] = [StaticPod::KubeApiserver, StaticPod::Etcd];

/// Saves the snapshot and lets `lag` pass; the containers that stand on the data.
pub(super) fn prepare(context: &Context, lease: LeaseId, lag: LagSeconds) -> Result<Targets, StepError> {
    let place = Place::of(context, lease);
    if place.lost.exists() {
        return static_pod::running(&HELD);
    }
    durable::folder(&place.folder, 0o700).map_err(StepError::io("make", &place.folder))?;
    if !place.snapshot.exists() {
        save(context, &place.snapshot)?;
    }
    context.say("a snapshot is saved; what is written from now on will be lost");
    std::thread::sleep(Duration::from_secs(lag.get().into()));
    static_pod::running(&HELD)
}

/// Takes the API server, etcd and its data away. It takes hold with the API server's end.
pub(super) fn inject(
    context: &Context,
    lease: LeaseId,
    found: &Targets,
    took: &mut Took,
) -> Result<(), StepError> {
    let place = Place::of(context, lease);
    static_pod::inject(context, lease, &HELD, found, took)?;
    let etcd = containers::of_static_pod(StaticPod::Etcd)?;
    until("etcd ended", GONE, LOOK, || {
        let left = containers::alive(&etcd)?;
        Ok((!left.is_empty()).then(|| "its container runs".into()))
    })?;
    if place.data.exists() && !place.lost.exists() {
        std::fs::rename(&place.data, &place.lost).map_err(StepError::io("take away", &place.data))?;
    }
    place.sync()
}

/// Restores the snapshot, and lets everything begin that was held. What watches through the API learns from etcd's new
/// revisions that it must look anew; kubelet, scheduler and controllers of this node are started anew beside that.
pub(super) fn undo(context: &Context, lease: LeaseId, booted: bool) -> Result<(), StepError> {
    let place = Place::of(context, lease);
    let taken = place.lost.exists();
    if taken && !place.data.exists() {
        if let Err(error) = restore(context, lease, &place) {
            eprintln!(
                "the snapshot cannot be restored, so the data itself is put back: {}",
                error.chain()
            );
            std::fs::rename(&place.lost, &place.data).map_err(StepError::io("put back", &place.lost))?;
        }
        place.sync()?;
    }
    for pod in HELD.iter().rev() {
        static_pod::give_back(context, lease, *pod)?;
    }
    if taken && !booted {
        systemd::restart(NodeUnit::Kubelet.unit())?;
        for pod in [StaticPod::KubeControllerManager, StaticPod::KubeScheduler] {
            containers::kill_running(&containers::of_static_pod(pod)?)?;
        }
    }
    match std::fs::remove_dir_all(&place.folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StepError::io("remove", &place.folder)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn trace(context: &Context, lease: LeaseId) -> Trace {
    let place = Place::of(context, lease);
    match (place.lost.exists(), place.data.exists()) {
        (true, false) => Trace::Whole,
        (true, true) => Trace::Part("etcd's data is restored, and what was taken away is still kept".into()),
        (false, _) if place.folder.exists() => Trace::Part("a snapshot is saved, and nothing is lost".into()),
        (false, _) => Trace::Nothing,
    }
}

/// Leases whose folder is on this node.
pub(super) fn all(context: &Context) -> Vec<LeaseId> {
    let names = std::fs::read_dir(root(context)).into_iter().flatten().flatten();
    names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            LeaseId::parse(name.strip_prefix(PREFIX)?).ok()
        })
        .collect()
}

/// Where everything is. One file system, so that each exchange is one rename.
struct Place {
    root: PathBuf,
    data: PathBuf,
    folder: PathBuf,
    snapshot: PathBuf,
    lost: PathBuf,
    made: PathBuf,
}

impl Place {
    fn of(context: &Context, lease: LeaseId) -> Self {
        let root = root(context);
        let folder = root.join(format!("{PREFIX}{lease}"));
        Self {
            data: root.join("member"),
            snapshot: folder.join("snapshot.db"),
            lost: folder.join("lost"),
            made: folder.join("made"),
            folder,
            root,
        }
    }

    fn sync(&self) -> Result<(), StepError> {
        durable::sync_folder(&self.folder)
            .and_then(|()| durable::sync_folder(&self.root))
            .map_err(StepError::io("sync", &self.root))
    }
}

fn root(context: &Context) -> PathBuf {
    context.paths.at(Volume::Etcd.folder())
}

/// From the live member, with its hash: a copy of the file would have none.
fn save(context: &Context, snapshot: &Path) -> Result<(), StepError> {
    let pki = context.paths.kubernetes().join("pki");
    let file = |name: &str| pki.join(name).display().to_string();
    let args = [
        "--endpoints=https://127.0.0.1:2379".to_owned(),
        format!("--cacert={}", file("etcd/ca.crt")),
        format!("--cert={}", file("apiserver-etcd-client.crt")),
        format!("--key={}", file("apiserver-etcd-client.key")),
        "snapshot".into(),
        "save".into(),
        snapshot.display().to_string(),
    ];
    command::run(&tool(context, "etcdctl"), args)?;
    Ok(())
}

fn restore(context: &Context, lease: LeaseId, place: &Place) -> Result<(), StepError> {
    let manifest = static_pod::held(context, lease, StaticPod::Etcd);
    let text = std::fs::read_to_string(&manifest).map_err(StepError::io("read", &manifest))?;
    let member = Member::of(&text).ok_or_else(|| StepError::Missing {
        what: "etcd's name and peer URL in its manifest".into(),
    })?;
    if place.made.exists() {
        std::fs::remove_dir_all(&place.made).map_err(StepError::io("remove", &place.made))?;
    }
    let args = [
        "snapshot".to_owned(),
        "restore".into(),
        place.snapshot.display().to_string(),
        format!("--data-dir={}", place.made.display()),
        format!("--name={}", member.name),
        format!("--initial-cluster={}={}", member.name, member.peer),
        format!("--initial-advertise-peer-urls={}", member.peer),
        format!("--bump-revision={BUMP}"),
        "--mark-compacted".into(),
    ];
    command::run(&tool(context, "etcdutl"), args)?;
    let made = place.made.join("member");
    std::fs::rename(&made, &place.data).map_err(StepError::io("move in", made))
}

fn tool(context: &Context, name: &str) -> PathBuf {
    context.paths.bundle().join("bin").join(name)
}

/// What a member is called, by its own arguments.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    name: String,
    peer: String,
}

impl Member {
    fn of(manifest: &str) -> Option<Self> {
        let argument = |key: &str| {
            let of_line = |line: &str| {
                let value = line
                    .trim()
                    .strip_prefix("- ")?
                    .strip_prefix(key)?
                    .strip_prefix('=')?;
                Some(value.to_owned())
            };
            manifest.lines().find_map(of_line)
        };
        Some(Self {
            name: argument("--name")?,
            peer: argument("--initial-advertise-peer-urls")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;
    use model::ids::NodeName;

    const MANIFEST: &str = "spec:\n  containers:\n  - command:\n    - etcd\n    - --name=app1-cp\n    - --initial-advertise-peer-urls=https://10.0.0.2:2380\n";

    /// A node whose data was taken away, with an `etcdutl` of this text.
    fn robbed(dir: &Path, etcdutl: &str) -> (Context, LeaseId, Place) {
        use std::os::unix::fs::PermissionsExt;
        let context = Context {
            paths: Paths::below(dir),
            node: NodeName::new("app1-cp").expect("valid"),
            progress: None,
        };
        let lease = LeaseId([8; 16]);
        let place = Place::of(&context, lease);
        std::fs::create_dir_all(&place.lost).expect("made");
        std::fs::write(place.lost.join("old"), "old").expect("written");
        std::fs::write(&place.snapshot, "snapshot").expect("written");
        for folder in [context.paths.held_manifests(), context.paths.manifests()] {
            std::fs::create_dir_all(folder).expect("made");
        }
        for pod in HELD {
            std::fs::write(static_pod::held(&context, lease, pod), MANIFEST).expect("written");
        }
        let program = tool(&context, "etcdutl");
        std::fs::create_dir_all(program.parent().expect("a folder")).expect("made");
        std::fs::write(&program, etcdutl).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
        (context, lease, place)
    }

    /// What a restore makes: `member` in the folder that it was told, with the words that it was given.
    const RESTORES: &str = "#!/bin/sh\nfor word; do case $word in --data-dir=*) at=${word#--data-dir=};; esac; done\nmkdir -p $at/member && echo \"$@\" > $at/member/words\n";

    #[test]
    fn the_snapshot_is_restored_under_the_member_s_own_name_and_everything_is_back() {
        let dir = tempfile::tempdir().expect("temp");
        let (context, lease, place) = robbed(dir.path(), RESTORES);
        assert_eq!(trace(&context, lease), Trace::Whole);
        assert_eq!(all(&context), [lease]);
        for _ in 0..2 {
            undo(&context, lease, true).expect("undone");
            let words = std::fs::read_to_string(place.data.join("words")).expect("restored");
            for word in [
                "--name=app1-cp",
                "--initial-cluster=app1-cp=https://10.0.0.2:2380",
                "--mark-compacted",
            ] {
                assert!(words.contains(word), "{words}");
            }
            assert_eq!(trace(&context, lease), Trace::Nothing);
            assert_eq!(all(&context), []);
            assert_eq!(static_pod::all_held(&context), []);
        }
    }

    #[test]
    fn what_a_dead_restore_left_is_made_anew() {
        let dir = tempfile::tempdir().expect("temp");
        let (context, lease, place) = robbed(dir.path(), RESTORES);
        std::fs::create_dir_all(place.made.join("member/half")).expect("made");
        undo(&context, lease, true).expect("undone");
        assert!(place.data.join("words").exists() && !place.data.join("half").exists());
    }

    #[test]
    fn data_comes_back_where_the_restore_fails() {
        let dir = tempfile::tempdir().expect("temp");
        let (context, lease, place) = robbed(dir.path(), "#!/bin/sh\nexit 1\n");
        undo(&context, lease, true).expect("undone");
        assert_eq!(
            std::fs::read_to_string(place.data.join("old")).expect("the data"),
            "old"
        );
        assert_eq!(trace(&context, lease), Trace::Nothing);
        assert_eq!(static_pod::all_held(&context), []);
    }

    /// The order was taken back before anything was lost: the snapshot alone is there.
    #[test]
    fn without_a_loss_nothing_is_restored() {
        let dir = tempfile::tempdir().expect("temp");
        let (context, lease, place) = robbed(dir.path(), "#!/bin/sh\nexit 1\n");
        std::fs::rename(&place.lost, &place.data).expect("as before");
        assert!(matches!(trace(&context, lease), Trace::Part(_)));
        undo(&context, lease, true).expect("undone");
        assert!(place.data.join("old").exists() && !place.folder.exists());
    }

    #[test]
    fn a_manifest_without_a_member_is_no_ground_for_a_restore() {
        assert_eq!(Member::of("spec: {}"), None);
        let member = Member::of(MANIFEST).expect("a member");
        assert_eq!(
            (member.name.as_str(), member.peer.as_str()),
            ("app1-cp", "https://10.0.0.2:2380")
        );
    }
}
