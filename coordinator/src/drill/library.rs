//! The scenario files of the checkout, and what of the lab they can rely on.

use crate::places::Places;
use domain::component::Component;
use domain::document::DocumentError;
use domain::drill::plan::Present;
use domain::drill::scenario::Scenario;
use domain::status::Status;
use model::ids::ClusterName;
use std::path::PathBuf;

/// Why a scenario cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// No file of that name.
    #[error("there is no drill {name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// A file cannot be read.
    #[error("drill file {path}")]
    Read {
        /// Path.
        path: PathBuf,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
    /// A file is wrong.
    #[error("a drill is refused")]
    Scenario(#[from] DocumentError),
}

/// Names of all drills, sorted.
pub fn names(places: &Places) -> Result<Vec<String>, LibraryError> {
    let folder = places.project.join("values/drills");
    let entries = std::fs::read_dir(&folder).map_err(|source| LibraryError::Read { path: folder, source })?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// The drill of that name.
pub fn load(places: &Places, name: &str) -> Result<Scenario, LibraryError> {
    let known = names(places)?;
    // Compared with what is there, so that a name can never become another path.
    if !known.iter().any(|k| k == name) {
        return Err(LibraryError::Unknown {
            name: name.to_owned(),
            known,
        });
    }
    let path = places.project.join("values/drills").join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(&path).map_err(|source| LibraryError::Read {
        path: path.clone(),
        source,
    })?;
    Ok(Scenario::from_yaml(&path.display().to_string(), name, &text)?)
}

/// What is installed, by the status document: components that are ready in a cluster.
pub fn present(status: &Status, components: &[Component]) -> Present {
    let pairs = status.clusters.iter().flat_map(|cluster| {
        let ready = cluster.components.iter().filter(|c| c.ready);
        ready.filter_map(move |c| {
            let component = components.iter().find(|k| k.name.as_str() == c.name)?;
            Some((&cluster.name, component))
        })
    });
    Present::of(pairs.collect::<Vec<(&ClusterName, &Component)>>())
}
