//! What of a lab is still on this host.

use std::process::Command;

/// Links, mounts, cgroups, loop devices and processes that carry the lab's label; empty is right.
pub(crate) fn of(lab: &str) -> Vec<String> {
    let label = format!("drillyard-{lab}");
    let mut found = Vec::new();
    for (what, words) in [
        ("link", vec!["ip", "-details", "link", "show"]),
        ("mount", vec!["cat", "/proc/self/mounts"]),
        ("loop device", vec!["losetup", "--list", "--noheadings"]),
        ("process", vec!["ps", "-eo", "args"]),
        (
            "cgroup",
            vec!["find", "/sys/fs/cgroup", "-maxdepth", "2", "-type", "d"],
        ),
    ] {
        let Ok(output) = Command::new(words[0]).args(&words[1..]).output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        found.extend(
            text.lines()
                .filter(|l| l.contains(&label))
                .map(|l| format!("{what}: {}", l.trim())),
        );
    }
    found
}

/// Kernel settings of the host that kubelets and Cilium change, as they are now.
pub(crate) fn host_settings() -> Vec<(String, String)> {
    let keys = [
        "vm/overcommit_memory",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/timer_migration",
    ];
    let read = |key: &str| std::fs::read_to_string(format!("/proc/sys/{key}")).unwrap_or_default();
    keys.iter().map(|key| ((*key).to_owned(), read(key))).collect()
}
