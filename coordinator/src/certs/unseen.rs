//! Certificates that exist and that nobody here looks at: they are files of nodes, or live in a cluster. Named, so that
//! the horizon does not pass for complete.

use model::lab::{Lab, Node};
use model::step::Role;

/// Of a control plane, below /etc/kubernetes: clients that show a certificate and never serve with one, and authorities
/// that no server sends along.
const CONTROL_PLANE: [&str; 10] = [
    "pki/apiserver-kubelet-client.crt",
    "pki/apiserver-etcd-client.crt",
    "pki/front-proxy-ca.crt",
    "pki/front-proxy-client.crt",
    "pki/etcd/ca.crt",
    "pki/etcd/healthcheck-client.crt",
    "admin.conf",
    "super-admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
];

/// Of every node; kubelet replaces it in time.
const KUBELET: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// One line per certificate of a node, and one for what Vault keeps.
pub(super) fn named(lab: &Lab) -> Vec<String> {
    let nodes = lab.clusters.iter().flat_map(|cluster| {
        let scope = cluster.name.as_str();
        cluster.nodes.iter().flat_map(move |node| of_node(scope, node))
    });
    let mut all: Vec<String> = nodes.collect();
    if let Some(management) = lab.clusters.first() {
        all.push(format!(
            "{} Vault's authority, and what it and cert-manager issued: in the cluster, once Vault is installed",
            management.name
        ));
    }
    all
}

fn of_node(scope: &str, node: &Node) -> Vec<String> {
    let name = &node.name;
    let mut all = Vec::new();
    if node.role == Role::ControlPlane {
        all.extend(CONTROL_PLANE.iter().map(|file| {
            format!(
                "{scope} /etc/kubernetes/{file} of {name}: `kubeadm certs check-expiration` on the node tells"
            )
        }));
    }
    all.push(format!(
        "{scope} {KUBELET} of {name}: kubelet replaces it by itself"
    ));
    all
}
