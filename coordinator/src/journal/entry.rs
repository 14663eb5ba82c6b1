//! One entry of the log: its bytes, and what they say as long as somebody still knows.

use crate::envelope::{self, Sealed, Stamp};
use bytes::Bytes;
use domain::record::Record;
use model::moment::Moment;
use std::borrow::Cow;
use std::sync::Arc;

/// When something was decided, and what, as JSON. Clones share both.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Wall time of the decision.
    pub time: Moment,
    /// One JSON object.
    pub json: Bytes,
    /// What the JSON says, in an entry that this process wrote itself: every reader would have to parse it else.
    said: Option<Arc<Sealed>>,
}

/// What is kept counts: the rest only spares work.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.time, &self.json) == (other.time, &other.json)
    }
}

impl Eq for Entry {}

impl Entry {
    /// As it was read.
    pub fn new(time: Moment, json: impl Into<Bytes>) -> Self {
        Self {
            time,
            json: json.into(),
            said: None,
        }
    }

    /// To be written.
    ///
    /// # Errors
    /// When the record cannot be put into words.
    pub fn sealed(time: Moment, said: Sealed) -> serde_json::Result<Self> {
        let json = envelope::seal(&said.record, &said.stamp)?.into();
        let said = Some(Arc::new(said));
        Ok(Self { time, json, said })
    }

    /// The record.
    ///
    /// # Errors
    /// When this release does not understand it.
    pub fn record(&self) -> serde_json::Result<Cow<'_, Record>> {
        match &self.said {
            Some(said) => Ok(Cow::Borrowed(&said.record)),
            None => serde_json::from_slice(&self.json).map(Cow::Owned),
        }
    }

    /// Its stamp; an empty one where there is none.
    pub fn stamp(&self) -> Cow<'_, Stamp> {
        match &self.said {
            Some(said) => Cow::Borrowed(&said.stamp),
            None => Cow::Owned(envelope::stamp(&self.json)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::ClusterName;

    #[test]
    fn an_entry_says_the_same_before_and_after_it_was_stored() {
        let cluster = ClusterName::new("app1").expect("valid");
        let said = Sealed {
            record: Record::ClusterServed { cluster },
            stamp: Stamp {
                actor: "operator:jane".into(),
                ..Stamp::default()
            },
        };
        let written = Entry::sealed(Moment(7), said).expect("sealed");
        let read = Entry::new(Moment(7), written.json.clone());
        assert_eq!(written, read);
        assert_eq!(written.record().expect("known"), read.record().expect("parsed"));
        assert_eq!(written.stamp(), read.stamp());
        assert_eq!(read.stamp().actor, "operator:jane");
    }

    #[test]
    fn what_nobody_understands_is_an_error_and_has_an_empty_stamp() {
        let entry = Entry::new(Moment(7), &b"[]"[..]);
        assert!(entry.record().is_err());
        assert_eq!(*entry.stamp(), Stamp::default());
    }
}
