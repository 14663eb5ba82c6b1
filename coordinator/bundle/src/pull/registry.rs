//! A thin client of the OCI distribution protocol: manifests and blobs, anonymous or with a bearer token.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::{Document, Reference};
use crate::digest::{self, Hashing};
use crate::error::BuildError;

const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const CONNECT: Duration = Duration::from_secs(3);
/// A registry may send slowly for as long as it likes, but not fall silent: every single read has this limit.
const SILENCE: Duration = Duration::from_secs(30);
/// Larger than any real manifest, smaller than what would hurt.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// Why an image could not be pulled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// Not a full reference.
    #[error("`{reference}` is not REGISTRY/REPOSITORY:TAG")]
    Reference {
        /// The text.
        reference: String,
    },
    /// The registry cannot be reached, or the connection broke.
    #[error("no answer from {url}")]
    Network {
        /// What was asked for.
        url: String,
        /// The network's answer.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The registry refuses or does not have it.
    #[error("{url} answers {status}")]
    Refused {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The registry's answer is not what the protocol says.
    #[error("the registry sent {what}")]
    Answer {
        /// What came.
        what: String,
    },
    /// The content is not what its digest says.
    #[error("content {digest} came with digest sha256:{found}")]
    Digest {
        /// What was asked for.
        digest: String,
        /// What came.
        found: String,
    },
    /// It cannot be stored.
    #[error("cannot store {}", path.display())]
    Store {
        /// Where.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Archive(#[source] Box<BuildError>),
}

impl PullError {
    pub(super) fn archive(error: BuildError) -> Self {
        PullError::Archive(Box::new(error))
    }
}

/// A manifest as it came.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// One repository of a registry.
#[derive(Debug)]
pub(crate) struct Registry {
    agent: Agent,
    base: String,
    token: Option<String>,
}

impl Registry {
    pub(crate) fn new(reference: &Reference) -> Self {
        Self::with_silence(reference, SILENCE)
    }

    fn with_silence(reference: &Reference, silence: Duration) -> Self {
        // The system's own roots: a company's proxy has its certificate there.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence))
            .http_status_as_error(false)
            .build();
        Registry {
            agent: config.into(),
            base: reference.base(),
            token: None,
        }
    }

    /// The manifest or index of a tag or digest. A digest is checked.
    pub(crate) fn manifest(&mut self, version: &str) -> Result<Manifest, PullError> {
        let url = format!("{}/manifests/{version}", self.base);
        let mut response = self.get(&url)?;
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let media_type = header("content-type").unwrap_or_default();
        let body = response
            .body_mut()
            .with_config()
            .limit(MANIFEST_LIMIT)
            .read_to_vec();
        let bytes = body.map_err(|source| PullError::Network {
            url,
            source: Box::new(source),
        })?;
        let found = digest::of_bytes(&bytes);
        if let Some(expected) = version.strip_prefix("sha256:")
            && expected != found
        {
            return Err(PullError::Digest {
                digest: version.to_owned(),
                found,
            });
        }
        Ok(Manifest {
            digest: format!("sha256:{found}"),
            media_type,
            bytes,
        })
    }

    /// Downloads a blob into a file and checks length and digest.
    pub(crate) fn blob(&mut self, wanted: &str, size: u64, path: &Path) -> Result<(), PullError> {
        let url = format!("{}/blobs/{wanted}", self.base);
        let response = self.get(&url)?;
        let stored = |source| PullError::Store {
            path: path.to_owned(),
            source,
        };
        let mut out = Hashing::new(File::create(path).map_err(stored)?);
        // One byte more than promised is enough to know that it is wrong.
        let mut body = response.into_body().into_reader().take(size + 1);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = receive(&mut body, &mut buffer).map_err(|source| PullError::Network {
                url: url.clone(),
                source: Box::new(source.into()),
            })?;
            if count == 0 {
                break;
            }
            out.write_all(&buffer[..count]).map_err(stored)?;
        }
        out.flush().map_err(stored)?;
        let (found, bytes, _) = out.finish();
        match sha256_of(wanted)? == found && bytes == size {
            true => Ok(()),
            false => Err(PullError::Digest {
                digest: wanted.to_owned(),
                found,
            }),
        }
    }

    /// One GET; a registry that wants a token gets one, once.
    fn get(&mut self, url: &str) -> Result<Response<Body>, PullError> {
        let mut response = self.ask(url)?;
        if response.status() == StatusCode::UNAUTHORIZED && self.token.is_none() {
            let challenge = response
                .headers()
                .get("www-authenticate")
                .and_then(|v| v.to_str().ok());
            if let Some(realm) = challenge.and_then(token_url) {
                self.token = Some(self.fetch_token(&realm)?);
                response = self.ask(url)?;
            }
        }
        match response.status().is_success() {
            true => Ok(response),
            false => Err(PullError::Refused {
                url: url.to_owned(),
                status: response.status().as_u16(),
            }),
        }
    }

    fn ask(&self, url: &str) -> Result<Response<Body>, PullError> {
        let mut request = self.agent.get(url).header("Accept", ACCEPT);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|source| PullError::Network {
            url: url.to_owned(),
            source: Box::new(source),
        })
    }

    fn fetch_token(&self, url: &str) -> Result<String, PullError> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(alias = "access_token")]
            token: String,
        }
        let mut response = self.ask(url)?;
        let text = response
            .body_mut()
            .with_config()
            .limit(MANIFEST_LIMIT)
            .read_to_vec();
        let text = text.map_err(|source| PullError::Network {
            url: url.to_owned(),
            source: Box::new(source),
        })?;
        let token: Result<Token, _> = serde_json::from_slice(&text);
        token.map(|t| t.token).map_err(|_| PullError::Answer {
            what: "no token".to_owned(),
        })
    }
}

/// One read, begun again after a signal.
fn receive(body: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match body.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Where a `Bearer realm="...",service="...",scope="..."` challenge sends us.
fn token_url(challenge: &str) -> Option<String> {
    let fields = challenge.strip_prefix("Bearer ")?;
    let field = |name: &str| {
        fields.split(',').find_map(|f| {
            f.trim()
                .strip_prefix(name)?
                .strip_prefix("=\"")?
                .strip_suffix('"')
        })
    };
    let realm = field("realm")?;
    let query: Vec<String> = ["service", "scope"]
        .iter()
        .filter_map(|name| Some(format!("{name}={}", field(name)?)))
        .collect();
    Some(format!("{realm}?{}", query.join("&")))
}

/// Reads a manifest or an index.
pub(super) fn document(bytes: &[u8]) -> Result<Document, PullError> {
    serde_json::from_slice(bytes).map_err(|_| PullError::Answer {
        what: "no manifest and no index".to_owned(),
    })
}

/// The hexadecimal part of a digest; it becomes a file name, so it is checked.
pub(super) fn sha256_of(digest: &str) -> Result<&str, PullError> {
    let hex = digest
        .strip_prefix("sha256:")
        .filter(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit()));
    hex.ok_or_else(|| PullError::Answer {
        what: format!("the digest `{digest}`, which is not SHA-256"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;
    use std::net::TcpListener;

    /// Promises a body to one caller after another, sends a part of it and falls silent; returns `127.0.0.1:PORT`.
    fn stalled() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let head = io::BufReader::new(stream.try_clone().unwrap());
                let lines = head.lines().map_while(Result::ok);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
                    .unwrap();
                open.push(stream);
            }
        });
        address
    }

    #[test]
    fn a_registry_that_falls_silent_is_given_up() {
        let reference = Reference::parse(&format!("{}/a/b:1", stalled())).unwrap();
        let (told, answers) = std::sync::mpsc::channel();
        // On a thread of its own: without a limit neither call comes back.
        std::thread::spawn(move || {
            let mut registry = Registry::with_silence(&reference, Duration::from_millis(200));
            let dir = tempfile::tempdir().unwrap();
            let wanted = format!("sha256:{}", "a".repeat(64));
            let tell = |answer: Result<(), PullError>| told.send(answer.map_err(|e| e.to_string())).unwrap();
            tell(registry.manifest("1").map(|_| ()));
            tell(registry.blob(&wanted, 100, &dir.path().join("blob")));
        });
        for what in ["manifests/1", "blobs/sha256:a"] {
            let answer = answers.recv_timeout(Duration::from_secs(20)).expect(what);
            let error = answer.unwrap_err();
            assert!(
                error.starts_with("no answer from") && error.contains(what),
                "{error}"
            );
        }
    }

    #[test]
    fn a_challenge_names_the_token_service() {
        let text =
            r#"Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull""#;
        let expected = "https://auth.example/token?service=registry&scope=repository:a/b:pull";
        assert_eq!(token_url(text).unwrap(), expected);
        assert_eq!(token_url("Basic realm=\"x\""), None);
    }

    #[test]
    fn a_digest_that_is_a_path_is_refused() {
        assert!(sha256_of("sha256:../../etc/passwd").is_err());
        assert!(sha256_of(&format!("sha256:{}", "a".repeat(64))).is_ok());
    }
}
