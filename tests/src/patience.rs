//! Waiting on a predicate with a limit and a last status; never for a time that is hoped to be enough.

use std::time::{Duration, Instant};

/// Asks `look` until it says `Ok`; after `limit` the last `Err` is the status in the failure.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let since = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(status) if since.elapsed() >= limit => {
                return Err(format!(
                    "{what}: not within {} s; last status: {status}",
                    limit.as_secs()
                ));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
