//! Looks at the agent's log folder all the time, since when a segment vanished is the truth that forecasts are held to.

use super::canary::now;
use domain::drill::measure::wal::listing::Listing;
use domain::drill::measure::wal::rule::Segment;
use model::moment::Moment;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(50);

/// One listing, now.
pub fn list(folder: &Path) -> Result<Listing, String> {
    let text = |e: std::io::Error| format!("{}: {e}", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(text)? {
        let entry = entry.map_err(text)?;
        // A file may vanish between the listing and the look at it.
        let Ok(meta) = entry.metadata() else { continue };
        let born = meta
            .created()
            .ok()
            .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let born = born.map(|d| Moment(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)));
        entries.push((entry.file_name().to_string_lossy().into_owned(), meta.len(), born));
    }
    Listing::new(
        entries
            .iter()
            .map(|(name, bytes, born)| (name.as_str(), *bytes, *born)),
    )
    .map_err(|e| e.to_string())
}

/// A watcher of one folder; ends when dropped.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Vec<(Moment, Segment)>>>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Begins to look.
    pub fn start(folder: PathBuf) -> Self {
        let watch = Self {
            seen: Arc::default(),
            stop: Arc::default(),
        };
        let (seen, stop) = (Arc::clone(&watch.seen), Arc::clone(&watch.stop));
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let at = now();
                if let Ok(listing) = list(&folder) {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    if seen.last().is_none_or(|(_, first)| *first != listing.first()) {
                        seen.push((at, listing.first()));
                    }
                }
                std::thread::sleep(PERIOD);
            }
        });
        watch
    }

    /// When this segment was first seen to be gone.
    pub fn gone(&self, segment: Segment) -> Option<Moment> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|(_, first)| *first > segment).map(|(at, _)| *at)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
