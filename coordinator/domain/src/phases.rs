//! The eight phases: a title and what each promises in the end. A gate lists what is promised and not yet provided.

/// One phase of `up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// 1 to 8.
    pub number: u8,
    /// For people.
    pub title: &'static str,
    /// Last parts of the capabilities that the finished product provides in it.
    pub promises: &'static [&'static str],
}

/// All phases in order.
pub const PHASES: [Phase; 8] = [
    Phase {
        number: 1,
        title: "host and nodes",
        promises: &["nodes", "agent", "registry"],
    },
    Phase {
        number: 2,
        title: "kubeadm",
        promises: &["apiserver", "kubeconfig", "joined"],
    },
    Phase {
        number: 3,
        title: "network",
        promises: &["cni", "cluster-mesh", "hubble", "load-balancer", "gateway-api"],
    },
    Phase {
        number: 4,
        title: "PKI and secrets",
        promises: &["self-signed-ca", "vault", "vault-issuer", "external-secrets"],
    },
    Phase {
        number: 5,
        title: "policy",
        promises: &["pod-security", "kyverno", "falco"],
    },
    Phase {
        number: 6,
        title: "observability",
        promises: &[
            "remote-write",
            "metrics-agent",
            "long-term-metrics",
            "logs",
            "dashboards",
            "alerts",
        ],
    },
    Phase {
        number: 7,
        title: "delivery and backup",
        promises: &[
            "gitops",
            "object-store",
            "backup",
            "etcd-snapshots",
            "storage-classes",
        ],
    },
    Phase {
        number: 8,
        title: "verification and drills",
        promises: &["verified", "drills"],
    },
];

/// The title of a phase; empty for a number outside 1 to 8.
pub fn title(number: u8) -> &'static str {
    PHASES
        .iter()
        .find(|phase| phase.number == number)
        .map_or("", |phase| phase.title)
}

/// What `number` promises and `provided` (last parts of capabilities) lacks, in the table's order.
pub fn missing<'a>(number: u8, provided: impl Fn(&str) -> bool + 'a) -> Vec<String> {
    let promises = PHASES
        .iter()
        .find(|phase| phase.number == number)
        .map_or(&[][..], |phase| phase.promises);
    promises
        .iter()
        .filter(|what| !provided(what))
        .map(|what| (*what).to_owned())
        .collect()
}
