//! The two JSON documents of an image: its configuration and its manifest.

use serde_json::{Map, Value, json};

use super::Blob;
use crate::spec::Image;

pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The image's configuration. No time and no history, which would say nothing true.
pub(super) fn config(image: &Image, layers: &[Blob]) -> Vec<u8> {
    let mut environment = vec![PATH.to_owned()];
    environment.extend(image.environment.iter().cloned());
    let mut inner = Map::new();
    inner.insert("Env".to_owned(), json!(environment));
    let lists = [("Entrypoint", &image.entrypoint), ("Cmd", &image.command)];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        inner.insert(key.to_owned(), json!(list));
    }
    let texts = [("User", &image.user), ("WorkingDir", &image.workdir)];
    for (key, text) in texts {
        if let Some(text) = text {
            inner.insert(key.to_owned(), json!(text));
        }
    }
    let diff_ids: Vec<String> = layers.iter().map(Blob::digest).collect();
    text(&json!({
        "architecture": "amd64",
        "os": "linux",
        "config": inner,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
}

/// The image's manifest.
pub(super) fn manifest(config: &Blob, layers: &[Blob]) -> Vec<u8> {
    let layers: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
    text(&json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": layers}))
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
