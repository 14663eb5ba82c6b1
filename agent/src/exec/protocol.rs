//! What front and helper say to each other: JSON frames with a length in front, one reply per request; a log has several.

use crate::secret::Secret;
use crate::step::StepResult;
use model::evidence::Evidence;
use model::ids::{Attempt, LeaseId, StepId};
use model::lease::{LeaseState, LeaseStatus, Survey};
use model::node_log::NodeLog;
use model::step::{ProbeResult, StepOrder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// Largest frame in bytes: a kubeconfig fits many times.
pub const MAX_FRAME: usize = 128 * 1024;

/// What the front asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Start an attempt; asking again is harmless.
    Start {
        /// The order.
        order: StepOrder,
        /// The secret that it takes.
        secret: Option<Secret>,
    },
    /// Say what is known of an attempt.
    Look {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: Attempt,
    },
    /// End the attempt's unit.
    Cancel {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: Attempt,
    },
    /// Look at the operating system.
    Probe {
        /// The order that is asked about.
        order: StepOrder,
    },
    /// Look around a step that waits.
    Gather {
        /// Its order.
        order: StepOrder,
    },
    /// Hand over the secret that an attempt yielded; it stays until [`Request::Forget`].
    YieldedSecret {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: Attempt,
    },
    /// The coordinator has the outcome and the secret.
    Forget {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: Attempt,
    },
    /// Resident memory of the helper.
    Observe,
    /// The coordinator is there now: leases that depend on it go on.
    Seen,
    /// Look for leases, and for what carries our name without one.
    Survey,
    /// The coordinator will hear of this state of a lease: it is in the journal.
    LeaseTold {
        /// The lease.
        lease: LeaseId,
        /// The state.
        state: LeaseState,
    },
    /// Read the end of a log. The one request with several replies: [`Reply::LogPart`] until the last one.
    ReadLog {
        /// Which.
        log: NodeLog,
        /// Most bytes of all parts together.
        max_bytes: usize,
    },
    /// From now on this connection carries [`Push`] frames only.
    Subscribe,
}

/// What the helper answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// The unit runs, since now or before.
    Running {
        /// Its name.
        unit: String,
    },
    /// The attempt has ended.
    Finished {
        /// How.
        result: StepResult,
    },
    /// The attempt never started here.
    Absent,
    /// Not done.
    Refused {
        /// Stable code.
        code: String,
        /// Why.
        reason: String,
    },
    /// What the probe found.
    Probed {
        /// The finding.
        result: ProbeResult,
    },
    /// What was seen around the step.
    Gathered {
        /// At most [`model::evidence::MOST`] pieces.
        evidence: Vec<Evidence>,
    },
    /// The yielded secret; `None` when a reboot took it.
    Secret {
        /// The secret.
        value: Option<Secret>,
    },
    /// Resident bytes.
    Observed {
        /// Bytes.
        rss: u64,
    },
    /// What the survey found.
    Surveyed {
        /// The finding.
        survey: Survey,
    },
    /// Part of a log.
    LogPart {
        /// At most [`NodeLog::PART_BYTES`], without secrets.
        text: String,
        /// Nothing follows.
        last: bool,
        /// In the last part: older lines were left out.
        cut: bool,
        /// In the last part: why it could not be read.
        trouble: Option<String>,
    },
    /// Done; nothing to add.
    Done,
}

/// What subscribers are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "push", rename_all = "snake_case")]
pub enum Push {
    /// An attempt ended.
    Finished {
        /// How.
        result: StepResult,
    },
    /// What an attempt does or waits for.
    Progress {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: Attempt,
        /// One line.
        message: String,
    },
    /// A lease went on.
    Lease {
        /// The lease as it is now.
        status: LeaseStatus,
    },
}

/// The frame of `message`.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_FRAME);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the frame is too large"))?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Length of the body that follows these four bytes.
pub fn body_length(head: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the frame is too large",
        ));
    }
    Ok(length)
}

/// Reads one frame.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut head = [0u8; 4];
    stream.read_exact(&mut head)?;
    let mut body = vec![0u8; body_length(head)?];
    stream.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

/// Writes one frame.
pub fn write(stream: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_large_ones_are_refused_before_they_are_read() {
        let request = Request::Look {
            step: StepId([1; 32]),
            attempt: Attempt(2),
        };
        let frame = encode(&request).expect("encoded");
        let back: Request = read(&mut frame.as_slice()).expect("decoded");
        assert!(matches!(
            back,
            Request::Look {
                attempt: Attempt(2),
                ..
            }
        ));
        assert!(read::<Request>(&mut [0xff, 0xff, 0xff, 0xff].as_slice()).is_err());
    }

    #[test]
    fn a_step_that_breaks_a_rule_does_not_get_through() {
        let text = r#"{"request":"probe","order":{"step":"00","attempt":1,"budget_ms":1,
            "body":{"kind":"import_images","role":"worker"}}}"#;
        assert!(serde_json::from_str::<Request>(text).is_err());
        let text = format!(
            r#"{{"request":"probe","order":{{"step":"{}","attempt":1,"budget_ms":1,
            "body":{{"kind":"import_images","role":"worker","run":"sh"}}}}}}"#,
            "0".repeat(64)
        );
        assert!(serde_json::from_str::<Request>(&text).is_err());
    }
}
