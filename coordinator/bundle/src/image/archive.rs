//! An archive that `ctr images import` reads as an OCI layout and `docker load` as a docker archive.

use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::layer::header;
use crate::error::{At, BuildError};
use crate::{digest, durable};

/// Content under its digest.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    media_type: String,
    sha256: String,
    pub(crate) bytes: u64,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Blob {
    pub(crate) fn bytes(media_type: &str, content: Vec<u8>) -> Self {
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let sha256 = digest::of_bytes(&content);
        Blob {
            media_type: media_type.to_owned(),
            sha256,
            bytes,
            source: Source::Bytes(content),
        }
    }

    /// A file whose digest and length are known.
    pub(crate) fn file(media_type: &str, sha256: String, bytes: u64, path: PathBuf) -> Self {
        Blob {
            media_type: media_type.to_owned(),
            sha256,
            bytes,
            source: Source::File(path),
        }
    }

    /// `sha256:...`.
    pub(crate) fn digest(&self) -> String {
        format!("sha256:{}", self.sha256)
    }

    pub(crate) fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest(), "size": self.bytes})
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.sha256)
    }
}

/// Writes an image's archive. Blobs keep their order; an equal layer is written once.
pub(crate) fn write_archive(
    reference: &str,
    manifest: &Blob,
    config: &Blob,
    layers: &[Blob],
    output: &Path,
) -> Result<(), BuildError> {
    durable::parent(output)?;
    let new = durable::beside(output);
    let file = File::create(&new).at("create", &new)?;
    let mut tar = tar::Builder::new(BufWriter::with_capacity(1 << 20, file));
    let mut index = manifest.descriptor();
    index["annotations"] = json!({
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": tag(reference),
    });
    let paths: Vec<String> = layers.iter().map(Blob::path).collect();
    let documents = [
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"})),
        (
            "index.json",
            json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [index],
            }),
        ),
        (
            "manifest.json",
            json!([{"Config": config.path(), "RepoTags": [reference], "Layers": paths}]),
        ),
    ];
    for (name, document) in &documents {
        let text = document.to_string().into_bytes();
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        append(&mut tar, name, bytes, &mut text.as_slice()).at("write", &new)?;
    }
    let mut seen = Vec::new();
    for blob in [manifest, config].into_iter().chain(layers) {
        if seen.contains(&&blob.sha256) {
            continue;
        }
        seen.push(&blob.sha256);
        match &blob.source {
            Source::Bytes(bytes) => append(&mut tar, &blob.path(), blob.bytes, &mut bytes.as_slice()),
            Source::File(path) => append(
                &mut tar,
                &blob.path(),
                blob.bytes,
                &mut File::open(path).at("open", path)?,
            ),
        }
        .at("write", &new)?;
    }
    let file = tar
        .into_inner()
        .and_then(|w| w.into_inner().map_err(io::IntoInnerError::into_error));
    file.and_then(|f| f.sync_all()).at("sync", &new)?;
    durable::publish(&new, output)
}

fn append(
    tar: &mut tar::Builder<BufWriter<File>>,
    path: &str,
    bytes: u64,
    from: &mut dyn Read,
) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, 0o644, 0, 0, 0);
    header.set_size(bytes);
    tar.append_data(&mut header, path, from.take(bytes))
}

/// The tag of a reference, which is all that an OCI layout may carry there.
fn tag(reference: &str) -> &str {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    name.split_once(':').map_or("latest", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_what_follows_the_last_colon_of_the_name() {
        assert_eq!(tag("host:5000/a/b:v1"), "v1");
        assert_eq!(tag("host:5000/a/b"), "latest");
    }

    #[test]
    fn two_writes_give_the_same_bytes_and_an_equal_layer_is_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let layer = Blob::bytes(super::super::LAYER, b"layer".to_vec());
        let (config, manifest) = (Blob::bytes("c", b"{}".to_vec()), Blob::bytes("m", b"[]".to_vec()));
        let write = |name| {
            let path = dir.path().join(name);
            write_archive(
                "r/x:1",
                &manifest,
                &config,
                &[layer.clone(), layer.clone()],
                &path,
            )
            .unwrap();
            std::fs::read(path).unwrap()
        };
        let bytes = write("a.tar");
        assert_eq!(bytes, write("b.tar"));
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names[..3], ["oci-layout", "index.json", "manifest.json"]);
        assert_eq!(names.len(), 6);
    }
}
