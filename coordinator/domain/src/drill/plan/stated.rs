//! What Kubernetes' own parts need of one another. No component folder says it, since kubeadm installs them.

use super::cycle::{Edge, Place};
use model::lab::Lab;

/// Name of the part, and of the capability that kubeadm provides.
pub(super) const APISERVER: &str = "apiserver";
/// Name of the part.
pub(super) const ETCD: &str = "etcd";
/// Whatever watches the API: controllers, operators, schedulers.
const WATCHERS: &str = "every controller";

/// The edges of all clusters.
pub(super) fn edges(lab: &Lab) -> Vec<Edge> {
    let mut out = Vec::new();
    for cluster in &lab.clusters {
        let place = |name: &str| Place {
            name: name.to_owned(),
            cluster: cluster.name.clone(),
        };
        let part = |from: &str, to: &str| Edge {
            from: place(from),
            to: place(to),
            what: to.to_owned(),
            needs: format!("{to} in {}", cluster.name),
        };
        out.push(part(APISERVER, ETCD));
        out.push(part(WATCHERS, APISERVER));
    }
    out
}
