//! What a probe asks, with every name resolved.

use super::canary::{ServedWatch, StoredWatch};
use super::lines::LinesWatch;
use super::log::LogWatch;
use super::pki::PkiWatch;
use super::secret_canary::SecretCanaryWatch;
use super::secrets::SecretWatch;
use super::sentinel::SentinelWatch;
use super::{admission, cluster, nodes, phantoms};
use crate::drill::timeline::Timeline;
use crate::drill::{http, kube};
use crate::host_steps::kube::Cluster;
use domain::drill::history::{Answer, Sample};
use model::ids::NodeName;
use model::moment::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A question that can be asked again and again.
#[derive(Debug)]
pub enum Question {
    /// HTTP GET on a fresh connection.
    Http {
        /// Where.
        address: SocketAddr,
        /// Host header.
        host: String,
        /// Path with query.
        path: String,
        /// Text that the answer must contain.
        contains: String,
        /// Whether the answer is that of a pod which was told to ask: JSON with `responses` or `errors`.
        dialled: bool,
    },
    /// GET through a cluster's API server.
    Api {
        /// Cluster.
        cluster: Cluster,
        /// Path below its root.
        path: String,
        /// Text that the answer must contain.
        contains: String,
    },
    /// All nodes are Ready.
    NodesReady {
        /// Cluster.
        cluster: Cluster,
        /// How many there must be.
        expected: usize,
        /// Nodes that lose their power in the drill.
        rebooted: Vec<NodeName>,
    },
    /// Cilium's agents tunnel with VXLAN and see these peers.
    Mesh {
        /// Cluster.
        cluster: Cluster,
        /// Peers.
        peers: Vec<String>,
    },
    /// Lines of a metrics endpoint of every pod of a selector.
    Metrics {
        /// Cluster.
        cluster: Cluster,
        /// Namespace.
        namespace: String,
        /// Selector.
        selector: String,
        /// Port.
        port: u16,
        /// Names to keep.
        keep: Vec<String>,
    },
    /// The write-ahead log of a metrics agent.
    Log(Box<LogWatch>),
    /// An instant query.
    Query {
        /// Cluster.
        cluster: Cluster,
        /// Path below the API server's root, query included.
        path: String,
    },
    /// What the receiver has of a canary.
    CanaryStored(StoredWatch),
    /// What a canary served.
    CanaryServed(ServedWatch),
    /// What the log store has of a canary's log.
    LogCanaryStored(LinesWatch),
    /// No pod has these labels.
    NoPods {
        /// Cluster.
        cluster: Cluster,
        /// Selector.
        selector: String,
    },
    /// A privileged pod is refused.
    PodRefused {
        /// Cluster.
        cluster: Cluster,
        /// Namespace.
        namespace: String,
        /// Text of the refusal.
        contains: String,
    },
    /// Both phases of the PKI.
    Pki(PkiWatch),
    /// Numbered objects are written.
    Sentinel(SentinelWatch),
    /// What nodes run and the API does not know.
    Phantoms {
        /// Cluster.
        cluster: Cluster,
        /// Its nodes.
        nodes: Vec<NodeName>,
    },
    /// ExternalSecrets and their Secrets.
    Secrets(SecretWatch),
    /// ExternalSecrets of the drill's own.
    SecretCanary(SecretCanaryWatch),
    /// It cannot be asked in this lab; every sample says why.
    Impossible(String),
}

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Whether it is as it should be.
    pub good: bool,
    /// What was wrong, or what was seen.
    pub detail: String,
    /// Figures.
    pub values: BTreeMap<String, f64>,
}

impl Seen {
    /// As it should be.
    pub fn good() -> Self {
        Self {
            good: true,
            ..Self::default()
        }
    }

    /// Not as it should be.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self {
            good: false,
            detail: detail
                .into()
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
            values: BTreeMap::new(),
        }
    }

    /// The sample of the request that was `due`, went out at `sent` and has this answer now.
    pub(in crate::drill) fn sample(
        self,
        probe: String,
        number: u64,
        (due, sent): (Moment, Moment),
        timeline: Timeline,
    ) -> Sample {
        Sample {
            probe,
            number,
            due,
            sent: Some(sent),
            done: timeline.now(),
            answer: if self.good { Answer::Good } else { Answer::Bad },
            detail: self.detail,
            values: self.values,
        }
    }

    /// With a figure.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.values.insert(name.into(), value);
        self
    }
}

impl Question {
    /// Asks once. There is no limit of time here.
    pub async fn ask(&self, timeline: Timeline) -> Seen {
        match self {
            Self::Http {
                address,
                host,
                path,
                contains,
                dialled,
            } => match http::get(*address, host, path).await {
                Ok((status, body)) if *dialled => dialled_answer(status, &body, contains),
                Ok((status, body)) => plain_answer(status, &body, contains),
                Err(error) => Seen::bad(error.to_string()),
            },
            Self::Api {
                cluster,
                path,
                contains,
            } => match kube::text(cluster, path).await {
                Ok(body) => plain_answer(200, &body, contains),
                Err(error) => Seen::bad(error),
            },
            Self::NodesReady {
                cluster,
                expected,
                rebooted,
            } => nodes::ready(cluster, *expected, rebooted, timeline.now()).await,
            Self::Mesh { cluster, peers } => cluster::mesh(cluster, peers).await,
            Self::Metrics {
                cluster,
                namespace,
                selector,
                port,
                keep,
            } => cluster::metrics(cluster, namespace, selector, *port, keep).await,
            Self::Log(watch) => watch.look().await,
            Self::Query { cluster, path } => cluster::query(cluster, path).await,
            Self::CanaryStored(watch) => watch.look(timeline).await,
            Self::CanaryServed(watch) => watch.look().await,
            Self::LogCanaryStored(watch) => watch.look(timeline).await,
            Self::NoPods { cluster, selector } => cluster::no_pods(cluster, selector).await,
            Self::PodRefused {
                cluster,
                namespace,
                contains,
            } => admission::refused(cluster, namespace, contains).await,
            Self::Pki(watch) => watch.look().await,
            Self::Sentinel(watch) => watch.write().await,
            Self::Phantoms { cluster, nodes } => phantoms::look(cluster, nodes).await,
            Self::Secrets(watch) => watch.look(timeline).await,
            Self::SecretCanary(watch) => watch.look().await,
            Self::Impossible(why) => Seen::bad(why.clone()),
        }
    }
}

fn plain_answer(status: u16, body: &str, contains: &str) -> Seen {
    if !(200..300).contains(&status) {
        Seen::bad(format!("status {status}"))
    } else if !body.contains(contains) {
        Seen::bad(format!("the answer does not contain {contains:?}"))
    } else {
        Seen::good()
    }
}

/// The answer of a pod that was told to ask: its own trouble and the asked one's are told apart.
fn dialled_answer(status: u16, body: &str, contains: &str) -> Seen {
    if status != 200 {
        return Seen::bad(format!("the asking pod answers with status {status}"));
    }
    let Ok(answer) = serde_json::from_str::<serde_json::Value>(body) else {
        return Seen::bad("the asking pod answers no JSON");
    };
    let first = |key: &str| answer[key][0].as_str().map(str::to_owned);
    match (first("responses"), first("errors")) {
        (Some(text), None) => plain_answer(200, &text, contains),
        (_, Some(error)) => Seen::bad(format!("asked by a pod: {error}")),
        (None, None) => Seen::bad("the asking pod had no answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialled_answer_says_whose_trouble_it_was() {
        for (status, body, good, text) in [
            (200, r#"{"responses":["web-1"]}"#, true, ""),
            (200, r#"{"responses":["other"]}"#, false, "does not contain"),
            (
                200,
                r#"{"errors":["connection refused"]}"#,
                false,
                "asked by a pod: connection refused",
            ),
            (200, "{}", false, "no answer"),
            (502, "", false, "status 502"),
            (200, "<html>", false, "no JSON"),
        ] {
            let seen = dialled_answer(status, body, "web");
            assert_eq!(seen.good, good, "{body}");
            assert!(seen.detail.contains(text), "{body}: {}", seen.detail);
        }
    }
}
