//! The lab's nodes on this host: made, adopted, powered and removed; and what the host needs for that.
//!
//! A [`NodeProvider`] turns a [`NodeSpec`] into a running node with cloud-init's user-data in it. [`Nspawn`] does so
//! without a hypervisor.
//!
//! Everything here is synchronous and may be repeated: state is on disk before anything of a node exists, several
//! launcher processes may work at once, and `down` finds what any of them left.

pub mod cgroup;
mod claim;
pub mod cli;
mod clock;
mod command;
pub mod doctor;
mod down;
mod error;
pub mod fault;
mod files;
mod host_settings;
pub mod mounts;
pub mod multipass;
pub mod names;
pub mod network;
pub mod nspawn;
pub mod outside;
pub mod process;
mod provider;
pub mod record;
mod spec;
pub mod terraform;
pub mod user_data;

pub use claim::check_claim;
pub use doctor::{Fix, HostCheck, HostNeeds, HostProvider, Level, apply_fix, host_report};
pub use down::{DownReport, Leftover, down};
pub use error::LaunchError;
pub use multipass::Multipass;
pub use network::{ensure_network, remove_network};
pub use nspawn::{Nspawn, StoreSeeder};
pub use provider::{NodeProvider, NodeState, Outcome, Power, PowerOff, UserDataSource};
pub use spec::{LabHandle, NetworkSpec, NodeSpec, resolved};
pub use user_data::{InjectSpec, RenderError, render_user_data};
