//! The parts of `multipass list|info --format json` that are used. Multipass 1.16; 1.17 adds keys, which are ignored.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;

use crate::provider::Power;

/// `multipass list --format json`.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) list: Vec<Listed>,
}

/// One machine of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) name: String,
}

/// `multipass info NAME --format json`.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) info: BTreeMap<String, Machine>,
}

/// One machine.
#[derive(Debug, Deserialize)]
pub(super) struct Machine {
    state: String,
    /// Empty while the machine is stopped.
    #[serde(default)]
    pub(super) ipv4: Vec<Ipv4Addr>,
}

impl Machine {
    pub(super) fn power(&self) -> Power {
        match self.state.as_str() {
            "Running" => Power::Running,
            "Stopped" => Power::Off,
            "Suspended" | "Suspending" => Power::Suspended,
            // Starting, Restarting, Delayed Shutdown, Unknown: on its way, or without an answer.
            _ => Power::Unknown,
        }
    }

    /// Deleted machines stay listed until they are purged, and can be brought back.
    pub(super) fn is_deleted(&self) -> bool {
        self.state == "Deleted"
    }

    pub(super) fn describe(&self) -> String {
        let addresses: Vec<String> = self.ipv4.iter().map(ToString::to_string).collect();
        format!("{} [{}]", self.state, addresses.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Info, List, Power};

    #[test]
    fn fixtures_are_read() {
        let list: List = serde_json::from_str(include_str!("../../tests/fixtures/list.json")).unwrap();
        assert_eq!(list.list.len(), 2);
        let info: Info =
            serde_json::from_str(include_str!("../../tests/fixtures/info-running.json")).unwrap();
        let machine = &info.info["drillyard-lab-app1-cp"];
        assert_eq!((machine.power(), machine.ipv4.len()), (Power::Running, 2));
        let info: Info =
            serde_json::from_str(include_str!("../../tests/fixtures/info-stopped.json")).unwrap();
        assert_eq!(info.info["drillyard-lab-app1-cp"].power(), Power::Off);
    }
}
