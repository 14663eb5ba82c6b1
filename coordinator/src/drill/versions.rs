//! What runs in the lab, by name and version: the clusters' own parts, and the images and charts of the components that are ready.

use crate::components::Loaded;
use bundle::{Artefact, Kind, Manifest};
use domain::drill::report::model::Version;
use domain::status::Status;
use model::lab::Lab;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An image or a chart at a version, and the components that bring it.
type Parts = BTreeMap<(String, String), (String, BTreeSet<String>)>;

/// This program, Kubernetes, etcd and CoreDNS, and what the components bring that are ready in some cluster, sorted by name. Whether the
/// bundle built or pulled a part is said where the bundle at `cache` knows it.
pub(super) fn of(lab: &Lab, cache: &Path, loaded: &[Loaded], status: &Status) -> Vec<Version> {
    let manifest = Manifest::load(cache).ok();
    let set = |fits: &dyn Fn(&Artefact) -> bool| {
        let artefacts = manifest.iter().flat_map(|m| &m.artefacts);
        let image = artefacts.filter(|a| fits(a)).find_map(|a| a.image.as_ref());
        image.map_or(
            "",
            |image| if image.pulled.is_some() { "pulled" } else { "built" },
        )
    };
    let own = |name: &str, version: &str, set: &str| Version {
        name: name.to_owned(),
        version: bare(version).to_owned(),
        set: set.to_owned(),
    };
    let named = |image: &'static str| move |a: &Artefact| a.kind == Kind::Image && a.name == image;
    let mut all = vec![
        own("drillyard", env!("CARGO_PKG_VERSION"), ""),
        own(
            "kubernetes",
            lab.versions.kubernetes.as_str(),
            set(&named("kube-apiserver")),
        ),
        own("etcd", lab.versions.etcd.as_str(), set(&named("etcd"))),
        own("coredns", lab.versions.coredns.as_str(), set(&named("coredns"))),
    ];
    let mut parts = Parts::new();
    for component in loaded.iter().filter(|l| is_ready(l, status)) {
        bring(component, &mut parts);
    }
    for ((name, version), (reference, components)) in &parts {
        let set = match reference.as_str() {
            "" => set(&|a: &Artefact| a.kind == Kind::Image && a.name == *name),
            reference => set(&|a: &Artefact| a.image.as_ref().is_some_and(|i| i.reference == reference)),
        };
        // Two versions side by side are told apart by whose they are.
        let alone = parts.keys().filter(|(other, _)| other == name).count() == 1;
        let name = if alone {
            name.clone()
        } else {
            let whose: Vec<&str> = components.iter().map(String::as_str).collect();
            format!("{name} of {}", whose.join(", "))
        };
        all.push(own(&name, version, set));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn is_ready(loaded: &Loaded, status: &Status) -> bool {
    let name = loaded.component.name.as_str();
    let mut components = status.clusters.iter().flat_map(|cluster| &cluster.components);
    components.any(|c| c.ready && c.name == name)
}

/// Adds the component's chart and the images that its manifests name. A file that cannot be read names none: it was read when the
/// component was loaded, and whoever removes it meanwhile changes no running lab.
fn bring(loaded: &Loaded, parts: &mut Parts) {
    let component = &loaded.component;
    let mut add = |name: &str, version: &str, reference: &str| {
        let key = (name.to_owned(), bare(version).to_owned());
        let part = parts
            .entry(key)
            .or_insert_with(|| (reference.to_owned(), BTreeSet::new()));
        part.1.insert(component.name.to_string());
    };
    if let Some(chart) = &component.chart {
        add(&chart.name, &chart.version, "");
    }
    for file in &component.manifests {
        let text = std::fs::read_to_string(loaded.folder.join(file)).unwrap_or_default();
        for reference in images(&text) {
            if let Some((name, tag)) = split(reference) {
                add(name, tag, reference);
            }
        }
    }
}

/// References of images in a manifest or its template; one that a template fills in is not known.
fn images(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("image:"))
        .map(|reference| reference.trim().trim_matches(['"', '\'']))
        .filter(|reference| !reference.is_empty() && !reference.contains(['{', ' ']))
}

/// Last part of the name, and tag: `quay.io/prometheus/prometheus:v3.16.0` is `prometheus` at `v3.16.0`.
fn split(reference: &str) -> Option<(&str, &str)> {
    let last = reference.rsplit('/').next()?;
    last.split('@').next()?.split_once(':')
}

/// As programs say their own version: without the `v` of a tag.
fn bare(version: &str) -> &str {
    match version.strip_prefix('v') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components;
    use crate::host_steps::values::HostFacts;
    use crate::places::Places;
    use domain::status::Observed;
    use std::path::PathBuf;

    #[test]
    fn images_are_found_as_manifests_name_them() {
        let text = "  image: quay.io/a/b:v1.2\n  - image: \"c:2\"\n  image: {{ x }}\n  image: {repository: d}\n  imagePullPolicy: Never\n";
        assert_eq!(images(text).collect::<Vec<_>>(), ["quay.io/a/b:v1.2", "c:2"]);
        assert_eq!(split("host:5000/a/b:v1@sha256:00"), Some(("b", "v1")));
        assert_eq!(split("host:5000/a/b"), None);
        assert_eq!(
            (bare("v1.2"), bare("1.2"), bare("victoria")),
            ("1.2", "1.2", "victoria")
        );
    }

    #[test]
    fn what_is_ready_is_told_with_its_version_and_what_is_not_is_not() {
        let home = tempfile::tempdir().expect("folder");
        let places = Places {
            home: home.path().into(),
            cache: home.path().join("cache"),
            project: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            program: PathBuf::new(),
        };
        let lab = Lab::default();
        let loaded = components::load(&lab, &places, HostFacts { sys_resource: false }).expect("loaded");
        let all: Vec<_> = loaded.iter().map(|l| l.component.clone()).collect();
        let state = domain::state::State::default();
        let mut status =
            domain::status::status(&state, &lab, &all, &Observed::default(), model::moment::Moment(0));
        let names = |status: &Status| -> Vec<String> {
            let versions = of(&lab, &places.cache, &loaded, status);
            versions.into_iter().map(|v| v.name).collect()
        };
        assert_eq!(names(&status), ["coredns", "drillyard", "etcd", "kubernetes"]);
        for component in status.clusters.iter_mut().flat_map(|c| &mut c.components) {
            component.ready = true;
        }
        let names = names(&status);
        for name in [
            "prometheus",
            "vault",
            "external-secrets",
            "cilium",
            "kyverno",
            "cert-manager",
        ] {
            assert!(names.iter().any(|n| n == name), "{name} is not among {names:?}");
        }
        let versions = of(&lab, &places.cache, &loaded, &status);
        assert!(
            versions
                .iter()
                .all(|v| !v.version.is_empty() && !v.version.starts_with('v'))
        );
    }
}
