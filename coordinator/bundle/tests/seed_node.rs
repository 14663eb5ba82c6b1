//! A seeded folder under the root file system's real containerd: the images are there, a new snapshot on top of a
//! linked one works, and the store is not written. Needs root and a built cache (`DRILLYARD_CACHE`).
#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::{Kind, Manifest, paths, store};

fn cache() -> PathBuf {
    match std::env::var_os("DRILLYARD_CACHE") {
        Some(path) => path.into(),
        None => PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/drillyard"),
    }
}

/// Names and times of everything below a folder, to show that nobody wrote there.
fn picture(root: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap);
    entries
        .map(|e| format!("{:?} {:?}", e.path(), e.metadata().unwrap().modified().unwrap()))
        .collect()
}

/// What a node does, in namespaces of its own: `$1` tree, `$2` store, `$3` the node's containerd folder, `$4` scratch,
/// `$5` image, `$6` a program in it with an argument that makes it print its version.
const NODE: &str = r#"
set -eu
mount -t tmpfs tmpfs "$4"; mkdir "$4/u" "$4/w" "$4/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$4/u,workdir=$4/w" "$4/root"
r=$4/root; mkdir -p "$r/opt/drillyard/store"
mount -t proc proc "$r/proc"; mount --rbind /dev "$r/dev"; mount -t tmpfs tmpfs "$r/run"
mount --bind "$3" "$r/var/lib/containerd"
mount --bind -o ro "$2" "$r/opt/drillyard/store"
printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' > "$r/run/c.toml"
chroot "$r" containerd --config /run/c.toml > "$3/log" 2>&1 &
daemon=$!
n=0; until chroot "$r" ctr version > /dev/null 2>&1; do n=$((n+1)); [ $n -lt 100 ]; sleep 0.1; done
c() { chroot "$r" ctr -n k8s.io "$@"; }
c images check
echo "images=$(c images list -q | grep -c .)"
mkdir "$r/mnt/new"
c images mount --rw --snapshotter overlayfs "$5" /mnt/new
echo written > "$r/mnt/new/written"
chroot "$r/mnt/new" $6
kill "$daemon"; wait "$daemon" || true
"#;

#[test]
#[ignore = "needs root and a built cache"]
fn a_real_containerd_runs_on_a_seeded_folder() {
    let cache = cache();
    let manifest = Manifest::load(&cache).unwrap();
    let images = manifest
        .artefacts
        .iter()
        .filter(|a| a.kind == Kind::Image)
        .count();
    let coredns = manifest
        .find(Kind::Image, "coredns")
        .unwrap()
        .image
        .clone()
        .unwrap();
    // On a real file system: an overlay's upper folder cannot lie on an overlay.
    let dir = tempfile::tempdir_in(&cache).unwrap();
    let (node, scratch) = (dir.path().join("containerd"), dir.path().join("scratch"));
    fs::create_dir_all(&scratch).unwrap();
    let store_dir = paths::store(&cache);
    let before = picture(&store_dir);

    let begun = std::time::Instant::now();
    let report = store::seed_node(&store_dir, &node, Path::new("/opt/drillyard/store")).unwrap();
    println!("{report:?} in {:?}", begun.elapsed());
    assert!(report.seeded && report.links > images);

    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--pid",
        "--net",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "sh",
        "-c",
        NODE,
        "sh",
    ]);
    command
        .arg(paths::rootfs_tree(&cache))
        .arg(&store_dir)
        .arg(&node)
        .arg(&scratch);
    command.arg(&coredns.reference).arg("/coredns -version");
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.success(),
        "{text}\n{errors}\n{}",
        fs::read_to_string(node.join("log")).unwrap_or_default()
    );
    assert!(text.contains(&format!("images={images}")), "{text}");
    assert!(text.contains("CoreDNS-"), "{text}");
    assert!(
        !text.contains("incomplete") && text.matches("complete").count() >= images,
        "{text}"
    );
    // The new snapshot is an ordinary folder of the node beside the links, under a number of its own.
    let snapshots = node.join("io.containerd.snapshotter.v1.overlayfs/snapshots");
    let own = fs::read_dir(&snapshots)
        .unwrap()
        .map(Result::unwrap)
        .filter(|e| !e.file_type().unwrap().is_symlink());
    assert_eq!(own.filter(|e| e.path().join("fs/written").exists()).count(), 1);
    assert_eq!(before, picture(&store_dir), "the shared store was written");
}
