//! All nodes of the lab by Terraform; adopted when they are there.

use crate::places::Places;
use launcher::terraform::{Inputs, NodeInput, Terraform, TerraformError, TerraformEvent};
use launcher::{LabHandle, Multipass, NodeProvider, Nspawn, Power};
use model::lab::{Lab, Provider};
use model::step::Role;

/// Nodes that are made at the same time. A node waits more than it computes, so all six may; Multipass launches are
/// heavier, and its daemon is known to suffer beyond two.
fn parallelism(provider: Provider) -> usize {
    match provider {
        Provider::Nspawn => 8,
        Provider::Multipass => 2,
    }
}

/// Runs `terraform apply`; `progress` gets one line per change. `attempt` makes Terraform look at every node again.
/// Blocks.
pub fn run(
    lab: &Lab,
    places: &Places,
    attempt: String,
    progress: &mut dyn FnMut(String),
) -> Result<(), TerraformError> {
    let inputs = Inputs {
        node_provider: match lab.provider {
            Provider::Nspawn => "nspawn".into(),
            Provider::Multipass => "multipass".into(),
        },
        lab: lab.name.to_string(),
        home: places.home.clone(),
        cache: places.cache.clone(),
        coordinator: places.program.clone(),
        gateway: lab.network.gateway,
        prefix: lab.network.subnet.prefix_len(),
        memory_budget_mib: lab.budget.memory_mib,
        disk_budget_gib: lab.budget.disk_gb,
        attempt,
        nodes: lab
            .nodes()
            .map(|(_, node)| (node.name.to_string(), input(node)))
            .collect(),
    };
    let terraform = Terraform::new(&places.project.join("terraform"), &places.home);
    terraform.apply(&inputs, parallelism(lab.provider), &mut |event| {
        if let Some(line) = describe(&event) {
            progress(line);
        }
    })
}

/// The way in which this lab's nodes are made.
pub fn provider(lab: &Lab, places: &Places) -> Box<dyn NodeProvider> {
    let handle = LabHandle {
        lab: lab.name.to_string(),
        home: places.home.clone(),
        cache: places.cache.clone(),
    };
    match lab.provider {
        Provider::Nspawn => Box::new(Nspawn::new(handle)),
        Provider::Multipass => Box::new(Multipass::new(handle)),
    }
}

/// Names of the nodes that do not run, or of which nobody can say that they do. Blocks.
pub fn not_running(lab: &Lab, places: &Places) -> Vec<String> {
    let provider = provider(lab, places);
    let runs = |name: &str| matches!(provider.state(name), Ok(Some(state)) if state.power == Power::Running);
    lab.nodes()
        .map(|(_, node)| node.name.to_string())
        .filter(|name| !runs(name))
        .collect()
}

fn input(node: &model::lab::Node) -> NodeInput {
    NodeInput {
        role: role_name(node.role).into(),
        address: node.address,
        cpus: node.cpus,
        memory_mib: node.memory_mib,
        disk_gib: node.disk_gb,
    }
}

/// The role as cloud-init and Terraform spell it.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control_plane",
        Role::Worker => "worker",
    }
}

/// What is worth a line of progress.
fn describe(event: &TerraformEvent) -> Option<String> {
    match event {
        TerraformEvent::Finished {
            node: Some(node),
            seconds,
            ..
        } => Some(format!("{node} runs after {seconds:.1} s")),
        TerraformEvent::Failed { resource, .. } => Some(format!("{resource} failed")),
        TerraformEvent::Diagnostic {
            severity, summary, ..
        } => Some(format!("{severity}: {summary}")),
        _ => None,
    }
}
