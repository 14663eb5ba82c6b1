//! Nodes as Multipass machines: macOS, and Linux with KVM.
//!
//! A launch that times out has not failed: the machine goes on, and the next look adopts it. Machines are named and
//! removed by their exact name, never by a pattern.

mod client;
mod json;
mod provider;

use std::path::PathBuf;
use std::time::Duration;

use crate::spec::LabHandle;

/// The provider.
#[derive(Debug, Clone)]
pub struct Multipass {
    /// The `multipass` program.
    pub command: PathBuf,
    /// The lab whose machines it makes.
    pub lab: LabHandle,
    /// How long a launch may take before it is looked at from outside.
    pub launch_limit: Duration,
    /// How long after its launch a machine may take to show its static address.
    pub address_limit: Duration,
}

impl Multipass {
    /// The provider with `multipass` from the search path.
    #[must_use]
    pub fn new(lab: LabHandle) -> Self {
        Self {
            command: PathBuf::from("multipass"),
            lab,
            launch_limit: Duration::from_secs(600),
            address_limit: Duration::from_secs(180),
        }
    }
}
