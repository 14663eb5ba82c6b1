//! `coordinator node ...`: what Terraform calls for each node. Standard output is one JSON object per line.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use model::causes::chain;
use serde_json::{Value, json};

use crate::claim::Claim;
use crate::error::LaunchError;
use crate::multipass::Multipass;
use crate::nspawn::{Nspawn, StoreSeeder};
use crate::provider::{NodeProvider, PowerOff};
use crate::record::NodeRecord;
use crate::spec::{LabHandle, NetworkSpec, NodeSpec, resolved};
use crate::{ensure_network, remove_network};

/// Makes, shows, powers and removes single nodes.
#[derive(Debug, Args)]
pub struct NodeArgs {
    #[command(subcommand)]
    command: NodeCommand,
}

#[derive(Debug, Subcommand)]
enum NodeCommand {
    /// Brings a node to "exists and runs".
    Ensure(EnsureArgs),
    /// Removes the node of exactly this name.
    Remove(TargetArgs),
    /// Shows the node as it is now.
    State(StateArgs),
    /// Changes whether the node runs.
    Power(PowerArgs),
    /// Makes or removes the lab's bridge.
    #[command(subcommand)]
    Network(NetworkCommand),
}

#[derive(Debug, Subcommand)]
enum NetworkCommand {
    /// Makes the bridge with its address.
    Ensure(BridgeArgs),
    /// Removes the bridge.
    Remove(LabArgs),
}

#[derive(Debug, Args)]
struct LabArgs {
    /// The lab's name.
    #[arg(long)]
    lab: String,
    /// State of the lab.
    #[arg(long)]
    home: PathBuf,
    /// Bundle and root file system.
    #[arg(long)]
    cache: PathBuf,
}

#[derive(Debug, Args)]
struct BridgeArgs {
    #[command(flatten)]
    lab: LabArgs,
    /// The bridge's address, which is the nodes' gateway.
    #[arg(long)]
    gateway: Ipv4Addr,
    /// Prefix length of the subnet.
    #[arg(long)]
    prefix: u8,
}

/// A way of making nodes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProviderName {
    Nspawn,
    Multipass,
}

#[derive(Debug, Args)]
struct TargetArgs {
    #[command(flatten)]
    lab: LabArgs,
    /// What makes the nodes.
    #[arg(long)]
    provider: ProviderName,
    /// The `multipass` program.
    #[arg(long, default_value = "multipass")]
    multipass: PathBuf,
    /// The node.
    #[arg(long)]
    name: String,
}

#[derive(Debug, Args)]
struct StateArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Accepted for symmetry with other commands: the answer is JSON in any case.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PowerArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// What to do.
    #[arg(long)]
    to: PowerTo,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PowerTo {
    On,
    Off,
    Lost,
    Suspended,
    Resumed,
}

#[derive(Debug, Args)]
struct EnsureArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// `control_plane` or `worker`.
    #[arg(long)]
    role: String,
    /// Static address.
    #[arg(long)]
    address: Ipv4Addr,
    /// Prefix length of the subnet.
    #[arg(long)]
    prefix: u8,
    /// Default route.
    #[arg(long)]
    gateway: Ipv4Addr,
    /// CPU limit in cores.
    #[arg(long)]
    cpus: u32,
    /// Memory limit in MiB.
    #[arg(long)]
    memory_mib: u64,
    /// Disk size in GiB.
    #[arg(long)]
    disk_gib: u64,
}

/// What a command needs of the program that it is part of.
pub struct Hooks<'a> {
    /// Where user-data comes from: asked at most once, and only if the node is really made.
    pub user_data: &'a mut UserDataFor<'a>,
    /// What gives a new nspawn node its part of the shared content store; without one it imports its images.
    pub store: Option<Arc<StoreSeeder>>,
}

impl std::fmt::Debug for Hooks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// The user-data of one node.
pub type UserDataFor<'a> = dyn FnMut(&LabHandle, &NodeSpec) -> Result<String, String> + 'a;

/// Runs one `node` command, telling its progress on `out`.
///
/// # Errors
/// What the operation failed with; it was told on `out` already.
pub fn run(arguments: &NodeArgs, hooks: &mut Hooks<'_>, out: &mut dyn Write) -> Result<(), LaunchError> {
    let (subject, outcome) = match &arguments.command {
        NodeCommand::Ensure(a) => (a.target.name.as_str(), ensure(a, hooks, out)),
        NodeCommand::Remove(t) => (t.name.as_str(), remove(t, out)),
        NodeCommand::State(s) => (s.target.name.as_str(), state(&s.target, out)),
        NodeCommand::Power(p) => (p.target.name.as_str(), power(p, out)),
        NodeCommand::Network(n) => ("network", bridge(n, out)),
    };
    if let Err(error) = &outcome {
        let (code, remedy) = (error.code(), error.remedy());
        tell(
            out,
            &json!({"node": subject, "stage": "failed", "code": code, "error": chain(error), "remedy": remedy}),
        );
    }
    outcome
}

fn ensure(arguments: &EnsureArgs, hooks: &mut Hooks<'_>, out: &mut dyn Write) -> Result<(), LaunchError> {
    let started = Instant::now();
    let target = &arguments.target;
    let spec = NodeSpec {
        name: target.name.clone(),
        role: arguments.role.clone(),
        address: arguments.address,
        prefix: arguments.prefix,
        gateway: arguments.gateway,
        cpus: arguments.cpus,
        memory_mib: arguments.memory_mib,
        disk_gib: arguments.disk_gib,
    };
    tell(out, &json!({"node": spec.name, "stage": "started"}));
    let lab = target.lab.handle();
    let provider = target.provider(hooks.store.clone());
    let state = provider.ensure(&spec, &mut || (hooks.user_data)(&lab, &spec))?;
    let seconds = started.elapsed().as_secs_f64();
    tell(
        out,
        &json!({"node": spec.name, "stage": "ready", "seconds": seconds, "state": state}),
    );
    Ok(())
}

fn remove(target: &TargetArgs, out: &mut dyn Write) -> Result<(), LaunchError> {
    target.provider(None).remove(&target.name)?;
    tell(out, &json!({"node": target.name, "stage": "removed"}));
    Ok(())
}

fn state(target: &TargetArgs, out: &mut dyn Write) -> Result<(), LaunchError> {
    let Some(state) = target.provider(None).state(&target.name)? else {
        return Err(LaunchError::NotFound {
            node: target.name.clone(),
            lab: target.lab.lab.clone(),
        });
    };
    tell(out, &json!(state));
    Ok(())
}

fn power(arguments: &PowerArgs, out: &mut dyn Write) -> Result<(), LaunchError> {
    let (provider, name) = (arguments.target.provider(None), arguments.target.name.as_str());
    match arguments.to {
        PowerTo::On => provider.power_on(name).map(|_| ())?,
        PowerTo::Off => provider.power_off(name, PowerOff::Orderly).map(|_| ())?,
        PowerTo::Lost => provider.power_off(name, PowerOff::Abrupt).map(|_| ())?,
        PowerTo::Suspended => provider.suspend(name)?,
        PowerTo::Resumed => provider.resume(name).map(|_| ())?,
    }
    state(&arguments.target, out)
}

fn bridge(command: &NetworkCommand, out: &mut dyn Write) -> Result<(), LaunchError> {
    match command {
        NetworkCommand::Ensure(a) => {
            let spec = NetworkSpec {
                bridge_address: a.gateway,
                prefix: a.prefix,
            };
            ensure_network(&a.lab.handle(), &spec)?;
            tell(out, &json!({"node": "network", "stage": "ready"}));
        }
        NetworkCommand::Remove(lab) => {
            let handle = lab.handle();
            let was_there = remove_network(&handle)?;
            if NodeRecord::names(&handle.nodes_dir()).is_empty() {
                Claim::of(&handle).release()?;
            }
            tell(
                out,
                &json!({"node": "network", "stage": "removed", "was_there": was_there}),
            );
        }
    }
    Ok(())
}

impl LabArgs {
    fn handle(&self) -> LabHandle {
        LabHandle {
            lab: self.lab.clone(),
            home: resolved(&self.home),
            cache: resolved(&self.cache),
        }
    }
}

impl TargetArgs {
    fn provider(&self, store: Option<Arc<StoreSeeder>>) -> Box<dyn NodeProvider> {
        let lab = self.lab.handle();
        match self.provider {
            ProviderName::Nspawn => {
                let provider = Nspawn::new(lab);
                Box::new(match store {
                    Some(seeder) => provider.with_store_seeder(seeder),
                    None => provider,
                })
            }
            ProviderName::Multipass => {
                let mut provider = Multipass::new(lab);
                provider.command.clone_from(&self.multipass);
                Box::new(provider)
            }
        }
    }
}

/// A reader that went away does not change what is done to the node.
fn tell(out: &mut dyn Write, line: &Value) {
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::debug!(%error, "progress not read");
    }
}
