//! One subscriber's record, item by item.

use super::holes::Holes;
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
    /// The latest mark of each node, in this log.
    made: BTreeMap<String, usize>,
    /// The last that each node made of all marks that came, in this log and those before it.
    furthest: BTreeMap<String, usize>,
    /// Marks of this log.
    marks: BTreeSet<usize>,
    /// Marks of this log and of those before it.
    ever: BTreeSet<usize>,
    /// Nodes of which numbers were declared as missing.
    thinned: BTreeSet<String>,
    /// Parts of the log that were declared as gone.
    holes: Holes,
    /// How often the log was another one.
    resets: usize,
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
        furthest: BTreeMap::new(),
        marks: BTreeSet::new(),
        ever: BTreeSet::new(),
        thinned: BTreeSet::new(),
        holes: Holes::default(),
        resets: 0,
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
                if *oldest > self.history.oldest {
                    let kept = self.history.oldest.max(1);
                    let evidence = format!("told that all before {oldest} is gone, kept is all from {kept}");
                    return Err((Promise::Reliable, evidence));
                }
                if *oldest > self.position.saturating_add(1) {
                    self.holes.skip(self.position, *oldest, &self.furthest);
                    self.lives = Lives::new(true);
                }
                self.position = self.position.max(oldest.saturating_sub(1));
                figures.compacted += 1;
            }
            Seen::TooSlow(last) if *last > self.last => {
                let evidence = format!("told that {last} was sent, {} came", self.last);
                return Err((Promise::Reliable, evidence));
            }
            Seen::TooSlow(_) => {}
            Seen::LogReset => {
                self.resets += 1;
                if self.resets > self.history.resets {
                    let evidence = format!(
                        "told that the log is another one, {} times of {}; what the old one had is lost",
                        self.resets, self.history.resets
                    );
                    return Err((Promise::Reliable, evidence));
                }
                // Its revisions say nothing of those before, and what was not acknowledged to a node comes again.
                self.holes.replace(&self.furthest);
                self.revisions.clear();
                self.marks.clear();
                self.made.clear();
                self.position = 0;
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
            let evidence = format!(
                "revision {revision} came where {} was due",
                self.last.saturating_add(1)
            );
            return Err((promise, evidence));
        }
        let place = (self.resets, revision);
        if let Some((digest, _)) = log.get(&place).filter(|(digest, _)| *digest != entry.digest) {
            let evidence = format!(
                "revision {revision} is {:x} here and was {digest:x}",
                entry.digest
            );
            return Err((Promise::Unique, evidence));
        }
        log.insert(place, (entry.digest, entry.node.clone()));
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
        self.ever.insert(at);
        let furthest = self.furthest.entry(entry.node.clone()).or_insert(at);
        *furthest = at.max(*furthest);
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
        if self.resets < self.history.resets {
            let (heard, made) = (self.resets, self.history.resets);
            let evidence = format!("the log was replaced {made} times, {heard} were told");
            return Err((Promise::Reliable, evidence));
        }
        let began = self.began.unwrap_or(0);
        let seen = log.range((self.resets, 0)..=(self.resets, self.position));
        let missing = seen
            .filter(|((_, revision), (_, node))| *revision > began && is_wanted(node))
            .map(|((_, revision), _)| *revision)
            .find(|revision| !self.revisions.contains(revision) && !self.holes.have(*revision));
        if let Some(revision) = missing {
            let evidence = format!("revision {revision}, which others saw, never came");
            return Err((Promise::Reliable, evidence));
        }
        let is_due = |produced: &super::Produced| {
            produced.acknowledged
                && is_wanted(&produced.node)
                && !(produced.may_drop && self.thinned.contains(&produced.node))
        };
        // The latest mark of each node that came, on the way through what was made.
        let mut came: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, produced) in self.history.produced.iter().enumerate() {
            let node = produced.node.as_str();
            if self.ever.contains(&at) {
                came.insert(node, at);
                continue;
            }
            if began == 0 && is_due(produced) && !self.holes.may_have(node, came.get(node).copied()) {
                let evidence = format!("{} of {node} was acknowledged and never came", produced.mark);
                return Err((Promise::Reliable, evidence));
            }
        }
        Ok(())
    }
}
