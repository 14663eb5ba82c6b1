//! The far side for tests: a coordinator that enrols, welcomes, keeps events and sends what it is told, over real TLS.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::allow_attributes,
    reason = "a test's far side, of which each test uses a part"
)]

pub(crate) mod authority;
pub(crate) mod coordinator;
pub(crate) mod helper;
pub(crate) mod kept;

use std::time::{Duration, Instant};

/// Waits until `look` gives something; panics with the last state otherwise.
pub(crate) async fn until<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        let last = match look() {
            Ok(found) => return found,
            Err(last) => last,
        };
        assert!(
            began.elapsed() < Duration::from_secs(seconds),
            "{what}: not within {seconds} s; last seen: {last}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
