//! `REGISTRY/REPOSITORY:TAG` or `REGISTRY/REPOSITORY@DIGEST`, always with the registry's name.

use super::PullError;

/// A parsed image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// A tag, or `sha256:...`.
    pub(crate) version: String,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Self, PullError> {
        let bad = || PullError::Reference {
            reference: text.to_owned(),
        };
        let (registry, rest) = text.split_once('/').ok_or_else(bad)?;
        let (repository, version) = match rest.split_once('@') {
            Some((name, digest)) => (name.split(':').next().unwrap_or(name), digest),
            None => rest.rsplit_once(':').ok_or_else(bad)?,
        };
        let host = registry.contains(['.', ':']) || registry == "localhost";
        match host && !repository.is_empty() && !version.is_empty() {
            true => Ok(Reference {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                version: version.to_owned(),
            }),
            false => Err(bad()),
        }
    }

    /// Where the registry's API is. Plain HTTP only on this very machine.
    pub(crate) fn base(&self) -> String {
        let host = self.registry.split(':').next().unwrap_or_default();
        let scheme = if matches!(host, "localhost" | "127.0.0.1") {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{}/v2/{}", self.registry, self.repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_digests_and_ports() {
        let of = |text| Reference::parse(text).map(|r| (r.base(), r.version)).unwrap();
        assert_eq!(
            of("registry.k8s.io/a/b:v1"),
            ("https://registry.k8s.io/v2/a/b".into(), "v1".into())
        );
        assert_eq!(
            of("localhost:5000/a@sha256:12"),
            ("http://localhost:5000/v2/a".into(), "sha256:12".into())
        );
        for bad in [
            "pause:1",
            "library/pause:1",
            "registry.k8s.io/pause",
            "registry.k8s.io/:1",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
    }
}
