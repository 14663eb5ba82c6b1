//! What is under way to one subscriber: pointers to lines that all subscribers share.

use super::item;
use super::line::Line;
use bytes::Bytes;
use futures_util::Stream;
use prost::Message;
use proto::v1::SubscribeResponse;
use proto::v1::subscribe_response::Item;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tonic::Status;

/// Lines and items under way to one subscriber. On a busy host it gets its turn seldom, a hundred times a second, and takes what
/// is here then: fewer would bound what it can get. A stalled one costs this many pointers, and lines that others have long taken.
pub(super) const UNDER_WAY: usize = 512;

/// What the stream carries, for who reads it in this process.
pub type Sent = Result<SubscribeResponse, Status>;

/// One thing to tell, as small as a pointer: most are lines, and many may be under way.
#[derive(Debug)]
pub(super) enum Told {
    Line(Arc<Line>),
    Item(Box<Item>),
    /// The last one.
    Failed(Box<Status>),
}

/// Where a subscription puts what it has to tell.
#[derive(Debug)]
pub struct Outlet(mpsc::Sender<Told>);

/// Where the subscriber takes it from.
#[derive(Debug)]
pub struct Items(mpsc::Receiver<Told>);

/// The same for a subscriber at the other end of a wire: each response as its bytes there.
#[derive(Debug)]
pub(super) struct Encoded(pub(super) Items);

/// How a thing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// The subscriber is gone.
    Gone,
    /// It took nothing for too long.
    Stalled,
}

/// Both ends. One place more than the subscription may fill stays free for its last word.
pub(super) fn pair() -> (Outlet, Items) {
    let (sender, receiver) = mpsc::channel(UNDER_WAY + 1);
    (Outlet(sender), Items(receiver))
}

impl Outlet {
    /// The place of the last word; None when the subscriber is gone.
    pub(super) async fn last_place(&self) -> Option<mpsc::OwnedPermit<Told>> {
        self.0.clone().reserve_owned().await.ok()
    }

    /// Waits for a place at most as long as `limit`.
    pub(super) async fn send(&self, told: Told, limit: Duration) -> Taken {
        let told = match self.0.try_send(told) {
            Ok(()) => return Taken::Yes,
            Err(TrySendError::Closed(_)) => return Taken::Gone,
            Err(TrySendError::Full(told)) => told,
        };
        match tokio::time::timeout(limit, self.0.send(told)).await {
            Ok(Ok(())) => Taken::Yes,
            Ok(Err(_)) => Taken::Gone,
            Err(_) => Taken::Stalled,
        }
    }

    /// Whether the subscriber is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until it is.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Items {
    /// The next item; None at the end of the stream.
    pub async fn recv(&mut self) -> Option<Sent> {
        self.0.recv().await.map(Told::sent)
    }

    /// Items that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Stream for Items {
    type Item = Sent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Sent>> {
        let next = self.get_mut().0.poll_recv(context);
        next.map(|told| told.map(Told::sent))
    }
}

impl Stream for Encoded {
    type Item = Result<Bytes, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.get_mut().0.0.poll_recv(context);
        next.map(|told| told.map(Told::encoded))
    }
}

impl Told {
    fn sent(self) -> Sent {
        match self {
            Self::Line(line) => SubscribeResponse::decode(line.encoded())
                .map_err(|error| Status::internal(format!("a line of the log cannot be decoded: {error}"))),
            Self::Item(told) => Ok(item(*told)),
            Self::Failed(status) => Err(*status),
        }
    }

    fn encoded(self) -> Result<Bytes, Status> {
        match self {
            Self::Line(line) => Ok(line.encoded()),
            Self::Item(told) => Ok(item(*told).encode_to_vec().into()),
            Self::Failed(status) => Err(*status),
        }
    }
}

impl From<Arc<Line>> for Told {
    fn from(line: Arc<Line>) -> Self {
        Self::Line(line)
    }
}

impl From<Item> for Told {
    fn from(item: Item) -> Self {
        Self::Item(Box::new(item))
    }
}

impl From<Status> for Told {
    fn from(status: Status) -> Self {
        Self::Failed(Box::new(status))
    }
}
