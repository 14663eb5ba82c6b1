//! What a subscriber got over the wire, in the words of the checker.

use domain::watched::{Delivered, Origin, Seen};
use proto::v1::LogEntry;
use proto::v1::subscribe_response::Item;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What producers of recorded histories begin their marks with.
pub const MARK: &str = "mark ";

/// One item; None for one of a later release.
pub fn seen(item: &Item) -> Option<Seen> {
    Some(match item {
        Item::Entry(entry) => Seen::Entry(delivered(entry)),
        Item::Gap(gap) => Seen::Gap {
            entry: delivered(gap.entry.as_ref()?),
            life: hex(&gap.incarnation),
            from: gap.seq_from,
            to: gap.seq_to,
        },
        Item::Bookmark(bookmark) => Seen::Bookmark(bookmark.revision),
        Item::Compacted(compacted) => Seen::Compacted(compacted.oldest),
        Item::TooSlow(slow) => Seen::TooSlow(slow.last),
        Item::LogReset(_) => Seen::LogReset,
    })
}

fn delivered(entry: &LogEntry) -> Delivered {
    let line: Value = serde_json::from_slice(&entry.json).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut digest = DefaultHasher::new();
    entry.json.hash(&mut digest);
    let meta = entry.meta.clone().unwrap_or_default();
    let origin = meta.origin.map(|origin| Origin {
        life: hex(&origin.incarnation),
        seq: origin.seq,
        declares: line["kind"] == "dropped",
    });
    let mark = text(&line["detail"]["version"]);
    Delivered {
        revision: entry.revision,
        node: meta.node,
        origin,
        mark: mark.starts_with(MARK).then_some(mark),
        digest: digest.finish(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
