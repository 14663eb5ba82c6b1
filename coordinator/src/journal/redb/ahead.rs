//! Reading ahead of the checks: redb follows its tree through the file, page after page, and a disk that is asked for one page at
//! a time is idle for most of it. So the kernel is told early that all of the file will be wanted.

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

/// Bytes that are announced at once. The kernel silently shortens what exceeds its own window, which is 128 KiB where nobody
/// changed it.
const STEP: i64 = 128 * 1024;

/// Has the kernel fill its cache with the file, on a thread of its own that ends by itself. Only time depends on it: without the
/// thread, without the file, or with too little memory the checks read what they need themselves.
pub(super) fn read_ahead(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let Ok(length) = file.metadata().map(|metadata| metadata.len()) else {
        return;
    };
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let announce = move || {
        let mut at = 0;
        while at < length {
            let advice = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
            if posix_fadvise(file.as_fd(), at, STEP, advice).is_err() {
                return;
            }
            at = at.saturating_add(STEP);
        }
    };
    let thread = std::thread::Builder::new().name("read ahead".into());
    if let Err(error) = thread.spawn(announce) {
        tracing::debug!(%error, "the log is not read ahead");
    }
}
