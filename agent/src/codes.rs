//! Stable error codes of the agent. They appear in outcomes, refusals and logs, and are never reused.

/// A program that the step ran failed.
pub const COMMAND: &str = "DY-0501";
/// The step itself failed, for example a file could not be written.
pub const STEP: &str = "DY-0502";
/// The step exceeded its ceiling.
pub const TIMEOUT: &str = "DY-0503";
/// The step's process was ended by a signal, for example for lack of memory.
pub const KILLED: &str = "DY-0504";
/// The node has served already: only a person may make this anew.
pub const SERVED: &str = "DY-0505";
/// Something the step needs is not on the node, for example an image archive.
pub const MISSING: &str = "DY-0506";
/// The secret that the step needs was not to be had.
pub const SECRET: &str = "DY-0507";
/// The lease of a fault does not allow what was asked for.
pub const LEASE: &str = "DY-0508";
/// An order of an older coordinator.
pub const STALE_EPOCH: &str = "DY-0520";
/// The same step with other content: a bug of whoever sent it.
pub const CONTENT_DIFFERS: &str = "DY-0521";
/// An earlier attempt of the step still runs, or is not reported yet.
pub const BUSY: &str = "DY-0522";
/// The order breaks a rule of the model.
pub const INVALID: &str = "DY-0523";
/// The disk or the buffer is full; running steps are finished, new ones refused.
pub const FULL: &str = "DY-0524";
/// The root helper cannot be reached.
pub const HELPER: &str = "DY-0525";
