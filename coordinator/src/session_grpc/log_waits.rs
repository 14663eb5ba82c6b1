//! Who waits for a log of a node. An agent may answer too much, in a wrong order, twice, for another node's request, late or
//! never: each wait ends once, holds no more bytes than were asked for, and is forgotten with whoever waited.

use super::hub::NotConnected;
use model::ids::NodeName;
use proto::v1::NodeLogPart;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a node handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogText {
    /// As the agent sent it: whoever shows it to others cleans it first.
    pub text: String,
    /// Older lines were left out.
    pub cut: bool,
}

/// Why there is no log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Nobody to ask.
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    /// The session ended before the answer did.
    #[error("the node's session ended before it had answered")]
    Gone,
    /// It did not end in time.
    #[error("the node did not answer in time")]
    Late,
    /// More came than was asked for.
    #[error("the node sent more than the {0} bytes that were asked for")]
    TooMuch(usize),
    /// Parts are missing or come twice.
    #[error("the node sent part {found} where part {expected} was due")]
    OutOfOrder {
        /// The next one.
        expected: u32,
        /// What came.
        found: u32,
    },
    /// The node's own words.
    #[error("{0}")]
    Trouble(String),
}

/// Longest account of a trouble that is kept, in characters.
const TROUBLE: usize = 300;

#[derive(Debug, Default, Clone)]
pub(super) struct LogWaits(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
}

#[derive(Debug)]
struct Open {
    node: NodeName,
    most: usize,
    next: u32,
    text: Vec<u8>,
    done: oneshot::Sender<Result<LogText, LogError>>,
}

/// One request. Dropped, it is forgotten.
#[derive(Debug)]
pub(super) struct Wait {
    request: u64,
    shared: Arc<Shared>,
    answer: oneshot::Receiver<Result<LogText, LogError>>,
}

impl LogWaits {
    /// From now on an answer of `node` with at most `most` bytes is taken.
    pub(super) fn begin(&self, node: &NodeName, most: usize) -> Wait {
        let request = self.0.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (done, answer) = oneshot::channel();
        let open = Open {
            node: node.clone(),
            most,
            next: 0,
            text: Vec::new(),
            done,
        };
        self.0.open().insert(request, open);
        Wait {
            request,
            shared: Arc::clone(&self.0),
            answer,
        }
    }

    /// A part came. One that nobody waits for, or waits for from another node, is dropped: it may just be late.
    pub(super) fn take(&self, node: &NodeName, part: NodeLogPart) {
        let mut all = self.0.open();
        let Some(open) = all.get_mut(&part.request).filter(|open| open.node == *node) else {
            return;
        };
        let ended = match open.add(&part) {
            Ok(()) if !part.last => return,
            Ok(()) if part.trouble.is_empty() => Ok(LogText {
                text: String::from_utf8_lossy(&open.text).into_owned(),
                cut: part.cut,
            }),
            Ok(()) => {
                let clean = model::redact::clean(&part.trouble).replace('\n', " ");
                Err(LogError::Trouble(clean.trim().chars().take(TROUBLE).collect()))
            }
            Err(error) => Err(error),
        };
        if let Some(open) = all.remove(&part.request) {
            // Whoever waited may be gone.
            let _ = open.done.send(ended);
        }
    }

    /// A session of `node` ended: what it did not answer, nobody will.
    pub(super) fn gone(&self, node: &NodeName) {
        let gone: Vec<Open> = {
            let mut all = self.0.open();
            all.extract_if(|_, open| open.node == *node)
                .map(|(_, open)| open)
                .collect()
        };
        for open in gone {
            let _ = open.done.send(Err(LogError::Gone));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.open().len()
    }
}

impl Open {
    fn add(&mut self, part: &NodeLogPart) -> Result<(), LogError> {
        if part.part != self.next {
            return Err(LogError::OutOfOrder {
                expected: self.next,
                found: part.part,
            });
        }
        // An agent that sends empty parts without end is held up by the deadline.
        self.next = self.next.saturating_add(1);
        if self.text.len().saturating_add(part.text.len()) > self.most {
            return Err(LogError::TooMuch(self.most));
        }
        self.text.extend_from_slice(&part.text);
        Ok(())
    }
}

impl Wait {
    pub(super) fn request(&self) -> u64 {
        self.request
    }

    /// The answer, or why there is none.
    pub(super) async fn until(mut self, deadline: Instant) -> Result<LogText, LogError> {
        match tokio::time::timeout_at(deadline, &mut self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LogError::Gone),
            Err(_) => Err(LogError::Late),
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.shared.open().remove(&self.request);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).expect("valid")
    }

    fn part(request: u64, part: u32, text: &str, last: bool) -> NodeLogPart {
        NodeLogPart {
            request,
            part,
            text: text.into(),
            last,
            ..NodeLogPart::default()
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_parts_is_put_together_once() {
        let (waits, node) = (LogWaits::default(), node("app1-cp"));
        let wait = waits.begin(&node, 10);
        let id = wait.request();
        waits.take(&node, part(id, 0, "one ", false));
        waits.take(&node, part(id, 1, "two", true));
        // Again, and more of it: nobody waits for it any more.
        waits.take(&node, part(id, 0, "one ", false));
        waits.take(&node, part(id, 2, "three", true));
        let answer = wait.until(soon()).await.expect("answered");
        assert_eq!(answer.text, "one two");
        assert_eq!(waits.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_hostile_ends_the_wait_or_is_not_heard() {
        let (waits, node, other) = (LogWaits::default(), node("app1-cp"), node("app2-cp"));
        let wait = waits.begin(&node, 4);
        waits.take(&node, part(wait.request(), 0, "12345", false));
        assert_eq!(wait.until(soon()).await, Err(LogError::TooMuch(4)));

        let wait = waits.begin(&node, 4);
        waits.take(&node, part(wait.request(), 1, "1", true));
        let error = wait.until(soon()).await.expect_err("refused").to_string();
        assert_eq!(error, "the node sent part 1 where part 0 was due");

        let wait = waits.begin(&node, 4);
        waits.take(&other, part(wait.request(), 0, "mine", true));
        waits.take(&node, part(wait.request() + 7, 0, "else", true));
        assert_eq!(wait.until(soon()).await, Err(LogError::Late));

        let wait = waits.begin(&node, 4);
        let mut trouble = part(wait.request(), 0, "", true);
        trouble.trouble = "no journal\u{7}\n of abcdef.0123456789abcdef".into();
        waits.take(&node, trouble);
        let error = wait.until(soon()).await.expect_err("trouble").to_string();
        assert_eq!(error, "no journal  of [redacted]");

        let wait = waits.begin(&node, 4);
        waits.gone(&node);
        assert_eq!(wait.until(soon()).await, Err(LogError::Gone));
        drop(waits.begin(&node, 4));
        assert_eq!(waits.len(), 0, "who waited is forgotten");
    }
}
