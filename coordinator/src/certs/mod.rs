//! Looks at every certificate of the lab that can be seen from the host: files of the home, kubeconfigs, and what the
//! clusters' servers show in a handshake. Nothing is trusted or changed by looking; no daemon is needed.

mod files;
mod handshake;
mod unseen;

use crate::places::Places;
use domain::certs::{Certificate, Renewal};
use model::lab::{Cluster, Lab};
use model::moment::Moment;
use model::step::Role;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The operator's port, above the first of the coordinator's.
const OPERATOR_PORT: u16 = 2;

/// What was seen, and what could not be.
#[derive(Debug, Default)]
pub struct Seen {
    /// Certificates.
    pub certificates: Vec<Certificate>,
    /// For people: what, and why not.
    pub unseen: Vec<String>,
}

/// Looks at everything; the servers are asked side by side, each for at most three seconds.
pub async fn look(lab: &Lab, places: &Places) -> Seen {
    let mut seen = files(lab, places);
    let all = std::iter::once(own(lab)).chain(lab.clusters.iter().flat_map(servers));
    let asked = all.map(|server| async move {
        let shown = handshake::shown(server.address).await;
        (server, shown)
    });
    for (server, shown) in futures_util::future::join_all(asked).await {
        let what = format!("{} {}", server.scope, server.name);
        match shown {
            Ok(der) => seen.add(
                &server.scope,
                &server.name,
                &server.address.to_string(),
                &der,
                server.renewal,
            ),
            Err(error) => seen.unseen.push(format!("{what} at {}: {error}", server.address)),
        }
    }
    seen
}

/// Looks at the files of the home only; connects to nobody.
pub fn files(lab: &Lab, places: &Places) -> Seen {
    let mut seen = Seen::default();
    files::authority(places, &mut seen);
    files::secrets(places, &mut seen);
    for cluster in &lab.clusters {
        files::kubeconfig(cluster.name.as_str(), places, &mut seen);
    }
    seen.unseen.extend(unseen::named(lab));
    seen
}

/// A server that shows a certificate to whoever connects.
struct Server {
    scope: String,
    name: String,
    address: SocketAddr,
    renewal: Renewal,
}

/// The coordinator's own: enrolment, agents and operators are shown the same one, which it replaces in time. The operator's
/// listener is asked, since it is always open while there is a daemon, and on loopback.
fn own(lab: &Lab) -> Server {
    let port = lab.network.coordinator_port.saturating_add(OPERATOR_PORT);
    Server {
        scope: files::SCOPE.into(),
        name: "coordinator serving".into(),
        address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
        renewal: Renewal::Automatic,
    }
}

/// kubeadm's certificates are renewed by `kubeadm certs renew`, which a person starts; kubelet's serving certificate is
/// self-signed when kubelet starts without one, for a year.
fn servers(cluster: &Cluster) -> Vec<Server> {
    let mut all = Vec::new();
    for node in &cluster.nodes {
        let mut add = |name: String, port: u16| {
            all.push(Server {
                scope: cluster.name.to_string(),
                name,
                address: SocketAddr::new(IpAddr::V4(node.address), port),
                renewal: Renewal::Manual,
            });
        };
        if node.role == Role::ControlPlane {
            add("apiserver serving".into(), 6443);
            add("etcd serving".into(), 2379);
            add("etcd peer".into(), 2380);
        }
        add(format!("kubelet serving {}", node.name), 10250);
    }
    all
}

impl Seen {
    /// Reads one certificate; what cannot be read is told.
    fn add(&mut self, scope: &str, name: &str, seen: &str, der: &[u8], renewal: Renewal) {
        match X509Certificate::from_der(der) {
            Ok((_, certificate)) => {
                let moment =
                    |time: x509_parser::time::ASN1Time| Moment(time.timestamp().saturating_mul(1_000_000));
                self.certificates.push(Certificate {
                    scope: scope.to_owned(),
                    name: name.to_owned(),
                    subject: certificate.subject().to_string(),
                    seen: seen.to_owned(),
                    not_before: Some(moment(certificate.validity().not_before)),
                    not_after: moment(certificate.validity().not_after),
                    renewal,
                });
            }
            Err(error) => self.unseen.push(format!("{scope} {name} in {seen}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests;
