//! Names become addresses: done once, on the intact lab, so that no probe depends on what the drill breaks.

use super::canary::{ServedWatch, StoredWatch};
use super::lines::LinesWatch;
use super::log::{LogPlace, LogWatch};
use super::store::{NodePort, Store};
use super::{Question, pki::PkiWatch, secrets::SecretWatch, sentinel::SentinelWatch};
use crate::drill::kube;
use crate::host_steps::kube::Cluster;
use domain::drill::scenario::{Look, Probe, Receiver, Via};
use model::ids::{ClusterName, NodeName, RunId};
use model::lab::Lab;
use model::step::Role;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// What questions are prepared from.
#[derive(Debug)]
pub struct Grounds<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Its clusters.
    pub clusters: &'a BTreeMap<ClusterName, Cluster>,
    /// Nodes that the drill acts on: not asked where others answer for the same.
    pub hit: &'a [NodeName],
    /// Nodes whose power the drill takes.
    pub rebooted: &'a [NodeName],
}

/// The probe's question with every name resolved. What cannot be resolved becomes a question that says so.
pub async fn prepare(probe: &Probe, grounds: &Grounds<'_>) -> Question {
    resolve(probe, grounds).await.unwrap_or_else(Question::Impossible)
}

async fn resolve(probe: &Probe, grounds: &Grounds<'_>) -> Result<Question, String> {
    let cluster = grounds.cluster(&probe.cluster)?.clone();
    Ok(match &probe.look {
        Look::Http {
            namespace,
            service,
            path,
            contains,
            via,
        } => {
            http(
                probe,
                grounds,
                cluster,
                (namespace, service),
                (path, contains),
                via,
            )
            .await?
        }
        Look::ApiReady {} => Question::Api {
            cluster,
            path: "/readyz".into(),
            contains: "ok".into(),
        },
        Look::NodesReady {} => Question::NodesReady {
            cluster,
            expected: grounds
                .lab
                .cluster(probe.cluster.as_str())
                .map_or(0, |c| c.nodes.len()),
            rebooted: grounds.rebooted.to_vec(),
        },
        Look::Mesh { peers } => Question::Mesh {
            cluster,
            peers: if peers.is_empty() {
                let others = grounds.lab.clusters.iter().filter(|c| c.name != probe.cluster);
                others.map(|c| c.name.to_string()).collect()
            } else {
                peers.iter().map(ToString::to_string).collect()
            },
        },
        Look::Metrics {
            namespace,
            selector,
            port,
            keep,
        } => Question::Metrics {
            cluster,
            namespace: namespace.clone(),
            selector: selector.clone(),
            port: *port,
            keep: keep.clone(),
        },
        Look::MetricsLog {
            namespace,
            selector,
            port,
            files_port,
            folder,
            receiver,
        } => {
            let place = LogPlace {
                namespace: namespace.clone(),
                selector: selector.clone(),
                port: *port,
                files_port: *files_port,
                folder: folder.trim_matches('/').to_owned(),
            };
            Question::Log(Box::new(log(grounds, probe, place, receiver).await?))
        }
        Look::Query {
            namespace,
            service,
            port,
            query,
        } => Question::Query {
            cluster,
            path: format!(
                "/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy/api/v1/query?query={}",
                percent(query)
            ),
        },
        Look::CanaryStored { .. } => Question::CanaryStored(stored(probe, grounds).await?),
        Look::CanaryServed {
            namespace,
            selector,
            container,
        } => Question::CanaryServed(ServedWatch::new(
            cluster,
            (namespace.clone(), selector.clone()),
            container.clone(),
        )),
        Look::LogCanaryStored { .. } => Question::LogCanaryStored(log_stored(probe, grounds).await?),
        Look::NoPods { selector } => Question::NoPods {
            cluster,
            selector: selector.clone(),
        },
        Look::PodRefused { namespace, contains } => Question::PodRefused {
            cluster,
            namespace: namespace.clone(),
            contains: contains.clone(),
        },
        Look::Pki {
            namespace,
            authority,
            issuer,
            listener,
        } => Question::Pki(PkiWatch {
            cluster,
            namespace: namespace.clone(),
            authority: authority.clone(),
            issuer: issuer.clone(),
            listener: listener
                .split_once('/')
                .map(|(at, name)| (at.to_owned(), name.to_owned()))
                .ok_or_else(|| format!("{}: listener must be NAMESPACE/NAME", probe.name))?,
        }),
        // Only the run itself knows what it plants.
        Look::SecretCanary { .. } | Look::Sentinel { .. } => {
            return Err("it can be asked in a run only".into());
        }
        Look::PhantomPods {} => Question::Phantoms {
            cluster,
            nodes: grounds
                .lab
                .cluster(probe.cluster.as_str())
                .into_iter()
                .flat_map(|c| c.nodes.iter().map(|node| node.name.clone()))
                .collect(),
        },
        Look::SecretAge {} => Question::Secrets(SecretWatch::new(cluster)),
    })
}

async fn log(
    grounds: &Grounds<'_>,
    probe: &Probe,
    place: LogPlace,
    receiver: &Receiver,
) -> Result<LogWatch, String> {
    let Receiver {
        cluster: at,
        namespace,
        service,
    } = receiver;
    let at = grounds.cluster(at)?;
    let proxy = ports(at, namespace, service).await?.proxy(namespace, service);
    let cluster = grounds.cluster(&probe.cluster)?.clone();
    LogWatch::open((&probe.cluster, cluster), place, (at, &proxy)).await
}

/// The sentinels that a run writes for a `sentinel` probe; refused for another kind of probe.
pub(in crate::drill) fn sentinel(
    probe: &Probe,
    grounds: &Grounds<'_>,
    run: RunId,
) -> Result<SentinelWatch, String> {
    let Look::Sentinel { image, .. } = &probe.look else {
        return Err(format!("{} writes no sentinels", probe.name));
    };
    Ok(SentinelWatch::new(
        grounds.cluster(&probe.cluster)?.clone(),
        run,
        image,
    ))
}

/// How the receiver is asked about the canary of a `canary_stored` probe; refused for another kind of probe.
pub(in crate::drill) async fn stored(probe: &Probe, grounds: &Grounds<'_>) -> Result<StoredWatch, String> {
    let Look::CanaryStored {
        receiver,
        namespace,
        service,
        series,
        fresh_ms,
        shards,
    } = &probe.look
    else {
        return Err(format!("{} looks at no canary", probe.name));
    };
    Ok(StoredWatch {
        store: store(grounds, receiver, namespace, service).await?,
        selector: format!("{series}{{cluster=\"{}\"}}", probe.cluster),
        scrapes: format!("up{{cluster=\"{}\"}}", probe.cluster),
        fresh: Duration::from_millis(*fresh_ms),
        shards: AtomicUsize::new(usize::try_from(shards.unwrap_or(0)).unwrap_or(usize::MAX)),
    })
}

/// How the log store is asked about the canary of a `log_canary_stored` probe; refused for another kind of probe.
pub(in crate::drill) async fn log_stored(probe: &Probe, grounds: &Grounds<'_>) -> Result<LinesWatch, String> {
    let Look::LogCanaryStored {
        receiver,
        namespace,
        service,
        container,
        fresh_ms,
    } = &probe.look
    else {
        return Err(format!("{} looks at no log", probe.name));
    };
    Ok(LinesWatch {
        store: store(grounds, receiver, namespace, service).await?,
        selector: LinesWatch::selector(&probe.cluster, container),
        fresh: Duration::from_millis(*fresh_ms),
    })
}

async fn store(
    grounds: &Grounds<'_>,
    receiver: &ClusterName,
    namespace: &str,
    service: &str,
) -> Result<Store, String> {
    let cluster = grounds.cluster(receiver)?.clone();
    let ports = ports(&cluster, namespace, service).await?;
    Ok(Store {
        outside: NodePort {
            address: SocketAddr::from((grounds.address(receiver)?, ports.node_port(namespace, service)?)),
            host: service.to_owned(),
        },
        proxy: (cluster, ports.proxy(namespace, service)),
    })
}

async fn http(
    probe: &Probe,
    grounds: &Grounds<'_>,
    cluster: Cluster,
    (namespace, service): (&str, &str),
    (path, contains): (&str, &str),
    via: &Via,
) -> Result<Question, String> {
    let ports = ports(&cluster, namespace, service).await?;
    let contains = contains.to_owned();
    Ok(match via {
        Via::ApiServer {} => Question::Api {
            cluster,
            path: format!("{}{path}", ports.proxy(namespace, service)),
            contains,
        },
        Via::Host {} => Question::Http {
            address: SocketAddr::from((
                grounds.address(&probe.cluster)?,
                ports.node_port(namespace, service)?,
            )),
            host: service.to_owned(),
            path: path.to_owned(),
            contains,
            dialled: false,
        },
        Via::Pod {
            cluster: asking,
            namespace: at,
            service: asker,
        }
        | Via::Mesh {
            cluster: asking,
            namespace: at,
            service: asker,
        } => {
            let asked_at = self::ports(grounds.cluster(asking)?, at, asker).await?;
            let by_name = *asking == probe.cluster || matches!(via, Via::Mesh { .. });
            // Its own cluster's services have names, global ones among them; others are reached as any client outside reaches them. The
            // dot at the end spares the cluster's DNS the search through three domains, six questions for each request.
            let (target, port) = if by_name {
                (format!("{service}.{namespace}.svc.cluster.local."), ports.port)
            } else {
                (
                    grounds.address(&probe.cluster)?.to_string(),
                    ports.node_port(namespace, service)?,
                )
            };
            Question::Http {
                address: SocketAddr::from((grounds.address(asking)?, asked_at.node_port(at, asker)?)),
                host: asker.clone(),
                path: format!(
                    "/dial?host={target}&port={port}&request={}&protocol=http&tries=1",
                    percent(path.trim_start_matches('/'))
                ),
                contains,
                dialled: true,
            }
        }
    })
}

/// Ports of a service's first port.
struct Ports {
    port: u16,
    node_port: Option<u16>,
}

impl Ports {
    /// The service below its API server's root.
    fn proxy(&self, namespace: &str, service: &str) -> String {
        format!(
            "/api/v1/namespaces/{namespace}/services/{service}:{}/proxy",
            self.port
        )
    }

    fn node_port(&self, namespace: &str, service: &str) -> Result<u16, String> {
        self.node_port
            .ok_or_else(|| format!("service {namespace}/{service} has no NodePort"))
    }
}

async fn ports(cluster: &Cluster, namespace: &str, service: &str) -> Result<Ports, String> {
    let object = kube::one(cluster, "Service", namespace, service).await?;
    let object = object.ok_or_else(|| format!("there is no service {namespace}/{service}"))?;
    let first = &object.data["spec"]["ports"][0];
    let number = |key: &str| first[key].as_u64().and_then(|n| u16::try_from(n).ok());
    Ok(Ports {
        port: number("port").ok_or_else(|| format!("service {namespace}/{service} has no port"))?,
        node_port: number("nodePort"),
    })
}

impl Grounds<'_> {
    /// A cluster that can be asked.
    pub(in crate::drill) fn cluster(&self, name: &ClusterName) -> Result<&Cluster, String> {
        self.clusters
            .get(name)
            .ok_or_else(|| format!("cluster {name} cannot be asked"))
    }

    /// A node that answers for the cluster: a spared one before a hit one, a worker before a control plane.
    fn address(&self, name: &ClusterName) -> Result<Ipv4Addr, String> {
        let cluster = self
            .lab
            .cluster(name.as_str())
            .ok_or_else(|| format!("there is no cluster {name}"))?;
        let rank = |n: &&model::lab::Node| (self.hit.contains(&n.name), n.role != Role::Worker);
        let node = cluster.nodes.iter().min_by_key(rank);
        node.map(|n| n.address)
            .ok_or_else(|| format!("cluster {name} has no nodes"))
    }
}

/// Percent-encodes everything but letters, digits and `-._~/`.
pub(super) fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spared_worker_answers_for_its_cluster() {
        let lab = Lab::default();
        let (clusters, app1) = (BTreeMap::new(), ClusterName::new("app1").expect("valid"));
        let answer = |hit: &[&str]| {
            let hit: Vec<NodeName> = hit.iter().map(|n| NodeName::new(*n).expect("valid")).collect();
            let grounds = Grounds {
                lab: &lab,
                clusters: &clusters,
                hit: &hit,
                rebooted: &[],
            };
            grounds.address(&app1).expect("an address").octets()[3]
        };
        assert_eq!(answer(&[]), 21);
        assert_eq!(answer(&["app1-worker"]), 20);
        assert_eq!(answer(&["app1-worker", "app1-cp"]), 21);
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(percent("count(up{a=\"b\"})"), "count%28up%7Ba%3D%22b%22%7D%29");
    }
}
