//! The NoCloud seed: what cloud-init finds in the node at its first boot, and the node's identity files.

use std::path::Path;

use crate::error::LaunchError;
use crate::files::{make_dir, write_file};
use crate::names;
use crate::record::NodeRecord;

/// Writes hostname, machine-id and the seed into the node's root.
///
/// Everything is 0600 and root's: user-data carries a token, even though that is good for one use only.
pub(super) fn write(root: &Path, record: &NodeRecord, user_data: &str) -> Result<(), LaunchError> {
    let spec = &record.spec;
    let id = names::machine_id(&record.lab, &spec.name, record.generation);
    write_file(&root.join("etc/hostname"), &format!("{}\n", spec.name), 0o644)?;
    write_file(&root.join("etc/machine-id"), &format!("{id}\n"), 0o444)?;
    let seed = root.join("var/lib/cloud/seed/nocloud");
    make_dir(&root.join("var/lib/cloud"), 0o755)?;
    make_dir(&seed, 0o700)?;
    // The generation is part of the instance's name: a node made anew is another instance, a restarted one is not.
    let meta = format!(
        "instance-id: {}-{}\nlocal-hostname: {}\n",
        names::machine(&record.lab, &spec.name),
        record.generation,
        spec.name
    );
    write_file(&seed.join("meta-data"), &meta, 0o600)?;
    write_file(&seed.join("network-config"), &network_config(record), 0o600)?;
    write_file(&seed.join("user-data"), user_data, 0o600)
}

/// `to: 0.0.0.0/0` because cloud-init 22.4 does not know `default`.
fn network_config(record: &NodeRecord) -> String {
    let spec = &record.spec;
    format!(
        "version: 2\nethernets:\n  host0:\n    dhcp4: false\n    link-local: []\n    addresses: [{}/{}]\n    routes: [{{to: 0.0.0.0/0, via: {}}}]\n",
        spec.address, spec.prefix, spec.gateway
    )
}
