//! `ImportImages`: what this role needs and the content store lacks is imported from the bundle's archives.

use super::{Context, StepError};
use crate::command;
use crate::paths::Paths;
use model::step::Role;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

const CTR: &str = "/usr/bin/ctr";
/// Programs of the control plane run on control planes only; a worker needs none of them.
const CONTROL_PLANE_ONLY: [&str; 4] = [
    "/kube-apiserver:",
    "/kube-controller-manager:",
    "/kube-scheduler:",
    "registry.k8s.io/etcd:",
];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    reference: String,
    archive: PathBuf,
}

pub(crate) fn import(context: &Context, role: Role) -> Result<(), StepError> {
    let missing = missing(&context.paths, role)?;
    let total = missing.len();
    for (at, image) in missing.iter().enumerate() {
        context.say(&format!(
            "importing image {} of {total}: {}",
            at + 1,
            image.reference
        ));
        let archive = image.archive.display().to_string();
        command::run(
            Path::new(CTR),
            ["--namespace", "k8s.io", "images", "import", &archive],
        )?;
        // Pinned, or kubelet's garbage collection may remove what nothing here can pull again.
        let pin = [
            "--namespace",
            "k8s.io",
            "images",
            "label",
            &image.reference,
            "io.cri-containerd.pinned=pinned",
        ];
        command::run(Path::new(CTR), pin)?;
    }
    Ok(())
}

/// References that are needed and not in the store, for probes.
pub(crate) fn missing_references(paths: &Paths, role: Role) -> Result<Vec<String>, StepError> {
    Ok(missing(paths, role)?
        .into_iter()
        .map(|image| image.reference)
        .collect())
}

fn missing(paths: &Paths, role: Role) -> Result<Vec<Image>, StepError> {
    let have = in_store()?;
    let mut wanted = bundled(&paths.bundle())?;
    wanted.retain(|image| needs(role, &image.reference) && !have.contains(&image.reference));
    Ok(wanted)
}

fn needs(role: Role, reference: &str) -> bool {
    role == Role::ControlPlane || !CONTROL_PLANE_ONLY.iter().any(|part| reference.contains(part))
}

pub(super) fn in_store() -> Result<BTreeSet<String>, StepError> {
    let out = command::run(
        Path::new(CTR),
        ["--namespace", "k8s.io", "images", "list", "--quiet"],
    )?;
    Ok(out.stdout.lines().map(str::to_owned).collect())
}

/// The bundle's images by its manifest, or by its archives where it has none.
fn bundled(bundle: &Path) -> Result<Vec<Image>, StepError> {
    let manifest = bundle.join("manifest.json");
    match std::fs::read(&manifest) {
        Ok(bytes) => from_manifest(bundle, &bytes).map_err(|e| StepError::io("read", &manifest)(e.into())),
        Err(_) => from_archives(&bundle.join("images")),
    }
}

#[derive(Deserialize)]
struct Manifest {
    artefacts: Vec<Artefact>,
}

#[derive(Deserialize)]
struct Artefact {
    path: PathBuf,
    image: Option<ImageRecord>,
}

#[derive(Deserialize)]
struct ImageRecord {
    reference: String,
}

/// Only the fields that matter here are read: the manifest may grow others.
fn from_manifest(bundle: &Path, bytes: &[u8]) -> Result<Vec<Image>, serde_json::Error> {
    let manifest: Manifest = serde_json::from_slice(bytes)?;
    let images = manifest.artefacts.into_iter().filter_map(|artefact| {
        let reference = artefact.image?.reference;
        // Paths are relative to the cache; here the bundle's folder is mounted alone.
        let archive = bundle.join("images").join(artefact.path.file_name()?);
        Some(Image { reference, archive })
    });
    Ok(images.collect())
}

fn from_archives(folder: &Path) -> Result<Vec<Image>, StepError> {
    let entries = std::fs::read_dir(folder).map_err(StepError::io("list", folder))?;
    let mut archives: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    archives.retain(|path| path.extension().is_some_and(|e| e == "tar"));
    archives.sort();
    let mut images = Vec::new();
    for archive in archives {
        for reference in tags(&archive).map_err(StepError::io("read", &archive))? {
            images.push(Image {
                reference,
                archive: archive.clone(),
            });
        }
    }
    Ok(images)
}

#[derive(Deserialize)]
struct DockerManifest {
    #[serde(rename = "RepoTags", default)]
    tags: Vec<String>,
}

/// The names inside a docker archive.
fn tags(archive: &Path) -> std::io::Result<Vec<String>> {
    let mut tar = tar::Archive::new(File::open(archive)?);
    for entry in tar.entries_with_seek()? {
        let entry = entry?;
        if entry.path()?.as_os_str() == "manifest.json" {
            let list: Vec<DockerManifest> = serde_json::from_reader(entry)?;
            return Ok(list.into_iter().flat_map(|m| m.tags).collect());
        }
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        "holds no manifest.json",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_needs_no_control_plane() {
        for image in [
            "registry.k8s.io/etcd:3.6.14-0",
            "registry.k8s.io/kube-apiserver:v1.35.4",
        ] {
            assert!(
                !needs(Role::Worker, image) && needs(Role::ControlPlane, image),
                "{image}"
            );
        }
        for image in [
            "registry.k8s.io/pause:3.10.1",
            "quay.io/cilium/clustermesh-apiserver:v1.20.2",
        ] {
            assert!(needs(Role::Worker, image), "{image}");
        }
    }

    #[test]
    fn the_manifest_names_images_and_their_archives() {
        let text = br#"{"schemaVersion":1,"artefacts":[{"path":"bundle/bin/kubelet","kind":"program"},
            {"path":"bundle/images/etcd.tar","image":{"reference":"registry.k8s.io/etcd:3.6.14-0","x":1}}]}"#;
        let images = from_manifest(Path::new("/opt/drillyard/bundle"), text).expect("read");
        assert_eq!(images.len(), 1);
        assert_eq!(
            images[0].archive,
            Path::new("/opt/drillyard/bundle/images/etcd.tar")
        );
    }

    #[test]
    fn names_are_read_from_an_archive_and_damage_is_told() {
        let dir = tempfile::tempdir().expect("temp");
        let path = dir.path().join("a.tar");
        let mut tar = tar::Builder::new(File::create(&path).expect("file"));
        let body = br#"[{"Config":"c","RepoTags":["registry.k8s.io/pause:3.10.1"],"Layers":[]}]"#;
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(body.len()).expect("small"));
        header.set_cksum();
        tar.append_data(&mut header, "manifest.json", body.as_slice())
            .expect("added");
        tar.finish().expect("done");
        assert_eq!(
            from_archives(dir.path()).expect("read")[0].reference,
            "registry.k8s.io/pause:3.10.1"
        );
        std::fs::write(&path, b"broken").expect("written");
        assert!(from_archives(dir.path()).is_err());
    }
}
