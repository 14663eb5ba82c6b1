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
    /// The folder that has them all cannot be read.
    #[error("the folder of drills, {path}, cannot be read")]
    Folder {
        /// Path.
        path: PathBuf,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("drill file {path} cannot be read")]
    Read {
        /// Path.
        path: PathBuf,
        /// First cause.
        #[source]
        source: std::io::Error,
    },
    /// A file is wrong.
    #[error(transparent)]
    Scenario(#[from] DocumentError),
}

impl LibraryError {
    /// What the operator does next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "coordinator drill list",
            Self::Folder { .. } => {
                "set DRILLYARD_PROJECT to the checkout of Drillyard that has values/drills"
            }
            Self::Read { .. } => "see that the file is there and may be read",
            Self::Scenario(_) => {
                "correct the file; `coordinator drill show --schema` has what may be in it, values/drills/README.md an example"
            }
        }
    }
}

/// Names of all drills, sorted.
pub fn names(places: &Places) -> Result<Vec<String>, LibraryError> {
    let folder = places.project.join("values/drills");
    let entries =
        std::fs::read_dir(&folder).map_err(|source| LibraryError::Folder { path: folder, source })?;
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
