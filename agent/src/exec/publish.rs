//! Connections that want to hear of every end and progress line.

use super::protocol::{self, Push};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A subscriber that does not read for this long is dropped; it looks again when it is back.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Vec<UnixStream>>);

impl Subscribers {
    pub(super) fn add(&self, stream: UnixStream) -> std::io::Result<()> {
        stream.set_write_timeout(Some(PATIENCE))?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        Ok(())
    }

    pub(super) fn tell(&self, push: &Push) {
        let Ok(frame) = protocol::encode(push) else { return };
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain_mut(|stream| stream.write_all(&frame).is_ok());
    }
}
