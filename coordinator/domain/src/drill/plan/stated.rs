//! What Kubernetes' own parts need of one another. No component folder says it, since kubeadm installs them.

use super::cycle::{Edge, Place};
use super::lost::Lost;
use model::lab::Lab;

/// Name of the part, and of the capability that kubeadm provides.
pub(super) const APISERVER: &str = "apiserver";
/// Name of the part.
pub(super) const ETCD: &str = "etcd";
/// Whatever watches the API: controllers, operators, schedulers.
const WATCHERS: &str = "every controller";

/// The edges of all clusters.
pub(super) fn edges(lab: &Lab, lost: &Lost) -> Vec<Edge> {
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
            why: None,
        };
        out.push(part(APISERVER, ETCD));
        out.push(part(WATCHERS, APISERVER));
        // Seen on the lab, 34 to 60 s each time: docs/drills/earlier.md. Where the API server is stopped too it refuses at
        // once, and nothing waits.
        if lost.etcd_is_stopped(&cluster.name) {
            out.push(Edge {
                needs: format!("its mirror pod of {APISERVER} in {}", cluster.name),
                why: Some("its kubelet asks for that first, and goes on when the API server gives up".into()),
                ..part(ETCD, APISERVER)
            });
        }
    }
    out
}
