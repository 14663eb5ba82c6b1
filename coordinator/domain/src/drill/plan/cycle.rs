//! What recovery depends on: is what is needed to bring X back kept in X?
//!
//! Components say what they need and what they provide. From that follows who outside the outage will miss something, in
//! which order the lost parts can return, and whether a lost cluster needs a spared one that itself needs the lost one.

use super::{BlastRadius, Present};
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
    /// Who needs it, `COMPONENT in CLUSTER`.
    pub dependent: String,
    /// What it needs, `CAPABILITY of COMPONENT in CLUSTER`.
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

type Place<'a> = (&'a Component, &'a ClusterName);

/// Every dependency between installed components that crosses or lies within the outage, sorted.
pub(super) fn find(
    lab: &Lab,
    components: &[Component],
    present: &Present,
    radius: &BlastRadius,
) -> Vec<Dependency> {
    let lost = |cluster: &ClusterName| radius.clusters_lost.contains(cluster);
    let edges = edges(lab, components, present);
    let mut found = BTreeSet::new();
    for edge in &edges {
        let kind = match (lost(edge.from.1), lost(edge.to.1)) {
            (true, true) => DependencyKind::ReturnsAfter,
            (false, true) => DependencyKind::Misses,
            (true, false) if reaches_lost(&edges, edge.to, radius) => DependencyKind::Circular,
            _ => continue,
        };
        found.insert(Dependency {
            kind,
            dependent: format!("{} in {}", edge.from.0.name, edge.from.1),
            needs: format!("{} of {} in {}", edge.what, edge.to.0.name, edge.to.1),
        });
    }
    found.into_iter().collect()
}

struct Edge<'a> {
    from: Place<'a>,
    to: Place<'a>,
    what: String,
}

fn edges<'a>(lab: &'a Lab, components: &'a [Component], present: &Present) -> Vec<Edge<'a>> {
    let by_name: BTreeMap<&str, &Component> = components.iter().map(|c| (c.name.as_str(), c)).collect();
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
                            from: (component, &cluster.name),
                            to: (provider, home),
                            what: what.to_owned(),
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

/// Whether what `start` needs leads into a lost cluster.
fn reaches_lost(edges: &[Edge<'_>], start: Place<'_>, radius: &BlastRadius) -> bool {
    let key = |place: Place<'_>| (place.0.name.to_string(), place.1.to_string());
    let mut seen = BTreeSet::from([key(start)]);
    let mut open = vec![key(start)];
    while let Some(here) = open.pop() {
        for edge in edges.iter().filter(|e| key(e.from) == here) {
            if radius.clusters_lost.contains(edge.to.1) {
                return true;
            }
            if seen.insert(key(edge.to)) {
                open.push(key(edge.to));
            }
        }
    }
    false
}
