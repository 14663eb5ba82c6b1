//! Control groups of version 1 come read-only into a container; kubelet and containerd make groups below them.

use super::StepError;
use nix::mount::{MsFlags, mount};
use std::path::{Path, PathBuf};

/// Makes every read-only controller below /sys/fs/cgroup writable; says how many were changed.
pub(crate) fn make_writable() -> Result<usize, StepError> {
    let info = PathBuf::from("/proc/self/mountinfo");
    let text = std::fs::read_to_string(&info).map_err(StepError::io("read", &info))?;
    let read_only = read_only_controllers(&text);
    for path in &read_only {
        let flags = MsFlags::MS_REMOUNT
            | MsFlags::MS_BIND
            | MsFlags::MS_NOSUID
            | MsFlags::MS_NODEV
            | MsFlags::MS_NOEXEC;
        mount(None::<&Path>, path, None::<&Path>, flags, None::<&Path>)
            .map_err(|e| StepError::io("remount", path)(e.into()))?;
    }
    Ok(read_only.len())
}

fn read_only_controllers(mountinfo: &str) -> Vec<PathBuf> {
    const KUBERNETES: [&str; 9] = [
        "cpu",
        "cpuacct",
        "cpu,cpuacct",
        "cpuset",
        "memory",
        "devices",
        "freezer",
        "blkio",
        "pids",
    ];
    mountinfo
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (path, options) = (fields.nth(4)?, fields.next()?);
            let controller = path.strip_prefix("/sys/fs/cgroup/")?;
            let wanted = KUBERNETES.contains(&controller) && options.split(',').any(|o| o == "ro");
            wanted.then(|| PathBuf::from(path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_read_only_controllers_that_kubelet_needs_are_chosen() {
        let text = "\
50 40 0:30 / /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
51 40 0:31 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
52 40 0:32 / /sys/fs/cgroup/net_cls ro,nosuid - cgroup cgroup rw,net_cls
53 40 0:33 / /proc ro - proc proc rw";
        assert_eq!(
            super::read_only_controllers(text),
            [std::path::PathBuf::from("/sys/fs/cgroup/memory")]
        );
    }
}
