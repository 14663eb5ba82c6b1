//! Images that the static pods and every pod's sandbox need and that are not in the node's store.

use crate::paths::Paths;
use crate::step::{in_store, sandbox_image};
use model::evidence::{Evidence, EvidenceSource};
use std::fs;

pub(super) fn missing(paths: &Paths) -> Vec<Evidence> {
    // Without containerd nothing is known of its store; its unit tells.
    let running = paths.containerd_socket().exists();
    let Some(have) = running.then(in_store).flatten() else {
        return Vec::new();
    };
    let mut wanted = vec![("every pod's sandbox".to_owned(), sandbox_image().to_owned())];
    for entry in fs::read_dir(paths.manifests()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        wanted.extend(images(&text).map(|image| (name.clone(), image.to_owned())));
    }
    wanted
        .into_iter()
        .filter(|(_, image)| !have.contains(image))
        .map(|(by, image)| {
            Evidence::new(
                EvidenceSource::Image,
                by,
                &format!("{image} is not in the node's store"),
            )
        })
        .collect()
}

/// What follows `image:` in a manifest as kubeadm writes it.
fn images(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("image:"))
        .map(|image| image.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn images_are_read_from_a_manifest() {
        let text = "spec:\n  containers:\n  - command:\n    - etcd\n    image: registry.k8s.io/etcd:3.6.14-0\n    imagePullPolicy: IfNotPresent\n  - image: \"x/y:1\"\n";
        let found: Vec<&str> = super::images(text).collect();
        assert_eq!(found, ["registry.k8s.io/etcd:3.6.14-0", "x/y:1"]);
    }
}
