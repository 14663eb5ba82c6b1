//! Probes of certificates and kubeconfigs: present, readable, and signed by the authority beside them.

use super::probe::files;
use model::step::ProbeResult;
use std::path::Path;
use x509_parser::pem::Pem;

/// Leaf and the authority that must have signed it.
const SIGNED: [(&str, &str); 6] = [
    ("apiserver.crt", "ca.crt"),
    ("apiserver-kubelet-client.crt", "ca.crt"),
    ("front-proxy-client.crt", "front-proxy-ca.crt"),
    ("apiserver-etcd-client.crt", "etcd/ca.crt"),
    ("etcd/server.crt", "etcd/ca.crt"),
    ("etcd/peer.crt", "etcd/ca.crt"),
];
const CERTIFICATES: [&str; 22] = [
    "ca.crt",
    "ca.key",
    "apiserver.crt",
    "apiserver.key",
    "apiserver-kubelet-client.crt",
    "apiserver-kubelet-client.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "front-proxy-client.crt",
    "front-proxy-client.key",
    "apiserver-etcd-client.crt",
    "apiserver-etcd-client.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "etcd/server.crt",
    "etcd/server.key",
    "etcd/peer.crt",
    "etcd/peer.key",
    "etcd/healthcheck-client.crt",
    "etcd/healthcheck-client.key",
    "sa.key",
    "sa.pub",
];
const KUBECONFIGS: [&str; 5] = [
    "admin.conf",
    "super-admin.conf",
    "kubelet.conf",
    "controller-manager.conf",
    "scheduler.conf",
];

/// All files of `init phase certs`, and every leaf by its authority.
pub(crate) fn certificates(pki: &Path) -> ProbeResult {
    let found = files(pki, &CERTIFICATES);
    if found != ProbeResult::Done {
        return found;
    }
    let broken: Vec<String> = SIGNED
        .iter()
        .filter_map(|(leaf, authority)| unsigned(pki, leaf, authority))
        .collect();
    if broken.is_empty() {
        ProbeResult::Done
    } else {
        ProbeResult::Broken {
            detail: broken.join("; "),
        }
    }
}

fn unsigned(pki: &Path, leaf: &str, authority: &str) -> Option<String> {
    let read = |name: &str| {
        std::fs::read(pki.join(name))
            .ok()
            .and_then(|bytes| Pem::iter_from_buffer(&bytes).next()?.ok())
    };
    let (Some(leaf_pem), Some(authority_pem)) = (read(leaf), read(authority)) else {
        return Some(format!("{leaf} or {authority} is no PEM"));
    };
    let (Ok(leaf_cert), Ok(authority_cert)) = (leaf_pem.parse_x509(), authority_pem.parse_x509()) else {
        return Some(format!("{leaf} or {authority} is no certificate"));
    };
    if leaf_cert.issuer() != authority_cert.subject() {
        return Some(format!("{leaf} was not issued by {authority}"));
    }
    (!leaf_cert.validity().is_valid()).then(|| format!("{leaf} is not valid now"))
}

/// All kubeconfigs of a control plane.
pub(crate) fn kubeconfigs(kubernetes: &Path) -> ProbeResult {
    files(kubernetes, &KUBECONFIGS)
}

/// Kubelet uses its own rotated certificate.
pub(crate) fn rotated(kubelet_conf: &Path, kubelet: &Path) -> ProbeResult {
    let Ok(text) = std::fs::read_to_string(kubelet_conf) else {
        return ProbeResult::NotStarted;
    };
    let current = kubelet.join("pki/kubelet-client-current.pem");
    let named = text.contains("kubelet-client-current.pem");
    match (named, current.exists()) {
        (true, true) => ProbeResult::Done,
        (true, false) => ProbeResult::Broken {
            detail: "kubelet.conf names a certificate that is not there".into(),
        },
        (false, _) => ProbeResult::Partial {
            detail: "kubelet.conf still holds its first certificate".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("signed")
    }

    fn write_all(pki: &Path) {
        std::fs::create_dir_all(pki.join("etcd")).expect("made");
        let (cluster, front, etcd) = (authority("kubernetes"), authority("front"), authority("etcd"));
        for name in CERTIFICATES {
            std::fs::write(pki.join(name), "key").expect("written");
        }
        for (name, ca) in [
            ("ca.crt", &cluster),
            ("front-proxy-ca.crt", &front),
            ("etcd/ca.crt", &etcd),
        ] {
            std::fs::write(pki.join(name), ca.pem()).expect("written");
            for (leaf, _) in SIGNED.iter().filter(|(_, authority)| *authority == name) {
                let key = KeyPair::generate().expect("key");
                let cert = CertificateParams::default().signed_by(&key, ca).expect("signed");
                std::fs::write(pki.join(leaf), cert.pem()).expect("written");
            }
        }
    }

    #[test]
    fn whole_partial_foreign_and_damaged_certificates_are_told_apart() {
        let dir = tempfile::tempdir().expect("temp");
        assert_eq!(certificates(dir.path()), ProbeResult::NotStarted);
        write_all(dir.path());
        assert_eq!(certificates(dir.path()), ProbeResult::Done);
        std::fs::write(dir.path().join("ca.crt"), authority("other").pem()).expect("written");
        assert!(
            matches!(certificates(dir.path()), ProbeResult::Broken { detail } if detail.contains("not issued by"))
        );
        std::fs::write(dir.path().join("ca.crt"), "garbage").expect("written");
        assert!(
            matches!(certificates(dir.path()), ProbeResult::Broken { detail } if detail.contains("no PEM"))
        );
        std::fs::remove_file(dir.path().join("sa.key")).expect("gone");
        assert!(
            matches!(certificates(dir.path()), ProbeResult::Partial { detail } if detail.contains("sa.key"))
        );
    }

    #[test]
    fn kubelet_that_names_a_missing_certificate_is_broken() {
        let dir = tempfile::tempdir().expect("temp");
        let conf = dir.path().join("kubelet.conf");
        std::fs::write(&conf, "client-certificate-data: abc").expect("written");
        assert!(matches!(rotated(&conf, dir.path()), ProbeResult::Partial { .. }));
        std::fs::write(
            &conf,
            "client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem",
        )
        .expect("written");
        assert!(matches!(rotated(&conf, dir.path()), ProbeResult::Broken { .. }));
    }
}
