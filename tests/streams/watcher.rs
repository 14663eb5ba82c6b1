//! A subscriber of the simulation: the real subscription behind a channel that may be dropped, or read slowly.

use coordinator::subscribe_grpc::{Feed, Items, Pace, Subscription};
use domain::watched::{Seen, Subscriber};
use proto::v1::subscribe_response::Item;
use proto::v1::{EventFilter, SubscribeRequest};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::watched::seen;

/// In the simulation's own time.
const PACE: Pace = Pace {
    bookmark_every: Duration::from_millis(40),
    stall_limit: Duration::from_millis(400),
};

pub(crate) struct Watcher {
    pub(crate) record: Subscriber,
    /// Where it goes on.
    pub(crate) position: u64,
    stream: Option<Items>,
}

impl Watcher {
    pub(crate) fn new(name: &str, node: Option<&str>) -> Self {
        Self {
            record: Subscriber {
                name: name.into(),
                nodes: node.map(|node| BTreeSet::from([node.to_owned()])),
                seen: Vec::new(),
            },
            position: 0,
            stream: None,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) fn disconnect(&mut self) {
        self.stream = None;
    }

    pub(crate) fn connect(&mut self, feed: Feed) {
        let nodes = self.record.nodes.iter().flatten().cloned().collect();
        let request = SubscribeRequest {
            log_id: feed.log().log_id().0.to_vec(),
            after: self.position,
            follow: true,
            filter: Some(EventFilter {
                nodes,
                ..EventFilter::default()
            }),
            ..SubscribeRequest::default()
        };
        let subscription = Subscription::new(feed, request, PACE).expect("understood");
        let (sender, stream) = Subscription::channel();
        tokio::spawn(subscription.run(sender));
        self.record.seen.push(Seen::Asked(self.position));
        self.stream = Some(stream);
    }

    /// Takes at most `most` items that come within a short while.
    pub(crate) async fn take(&mut self, most: usize) {
        for _ in 0..most {
            let Some(stream) = &mut self.stream else { return };
            let next = tokio::time::timeout(Duration::from_millis(5), stream.recv()).await;
            match next {
                Err(_) => return,
                Ok(None | Some(Err(_))) => return self.disconnect(),
                Ok(Some(Ok(response))) => self.note(response.item.as_ref()),
            }
        }
    }

    fn note(&mut self, item: Option<&Item>) {
        let Some(seen) = item.and_then(seen) else { return };
        self.position = match &seen {
            Seen::Entry(entry) | Seen::Gap { entry, .. } => entry.revision,
            Seen::Bookmark(revision) => *revision,
            Seen::Compacted(oldest) => oldest.saturating_sub(1),
            Seen::LogReset => 0,
            Seen::TooSlow(_) | Seen::Asked(_) => self.position,
        };
        self.record.seen.push(seen);
    }
}
