//! A volume is filled with one file of ours, named after the lease; undone by removing it.

use super::Trace;
use crate::durable;
use crate::step::{Context, StepError};
use model::fault_parts::{KeepMib, Volume};
use model::ids::LeaseId;
use nix::fcntl::{FallocateFlags, fallocate};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

const PREFIX: &str = ".drillyard-fill-";
const MIB: u64 = 1 << 20;

/// Takes all free blocks but `keep`. Blocks are reserved, not written: it takes milliseconds whatever the size.
pub(super) fn inject(
    context: &Context,
    lease: LeaseId,
    volume: Volume,
    keep: KeepMib,
) -> Result<(), StepError> {
    let folder = context.paths.at(volume.folder());
    let free = free_bytes(&folder).map_err(StepError::io("measure", &folder))?;
    let take = free.saturating_sub(u64::from(keep.get()) * MIB);
    let file = file(context, lease, volume);
    if take == 0 {
        // Filled before by this lease, or by somebody else: then there is nothing to fill.
        if file.exists() {
            return Ok(());
        }
        return Err(StepError::Lease("finds the volume fuller than it should become"));
    }
    let open = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&file)
        .map_err(StepError::io("make", &file))?;
    let have = open.metadata().map_err(StepError::io("inspect", &file))?.len();
    let (offset, length) = (i64::try_from(have), i64::try_from(take));
    let (Ok(offset), Ok(length)) = (offset, length) else {
        return Err(StepError::Lease("would need a file larger than any"));
    };
    fallocate(&open, FallocateFlags::empty(), offset, length)
        .map_err(|errno| StepError::io("fill", &file)(errno.into()))
}

/// Removes the file.
pub(super) fn undo(context: &Context, lease: LeaseId, volume: Volume) -> Result<(), StepError> {
    let file = file(context, lease, volume);
    durable::remove(&file).map_err(StepError::io("remove", &file))
}

pub(super) fn trace(context: &Context, lease: LeaseId, volume: Volume) -> Trace {
    if file(context, lease, volume).exists() {
        Trace::Whole
    } else {
        Trace::Nothing
    }
}

/// Fill files on this node with their lease.
pub(super) fn all(context: &Context) -> Vec<(LeaseId, Volume)> {
    let of = |volume: Volume| {
        let names = std::fs::read_dir(context.paths.at(volume.folder()))
            .into_iter()
            .flatten();
        names.flatten().filter_map(move |entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((LeaseId::parse(name.strip_prefix(PREFIX)?).ok()?, volume))
        })
    };
    Volume::ALL.into_iter().flat_map(of).collect()
}

fn file(context: &Context, lease: LeaseId, volume: Volume) -> PathBuf {
    context.paths.at(volume.folder()).join(format!("{PREFIX}{lease}"))
}

fn free_bytes(folder: &std::path::Path) -> std::io::Result<u64> {
    let stat = nix::sys::statvfs::statvfs(folder)?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;
    use model::ids::NodeName;

    /// A small file system of its own: filling the machine's would be no test but a fault.
    #[test]
    fn a_volume_is_filled_to_its_floor_and_emptied_again() {
        let dir = tempfile::tempdir().expect("temp");
        let target = dir.path().join("var/lib/etcd");
        std::fs::create_dir_all(&target).expect("made");
        let flags = nix::mount::MsFlags::empty();
        let options = Some("size=200m");
        if nix::mount::mount(Some("tmpfs"), &target, Some("tmpfs"), flags, options).is_err() {
            eprintln!("SKIPPED: mounting needs root");
            return;
        }
        let context = Context {
            paths: Paths::below(dir.path()),
            node: NodeName::new("a").expect("valid"),
            progress: None,
        };
        let (lease, keep) = (LeaseId([2; 16]), KeepMib::new(64).expect("valid"));
        let run = || -> Result<(u64, u64), StepError> {
            inject(&context, lease, Volume::Etcd, keep)?;
            inject(&context, lease, Volume::Etcd, keep)?;
            let free = free_bytes(&target).map_err(StepError::io("measure", &target))?;
            assert_eq!(trace(&context, lease, Volume::Etcd), Trace::Whole);
            assert_eq!(all(&context), [(lease, Volume::Etcd)]);
            undo(&context, lease, Volume::Etcd)?;
            undo(&context, lease, Volume::Etcd)?;
            Ok((
                free,
                free_bytes(&target).map_err(StepError::io("measure", &target))?,
            ))
        };
        let found = run();
        // Lazily: a process that another test is just starting has our open files until it runs its program.
        nix::mount::umount2(&target, nix::mount::MntFlags::MNT_DETACH).expect("unmounted");
        let (filled, emptied) = found.expect("filled and emptied");
        assert!((63 * MIB..=65 * MIB).contains(&filled), "{filled}");
        assert!(emptied > 190 * MIB, "{emptied}");
    }
}
