//! Waiting for something on this node: looks again and again, and says what it saw last when the time is over.

use super::StepError;
use std::time::{Duration, Instant};

/// Waits until `look` sees nothing that is missing. What it says instead is what was seen last; an error ends the waiting.
pub(crate) fn until(
    what: &'static str,
    limit: Duration,
    pause: Duration,
    mut look: impl FnMut() -> Result<Option<String>, StepError>,
) -> Result<(), StepError> {
    let began = Instant::now();
    while let Some(last) = look()? {
        if began.elapsed() > limit {
            return Err(StepError::TimedOut {
                what,
                seconds: limit.as_secs(),
                last,
            });
        }
        std::thread::sleep(pause);
    }
    Ok(())
}
