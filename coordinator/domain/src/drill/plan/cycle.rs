//! What recovery depends on: is what is needed to bring X back kept in X?
//!
//! Components say what they need and what they provide; what Kubernetes' own parts need of one another is stated. From that
//! follows who outside the outage will miss something, in which order the lost parts can return, and whether something
//! lost needs, over others, what is lost with it.

use super::lost::Lost;
use super::{Present, stated};
use crate::component::Component;
use model::ids::ClusterName;
use model::lab::{Cluster, Lab};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One dependency that matters for the outage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependency {
    /// What it means.
    pub kind: DependencyKind,
    /// Who needs it, `COMPONENT in CLUSTER`; of Kubernetes' own parts `apiserver`, `etcd`, `every controller`.
    pub dependent: String,
    /// What it needs, `CAPABILITY of COMPONENT in CLUSTER`; one of Kubernetes' own parts is `PART in CLUSTER`.
    pub needs: String,
}

/// What a dependency means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyKind {
    /// What is needed to recover X lives, over others, in X itself.
    Circular,
    /// Something lost needs something else that is lost: it returns after it.
    ReturnsAfter,
    /// Something that is spared needs something lost: it will miss it during the outage.
    Misses,
}

/// Who needs or provides something, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) cluster: ClusterName,
}

/// Somebody needs something of somebody.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: Place,
    pub(super) to: Place,
    /// The capability, or the name of one of Kubernetes' own parts.
    pub(super) what: String,
    /// The same for people.
    pub(super) needs: String,
}

impl Edge {
    fn is_down(&self, lost: &Lost) -> bool {
        lost.is_out_of_reach(&self.what, &self.to.cluster, &self.from.cluster)
    }
}

/// Every dependency between what is installed that crosses or lies within the outage, sorted.
pub(super) fn find(lab: &Lab, components: &[Component], present: &Present, lost: &Lost) -> Vec<Dependency> {
    let mut edges = edges(lab, components, present);
    edges.extend(stated::edges(lab));
    let mut found = BTreeSet::new();
    for edge in &edges {
        let away = lost.is_away(&edge.from.name, &edge.from.cluster);
        let kind = match (away, edge.is_down(lost)) {
            (true, true) if leads(&edges, &edge.to, |next| next.to == edge.from) => DependencyKind::Circular,
            (true, true) => DependencyKind::ReturnsAfter,
            (false, true) => DependencyKind::Misses,
            (true, false) if leads(&edges, &edge.to, |next| next.is_down(lost)) => DependencyKind::Circular,
            _ => continue,
        };
        found.insert(Dependency {
            kind,
            dependent: format!("{} in {}", edge.from.name, edge.from.cluster),
            needs: edge.needs.clone(),
        });
    }
    found.into_iter().collect()
}

fn edges(lab: &Lab, components: &[Component], present: &Present) -> Vec<Edge> {
    let by_name: BTreeMap<&str, &Component> = components.iter().map(|c| (c.name.as_str(), c)).collect();
    let place = |component: &Component, cluster: &ClusterName| Place {
        name: component.name.to_string(),
        cluster: cluster.clone(),
    };
    let mut out = Vec::new();
    for cluster in &lab.clusters {
        for component in components.iter().filter(|c| is_there(c, cluster, present)) {
            for need in component.needs.iter().chain(&component.ready_needs) {
                for (home, what) in homes(lab, cluster, need) {
                    let provider = present
                        .provider(home.as_str(), what)
                        .and_then(|name| by_name.get(name));
                    if let Some(provider) = provider {
                        out.push(Edge {
                            from: place(component, &cluster.name),
                            to: place(provider, home),
                            what: what.to_owned(),
                            needs: format!("{what} of {} in {home}", provider.name),
                        });
                    }
                }
            }
        }
    }
    out
}

fn is_there(component: &Component, cluster: &Cluster, present: &Present) -> bool {
    let here = |what: &String| present.provider(cluster.name.as_str(), what) == Some(component.name.as_str());
    component.provides.iter().any(here)
}

/// The clusters that a need is about: its own, the named one, or every one.
fn homes<'a, 'n>(lab: &'a Lab, own: &'a Cluster, need: &'n str) -> Vec<(&'a ClusterName, &'n str)> {
    match need.split_once('/') {
        None => vec![(&own.name, need)],
        Some(("*", what)) => lab.clusters.iter().map(|c| (&c.name, what)).collect(),
        Some((scope, what)) => lab.cluster(scope).map(|c| (&c.name, what)).into_iter().collect(),
    }
}

/// Whether following needs from `start` comes by an edge that `is_it`.
fn leads(edges: &[Edge], start: &Place, is_it: impl Fn(&Edge) -> bool) -> bool {
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(here) = open.pop() {
        for edge in edges.iter().filter(|e| e.from == *here) {
            if is_it(edge) {
                return true;
            }
            if seen.insert(&edge.to) {
                open.push(&edge.to);
            }
        }
    }
    false
}
