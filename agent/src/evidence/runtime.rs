//! What kubelet and containerd are configured for, and the machine is not: control group drivers, swap.

use crate::paths::Paths;
use model::evidence::{Evidence, EvidenceSource};
use std::fs;

/// The drivers of both, when they differ.
pub(super) fn cgroup_drivers(paths: &Paths) -> Option<Evidence> {
    let kubelet = fs::read_to_string(paths.kubelet().join("config.yaml")).ok()?;
    let kubelet = setting(&kubelet, ':', "cgroupDriver")?;
    let containerd = fs::read_to_string(paths.at("/etc/containerd/config.toml")).unwrap_or_default();
    let containerd = match setting(&containerd, '=', "SystemdCgroup").as_deref() {
        Some("true") => "systemd",
        _ => "cgroupfs",
    };
    let text = format!("kubelet uses {kubelet}, containerd uses {containerd}");
    (kubelet != containerd).then(|| Evidence::new(EvidenceSource::Cgroup, "cgroup driver", &text))
}

/// The first swap, when kubelet does not tolerate any.
pub(super) fn swap(paths: &Paths) -> Option<Evidence> {
    let kubelet = fs::read_to_string(paths.kubelet().join("config.yaml")).ok()?;
    if setting(&kubelet, ':', "failSwapOn").as_deref() == Some("false") {
        return None;
    }
    let swaps = fs::read_to_string(paths.at("/proc/swaps")).ok()?;
    let first = swaps.lines().nth(1)?.split_whitespace().next()?;
    let text = format!("{first} is used for swap, and failSwapOn is not false");
    Some(Evidence::new(EvidenceSource::Swap, "swap", &text))
}

/// The value of `key` in a file of one setting per line.
fn setting(text: &str, separator: char, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(separator)?;
        (found.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kubelet: &str, containerd: &str, swaps: &str) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        for (path, text) in [
            ("/var/lib/kubelet/config.yaml", kubelet),
            ("/etc/containerd/config.toml", containerd),
            ("/proc/swaps", swaps),
        ] {
            let path = paths.at(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        (dir, paths)
    }

    #[test]
    fn drivers_that_differ_and_swap_that_is_not_tolerated_are_told() {
        let swaps = "Filename\tType\tSize\n/dev/vdb\tpartition\t1\n";
        let (_dir, paths) = node("cgroupDriver: systemd\n", "  SystemdCgroup = false\n", swaps);
        let drivers = cgroup_drivers(&paths).expect("told");
        assert_eq!(drivers.text, "kubelet uses systemd, containerd uses cgroupfs");
        assert!(swap(&paths).expect("told").text.starts_with("/dev/vdb"));
        let (_dir, paths) = node(
            "cgroupDriver: \"cgroupfs\"\nfailSwapOn: false\n",
            "version = 2\n",
            swaps,
        );
        assert_eq!((cgroup_drivers(&paths), swap(&paths)), (None, None));
    }
}
