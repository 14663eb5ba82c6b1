//! One subscriber's record, item by item.

use super::lives::Lives;
use super::{Broken, Delivered, Figures, History, Log, Promise, Seen, Subscriber};
use std::collections::{BTreeMap, BTreeSet};

type Verdict = Result<(), (Promise, String)>;

struct Reader<'a> {
    history: &'a History,
    subscriber: &'a Subscriber,
    order: &'a BTreeMap<&'a str, usize>,
    /// The first request; what is before it was not wanted.
    began: Option<u64>,
    /// Up to here all is accounted for.
    position: u64,
    /// The last item of this stream.
    last: u64,
    /// Whether anything came on this stream.
    is_fresh: bool,
    bookmark: Option<u64>,
    revisions: BTreeSet<u64>,
    lives: Lives,
    /// The latest mark of each node.
    made: BTreeMap<String, usize>,
    marks: BTreeSet<usize>,
    /// Nodes of which numbers were declared as missing.
    thinned: BTreeSet<String>,
    /// Whether a part of the log was declared as gone.
    shortened: bool,
}

pub(super) fn follow(
    history: &History,
    subscriber: &Subscriber,
    order: &BTreeMap<&str, usize>,
    log: &mut Log,
    figures: &mut Figures,
) -> Result<(), Broken> {
    let mut reader = Reader {
        history,
        subscriber,
        order,
        began: None,
        position: 0,
        last: 0,
        is_fresh: true,
        bookmark: None,
        revisions: BTreeSet::new(),
        lives: Lives::default(),
        made: BTreeMap::new(),
        marks: BTreeSet::new(),
        thinned: BTreeSet::new(),
        shortened: false,
    };
    let broken = |item, (promise, evidence)| Broken {
        promise,
        subscriber: subscriber.name.clone(),
        item,
        evidence,
    };
    for (item, seen) in subscriber.seen.iter().enumerate() {
        reader.take(seen, log, figures).map_err(|b| broken(item, b))?;
    }
    reader.end(log).map_err(|b| broken(subscriber.seen.len(), b))
}

impl Reader<'_> {
    fn take(&mut self, seen: &Seen, log: &mut Log, figures: &mut Figures) -> Verdict {
        match seen {
            Seen::Asked(after) => {
                if self.began.is_some() && *after > self.position {
                    let evidence = format!("asked for all after {after}, {} was reached", self.position);
                    return Err((Promise::Resumable, evidence));
                }
                if self.began.is_none() {
                    (self.began, self.position) = (Some(*after), *after);
                    self.lives = Lives::new(*after > 0);
                }
                (self.last, self.is_fresh, self.bookmark) = (*after, true, None);
                figures.streams += 1;
            }
            Seen::Entry(entry) => self.entry(entry, None, log, figures)?,
            Seen::Gap {
                entry,
                life,
                from,
                to,
            } => {
                self.entry(entry, Some((life, *from, *to)), log, figures)?;
            }
            Seen::Bookmark(revision) => {
                if *revision < self.last || (self.subscriber.nodes.is_none() && *revision > self.last) {
                    let evidence = format!("a bookmark at {revision}, delivered was up to {}", self.last);
                    return Err((Promise::Bookmarkable, evidence));
                }
                (self.last, self.bookmark) = (*revision, Some(*revision));
                self.position = self.position.max(*revision);
            }
            Seen::Compacted(oldest) => {
                self.position = self.position.max(oldest.saturating_sub(1));
                self.shortened = true;
                self.lives = Lives::new(true);
            }
            Seen::TooSlow(last) if *last > self.last => {
                let evidence = format!("told that {last} was sent, {} came", self.last);
                return Err((Promise::Reliable, evidence));
            }
            Seen::TooSlow(_) => {}
            Seen::LogReset => {
                // Another log: its revisions say nothing of those before.
                self.revisions.clear();
                log.clear();
                (self.position, self.shortened) = (0, true);
                self.lives = Lives::default();
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &Delivered,
        gap: Option<(&String, u64, u64)>,
        log: &mut Log,
        figures: &mut Figures,
    ) -> Verdict {
        let revision = entry.revision;
        if self.bookmark.is_some_and(|bookmark| revision <= bookmark) {
            let evidence = format!("revision {revision} came after the bookmark {:?}", self.bookmark);
            return Err((Promise::Bookmarkable, evidence));
        }
        if revision == self.last && !self.is_fresh {
            return Err((Promise::Unique, format!("revision {revision} came twice")));
        }
        if revision <= self.last {
            let evidence = format!("revision {revision} came after {}", self.last);
            return Err((Promise::Ordered, evidence));
        }
        if self.subscriber.nodes.is_none() && revision != self.last.saturating_add(1) {
            let promise = if self.is_fresh {
                Promise::Resumable
            } else {
                Promise::Reliable
            };
            let evidence = format!("revision {revision} follows {}", self.last);
            return Err((promise, evidence));
        }
        if let Some((digest, _)) = log.get(&revision).filter(|(digest, _)| *digest != entry.digest) {
            let evidence = format!(
                "revision {revision} is {:x} here and was {digest:x}",
                entry.digest
            );
            return Err((Promise::Unique, evidence));
        }
        log.insert(revision, (entry.digest, entry.node.clone()));
        (self.last, self.is_fresh) = (revision, false);
        self.position = self.position.max(revision);
        if !self.revisions.insert(revision) {
            figures.again += 1;
            return Ok(());
        }
        figures.entries += 1;
        if let Some((life, from, to)) = gap {
            self.lives.gap(&entry.node, life, from, to)?;
            self.thinned.insert(entry.node.clone());
            figures.gaps += 1;
        } else if let Some(origin) = &entry.origin {
            self.lives.number(&entry.node, origin)?;
        }
        entry
            .mark
            .as_deref()
            .map_or(Ok(()), |mark| self.mark(entry, mark))
    }

    fn mark(&mut self, entry: &Delivered, mark: &str) -> Verdict {
        let Some(at) = self.order.get(mark).copied() else {
            return Err((Promise::Reliable, format!("nobody made {mark}")));
        };
        if !self.marks.insert(at) {
            let evidence = format!("{mark} came again, at revision {}", entry.revision);
            return Err((Promise::Unique, evidence));
        }
        let before = self.made.insert(entry.node.clone(), at);
        if before.is_some_and(|before| before > at) {
            let evidence = format!("{mark} came after what {} made later", entry.node);
            return Err((Promise::Ordered, evidence));
        }
        Ok(())
    }

    /// What had to come.
    fn end(&self, log: &Log) -> Verdict {
        if self.position < self.history.head {
            let evidence = format!("ended at {}, the head is {}", self.position, self.history.head);
            return Err((Promise::Reliable, evidence));
        }
        let is_wanted = |node: &str| {
            self.subscriber
                .nodes
                .as_ref()
                .is_none_or(|nodes| nodes.contains(node))
        };
        let began = self.began.unwrap_or(0);
        if self.shortened {
            return Ok(());
        }
        let missing = log.iter().find(|(revision, (_, node))| {
            **revision > began
                && **revision <= self.position
                && is_wanted(node)
                && !self.revisions.contains(revision)
        });
        if let Some((revision, _)) = missing {
            let evidence = format!("revision {revision}, which others saw, never came");
            return Err((Promise::Reliable, evidence));
        }
        let is_due = |produced: &super::Produced| {
            produced.acknowledged
                && is_wanted(&produced.node)
                && !(produced.may_drop && self.thinned.contains(&produced.node))
        };
        let lost = self.history.produced.iter().enumerate();
        match lost
            .filter(|(_, p)| is_due(p))
            .find(|(at, _)| !self.marks.contains(at))
        {
            Some((_, lost)) if began == 0 => {
                let evidence = format!("{} of {} was acknowledged and never came", lost.mark, lost.node);
                Err((Promise::Reliable, evidence))
            }
            _ => Ok(()),
        }
    }
}
