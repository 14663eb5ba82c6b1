//! Pulls an image by digest where its registry can be reached, and writes the same kind of archive as a build.

mod reference;
mod registry;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

pub(crate) use reference::Reference;
pub use registry::PullError;
pub(crate) use registry::Registry;

use crate::durable;
use crate::image::{Blob, write_archive};
use crate::manifest::ImageRecord;
use crate::spec::Image;

/// What a manifest or an index says about one content.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// An image's manifest, or an index over several platforms.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Document {
    Index {
        manifests: Vec<Descriptor>,
    },
    Manifest {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
}

/// Does the image's registry answer, and has it the image? An offline host must not wait, so a registry that was
/// `silent` once is not asked again.
pub(crate) fn is_there(image: &Image, silent: &mut BTreeSet<String>) -> bool {
    let Ok(reference) = Reference::parse(&image.reference) else {
        return false;
    };
    if silent.contains(&reference.registry) {
        return false;
    }
    match Registry::new(&reference).manifest(&pinned(image, &reference)) {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(image = image.reference, %error, "not to be pulled");
            if matches!(error, PullError::Network { .. }) {
                silent.insert(reference.registry);
            }
            false
        }
    }
}

/// Pulls an image into an archive at `output`. Every content is checked against its digest.
pub(crate) fn pull(image: &Image, work: &Path, output: &Path) -> Result<ImageRecord, PullError> {
    let reference = Reference::parse(&image.reference)?;
    let mut registry = Registry::new(&reference);
    let top = registry.manifest(&pinned(image, &reference))?;
    let manifest = match registry::document(&top.bytes)? {
        Document::Index { manifests } => registry.manifest(&for_this_platform(&manifests)?.digest)?,
        Document::Manifest { .. } => top.clone(),
    };
    let Document::Manifest { config, layers } = registry::document(&manifest.bytes)? else {
        return Err(PullError::Answer {
            what: "an index inside an index".to_owned(),
        });
    };

    let folder = work.join("pull");
    fs::create_dir_all(&folder).map_err(|source| PullError::Store {
        path: folder.clone(),
        source,
    })?;
    let mut fetch = |wanted: &Descriptor| -> Result<Blob, PullError> {
        let sha256 = registry::sha256_of(&wanted.digest)?.to_owned();
        let path = folder.join(&sha256);
        registry.blob(&wanted.digest, wanted.size, &path)?;
        Ok(Blob::file(&wanted.media_type, sha256, wanted.size, path))
    };
    let config = fetch(&config)?;
    let layers = layers.iter().map(&mut fetch).collect::<Result<Vec<_>, _>>()?;
    let record = ImageRecord {
        reference: image.reference.clone(),
        config_digest: config.digest(),
        manifest_digest: manifest.digest.clone(),
        layer_bytes: layers.iter().map(|l| l.bytes).sum(),
        pulled: Some(top.digest),
    };
    let manifest = Blob::bytes(&manifest.media_type, manifest.bytes);
    write_archive(&image.reference, &manifest, &config, &layers, output).map_err(PullError::archive)?;
    durable::remove_dir(&folder).map_err(PullError::archive)?;
    Ok(record)
}

/// The digest that the description pins, else the reference's tag.
fn pinned(image: &Image, reference: &Reference) -> String {
    image.digest.clone().unwrap_or_else(|| reference.version.clone())
}

fn for_this_platform(manifests: &[Descriptor]) -> Result<&Descriptor, PullError> {
    let fits = |d: &&Descriptor| {
        d.platform
            .as_ref()
            .is_some_and(|p| p.os == "linux" && p.architecture == "amd64")
    };
    manifests.iter().find(fits).ok_or_else(|| PullError::Answer {
        what: "an index without linux/amd64".to_owned(),
    })
}
