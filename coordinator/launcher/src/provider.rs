//! What every way of making nodes offers, so that the rest does not care which one it is.

use std::net::Ipv4Addr;

use model::moment::Moment;
use serde::Serialize;

use crate::error::LaunchError;
use crate::spec::NodeSpec;

/// Whether a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// It runs.
    Running,
    /// It is there and does not run.
    Off,
    /// It is there and its processes are stopped.
    Suspended,
    /// There is no such node.
    Absent,
    /// It is there, and the provider cannot say more.
    Unknown,
}

impl std::fmt::Display for Power {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Off => "off",
            Self::Suspended => "suspended",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        })
    }
}

/// What `ensure` did to get where it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Made from nothing.
    Created,
    /// It was there and ran.
    Adopted,
    /// It was there and was started again on its own disk.
    PoweredOn,
    /// Nothing was done: the state was only asked for.
    Observed,
}

/// A node as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeState {
    /// Name inside the lab.
    pub name: String,
    /// Name on the host.
    pub machine: String,
    /// Its static address.
    pub address: Ipv4Addr,
    /// Whether it runs.
    pub power: Power,
    /// PID 1 of the node as the host numbers it, where the provider shows it.
    pub leader: Option<i32>,
    /// Tells the node from earlier ones of the same name.
    pub generation: u64,
    /// What was done to get here.
    pub outcome: Outcome,
}

/// How to lose power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerOff {
    /// The node's init stops everything first.
    Orderly,
    /// As if the plug were pulled.
    Abrupt,
}

/// A source of user-data, asked only when a node is really made: a token is minted for each answer.
pub type UserDataSource<'a> = dyn FnMut() -> Result<String, String> + 'a;

/// A way of making nodes.
pub trait NodeProvider {
    /// Brings the node to "exists and runs": adopts, starts again, or makes it. May be repeated at any time.
    ///
    /// # Errors
    /// When the node cannot be brought there; it may then be repeated.
    fn ensure(&self, spec: &NodeSpec, user_data: &mut UserDataSource<'_>) -> Result<NodeState, LaunchError>;

    /// The node as it is now; `None` when there is none of this name.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn state(&self, node: &str) -> Result<Option<NodeState>, LaunchError>;

    /// Removes the node of exactly this name with its disk; absent is fine.
    ///
    /// # Errors
    /// When something of it stays.
    fn remove(&self, node: &str) -> Result<(), LaunchError>;

    /// Switches the node off; off is fine. Answers since when nothing of it acts on anything outside.
    ///
    /// # Errors
    /// When it is absent or does not stop.
    fn power_off(&self, node: &str, how: PowerOff) -> Result<Moment, LaunchError>;

    /// Starts the node again on its own disk; running is fine.
    ///
    /// # Errors
    /// When it is absent or does not start.
    fn power_on(&self, node: &str) -> Result<NodeState, LaunchError>;

    /// Stops all of the node's processes in place, as a black hole for its peers.
    ///
    /// # Errors
    /// When it does not run.
    fn suspend(&self, node: &str) -> Result<(), LaunchError>;

    /// Lets a suspended node go on.
    ///
    /// # Errors
    /// When it is absent or off.
    fn resume(&self, node: &str) -> Result<NodeState, LaunchError>;

    /// Puts a fresh enrolment token into a node that exists and has not enrolled: the one it was made with lives for
    /// minutes only, and the node may have been off since.
    ///
    /// # Errors
    /// When the node is absent, or (Multipass) does not run.
    fn deliver_token(&self, node: &str, token: &str) -> Result<(), LaunchError>;
}
