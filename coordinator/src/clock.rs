//! The one place where the coordinator reads the wall clock.

use model::moment::Moment;
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time now.
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
