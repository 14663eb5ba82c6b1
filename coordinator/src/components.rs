//! The component folders of the checkout, read with everything that is installed from them.

use crate::host_steps::component_secrets::{
    CaSecret, SecretError, certificate_authority, server_certificate,
};
use crate::host_steps::values::{HostFacts, ValuesError, render};
use crate::places::Places;
use domain::component::{Component, ComponentSecret, SecretKind, SecretScope};
use domain::document::DocumentError;
use model::ids::{ComponentName, Digest};
use model::lab::{Cluster, Lab};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why the component folders cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ComponentsError {
    /// A file or folder cannot be read.
    #[error("component folder {path}")]
    Read {
        /// Path.
        path: String,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
    /// A component file is wrong.
    #[error("a component is refused")]
    Component(#[from] DocumentError),
    /// A template is wrong.
    #[error("values cannot be rendered")]
    Values(#[from] ValuesError),
    /// A secret cannot be made.
    #[error("a component's secret cannot be made")]
    Secret(#[from] SecretError),
    /// A kind of secret that this release cannot make.
    #[error("component {component}: secret {secret} is of a kind that this release does not make")]
    UnknownSecret {
        /// Component.
        component: String,
        /// Secret.
        secret: String,
    },
}

/// One component with its folder.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the file says, with the digest of the rendered inputs per cluster.
    pub component: Component,
    /// The folder.
    pub folder: PathBuf,
}

/// All components, sorted by name, rendered once for their digests.
pub fn load(lab: &Lab, places: &Places, host: HostFacts) -> Result<Vec<Loaded>, ComponentsError> {
    let root = places.project.join("values/components");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&root)
        .map_err(|source| read_error(&root, source))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.join("component.yaml").is_file())
        .collect();
    folders.sort();
    folders
        .into_iter()
        .map(|folder| load_one(lab, places, host, folder))
        .collect()
}

/// The component of that name as its folder says, without digests: what a step needs that the plan chose already. None where
/// there is no such folder any more.
pub fn find(places: &Places, name: &ComponentName) -> Result<Option<Loaded>, ComponentsError> {
    let folder = places.project.join("values/components").join(name.as_str());
    if !folder.join("component.yaml").is_file() {
        return Ok(None);
    }
    read_folder(folder).map(Some)
}

fn read_folder(folder: PathBuf) -> Result<Loaded, ComponentsError> {
    let file = folder.join("component.yaml");
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let component = Component::from_yaml(&file.display().to_string(), &name, &read(&file)?)?;
    Ok(Loaded { component, folder })
}

fn load_one(lab: &Lab, places: &Places, host: HostFacts, folder: PathBuf) -> Result<Loaded, ComponentsError> {
    let mut loaded = read_folder(folder)?;
    loaded.component = loaded.component.placed(lab);
    for cluster in &lab.clusters {
        if !loaded.component.runs_in(&cluster.name) {
            continue;
        }
        let digest = inputs(&loaded, lab, cluster, places, host)?.digest;
        loaded.component = loaded.component.with_inputs(cluster.name.clone(), digest);
    }
    Ok(loaded)
}

/// What a component is installed from in one cluster. Holds keys, so it has no `Debug`.
pub(crate) struct Inputs {
    /// Documents of Helm values.
    pub(crate) values: Vec<String>,
    /// Its own manifests.
    pub(crate) manifests: Vec<String>,
    /// Over all of it: a plan names it, and nothing else may be installed under that name.
    pub(crate) digest: Digest,
}

/// The inputs for `cluster` as the folder has them now.
pub(crate) fn inputs(
    loaded: &Loaded,
    lab: &Lab,
    cluster: &Cluster,
    places: &Places,
    host: HostFacts,
) -> Result<Inputs, ComponentsError> {
    let values = values(loaded, lab, cluster, places, host)?;
    let manifests = manifests(loaded, lab, cluster, places, host)?;
    let digest = inputs_digest(loaded, &values.iter().chain(&manifests).collect::<Vec<_>>());
    Ok(Inputs {
        values,
        manifests,
        digest,
    })
}

/// The component's values for `cluster`: later files override earlier ones, as Helm does with several documents.
pub fn values(
    loaded: &Loaded,
    lab: &Lab,
    cluster: &Cluster,
    places: &Places,
    host: HostFacts,
) -> Result<Vec<String>, ComponentsError> {
    rendered(&loaded.component.values, loaded, lab, cluster, places, host)
}

/// The component's manifests for `cluster`, in the order in which they are applied.
pub fn manifests(
    loaded: &Loaded,
    lab: &Lab,
    cluster: &Cluster,
    places: &Places,
    host: HostFacts,
) -> Result<Vec<String>, ComponentsError> {
    rendered(&loaded.component.manifests, loaded, lab, cluster, places, host)
}

/// Plain manifests out of the bundle, by path; nothing is filled in.
pub fn bundled_manifests(loaded: &Loaded, places: &Places) -> Result<Vec<String>, ComponentsError> {
    let Some(folder) = &loaded.component.bundled_manifests else {
        return Ok(Vec::new());
    };
    let root = bundle::paths::chart(&places.cache, &folder.name);
    let mut texts = Vec::new();
    for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
        let entry = entry.map_err(|e| read_error(&root, e.into()))?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            texts.push(read(entry.path())?);
        }
    }
    Ok(texts)
}

fn rendered(
    files: &[String],
    loaded: &Loaded,
    lab: &Lab,
    cluster: &Cluster,
    places: &Places,
    host: HostFacts,
) -> Result<Vec<String>, ComponentsError> {
    // A component has values or manifests: its secrets are read for the one that there is.
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let secrets = secrets(&loaded.component, cluster, places)?;
    files
        .iter()
        .map(|name| {
            Ok(render(
                loaded.component.name.as_str(),
                name,
                &read(&loaded.folder.join(name))?,
                lab,
                cluster,
                host,
                &secrets,
            )?)
        })
        .collect()
}

fn secrets(
    component: &Component,
    cluster: &Cluster,
    places: &Places,
) -> Result<BTreeMap<String, CaSecret>, ComponentsError> {
    let folder = places.secrets();
    let make = |secret: &ComponentSecret| {
        let name = match secret.scope {
            SecretScope::Lab => secret.name.clone(),
            SecretScope::Cluster => format!("{}.{}", secret.name, cluster.name),
        };
        let made = match secret.kind {
            SecretKind::Ca => certificate_authority(&folder, &name)?,
            SecretKind::Certificate => {
                let addresses = cluster.nodes.iter().map(|node| node.address.to_string());
                let subjects: Vec<String> = secret.names.iter().cloned().chain(addresses).collect();
                let authority = secret.authority.as_deref().unwrap_or_default();
                server_certificate(&folder, &name, authority, subjects)?
            }
            SecretKind::Password => {
                return Err(ComponentsError::UnknownSecret {
                    component: component.name.to_string(),
                    secret: secret.name.clone(),
                });
            }
        };
        Ok((secret.name.clone(), made))
    };
    component.secrets.iter().map(make).collect()
}

/// Digest over the identity of chart or bundled manifests and the rendered values. The values hold keys, hence a digest and never the text.
fn inputs_digest(loaded: &Loaded, texts: &[&String]) -> Digest {
    let mut hash = Sha256::new();
    let named = loaded
        .component
        .chart
        .as_ref()
        .or(loaded.component.bundled_manifests.as_ref());
    let chart = serde_json::to_vec(&named).unwrap_or_default();
    for part in std::iter::once(chart.as_slice()).chain(texts.iter().map(|text| text.as_bytes())) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    Digest(hash.finalize().into())
}

fn read(path: &Path) -> Result<String, ComponentsError> {
    std::fs::read_to_string(path).map_err(|source| read_error(path, source))
}

fn read_error(path: &Path, source: std::io::Error) -> ComponentsError {
    ComponentsError::Read {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkout with one component of one manifest.
    fn checkout(folder: &Path, manifest: &str) -> Places {
        let component = folder.join("values/components/extra");
        std::fs::create_dir_all(&component).expect("made");
        let text = "apiVersion: drillyard/v1\nkind: Component\nname: extra\nphase: 3\nclusters: all\n\
                    manifests: [extra.yaml]\nnamespace: extra\nneeds: []\nprovides: [extra]\n\
                    readiness: [{check: nodes_ready}]\nexpected_seconds: 5\nbudget_seconds: 50\n";
        std::fs::write(component.join("component.yaml"), text).expect("written");
        std::fs::write(component.join("extra.yaml"), manifest).expect("written");
        Places {
            home: folder.join("home"),
            cache: folder.join("cache"),
            project: folder.to_owned(),
            program: PathBuf::new(),
        }
    }

    #[test]
    fn a_folder_that_was_edited_is_not_what_was_planned() {
        let dir = tempfile::tempdir().expect("temp");
        let (lab, host) = (Lab::default(), HostFacts { sys_resource: false });
        let cluster = &lab.clusters[0];
        let places = checkout(dir.path(), "kind: ConfigMap\n");
        let planned = load(&lab, &places, host).expect("loads")[0].component.inputs[&cluster.name];
        let now = || {
            let name = ComponentName::new("extra").expect("valid");
            let loaded = find(&places, &name).expect("reads").expect("is there");
            inputs(&loaded, &lab, cluster, &places, host).expect("renders")
        };
        assert!(now().digest == planned, "what runs is what was planned");
        checkout(dir.path(), "kind: Secret\n");
        let edited = now();
        assert!(edited.digest != planned && edited.manifests[0].contains("Secret"));
        checkout(dir.path(), "kind: ConfigMap\n");
        assert!(now().digest == planned, "put back, it is the same again");
    }

    /// Without a bundle and without a lab: every template of every folder, for every cluster that it is for.
    #[test]
    fn every_folder_renders_to_objects_for_every_cluster() {
        let home = tempfile::tempdir().expect("temp");
        let places = Places {
            home: home.path().to_owned(),
            cache: home.path().join("cache"),
            project: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
            program: PathBuf::new(),
        };
        let (lab, host) = (Lab::default(), HostFacts { sys_resource: false });
        let loaded = load(&lab, &places, host).expect("all folders load");
        let mut objects = 0;
        for one in &loaded {
            for cluster in lab.clusters.iter().filter(|c| one.component.runs_in(&c.name)) {
                assert!(one.component.inputs.contains_key(&cluster.name));
                for text in manifests(one, &lab, cluster, &places, host).expect("rendered") {
                    for object in text.split("\n---\n") {
                        for key in ["apiVersion:", "kind:", "metadata:"] {
                            assert!(
                                object.lines().any(|line| line.starts_with(key)),
                                "{} has no {key} in {object}",
                                one.component.name
                            );
                        }
                        objects += 1;
                    }
                }
            }
        }
        assert!(objects > 30, "{objects}");
    }
}
