//! What this lab can break, and why it cannot break the rest. Nothing is pretended.

use model::fault::FaultKind;
use model::lab::{Lab, Provider};
use serde::Serialize;

/// One kind of fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Which.
    pub kind: FaultKind,
    /// Why not; None when it can.
    pub not_covered: Option<String>,
}

/// Every kind, in the order of the list.
pub fn capabilities(lab: &Lab) -> Vec<Capability> {
    FaultKind::ALL
        .iter()
        .map(|kind| Capability {
            kind: *kind,
            not_covered: reason(*kind, lab.provider).map(str::to_owned),
        })
        .collect()
}

pub(super) fn reason(kind: FaultKind, provider: Provider) -> Option<&'static str> {
    match (kind, provider) {
        (FaultKind::ClockSkew, Provider::Nspawn) => {
            Some("nodes share the host's clock; a skewed one would be everybody's")
        }
        (FaultKind::ClockSkew, Provider::Multipass) => Some("this release does not set a machine's clock"),
        (FaultKind::Latency, Provider::Nspawn) => {
            Some("it needs the kernel's netem queue, which nodes share with a host that need not have it")
        }
        (FaultKind::Latency, Provider::Multipass) => Some("this release does not shape a machine's traffic"),
        (FaultKind::CutClusters | FaultKind::LinkDown, Provider::Multipass) => {
            Some("the hypervisor's bridge is not ours; cut peers on the nodes instead")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_has_a_reason_and_the_rest_is_covered() {
        let found = capabilities(&Lab::default());
        let not: Vec<FaultKind> = found
            .iter()
            .filter(|c| c.not_covered.is_some())
            .map(|c| c.kind)
            .collect();
        assert_eq!(not, [FaultKind::ClockSkew, FaultKind::Latency]);
        assert_eq!(found.len(), FaultKind::ALL.len());
    }
}
