//! What is watched, from where, how often.

use crate::drill::contract::ContractId;
use model::ids::ClusterName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One probe: a request at a fixed rate, whatever became of the requests before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// Name within the drill; a DNS label.
    pub name: String,
    /// The cluster that is looked at.
    pub cluster: ClusterName,
    /// The contract that it is evidence for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractId>,
    /// What it is expected to see.
    pub expect: Expectation,
    /// Capability that must be there, `x` of the probe's own cluster or `CLUSTER/x`; else the probe is not started and
    /// its contract loses its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// What is asked.
    pub look: Look,
    /// Time from one request to the next around the fault, milliseconds; what nothing happens to is asked less often.
    pub period_ms: u64,
    /// When an answer is too late, milliseconds. Under 1 s for HTTP: a lost SYN is repeated after 1 s, and a repeated one
    /// would make the moment of recovery look later than it was.
    pub timeout_ms: u64,
    /// Good answers in a row that count as recovered; `phases.consecutiveGood` when absent. For slow probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_good: Option<u32>,
}

/// What a probe is expected to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Good answers all the time: the outage must not reach it.
    StaysGood,
    /// It may fail in the outage; the time until it is good again is measured.
    ComesBack,
    /// Only its values are kept.
    Observes,
}

/// How many shards a canary may serve.
pub(crate) const SHARDS: std::ops::RangeInclusive<u64> = 1..=1000;

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "probe", rename_all = "snake_case", deny_unknown_fields)]
pub enum Look {
    /// HTTP GET; good is a status of 200 to 299 that contains the text.
    Http {
        /// Namespace of the service.
        namespace: String,
        /// Service.
        service: String,
        /// Path with query.
        path: String,
        /// Text that the answer must contain; empty takes any.
        #[serde(default)]
        contains: String,
        /// From where.
        via: Via,
    },
    /// The API server answers its readiness endpoint, asked from the host.
    ApiReady {},
    /// Every node of the cluster is Ready, by the API.
    NodesReady {},
    /// Each Cilium agent of the cluster tunnels with VXLAN and is connected to the peers.
    Mesh {
        /// Peers that must be ready; empty means every other cluster of the lab.
        #[serde(default)]
        peers: Vec<ClusterName>,
    },
    /// Lines of a metrics endpoint, fetched through the API server from every pod of the selector.
    Metrics {
        /// Namespace.
        namespace: String,
        /// Label selector of the pods.
        selector: String,
        /// Port.
        port: u16,
        /// Names of the metrics to keep.
        keep: Vec<String>,
    },
    /// The write-ahead log of the metrics agent of the probe's cluster: configuration, metrics and files, from which the
    /// deadline of its backlog is computed. Good when all of it could be read.
    MetricsLog {
        /// Namespace of the agent's pod.
        namespace: String,
        /// Label selector of the pod.
        selector: String,
        /// The agent's port.
        port: u16,
        /// Port of the file server in the same pod that has the agent's data read-only.
        #[serde(rename = "filesPort")]
        files_port: u16,
        /// Folder of the log below the file server's root.
        folder: String,
        /// Where the samples go.
        receiver: Receiver,
    },
    /// An instant query to a Prometheus API behind a service, through the API server; good when it answers.
    Query {
        /// Namespace.
        namespace: String,
        /// Service.
        service: String,
        /// Port.
        port: u16,
        /// PromQL.
        query: String,
    },
    /// What the metrics receiver has of the sequence canary of the probe's cluster, asked from the host; good when the newest
    /// number of every shard is young enough. At the end of the run every number that it has is read for the loss ledger.
    CanaryStored {
        /// The receiver's cluster.
        receiver: ClusterName,
        /// Namespace of the receiver's service.
        namespace: String,
        /// The receiver's service, with a NodePort.
        service: String,
        /// Name of the canary's series.
        series: String,
        /// How old the newest number may be, milliseconds: the scrape interval and the sender's longest wait for a full
        /// batch, and some time to be sent.
        #[serde(rename = "freshMs")]
        fresh_ms: u64,
        /// How many shards the canary serves, named 0, 1, and so on: one that never arrives is missing too. The lab's setting
        /// `canary_shards` of the canary's component goes before it. As many as arrive when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shards: Option<u64>,
    },
    /// What the sequence canary of the probe's cluster served, out of its own log.
    CanaryServed {
        /// Namespace of its pods.
        namespace: String,
        /// Label selector of its pods.
        selector: String,
        /// Its container.
        container: String,
    },
    /// What the log store has of the sequence canary's own log, asked from the host; good when the newest line is young enough. The
    /// canary of the probe's cluster writes each number into its log before it serves it, so its `canary_served` probe is the
    /// book of both. At the end of the run every line that the store has is read for the ledger.
    LogCanaryStored {
        /// The log store's cluster.
        receiver: ClusterName,
        /// Namespace of the log store's service.
        namespace: String,
        /// The log store's service, with a NodePort.
        service: String,
        /// The canary's container.
        container: String,
        /// How old the newest line may be, milliseconds: the canary's interval, the shipper's longest pause between two tries,
        /// and the second after which the store finds what it took.
        #[serde(rename = "freshMs")]
        fresh_ms: u64,
    },
    /// No pod of the cluster carries these labels.
    NoPods {
        /// Label selector.
        selector: String,
    },
    /// The API refuses a privileged pod, asked for as a dry run; good when the refusal has the text, so that a webhook which does
    /// not answer is not taken for a policy.
    PodRefused {
        /// Namespace.
        namespace: String,
        /// Text of the policy's refusal.
        contains: String,
    },
    /// Both phases of the PKI: the issuer of the self-signed authority, the one inside Vault, and by whom the certificate of
    /// Vault's own listener is signed. Good when the first is ready and signed the listener's.
    Pki {
        /// Namespace in which ClusterIssuers have their Secrets.
        namespace: String,
        /// ClusterIssuer of the self-signed authority.
        authority: String,
        /// ClusterIssuer that signs through Vault.
        issuer: String,
        /// Secret with the listener's certificate, `NAMESPACE/NAME`.
        listener: String,
    },
    /// Writes a numbered object at each request, and a pod at every tenth, into a namespace of the run's own; good when it was
    /// written. What of it is there at the end says up to when a restore brought things back.
    Sentinel {
        /// Namespace in plans that were recorded before it became the run's own, so that they can be judged again; refused in a
        /// scenario.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(skip)]
        namespace: Option<String>,
        /// Image of the pods, with a command `pause`; it must be on the nodes.
        image: String,
    },
    /// No node of the cluster runs a pod that the API does not know.
    PhantomPods {},
    /// Age and state of every ExternalSecret of the cluster, and whether its Secret is there unchanged.
    SecretAge {},
    /// ExternalSecrets of the drill's own, in a namespace of its own: the run plants them before the outage and takes them away at
    /// its end. In the outage the Secret of one is deleted and a new one is made; after it a new value is written into their
    /// source. Good when every one that is there has its Secret with the latest value.
    SecretCanary {
        /// The ClusterSecretStore that they ask.
        store: String,
        /// How often they are refreshed, seconds: theirs alone, short enough that refreshes are due in the outage.
        #[serde(rename = "refreshSeconds")]
        refresh_seconds: u64,
        /// When a Secret is deleted and a new ExternalSecret made, seconds after the outage began.
        #[serde(rename = "actAfterSeconds")]
        act_after_seconds: u64,
        /// Whether the deleted Secret stands for one that an application needs, so that its absence violates the contract: for
        /// controls that are broken on purpose.
        #[serde(rename = "deletedCounts", default, skip_serializing_if = "std::ops::Not::not")]
        deleted_counts: bool,
    },
}

/// A Prometheus that takes what agents send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receiver {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Namespace of its service.
    pub namespace: String,
    /// Its service.
    pub service: String,
}

/// From where an HTTP probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum Via {
    /// The host, at the service's NodePort on a node of the cluster: as a client from outside sees it.
    Host {},
    /// A pod of a cluster, which asks the service by its name, or in another cluster by NodePort; the pod is told to by its
    /// own NodePort.
    Pod {
        /// The cluster whose pod asks.
        cluster: ClusterName,
        /// Namespace of the asking service.
        namespace: String,
        /// Service that answers `/dial`.
        service: String,
    },
    /// A pod of another cluster, which asks by way of the mesh: the service is a global one, with pods in the probe's cluster alone,
    /// and is asked by the name that it has in the asking cluster. The pod is told to by its own NodePort.
    Mesh {
        /// The cluster whose pod asks.
        cluster: ClusterName,
        /// Namespace of the asking service.
        namespace: String,
        /// Service that answers `/dial`.
        service: String,
    },
    /// The cluster's API server, which proxies to the service.
    ApiServer {},
}

impl Look {
    /// The word of the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::ApiReady {} => "api_ready",
            Self::NodesReady {} => "nodes_ready",
            Self::Mesh { .. } => "mesh",
            Self::Metrics { .. } => "metrics",
            Self::MetricsLog { .. } => "metrics_log",
            Self::Query { .. } => "query",
            Self::CanaryStored { .. } => "canary_stored",
            Self::CanaryServed { .. } => "canary_served",
            Self::LogCanaryStored { .. } => "log_canary_stored",
            Self::NoPods { .. } => "no_pods",
            Self::PodRefused { .. } => "pod_refused",
            Self::Pki { .. } => "pki",
            Self::Sentinel { .. } => "sentinel",
            Self::PhantomPods {} => "phantom_pods",
            Self::SecretAge {} => "secret_age",
            Self::SecretCanary { .. } => "secret_canary",
        }
    }
}

impl Probe {
    /// From where it looks, in words: `host`, `pod in app1`, `API server of app1`.
    pub fn vantage(&self) -> String {
        match &self.look {
            Look::Http {
                via: Via::Host {}, ..
            }
            | Look::ApiReady {}
            | Look::CanaryStored { .. }
            | Look::LogCanaryStored { .. } => "host".into(),
            Look::Http {
                via: Via::Pod { cluster, .. },
                ..
            } => format!("pod in {cluster}"),
            Look::Http {
                via: Via::Mesh { cluster, .. },
                ..
            } => format!("pod in {cluster}, over the mesh"),
            Look::Mesh { .. } | Look::PhantomPods {} => format!("nodes of {}", self.cluster),
            _ => format!("API server of {}", self.cluster),
        }
    }
}
