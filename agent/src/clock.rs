//! The node's clocks and boot id, read in one place so that nothing else does.

use model::ids::BootId;
use model::moment::Moment;
use nix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time.
pub fn now() -> Moment {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_micros());
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Moment(micros.saturating_add(crate::failpoint::clock_shift()))
}

/// Milliseconds of the monotonic clock, which stands still while the node is suspended.
pub fn monotonic_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| {
        let secs = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        secs.saturating_mul(1000).saturating_add(nanos / 1_000_000)
    })
}

/// Random bytes from the kernel.
pub fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0u8; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// This boot's id. The kernel's own is no use in a container, which keeps its host's over any number of boots; so the
/// root helper draws one into a file on tmpfs, which a boot empties.
pub fn boot_id(file: &Path) -> std::io::Result<BootId> {
    match std::fs::read_to_string(file) {
        Ok(text) => BootId::parse(text.trim()).map_err(std::io::Error::other),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = BootId(random()?);
            crate::durable::replace(file, id.to_string().as_bytes(), 0o644)?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}

/// Resident bytes of this process.
pub fn own_rss() -> u64 {
    // The second field, in pages.
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages
        .and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten();
    pages.saturating_mul(size.and_then(|s| u64::try_from(s).ok()).unwrap_or(4096))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_boot_id_is_stable_until_the_file_goes() {
        let dir = tempfile::tempdir().expect("temp");
        let file = dir.path().join("boot");
        let first = super::boot_id(&file).expect("made");
        assert_eq!(super::boot_id(&file).expect("read"), first);
        std::fs::remove_file(&file).expect("gone");
        assert_ne!(super::boot_id(&file).expect("made"), first);
    }
}
