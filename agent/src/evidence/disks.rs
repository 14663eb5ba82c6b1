//! Disks with next to no room. Several folders may lie on one disk; it is told once, by the first.

use crate::paths::Paths;
use model::evidence::{Evidence, EvidenceSource};
use nix::sys::statvfs::statvfs;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

/// The folders that matter, those that others wait for first.
const FOLDERS: [&str; 5] = [
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log",
    "/",
];

/// Less than this is as good as nothing: etcd alone allocates 64 MiB for a segment of its log.
const LITTLE: u64 = 96 << 20;

pub(super) fn full(paths: &Paths) -> Vec<Evidence> {
    let mut known = BTreeSet::new();
    FOLDERS
        .iter()
        .filter_map(|folder| {
            let path = paths.at(folder);
            let device = std::fs::metadata(&path).ok()?.dev();
            let stat = statvfs(&path).ok()?;
            let free = stat.blocks_available().saturating_mul(stat.fragment_size());
            let size = stat.blocks().saturating_mul(stat.fragment_size());
            let no_files = stat.files() > 0 && stat.files_available() == 0;
            if !known.insert(device) || size == 0 || (free >= LITTLE.min(size / 20) && !no_files) {
                return None;
            }
            let text = if no_files {
                "no file can be made any more: all inodes are used".to_owned()
            } else {
                format!("{} of {} MiB are left", free >> 20, size >> 20)
            };
            Some(Evidence::new(EvidenceSource::Disk, *folder, &text))
        })
        .collect()
}
