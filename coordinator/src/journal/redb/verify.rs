//! What is checked when a log is opened: every entry, the base that they follow, and the chain of hashes over all of them.

use super::damage::{Cause, guarded};
use super::store::{ENTRIES, Meta, SEALS, Store};
use crate::journal::chain::{Chain, Seal};
use crate::journal::{JournalError, record};
use model::ids::Revision;
use redb::{ReadableDatabase, ReadableTable};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// The last entry and the chain up to it; or the revision that is not what it should be, and why.
type Walked = Result<(Revision, Chain), (Revision, String)>;

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
        let seals = guarded(&self.path, || {
            all_seals(&self.database.begin_read()?.open_table(SEALS)?)
        })?;
        let head = meta.head;
        let (end, chain) = match guarded(&self.path, || self.walk(meta, &seals))? {
            Ok(walked) => walked,
            Err((revision, reason)) => return Err(self.damaged(revision, reason)),
        };
        if end != head {
            return Err(self.damaged(end.next(), format!("it is missing, the head is {head}")));
        }
        if meta.chain.is_some_and(|end| end != chain) {
            let reason = "the chain of hashes is broken: some entry, or a base, is not what was written";
            return Err(self.damaged(head, reason.to_owned()));
        }
        self.check_base(&seals)?;
        Ok(chain)
    }

    /// One pass over the entries as they lie there, without a copy of any: the last one and the chain up to it, or where it broke.
    fn walk(&self, meta: &Meta, seals: &Seals) -> Result<Walked, Cause> {
        let table = self.database.begin_read()?.open_table(ENTRIES)?;
        let (mut expected, mut chain, mut size) = (meta.oldest, meta.anchor, 0);
        for row in table.range(meta.oldest.0..)? {
            let (found, stored) = row?;
            let stored = stored.value();
            if found.value() != expected.0 {
                return Ok(Err((expected, format!("revision {} follows", found.value()))));
            }
            if let Err(reason) = record::check(expected, stored) {
                return Ok(Err((expected, reason)));
            }
            chain = link(chain, expected, stored, seals);
            size += u64::try_from(stored.len()).unwrap_or(u64::MAX);
            expected = expected.next();
        }
        self.size.fetch_add(size, Ordering::Relaxed);
        Ok(Ok((Revision(expected.0.saturating_sub(1)), chain)))
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
