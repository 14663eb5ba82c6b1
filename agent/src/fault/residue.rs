//! What is there of faults: leases by their records, and what carries our name or stands still without an outstanding lease.

use super::record::{self, Record};
use super::{etcd_data, fill_disk, lease, packets, standstill, static_pod};
use crate::durable;
use crate::paths::Paths;
use crate::step::{Context, StepError};
use model::ids::{LeaseId, NodeName};
use model::lease::{Survey, UndoCause};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Looks, and changes nothing.
pub fn survey(context: &Context) -> Survey {
    let mut survey = Survey::default();
    let mut outstanding = BTreeSet::new();
    for found in record::all(&context.paths) {
        match found {
            Ok(record) => {
                if record.is_outstanding() {
                    outstanding.insert(record.lease());
                    survey.leases.push(record.held());
                }
            }
            Err((lease, error)) => survey
                .residue
                .push(format!("the record of lease {lease} cannot be read: {error}")),
        }
    }
    let unowned = |lease: &LeaseId| !outstanding.contains(lease);
    match packets::ours() {
        Ok(tables) => {
            let unowned = tables.into_iter().filter(|(_, table)| unowned(&table.lease));
            let line =
                |(_, t): (_, super::nft::Table)| format!("packet filter {} of lease {}", t.family, t.lease);
            survey.residue.extend(unowned.map(line));
        }
        Err(error) => survey
            .residue
            .push(format!("packet filters cannot be listed: {error}")),
    }
    let files = fill_disk::all(context).into_iter().filter(|(l, _)| unowned(l));
    let line = |(lease, volume): (LeaseId, model::fault_parts::Volume)| {
        format!("fill file of lease {lease} in {}", volume.folder())
    };
    survey.residue.extend(files.map(line));
    let held = static_pod::all_held(context)
        .into_iter()
        .filter(|(l, _)| unowned(l));
    let line = |(lease, pod): (LeaseId, model::fault_parts::StaticPod)| {
        format!("manifest of {} held by lease {lease}", pod.name())
    };
    survey.residue.extend(held.map(line));
    let kept = etcd_data::all(context).into_iter().filter(unowned);
    survey
        .residue
        .extend(kept.map(|lease| format!("etcd's data and snapshot of lease {lease}")));
    survey.residue.extend(standstill::lines(&survey.leases));
    survey
}

/// Undoes every lease, then removes what belongs to none.
pub(crate) fn heal(context: &Context) -> Result<(), StepError> {
    let paths = &context.paths;
    lease::undo_all(paths, UndoCause::Healed)?;
    for found in record::all(paths) {
        if let Err((lease, _)) = found {
            // What it said is lost. Whatever it broke carries our name or stands still, and ends below; a stopped unit is started.
            let file = paths.leases().join(format!("{lease}.json"));
            durable::remove(&file).map_err(StepError::io("remove", &file))?;
            for unit in [
                model::fault_parts::NodeUnit::Containerd,
                model::fault_parts::NodeUnit::Kubelet,
            ] {
                super::stop_unit::undo(unit)?;
            }
        }
    }
    for (place, table) in packets::ours()? {
        super::nft::remove(&place, &table)?;
    }
    for (lease, volume) in fill_disk::all(context) {
        fill_disk::undo(context, lease, volume)?;
    }
    // Before containers are killed, which those that stand still may not hear.
    standstill::end()?;
    // Before the manifests are back, which these need.
    for lease in etcd_data::all(context) {
        etcd_data::undo(context, lease, false)?;
    }
    for (lease, pod) in static_pod::all_held(context) {
        static_pod::undo(context, lease, pod, false)?;
    }
    Ok(())
}

/// Leaves the survey in `file`: how the unprivileged side gets what only root in the node's own namespaces can see.
pub fn survey_file(paths: &Paths, file: &Path) -> io::Result<()> {
    let node = std::fs::read(paths.exec().join("agent.json"))?;
    let node: Named = serde_json::from_slice(&node).map_err(io::Error::other)?;
    let context = Context {
        paths: paths.clone(),
        node: node.node,
        progress: None,
    };
    let bytes = serde_json::to_vec(&survey(&context)).map_err(io::Error::other)?;
    durable::replace(file, &bytes, 0o600)
}

#[derive(serde::Deserialize)]
struct Named {
    node: NodeName,
}

/// Whether any lease is outstanding, by its record.
pub(crate) fn outstanding(paths: &Paths) -> Vec<Record> {
    record::readable(paths)
        .into_iter()
        .filter(Record::is_outstanding)
        .collect()
}
