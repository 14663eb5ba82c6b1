//! The pull path against a registry of our own on loopback: tags, indexes, tokens, and contents that lie.
#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a failed test")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use bundle::{BuildError, Builder, Kind, Manifest, Source, verify};
use sha2::{Digest, Sha256};

/// Path → content type and body. Answers 401 with a challenge until the token comes, if `token` is set.
struct Registry {
    content: HashMap<String, (String, Vec<u8>)>,
    token: bool,
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with one image `a/b:1` for two platforms.
fn registry() -> Registry {
    let mut content = HashMap::new();
    let layer = b"not compressed, no matter".to_vec();
    let config = br#"{"architecture":"amd64","os":"linux"}"#.to_vec();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&layer), "size": layer.len()}],
    })
    .to_string()
    .into_bytes();
    let platform = |arch: &str, digest: &str| serde_json::json!({"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": arch}});
    let other = format!("sha256:{}", "0".repeat(64));
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [platform("arm64", &other), platform("amd64", &digest(&manifest))],
    })
    .to_string()
    .into_bytes();
    for (name, kind, body) in [
        ("manifests/1", INDEX, &index),
        (&format!("manifests/{}", digest(&manifest)), MANIFEST, &manifest),
    ] {
        content.insert(format!("/v2/a/b/{name}"), (kind.to_owned(), body.clone()));
    }
    for blob in [&config, &layer] {
        content.insert(
            format!("/v2/a/b/blobs/{}", digest(blob)),
            ("application/octet-stream".to_owned(), blob.clone()),
        );
    }
    Registry {
        content,
        token: false,
    }
}

/// Serves until the test's process ends; returns `127.0.0.1:PORT`.
fn serve(registry: Registry) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (registry, own) = (Arc::new(registry), address.clone());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                head.push(line.trim().to_owned());
            }
            let Some(path) = head.first().and_then(|l| l.split(' ').nth(1)).map(str::to_owned) else {
                continue;
            };
            let allowed = !registry.token
                || head
                    .iter()
                    .any(|l| l.eq_ignore_ascii_case("authorization: Bearer T"));
            let (status, extra, body) = if path.starts_with("/token?") {
                ("200 OK", String::new(), br#"{"token":"T"}"#.to_vec())
            } else if !allowed {
                let challenge = format!(
                    r#"WWW-Authenticate: Bearer realm="http://{own}/token",service="s",scope="repository:a/b:pull""#
                );
                ("401 Unauthorized", format!("{challenge}\r\n"), Vec::new())
            } else {
                match registry.content.get(&path) {
                    Some((kind, body)) => ("200 OK", format!("Content-Type: {kind}\r\n"), body.clone()),
                    None => ("404 Not Found", String::new(), Vec::new()),
                }
            };
            let mut stream = stream;
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&body);
        }
    });
    address
}

/// A project whose only profile is one image, which can also be built without any tool.
fn project(dir: &Path, registry: &str, digest: Option<&str>) {
    let digest = digest.map(|d| format!("digest: {d}, ")).unwrap_or_default();
    let text = format!(
        "schemaVersion: 1\nname: test\nversions: {{b: \"1\"}}\nhost: {{packages: [], go: \"1.26\", keptMib: 1}}\nepoch: 7\nmodules: []\n\
         layers: [{{name: l, entries: [{{type: text, path: f, text: built}}]}}]\n\
         images: [{{name: b, {digest}reference: \"{registry}/a/b:${{b}}\", layers: [l]}}]\n\
         profiles: [{{name: core, binaries: [], images: [b], charts: []}}]\n"
    );
    fs::create_dir_all(dir.join("values/bundle")).unwrap();
    fs::write(dir.join("values/bundle/bundle.yaml"), text).unwrap();
}

fn build(dir: &Path, source: Source) -> Result<Manifest, BuildError> {
    let (project, cache) = (dir.to_owned(), dir.join("cache"));
    Builder {
        project,
        cache,
        profile: "core".to_owned(),
        source,
    }
    .build(&mut |_| {})
}

fn pulled(manifest: &Manifest) -> Option<String> {
    manifest
        .find(Kind::Image, "b")
        .unwrap()
        .image
        .as_ref()
        .unwrap()
        .pulled
        .clone()
}

#[test]
fn an_image_is_pulled_by_digest_and_recorded() {
    for token in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry { token, ..registry() };
        let top = digest(&registry.content["/v2/a/b/manifests/1"].1);
        project(dir.path(), &serve(registry), None);
        let manifest = build(dir.path(), Source::Pull).unwrap();
        assert_eq!(pulled(&manifest), Some(top));
        assert!(verify(&dir.path().join("cache")).unwrap().is_sound());
    }
}

#[test]
fn auto_pulls_where_it_can_and_builds_where_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), &serve(registry()), None);
    assert!(pulled(&build(dir.path(), Source::Auto).unwrap()).is_some());

    let dir = tempfile::tempdir().unwrap();
    // Port 9 of loopback answers nobody here; a refused connection is what an offline host gives.
    project(dir.path(), "127.0.0.1:9", None);
    let first = build(dir.path(), Source::Auto).unwrap();
    assert_eq!(pulled(&first), None);
    assert_eq!(build(dir.path(), Source::Auto).unwrap(), first);
    assert!(matches!(
        build(dir.path(), Source::Pull),
        Err(BuildError::Pull { .. })
    ));
}

#[test]
fn contents_that_lie_are_refused() {
    let mut lying = registry();
    let blob = lying
        .content
        .iter_mut()
        .find(|(path, (_, body))| path.contains("blobs") && body.starts_with(b"not"));
    blob.unwrap().1.1[0] = b'N';
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), &serve(lying), None);
    let BuildError::Pull { source, .. } = build(dir.path(), Source::Pull).unwrap_err() else {
        panic!()
    };
    assert!(source.to_string().contains("came with digest"), "{source}");
    assert!(!dir.path().join("cache/bundle/images/b.tar").exists());

    // A pinned digest that the registry does not have.
    let dir = tempfile::tempdir().unwrap();
    project(
        dir.path(),
        &serve(registry()),
        Some(&format!("sha256:{}", "1".repeat(64))),
    );
    let BuildError::Pull { source, .. } = build(dir.path(), Source::Pull).unwrap_err() else {
        panic!()
    };
    assert!(source.to_string().contains("404"), "{source}");
}
