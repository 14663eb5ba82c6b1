//! Where a stream goes on: the id of a server-sent event, `LOG-REVISION`, or a bare revision of whatever log there is.

use model::ids::Revision;

/// A position in a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    /// Name of the log; empty for any.
    pub(super) log_id: Vec<u8>,
    /// Everything up to here is known.
    pub(super) after: Revision,
}

impl Cursor {
    /// Reads what a browser sends back; None for what was never an id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (log, revision) = text.rsplit_once('-').unwrap_or(("", text));
        let log_id = hex::decode(log).ok().filter(|id| matches!(id.len(), 0 | 16))?;
        // A sign or spaces are no number of ours, though `parse` takes a plus.
        let digits = revision.bytes().all(|b| b.is_ascii_digit());
        let after = Revision(revision.parse().ok().filter(|_| digits)?);
        Some(Self { log_id, after })
    }

    /// The position of a request: the browser's own word first, for it is newer than the address.
    pub(super) fn of(last_event_id: Option<&str>, query: Option<&str>) -> Option<Self> {
        match last_event_id
            .filter(|id| !id.is_empty())
            .or(parameter(query, "after"))
        {
            Some(text) => Self::parse(text),
            None => Some(Self::default()),
        }
    }

    /// The id of an event at `revision`.
    pub(super) fn id(log_id: &[u8], revision: u64) -> String {
        format!("{}-{revision}", hex::encode(log_id))
    }
}

/// The first value of that name.
pub(super) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_everything_else_is_refused() {
        let id = Cursor::id(&[7; 16], 42);
        let read = Cursor::parse(&id).expect("an id");
        assert_eq!((read.log_id, read.after), (vec![7; 16], Revision(42)));
        assert_eq!(Cursor::parse("42").expect("bare").after, Revision(42));
        for bad in [
            "",
            "-",
            "x",
            "07-1",
            "4 2",
            "+4",
            "07070707-",
            "-1x",
            "99999999999999999999",
        ] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_browser_s_word_wins_over_the_address() {
        let after = |last, query| Cursor::of(last, query).map(|cursor| cursor.after.0);
        assert_eq!(after(Some("9"), Some("after=3")), Some(9));
        assert_eq!(after(None, Some("a=b&after=3")), Some(3));
        assert_eq!(after(Some(""), None), Some(0));
        assert_eq!(after(None, Some("after=x")), None);
    }
}
