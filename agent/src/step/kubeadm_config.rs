//! kubeadm's configuration, rendered from the typed step. Every value is a validated newtype, so none needs quoting.

use super::node::NodeKind;
use model::ids::NodeName;
use model::step::ClusterParams;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const API: &str = "kubeadm.k8s.io/v1beta4";

/// Tells our join token from those that people make.
pub(crate) const TOKEN_DESCRIPTION: &str = "drillyard";

/// What one rendering needs.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) params: &'a ClusterParams,
    pub(crate) node: &'a NodeName,
    pub(crate) address: Ipv4Addr,
    pub(crate) kind: NodeKind,
    /// Names of preflight checks that were probed as harmless here.
    pub(crate) ignore: &'a [&'static str],
}

/// The documents for `kubeadm init`; `token` only for the phase that makes it.
pub(crate) fn init(input: &Input<'_>, token: Option<&str>) -> String {
    let tokens: Vec<Value> = token
        .map(|token| {
            json!({"token": token, "ttl": "2h0m0s", "usages": ["signing", "authentication"],
            "groups": ["system:bootstrappers:kubeadm:default-node-token"], "description": TOKEN_DESCRIPTION})
        })
        .into_iter()
        .collect();
    let init = json!({
        "apiVersion": API, "kind": "InitConfiguration",
        "bootstrapTokens": tokens,
        "nodeRegistration": registration(input),
        "localAPIEndpoint": {"advertiseAddress": input.address, "bindPort": input.params.control_plane.port()},
        "timeouts": timeouts(),
    });
    documents(&[init, cluster(input), kubelet(input)])
}

/// The document for `kubeadm join`; discovery by a file that holds CA and token.
pub(crate) fn join(input: &Input<'_>, discovery: &str) -> String {
    let join = json!({
        "apiVersion": API, "kind": "JoinConfiguration",
        "nodeRegistration": registration(input),
        "discovery": {"file": {"kubeConfigPath": discovery}},
        "timeouts": timeouts(),
    });
    documents(&[join])
}

/// The kubeconfig that discovery reads: with a credential in it kubeadm asks for no `cluster-info`.
pub(crate) fn discovery(params: &ClusterParams, ca_pem: &str, token: &str) -> String {
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(ca_pem);
    let name = params.cluster.as_str();
    let server = format!("https://{}", params.control_plane);
    documents(&[json!({
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": "bootstrap", "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "bootstrap"}}],
    })])
}

fn registration(input: &Input<'_>) -> Value {
    json!({
        "name": input.node.as_str(),
        "criSocket": "unix:///run/containerd/containerd.sock",
        "imagePullPolicy": if input.kind.has_bundle { "Never" } else { "IfNotPresent" },
        "ignorePreflightErrors": input.ignore,
        "kubeletExtraArgs": [{"name": "node-ip", "value": input.address}],
    })
}

fn cluster(input: &Input<'_>) -> Value {
    let params = input.params;
    json!({
        "apiVersion": API, "kind": "ClusterConfiguration",
        "kubernetesVersion": format!("v{}", params.kubernetes_version.as_str()),
        "clusterName": params.cluster,
        "controlPlaneEndpoint": params.control_plane,
        "networking": {"podSubnet": params.pod_cidr, "serviceSubnet": params.service_cidr},
        "etcd": {"local": {"imageTag": params.etcd_tag, "extraEnvs": collect_less("256MiB")}},
        "apiServer": {"extraEnvs": collect_less("768MiB")},
        "dns": {"imageTag": params.coredns_tag},
        // Cilium replaces it; said here rather than by a skipped phase, so that upgrades respect it.
        "proxy": {"disabled": true},
        "encryptionAlgorithm": "ECDSA-P256",
        // Each of some ninety controllers asks for a token as it starts: at the default of 20 requests per second that
        // alone holds the first certificate of every worker up for nearly five seconds.
        "controllerManager": {"extraEnvs": collect_less("256MiB"), "extraArgs": [
            {"name": "kube-api-qps", "value": "200"},
            {"name": "kube-api-burst", "value": "400"},
            {"name": "leader-elect-retry-period", "value": "1s"},
        ]},
        // There is one scheduler, and it needs no lease to say so.
        "scheduler": {"extraEnvs": collect_less("256MiB"), "extraArgs": [{"name": "leader-elect", "value": "false"}]},
    })
}

/// Go's collector runs when the heap has grown fourfold, or when the program has `limit`, whichever comes first; by default
/// it runs at each doubling. On a host with several control planes processors are short before memory is.
fn collect_less(limit: &str) -> Value {
    json!([{"name": "GOGC", "value": "300"}, {"name": "GOMEMLIMIT", "value": limit}])
}

fn kubelet(input: &Input<'_>) -> Value {
    let mut kubelet = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "cgroupDriver": input.kind.cgroup_driver(),
        "failCgroupV1": !input.kind.cgroup_v1,
        "failSwapOn": false,
        // Nodes may share the host's disk, where shares of it say nothing; and what is collected cannot be pulled again.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi",
            "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "syncFrequency": "10s",
        "fileCheckFrequency": "2s",
        "nodeStatusUpdateFrequency": "5s",
        "serializeImagePulls": false,
        "rotateCertificates": true,
    });
    if !input.kind.sys_resource {
        kubelet["oomScoreAdj"] = json!(0);
    }
    kubelet
}

fn timeouts() -> Value {
    json!({"controlPlaneComponentHealthCheck": "4m0s", "kubeletHealthCheck": "2m0s", "kubernetesAPICall": "1m0s",
        "tlsBootstrap": "3m0s", "discovery": "2m0s"})
}

/// JSON is YAML: rendering it needs no YAML writer on the node, and no quoting rule can be got wrong.
fn documents(list: &[Value]) -> String {
    list.iter().map(|d| format!("---\n{d:#}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::lab::Lab;

    fn with<T>(kind: NodeKind, f: impl FnOnce(&Input<'_>) -> T) -> T {
        let lab = Lab::default();
        let params = lab.params(&lab.clusters[0]).expect("a control plane");
        let node = NodeName::new("mgmt-cp").expect("valid");
        let address = Ipv4Addr::new(192, 168, 64, 10);
        f(&Input {
            params: &params,
            node: &node,
            address,
            kind,
            ignore: &["NumCPU"],
        })
    }

    const V1: NodeKind = NodeKind {
        cgroup_v1: true,
        sys_resource: false,
        has_bundle: true,
    };
    const V2: NodeKind = NodeKind {
        cgroup_v1: false,
        sys_resource: true,
        has_bundle: false,
    };

    #[test]
    fn a_restricted_v1_node_gets_what_it_needs_and_a_free_v2_node_does_not() {
        let text = with(V1, |input| init(input, None));
        for part in [
            "\"failCgroupV1\": false",
            "\"cgroupDriver\": \"cgroupfs\"",
            "\"oomScoreAdj\": 0",
            "\"Never\"",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
        let text = with(V2, |input| init(input, None));
        assert!(
            text.contains("\"cgroupDriver\": \"systemd\"") && !text.contains("oomScoreAdj"),
            "{text}"
        );
    }

    #[test]
    fn the_token_is_only_where_it_was_asked_for() {
        assert!(!with(V1, |input| init(input, None)).contains("system:bootstrappers"));
        assert!(
            with(V1, |input| init(input, Some("abcdef.0123456789abcdef")))
                .contains("abcdef.0123456789abcdef")
        );
    }

    #[test]
    fn true_versions_are_written() {
        let text = with(V1, |input| init(input, None));
        let lab = Lab::default();
        assert!(
            text.contains(&format!("\"imageTag\": \"{}\"", lab.versions.etcd.as_str())),
            "{text}"
        );
        assert!(text.contains("\"kubernetesVersion\": \"v1.35.4\""), "{text}");
    }

    #[test]
    fn discovery_carries_authority_and_credential() {
        let text = with(V1, |input| {
            discovery(input.params, "PEM", "abcdef.0123456789abcdef")
        });
        assert!(
            text.contains("UEVN") && text.contains("https://192.168.64.10:6443"),
            "{text}"
        );
    }
}
