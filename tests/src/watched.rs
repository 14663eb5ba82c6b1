//! What a subscriber got, over the wire or as lines of `events --json`, in the words of the checker.

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
        digest: digest(&entry.json),
    }
}

/// One line of `events --json`; None for what is none. Producers' marks are looked for on the wire only.
pub fn line(text: &str) -> Option<Seen> {
    let line: Value = serde_json::from_str(text).ok()?;
    let number = |key: &str| line[key].as_u64();
    let words = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let kind = line["kind"].as_str()?;
    Some(match kind {
        "bookmark" => Seen::Bookmark(number("revision")?),
        "compacted" => Seen::Compacted(number("oldest")?),
        "too_slow" => Seen::TooSlow(number("last")?),
        "log_reset" => Seen::LogReset,
        _ => {
            let life = words("incarnation");
            let origin = number("seq").map(|seq| Origin {
                life: life.clone(),
                seq,
                declares: kind == "dropped",
            });
            let entry = Delivered {
                revision: number("revision")?,
                node: words("node"),
                origin,
                mark: None,
                digest: digest(text.as_bytes()),
            };
            match number("seq_from") {
                None => Seen::Entry(entry),
                Some(from) => Seen::Gap {
                    entry,
                    life,
                    from,
                    // Nobody knows how far.
                    to: number("seq_to").unwrap_or(u64::MAX),
                },
            }
        }
    })
}

fn digest(bytes: &[u8]) -> u64 {
    let mut digest = DefaultHasher::new();
    bytes.hash(&mut digest);
    digest.finish()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
