//! Certificates of the cluster on this node that are not valid at this moment.

use crate::paths::Paths;
use model::evidence::{Evidence, EvidenceSource};
use std::path::PathBuf;
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

pub(super) fn not_valid_now(paths: &Paths) -> Vec<Evidence> {
    let pki = paths.kubernetes().join("pki");
    let mut files: Vec<PathBuf> = [pki.clone(), pki.join("etcd")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "crt"))
        .collect();
    files.sort();
    files.push(paths.kubelet().join("pki/kubelet-client-current.pem"));
    let now = ASN1Time::now();
    files
        .into_iter()
        .filter_map(|file| {
            let bytes = std::fs::read(&file).ok()?;
            let pem = Pem::iter_from_buffer(&bytes).next()?.ok()?;
            let certificate = pem.parse_x509().ok()?;
            let validity = certificate.validity();
            let text = if now < validity.not_before {
                format!("valid only from {} on", validity.not_before)
            } else if now > validity.not_after {
                format!("expired at {}", validity.not_after)
            } else {
                return None;
            };
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Some(Evidence::new(EvidenceSource::Certificate, name, &text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn only_what_is_not_valid_now_is_told() {
        let dir = tempfile::tempdir().expect("temp");
        let paths = Paths::below(dir.path());
        let pki = paths.kubernetes().join("pki");
        std::fs::create_dir_all(&pki).expect("made");
        for (name, from, to) in [("a", 2001, 2002), ("b", 2001, 2100), ("c", 2099, 2100)] {
            let mut params = CertificateParams::default();
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            let cert = params
                .self_signed(&KeyPair::generate().expect("key"))
                .expect("signed");
            std::fs::write(pki.join(format!("{name}.crt")), cert.pem()).expect("written");
        }
        let told: Vec<String> = not_valid_now(&paths)
            .into_iter()
            .map(|e| format!("{} {}", e.subject, e.text))
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("a.crt expired at") && told[1].starts_with("c.crt valid only from"));
    }
}
