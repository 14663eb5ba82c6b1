//! Faults and terms of leases.

use super::ids::lease_id;
use super::missing;
use crate::v1::{self, node_fault::Kind};
use model::Invalid;
use model::fault::NodeFault;
use model::fault_parts::{KeepMib, LagSeconds, NodeUnit, Peers, Percent, StaticPod, Volume, Workload};
use model::ids::LeaseId;
use model::lease::{Survey, Terms};
use model::step::NodeStep;

/// Largest survey that is decoded, in bytes.
const MAX_SURVEY: usize = 60 * 1024;

/// A survey as it travels.
pub fn survey_to_wire(survey: &Survey) -> Vec<u8> {
    serde_json::to_vec(survey).unwrap_or_default()
}

/// A survey as it is understood.
pub fn survey_from_wire(bytes: &[u8]) -> Result<Survey, Invalid> {
    let bytes = bytes.get(..bytes.len().min(MAX_SURVEY)).unwrap_or_default();
    serde_json::from_slice(bytes)
        .map_err(|error| Invalid::new("survey_json", "", format!("cannot be read: {error}")))
}

/// Terms of a lease.
pub fn terms(wire: Option<v1::LeaseTerms>) -> Result<Terms, Invalid> {
    let wire = wire.ok_or_else(|| missing("terms"))?;
    Terms::new(wire.ttl_ms, wire.grace_ms, wire.max_ms).map_err(|e| e.within("terms"))
}

/// Terms as they travel.
pub fn terms_to_wire(terms: Terms) -> v1::LeaseTerms {
    v1::LeaseTerms {
        ttl_ms: terms.ttl_ms(),
        grace_ms: terms.grace_ms(),
        max_ms: terms.max_ms(),
    }
}

pub(super) fn inject_from_wire(wire: v1::InjectFault) -> Result<NodeStep, Invalid> {
    Ok(NodeStep::InjectFault {
        lease: lease_id(&wire.lease)?,
        terms: terms(wire.terms)?,
        fault: fault(wire.fault).map_err(|e| e.within("fault"))?,
    })
}

pub(super) fn inject_to_wire(lease: LeaseId, terms: Terms, fault: &NodeFault) -> v1::InjectFault {
    v1::InjectFault {
        lease: lease.0.to_vec(),
        terms: Some(terms_to_wire(terms)),
        fault: Some(fault_to_wire(fault)),
    }
}

fn fault(wire: Option<v1::NodeFault>) -> Result<NodeFault, Invalid> {
    Ok(match wire.and_then(|w| w.kind).ok_or_else(|| missing("kind"))? {
        Kind::StopUnit(number) => NodeFault::StopUnit { unit: unit(number)? },
        Kind::StopStaticPod(number) => NodeFault::StopStaticPod {
            pod: static_pod(number)?,
        },
        Kind::PauseWorkload(w) => NodeFault::PauseWorkload {
            workload: workload(w)?,
        },
        Kind::KillWorkload(w) => NodeFault::KillWorkload {
            workload: workload(w)?,
        },
        Kind::CutPeers(w) => NodeFault::CutPeers { peers: peers(&w)? },
        Kind::LosePackets(w) => NodeFault::LosePackets {
            peers: peers(&w.peers.ok_or_else(|| missing("peers"))?)?,
            percent: Percent::new(w.percent)?,
        },
        Kind::DropDns(v1::DropDns {}) => NodeFault::DropDns {},
        Kind::FillDisk(w) => NodeFault::FillDisk {
            volume: volume(w.volume)?,
            keep: KeepMib::new(w.keep_mib)?,
        },
        Kind::LoseEtcdData(w) => NodeFault::LoseEtcdData {
            lag: LagSeconds::new(w.lag_seconds)?,
        },
    })
}

fn fault_to_wire(fault: &NodeFault) -> v1::NodeFault {
    let kind = match fault {
        NodeFault::StopUnit { unit } => Kind::StopUnit(unit_to_wire(*unit).into()),
        NodeFault::StopStaticPod { pod } => Kind::StopStaticPod(static_pod_to_wire(*pod).into()),
        NodeFault::PauseWorkload { workload } => Kind::PauseWorkload(workload_to_wire(workload)),
        NodeFault::KillWorkload { workload } => Kind::KillWorkload(workload_to_wire(workload)),
        NodeFault::CutPeers { peers } => Kind::CutPeers(peers_to_wire(peers)),
        NodeFault::LosePackets { peers, percent } => Kind::LosePackets(v1::LosePackets {
            peers: Some(peers_to_wire(peers)),
            percent: percent.get(),
        }),
        NodeFault::DropDns {} => Kind::DropDns(v1::DropDns {}),
        NodeFault::FillDisk { volume, keep } => Kind::FillDisk(v1::FillDisk {
            volume: volume_to_wire(*volume).into(),
            keep_mib: keep.get(),
        }),
        NodeFault::LoseEtcdData { lag } => Kind::LoseEtcdData(v1::LoseEtcdData {
            lag_seconds: lag.get(),
        }),
    };
    v1::NodeFault { kind: Some(kind) }
}

fn workload(wire: v1::Workload) -> Result<Workload, Invalid> {
    Workload::new(wire.namespace, wire.key, wire.value)
}

fn workload_to_wire(workload: &Workload) -> v1::Workload {
    v1::Workload {
        namespace: workload.namespace().to_owned(),
        key: workload.key().to_owned(),
        value: workload.value().to_owned(),
    }
}

fn peers(wire: &v1::Peers) -> Result<Peers, Invalid> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Invalid::new("peers", text, "is not an IPv4 address"))
    };
    Peers::new(wire.addresses.iter().map(parse).collect::<Result<Vec<_>, _>>()?)
}

fn peers_to_wire(peers: &Peers) -> v1::Peers {
    v1::Peers {
        addresses: peers.iter().map(|a| a.to_string()).collect(),
    }
}

macro_rules! numbers {
    ($from:ident, $to:ident, $model:ident, $field:literal: $($name:ident),+ $(,)?) => {
        fn $from(number: i32) -> Result<$model, Invalid> {
            match v1::$model::try_from(number) {
                $(Ok(v1::$model::$name) => Ok($model::$name),)+
                Ok(v1::$model::Unspecified) | Err(_) => {
                    Err(Invalid::new($field, number.to_string(), "is unknown to this release"))
                }
            }
        }

        fn $to(value: $model) -> v1::$model {
            match value {
                $($model::$name => v1::$model::$name,)+
            }
        }
    };
}

numbers!(unit, unit_to_wire, NodeUnit, "unit": Kubelet, Containerd);
numbers!(static_pod, static_pod_to_wire, StaticPod, "pod": Etcd, KubeApiserver, KubeControllerManager, KubeScheduler);
numbers!(volume, volume_to_wire, Volume, "volume": Containerd, Kubelet, Etcd);
