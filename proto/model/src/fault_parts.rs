//! What faults are made of: units, manifests, labels, addresses and bounded numbers, each validated when it is made.

use crate::Invalid;
use crate::ids::dns_label;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Services of a node that may be stopped; the agent's own are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeUnit {
    /// kubelet.service
    Kubelet,
    /// containerd.service
    Containerd,
}

impl NodeUnit {
    /// systemd's name.
    pub fn unit(self) -> &'static str {
        match self {
            NodeUnit::Kubelet => "kubelet.service",
            NodeUnit::Containerd => "containerd.service",
        }
    }
}

/// Static pods of a control plane, by the name of their manifest and of their one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaticPod {
    /// etcd
    Etcd,
    /// kube-apiserver
    KubeApiserver,
    /// kube-controller-manager
    KubeControllerManager,
    /// kube-scheduler
    KubeScheduler,
}

impl StaticPod {
    /// All static pods.
    pub const ALL: [StaticPod; 4] = [
        StaticPod::Etcd,
        StaticPod::KubeApiserver,
        StaticPod::KubeControllerManager,
        StaticPod::KubeScheduler,
    ];

    /// kubeadm's name of manifest and container.
    pub fn name(self) -> &'static str {
        match self {
            StaticPod::Etcd => "etcd",
            StaticPod::KubeApiserver => "kube-apiserver",
            StaticPod::KubeControllerManager => "kube-controller-manager",
            StaticPod::KubeScheduler => "kube-scheduler",
        }
    }
}

/// Volumes of a node that may be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Volume {
    /// /var/lib/containerd
    Containerd,
    /// /var/lib/kubelet
    Kubelet,
    /// /var/lib/etcd
    Etcd,
}

impl Volume {
    /// All volumes.
    pub const ALL: [Volume; 3] = [Volume::Containerd, Volume::Kubelet, Volume::Etcd];

    /// Where it is on a node.
    pub fn folder(self) -> &'static str {
        match self {
            Volume::Containerd => "/var/lib/containerd",
            Volume::Kubelet => "/var/lib/kubelet",
            Volume::Etcd => "/var/lib/etcd",
        }
    }
}

/// Pods of one namespace with one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawWorkload", into = "RawWorkload")]
pub struct Workload {
    namespace: String,
    key: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWorkload {
    namespace: String,
    key: String,
    value: String,
}

impl Workload {
    /// Validates the three parts by Kubernetes' own rules, narrowed to what needs no quoting anywhere.
    pub fn new(
        namespace: impl Into<String>,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, Invalid> {
        let (namespace, key, value) = (namespace.into(), key.into(), value.into());
        dns_label("namespace", &namespace, 63)?;
        if !is_label_part(&key, 128, "/._-") {
            return Err(Invalid::new("key", key, "is not a label's key"));
        }
        if !is_label_part(&value, 63, "._-") {
            return Err(Invalid::new("value", value, "is not a label's value"));
        }
        Ok(Self {
            namespace,
            key,
            value,
        })
    }

    /// Namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The label's value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Letters, digits and `inner`, with a letter or digit at either end.
fn is_label_part(text: &str, max: usize, inner: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= max
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || inner.contains(c))
        && edge(text.chars().next())
        && edge(text.chars().next_back())
}

impl TryFrom<RawWorkload> for Workload {
    type Error = Invalid;
    fn try_from(raw: RawWorkload) -> Result<Self, Invalid> {
        Self::new(raw.namespace, raw.key, raw.value)
    }
}

impl From<Workload> for RawWorkload {
    fn from(workload: Workload) -> RawWorkload {
        RawWorkload {
            namespace: workload.namespace,
            key: workload.key,
            value: workload.value,
        }
    }
}

/// Addresses of peers: one to 64, none twice, none that is no host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Ipv4Addr>", into = "Vec<Ipv4Addr>")]
pub struct Peers(BTreeSet<Ipv4Addr>);

impl Peers {
    /// Most peers of one fault.
    pub const MAX: usize = 64;

    /// Validates count and addresses.
    pub fn new(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Result<Self, Invalid> {
        let mut found = BTreeSet::new();
        for address in addresses {
            let no_host = address.is_loopback()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast();
            if no_host {
                return Err(Invalid::new("peers", address.to_string(), "is no peer's address"));
            }
            if !found.insert(address) {
                return Err(Invalid::new("peers", address.to_string(), "is named twice"));
            }
        }
        if found.is_empty() || found.len() > Self::MAX {
            let rule = format!("addresses were given; one to {} are needed", Self::MAX);
            return Err(Invalid::new("peers", found.len().to_string(), rule));
        }
        Ok(Self(found))
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.0.iter().copied()
    }
}

impl TryFrom<Vec<Ipv4Addr>> for Peers {
    type Error = Invalid;
    fn try_from(addresses: Vec<Ipv4Addr>) -> Result<Self, Invalid> {
        Self::new(addresses)
    }
}

impl From<Peers> for Vec<Ipv4Addr> {
    fn from(peers: Peers) -> Self {
        peers.0.into_iter().collect()
    }
}

macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident, $low:literal, $high:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name(u32);

        impl $name {
            /// Validates the bounds.
            pub fn new(number: u32) -> Result<Self, Invalid> {
                if ($low..=$high).contains(&number) {
                    return Ok(Self(number));
                }
                let rule = format!("is not between {} and {}", $low, $high);
                Err(Invalid::new(stringify!($name), number.to_string(), rule))
            }

            /// The number.
            pub fn get(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = Invalid;
            fn try_from(number: u32) -> Result<Self, Invalid> {
                Self::new(number)
            }
        }

        impl From<$name> for u32 {
            fn from(bounded: $name) -> u32 {
                bounded.0
            }
        }
    };
}

bounded!(
    /// Share of packets, 1 to 100.
    Percent, 1, 100
);
bounded!(
    /// MiB that stay free on a filled volume; the floor of 64 keeps the agent's own journal writable.
    KeepMib, 64, 1_048_576
);
bounded!(
    /// Seconds between a snapshot and the loss of what it was made of; an order to inject has a minute in all.
    LagSeconds, 0, 30
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_reach_an_argv_or_break_the_node_for_good_is_refused() {
        for (namespace, key, value) in [
            ("a b", "app", "x"),
            ("vault", "app\"", "x"),
            ("vault", "app", "x;y"),
            ("vault", "app", "$(x)"),
            ("vault", "-app", "x"),
            ("vault", "app", ""),
        ] {
            assert!(
                Workload::new(namespace, key, value).is_err(),
                "{namespace} {key} {value}"
            );
        }
        assert!(Workload::new("vault", "app.kubernetes.io/name", "vault").is_ok());
        assert!(Peers::new([]).is_err());
        assert!(Peers::new([Ipv4Addr::LOCALHOST]).is_err());
        assert!(Peers::new([Ipv4Addr::new(10, 0, 0, 1); 2]).is_err());
        assert!(Percent::new(0).is_err() && Percent::new(101).is_err());
        assert!(KeepMib::new(1).is_err());
    }
}
