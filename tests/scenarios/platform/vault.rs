//! Vault as one of its clusters' readers sees it: a login with a token of the cluster's own, and what is at a path.

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tests::lab::TestLab;

/// NodePort of the component.
const PORT: u16 = 30820;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The lab's self-signed authority, as the host has it: what everybody trusts.
pub(super) fn authority(lab: &TestLab) -> Result<CertificateDer<'static>, String> {
    let path = lab.places().secrets().join("platform_ca.crt");
    CertificateDer::from_pem_file(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// What Vault has at a path below its engine, as the reader of `cluster` gets it.
pub(super) fn value(lab: &TestLab, cluster: &str, path: &str) -> Result<Value, String> {
    let words = [
        "-n",
        "external-secrets",
        "create",
        "token",
        "vault-reader",
        "--audience=vault",
    ];
    let jwt = lab.kubectl(cluster, &words)?;
    let login = format!("auth/jwt-{cluster}/login");
    let body = json!({"role": "external-secrets", "jwt": jwt});
    let answer = call(lab, "POST", &login, "", &body.to_string())?;
    let token = answer["auth"]["client_token"]
        .as_str()
        .ok_or_else(|| format!("{login}: no token in the answer"))?;
    let header = format!("X-Vault-Token: {token}\r\n");
    let answer = call(lab, "GET", &format!("secret/data/{path}"), &header, "")?;
    let value = answer["data"]["data"].clone();
    value
        .is_object()
        .then_some(value)
        .ok_or_else(|| format!("nothing at {path}"))
}

fn call(lab: &TestLab, method: &str, path: &str, headers: &str, body: &str) -> Result<Value, String> {
    let words = |error: &dyn std::fmt::Display| format!("{method} {path}: {error}");
    let node = lab.lab.clusters[0].nodes.last().ok_or("mgmt has no nodes")?;
    let address = SocketAddr::from((node.address, PORT));
    let tcp = TcpStream::connect_timeout(&address, LIMIT).map_err(|e| words(&e))?;
    tcp.set_read_timeout(Some(LIMIT)).map_err(|e| words(&e))?;
    let mut tls = StreamOwned::new(trusting(lab, address)?, tcp);
    // Of version 1.0, so that the answer comes in one piece and the connection ends with it.
    let request = format!(
        "{method} /v1/{path} HTTP/1.0\r\nHost: {address}\r\nX-Vault-Request: true\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tls.write_all(request.as_bytes()).map_err(|e| words(&e))?;
    let mut bytes = Vec::new();
    match tls.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(words(&error)),
        _ => {}
    }
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| words(&"no whole answer"))?;
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 200 ") {
        // Vault's own words; they never have a token in them.
        return Err(words(&format!("{status}: {body}")));
    }
    serde_json::from_str(body).map_err(|e| words(&e))
}

fn trusting(lab: &TestLab, address: SocketAddr) -> Result<ClientConnection, String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority(lab)?).map_err(|e| e.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::from(address.ip());
    ClientConnection::new(Arc::new(config), name).map_err(|e| e.to_string())
}
