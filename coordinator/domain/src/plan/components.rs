//! Phase 3 and later: components, ordered by what they need and provide. The engine knows none of them by name.

use super::nodes::host;
use super::{HostStep, PlanError, PlannedStep};
use crate::capability::Capability;
use crate::component::{Clusters, Component};
use model::ids::{ClusterName, ComponentName};
use model::lab::{Cluster, Lab};
use std::collections::{BTreeMap, BTreeSet};

/// Install and readiness steps of every component in each of its clusters.
pub(super) fn steps(lab: &Lab, components: &[Component]) -> Result<Vec<PlannedStep>, PlanError> {
    check_names(lab, components)?;
    check_providers(lab, components)?;
    let phases = effective_phases(components);
    let mut out = Vec::new();
    for component in components {
        for cluster in lab
            .clusters
            .iter()
            .filter(|cluster| component.runs_in(&cluster.name))
        {
            let phase = phases.get(&component.name).copied().unwrap_or(component.phase);
            out.extend(of_cluster(lab, component, cluster, phase)?);
        }
    }
    Ok(out)
}

fn of_cluster(
    lab: &Lab,
    component: &Component,
    cluster: &Cluster,
    phase: u8,
) -> Result<Vec<PlannedStep>, PlanError> {
    let Some(digest) = component.inputs.get(&cluster.name).copied() else {
        return Err(PlanError::NoInputs {
            component: component.name.clone(),
            cluster: cluster.name.clone(),
        });
    };
    let (name, at) = (component.name.clone(), cluster.name.clone());
    let internal = |what: &str| Capability::cluster(&cluster.name, &format!("component/{name}/{what}"));
    let provided = component
        .provides
        .iter()
        .map(|what| Capability::cluster(&cluster.name, what));
    let (expected, budget) = (component.expected_seconds * 1000, component.budget_seconds * 1000);

    let body = HostStep::InstallComponent {
        component: name.clone(),
        cluster: at.clone(),
        digest,
    };
    let mut install = host(lab, at.as_str(), body, phase, (expected / 5, budget));
    install.cluster = Some(at.clone());
    install.needs = vec![Capability::cluster(&cluster.name, "kubeconfig")];
    add_needs(lab, cluster, &component.needs, &mut install.needs);
    install.provides.push(internal("installed"));
    if component.readiness.is_empty() {
        return Ok(vec![install]);
    }

    let body = HostStep::AwaitReady {
        component: name.clone(),
        cluster: at.clone(),
    };
    let mut ready = host(lab, at.as_str(), body, phase, (expected - expected / 5, budget));
    ready.cluster = Some(at.clone());
    ready.needs = vec![internal("installed")];
    add_needs(lab, cluster, &component.ready_needs, &mut ready.needs);
    ready.provides = provided.collect();
    ready.provides.push(internal("ready"));
    Ok(vec![install, ready])
}

fn add_needs(lab: &Lab, own: &Cluster, needs: &[String], out: &mut Vec<Capability>) {
    for need in needs {
        match need.split_once('/') {
            None => out.push(Capability::cluster(&own.name, need)),
            Some(("*", what)) => out.extend(lab.clusters.iter().map(|c| Capability::cluster(&c.name, what))),
            Some((scope, what)) => out.push(Capability(format!("cluster/{scope}/{what}"))),
        }
    }
    let mut seen = BTreeSet::new();
    out.retain(|capability| seen.insert(capability.clone()));
}

fn check_names(lab: &Lab, components: &[Component]) -> Result<(), PlanError> {
    let mut names = BTreeSet::new();
    for component in components {
        if !names.insert(&component.name) {
            return Err(PlanError::SameName(component.name.clone()));
        }
        let listed: &[ClusterName] = match &component.clusters {
            Clusters::Listed(list) => list,
            Clusters::All | Clusters::Management | Clusters::Applications => &[],
        };
        let needed = component.needs.iter().chain(&component.ready_needs);
        let scopes = needed
            .filter_map(|need| need.split_once('/'))
            .map(|(scope, _)| scope)
            .filter(|s| *s != "*");
        for cluster in listed.iter().map(ClusterName::as_str).chain(scopes) {
            if lab.cluster(cluster).is_none() {
                let (component, cluster) = (component.name.clone(), cluster.to_owned());
                return Err(PlanError::UnknownCluster { component, cluster });
            }
        }
    }
    Ok(())
}

fn check_providers(lab: &Lab, components: &[Component]) -> Result<(), PlanError> {
    let mut seen: BTreeMap<Capability, String> = BTreeMap::new();
    for cluster in &lab.clusters {
        for what in ["apiserver", "kubeconfig", "join-token", "joined", "dns"] {
            seen.insert(Capability::cluster(&cluster.name, what), "kubeadm".into());
        }
        for component in components
            .iter()
            .filter(|component| component.runs_in(&cluster.name))
        {
            for what in &component.provides {
                let capability = Capability::cluster(&cluster.name, what);
                let second = component.name.to_string();
                if let Some(first) = seen.insert(capability.clone(), second.clone()) {
                    return Err(PlanError::TwoProviders {
                        capability,
                        first,
                        second,
                    });
                }
            }
        }
    }
    Ok(())
}

/// A component comes as early as the earliest one that needs it, whatever phase it names itself.
fn effective_phases(components: &[Component]) -> BTreeMap<ComponentName, u8> {
    let mut phases: BTreeMap<ComponentName, u8> = components
        .iter()
        .map(|component| (component.name.clone(), component.phase))
        .collect();
    // Each round carries a phase over one more edge, so as many rounds as components reach the end of any chain.
    for _ in components {
        for consumer in components {
            let phase = phases.get(&consumer.name).copied().unwrap_or(consumer.phase);
            for need in consumer.needs.iter().chain(&consumer.ready_needs) {
                let what = need.rsplit('/').next().unwrap_or(need);
                for provider in components.iter().filter(|p| p.provides.iter().any(|w| w == what)) {
                    if let Some(own) = phases.get_mut(&provider.name) {
                        *own = (*own).min(phase);
                    }
                }
            }
        }
    }
    phases
}
