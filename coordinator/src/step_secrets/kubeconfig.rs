//! The kubeconfig that is kept of what a control plane hands over.
//!
//! A kubeconfig may name programs that its reader runs, files that it sends and servers that it talks to. A node is not
//! trusted with any of that, so its document is not kept: three texts are taken from it, and the rest is the lab's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use shell::tls;
use std::net::SocketAddrV4;

/// Largest kubeconfig that is taken, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The user, as kubeadm names it when an agent has it mint the kubeconfig.
const USER: &str = "drillyard-coordinator";

/// Why a kubeconfig is not taken. Nothing of its content is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// Far beyond what kubeadm writes.
    #[error("it is larger than {} bytes", MAX_BYTES)]
    TooLarge,
    /// Not to be parsed.
    #[error("it is not YAML")]
    NotYaml,
    /// A text that is needed is not there.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A text is there and is not base64.
    #[error("its {0} is not base64")]
    NotBase64(&'static str),
    /// What a text encodes is not what its name says.
    #[error("its {0} is not PEM of that kind")]
    NotPem(&'static str),
    /// What was made of it cannot be written.
    #[error("it cannot be written")]
    Unwritable,
}

/// A kubeconfig for the API server at `server`, with `cluster` as its context and the authority, certificate and key of `text`.
pub(super) fn rebuilt(text: &[u8], cluster: &str, server: SocketAddrV4) -> Result<String, KubeconfigError> {
    if text.len() > MAX_BYTES {
        return Err(KubeconfigError::TooLarge);
    }
    let told: Value = serde_norway::from_slice(text).map_err(|_| KubeconfigError::NotYaml)?;
    let (authority, user) = (&told["clusters"][0]["cluster"], &told["users"][0]["user"]);
    let is_certificate = |pem: &[u8]| tls::certificates(pem).is_ok_and(|all| !all.is_empty());
    let is_key = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).is_ok();
    let authority = checked(authority, "certificate-authority-data", is_certificate)?;
    let certificate = checked(user, "client-certificate-data", is_certificate)?;
    let key = checked(user, "client-key-data", is_key)?;
    let document = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": {
            "server": format!("https://{server}"), "certificate-authority-data": authority,
        }}],
        "users": [{"name": USER, "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": USER}}],
    });
    serde_norway::to_string(&document).map_err(|_| KubeconfigError::Unwritable)
}

/// The text of that name, if it is base64 of PEM that `fits`.
fn checked(
    part: &Value,
    name: &'static str,
    fits: impl FnOnce(&[u8]) -> bool,
) -> Result<String, KubeconfigError> {
    let text = part[name].as_str().ok_or(KubeconfigError::Missing(name))?;
    let pem = STANDARD
        .decode(text)
        .map_err(|_| KubeconfigError::NotBase64(name))?;
    if fits(&pem) {
        Ok(text.to_owned())
    } else {
        Err(KubeconfigError::NotPem(name))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use std::net::Ipv4Addr;

    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 64, 20), 6443);

    /// As `kubeadm kubeconfig user` prints it.
    pub(in super::super) fn minted() -> Value {
        let pair = KeyPair::generate().expect("key");
        let params = CertificateParams::new(vec!["kubernetes".to_owned()]).expect("params");
        let certificate = STANDARD.encode(params.self_signed(&pair).expect("signed").pem());
        let key = STANDARD.encode(pair.serialize_pem());
        json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {},
            "current-context": "drillyard-coordinator@app1",
            "clusters": [{"name": "app1", "cluster": {
                "certificate-authority-data": certificate, "server": "https://192.168.64.20:6443",
            }}],
            "contexts": [{"name": "drillyard-coordinator@app1",
                "context": {"cluster": "app1", "user": "drillyard-coordinator"}}],
            "users": [{"name": "drillyard-coordinator", "user": {
                "client-certificate-data": certificate, "client-key-data": key,
            }}],
        })
    }

    fn kept(config: &Value) -> Result<Value, KubeconfigError> {
        let text = serde_norway::to_string(config).expect("YAML");
        let kept = rebuilt(text.as_bytes(), "app1", SERVER)?;
        Ok(serde_norway::from_str(&kept).expect("YAML"))
    }

    #[test]
    fn an_honest_one_is_kept_with_the_cluster_as_its_context() {
        let mut wanted = minted();
        let kept = kept(&wanted).expect("taken");
        wanted["contexts"][0]["name"] = json!("app1");
        wanted["current-context"] = json!("app1");
        wanted.as_object_mut().expect("a map").remove("preferences");
        assert_eq!(kept, wanted);
        let read: kube::config::Kubeconfig = serde_json::from_value(kept).expect("a kubeconfig");
        assert_eq!(read.current_context.as_deref(), Some("app1"));
    }

    #[test]
    fn what_a_reader_would_run_send_or_trust_is_left_behind() {
        let honest = minted();
        let mut hostile = honest.clone();
        hostile["users"][0]["user"]["exec"] = json!({"apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh", "args": ["-c", "id"], "interactiveMode": "Never"});
        hostile["users"][0]["user"]["auth-provider"] = json!({"name": "gcp", "config": {"cmd-path": "sh"}});
        hostile["users"][0]["user"]["tokenFile"] = json!("/etc/shadow");
        hostile["users"][0]["user"]["client-key"] = json!("/etc/shadow");
        hostile["users"][0]["name"] = json!("../root");
        let cluster = &mut hostile["clusters"][0]["cluster"];
        cluster["server"] = json!("http://192.168.64.99:1");
        cluster["proxy-url"] = json!("http://192.168.64.99:2");
        cluster["tls-server-name"] = json!("elsewhere");
        cluster["insecure-skip-tls-verify"] = json!(true);
        cluster["certificate-authority"] = json!("/etc/shadow");
        hostile["contexts"][0]["context"] = json!({"cluster": "other", "user": "other"});
        assert_eq!(kept(&hostile), kept(&honest));
    }

    #[test]
    fn contexts_of_any_shape_are_no_matter() {
        for contexts in [json!(["x"]), json!([]), json!("x"), json!([[1]]), Value::Null] {
            let mut config = minted();
            config["contexts"] = contexts;
            assert!(kept(&config).is_ok(), "{}", config["contexts"]);
        }
    }

    #[test]
    fn what_lacks_something_is_refused_by_its_name() {
        let (pem, rubbish) = (STANDARD.encode("-----BEGIN"), "no base64");
        for (list, part, name) in [
            ("clusters", "cluster", "certificate-authority-data"),
            ("users", "user", "client-certificate-data"),
            ("users", "user", "client-key-data"),
        ] {
            for (value, wanted) in [
                (Value::Null, KubeconfigError::Missing(name)),
                (json!(7), KubeconfigError::Missing(name)),
                (json!(rubbish), KubeconfigError::NotBase64(name)),
                (json!(pem), KubeconfigError::NotPem(name)),
            ] {
                let mut config = minted();
                config[list][0][part][name] = value;
                assert_eq!(kept(&config), Err(wanted));
            }
        }
        for shape in [
            json!({}),
            json!([]),
            json!("x"),
            json!({"users": ["x"], "clusters": {}}),
        ] {
            assert!(
                matches!(kept(&shape), Err(KubeconfigError::Missing(_))),
                "{shape}"
            );
        }
        let refused = |text: &[u8]| rebuilt(text, "app1", SERVER).expect_err("refused");
        assert_eq!(refused(b"{"), KubeconfigError::NotYaml);
        assert_eq!(refused(&[b'a'; MAX_BYTES + 1]), KubeconfigError::TooLarge);
    }

    #[test]
    fn a_key_is_no_certificate_and_a_certificate_no_key() {
        let honest = minted();
        let user = &honest["users"][0]["user"];
        let mut swapped = honest.clone();
        swapped["users"][0]["user"] = json!({
            "client-certificate-data": user["client-key-data"], "client-key-data": user["client-certificate-data"],
        });
        assert_eq!(
            kept(&swapped),
            Err(KubeconfigError::NotPem("client-certificate-data"))
        );
    }
}
