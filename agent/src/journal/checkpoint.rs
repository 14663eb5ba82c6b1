//! A second, independent witness of the journal: two small slots written in turn. When the store's tail is behind it, the
//! store lost records without noticing; and the epoch survives the loss of the whole store.

use super::{Position, frame};
use model::ids::{Epoch, Incarnation, Seq};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Counts writes; the higher slot is the newer.
    pub generation: u64,
    /// Life of the store.
    pub incarnation: Incarnation,
    /// The highest number that was durable.
    pub last: Seq,
    /// The highest epoch obeyed.
    pub epoch: Epoch,
}

/// The two slots.
#[derive(Debug)]
pub(super) struct Slots {
    folder: PathBuf,
    generation: u64,
}

impl Slots {
    /// The newest slot that verifies.
    pub(super) fn open(folder: &Path) -> (Self, Option<Checkpoint>) {
        let read = |n| {
            std::fs::read(slot(folder, n))
                .ok()
                .and_then(|bytes| frame::decode::<Checkpoint>(&bytes))
        };
        let newest = [read(0), read(1)]
            .into_iter()
            .flatten()
            .max_by_key(|c| c.generation);
        (
            Self {
                folder: folder.to_owned(),
                generation: newest.map_or(0, |c| c.generation),
            },
            newest,
        )
    }

    /// Overwrites the older slot. Synced only on request: without that it still survives the death of the process, which
    /// is what happens often, and a torn one leaves the other.
    pub(super) fn write(&mut self, position: Position, epoch: Epoch, sync: bool) -> io::Result<()> {
        self.generation += 1;
        let (incarnation, last) = (position.incarnation, position.last);
        let checkpoint = Checkpoint {
            generation: self.generation,
            incarnation,
            last,
            epoch,
        };
        let bytes = frame::encode(&checkpoint).map_err(io::Error::other)?;
        let path = slot(&self.folder, self.generation % 2);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&bytes)?;
        if sync {
            file.sync_data()?;
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn slot(folder: &Path, n: u64) -> PathBuf {
    folder.join(format!("checkpoint.{n}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_slot_counts() {
        let dir = tempfile::tempdir().expect("temp");
        let (mut slots, none) = Slots::open(dir.path());
        assert_eq!(none, None);
        let position = |last| Position {
            incarnation: Incarnation([1; 16]),
            first_unacked: Seq(1),
            last: Seq(last),
        };
        slots.write(position(1), Epoch(1), true).expect("written");
        slots.write(position(2), Epoch(2), false).expect("written");
        assert_eq!(Slots::open(dir.path()).1.expect("one").last, Seq(2));
        std::fs::write(slot(dir.path(), 0), b"torn").expect("damaged");
        assert_eq!(Slots::open(dir.path()).1.expect("the other").last, Seq(1));
    }
}
