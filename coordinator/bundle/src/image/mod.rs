//! Our own image writer: deterministic layers, and archives that are OCI layouts and docker archives at once.

mod archive;
mod config;
mod layer;

use std::path::Path;

pub(crate) use archive::{Blob, write_archive};
pub(crate) use layer::{Content, Node, write_layer};

use crate::error::BuildError;
use crate::manifest::ImageRecord;
use crate::spec::Image;

/// Media type of the layers that we write. Not compressed: every node of a lab would have to inflate them.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Writes the archive of one image from its finished layers, lowest first.
pub(crate) fn assemble(image: &Image, layers: Vec<Blob>, output: &Path) -> Result<ImageRecord, BuildError> {
    let layer_bytes: u64 = layers.iter().map(|l| l.bytes).sum();
    if let Some(limit_mib) = image.max_mib.filter(|limit| layer_bytes > limit << 20) {
        return Err(BuildError::TooLarge {
            image: image.name.clone(),
            mib: layer_bytes >> 20,
            limit_mib,
        });
    }
    let config = Blob::bytes(config::CONFIG, config::config(image, &layers));
    let manifest = Blob::bytes(config::MANIFEST, config::manifest(&config, &layers));
    let record = ImageRecord {
        reference: image.reference.clone(),
        config_digest: config.digest(),
        manifest_digest: manifest.digest(),
        layer_bytes,
        pulled: None,
    };
    write_archive(&image.reference, &manifest, &config, &layers, output)?;
    Ok(record)
}
