//! What is checked when a log is opened: every entry, the base that they follow, and the chain of hashes over all of them.

use super::damage::{Cause, guarded};
use super::store::{Meta, SEALS, Store};
use crate::journal::chain::{Chain, Seal};
use crate::journal::reader::ReadLog;
use crate::journal::{JournalError, record};
use model::ids::Revision;
use redb::{ReadableDatabase, ReadableTable};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// Entries checked together.
const BATCH: usize = 1024;

/// Seals by the revision after which their bases were taken.
pub(super) type Seals = BTreeMap<u64, Vec<Seal>>;

/// All that the table holds: one for each time that the log was shortened since its oldest entry.
pub(super) fn all_seals(table: &impl ReadableTable<u64, &'static [u8]>) -> Result<Seals, Cause> {
    let mut all = Seals::new();
    for row in table.iter()? {
        let (at, stored) = row?;
        let (seals, rest) = stored.value().as_chunks::<32>();
        if !rest.is_empty() {
            return Err(format!("the seals at revision {} have the wrong length", at.value()).into());
        }
        all.insert(at.value(), seals.iter().copied().map(Seal).collect());
    }
    Ok(all)
}

/// The chain with an entry, and with the bases that were taken after it.
pub(super) fn link(chain: Chain, revision: Revision, stored: &[u8], seals: &Seals) -> Chain {
    let bases = seals.get(&revision.0).into_iter().flatten();
    bases.fold(chain.with(revision, stored), |chain, seal| chain.sealed(*seal))
}

impl Store {
    /// Every entry from the oldest to the head is there once, intact and what was written, nothing else is, and the base is
    /// the one that was left. The end of their chain.
    pub(super) fn verify(&self, meta: &Meta) -> Result<Chain, JournalError> {
        let head = meta.head;
        let mut after = Revision(meta.oldest.0.saturating_sub(1));
        let mut chain = meta.anchor;
        let seals = guarded(&self.path, || {
            all_seals(&self.database.begin_read()?.open_table(SEALS)?)
        })?;
        loop {
            let batch = self.read(after, BATCH)?;
            for (revision, entry) in &batch {
                chain = link(chain, *revision, &record::encode(*revision, entry), &seals);
            }
            let size = batch.iter().map(|(_, entry)| record::size(entry)).sum();
            self.size.fetch_add(size, Ordering::Relaxed);
            match batch.last() {
                Some((last, _)) => after = *last,
                None if after != head => {
                    return Err(self.damaged(after.next(), format!("it is missing, the head is {head}")));
                }
                None if meta.chain.is_some_and(|end| end != chain) => {
                    let reason =
                        "the chain of hashes is broken: some entry, or a base, is not what was written";
                    return Err(self.damaged(head, reason.to_owned()));
                }
                None => break,
            }
        }
        self.check_base(&seals)?;
        Ok(chain)
    }

    /// The base is the last one that the chain goes over. A log of a release that did not seal bases has none there; removing
    /// a seal from one that has breaks its chain.
    fn check_base(&self, seals: &Seals) -> Result<(), JournalError> {
        let Some((at, stored)) = guarded(&self.path, || self.base())? else {
            return Ok(());
        };
        match seals.get(&at).and_then(|seals| seals.last()) {
            Some(seal) if *seal != Seal::of(&stored) => Err(JournalError::Damaged {
                path: self.path.clone(),
                place: "in its base".to_owned(),
                reason: "it is not the one that retention left".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}
