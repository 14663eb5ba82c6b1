//! A log of this node for the coordinator: asked of the root helper, told in parts while the session goes on.

use super::helper::Helper;
use crate::exec::protocol::{Reply, Request};
use model::node_log::NodeLog;
use proto::convert;
use proto::v1::agent_message::Message as Out;
use proto::v1::{NodeLogPart, ReadNodeLog};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Longest that the helper may take; the coordinator waits longer, so that it hears why.
const HELPER: Duration = Duration::from_secs(15);

/// Reads in a task of its own. Whatever happens, one last part says how it ended.
pub(super) fn read(helper: &Helper, answers: &UnboundedSender<Out>, wanted: ReadNodeLog) {
    let (helper, answers) = (helper.clone(), answers.clone());
    tokio::spawn(async move {
        let mut teller = Teller {
            request: wanted.request,
            part: 0,
            answers,
        };
        let log = match convert::node_log(wanted.kind) {
            Ok(log) => log,
            Err(invalid) => return teller.trouble(invalid.to_string()),
        };
        let max_bytes = usize::try_from(wanted.max_bytes).unwrap_or(NodeLog::MOST_BYTES);
        let request = Request::ReadLog { log, max_bytes };
        let reading = helper.read_log(&request, |reply| teller.tell(reply));
        let done = tokio::time::timeout(HELPER, reading).await;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => teller.trouble(format!("the root helper did not answer: {error}")),
            Err(_) => teller.trouble(format!(
                "the root helper did not answer within {} s",
                HELPER.as_secs()
            )),
        }
    });
}

struct Teller {
    request: u64,
    /// Number of the next part.
    part: u32,
    answers: UnboundedSender<Out>,
}

impl Teller {
    fn tell(&mut self, reply: Reply) {
        match reply {
            Reply::LogPart {
                text,
                last,
                cut,
                trouble,
            } => self.send(text.into_bytes(), last, cut, trouble.unwrap_or_default()),
            other => self.trouble(format!("the root helper answered {other:?}")),
        }
    }

    fn trouble(&mut self, trouble: String) {
        self.send(Vec::new(), true, false, trouble);
    }

    fn send(&mut self, text: Vec<u8>, last: bool, cut: bool, trouble: String) {
        let part = NodeLogPart {
            request: self.request,
            part: self.part,
            text,
            last,
            cut,
            trouble,
        };
        self.part += 1;
        // The session may have ended meanwhile; then nobody waits any more.
        let _ = self.answers.send(Out::Log(part));
    }
}
