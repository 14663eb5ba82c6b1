//! The scenario files of the checkout, and what of the lab they can rely on.

use crate::faults::capabilities;
use crate::places::Places;
use domain::component::Component;
use domain::document::DocumentError;
use domain::drill::not_covered::{Gap, NotCovered, STEM};
use domain::drill::plan::Present;
use domain::drill::scenario::Scenario;
use domain::status::Status;
use model::ids::ClusterName;
use model::lab::Lab;
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
        .filter(|stem| stem != STEM)
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

/// What no drill on this lab looks at: what the file among the drills says, and the faults that the provider cannot have. A
/// checkout without that file says nothing of its own.
pub fn gaps(places: &Places, lab: &Lab) -> Result<Vec<Gap>, LibraryError> {
    let path = places.project.join("values/drills").join(format!("{STEM}.yaml"));
    let mut gaps = match std::fs::read_to_string(&path) {
        Ok(text) => NotCovered::from_yaml(&path.display().to_string(), &text)?.not_covered,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(LibraryError::Read { path, source }),
    };
    gaps.extend(capabilities(lab).into_iter().filter_map(|capability| {
        Some(Gap {
            subject: format!("fault {}", capability.kind.as_str()),
            reason: capability.not_covered?,
        })
    }));
    Ok(gaps)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_not_covered_is_in_the_file_or_a_fault_that_the_provider_cannot_have() {
        let dir = tempfile::tempdir().expect("a folder");
        let drills = dir.path().join("values/drills");
        std::fs::create_dir_all(&drills).expect("made");
        let mut places = Places {
            home: PathBuf::new(),
            cache: PathBuf::new(),
            project: dir.path().into(),
            program: PathBuf::new(),
        };
        let subjects = |places: &Places| -> Vec<String> {
            let gaps = gaps(places, &Lab::default()).expect("read");
            gaps.into_iter().map(|gap| gap.subject).collect()
        };
        let faults = ["fault clock_skew", "fault latency"];
        assert_eq!(subjects(&places), faults);
        std::fs::write(drills.join("not-covered.yaml"), "kind: Drill\n").expect("written");
        assert!(gaps(&places, &Lab::default()).is_err());
        places.project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let shipped = subjects(&places);
        assert!(shipped.ends_with(&faults.map(str::to_owned)) && shipped.len() > faults.len());
        for subject in ["Loki", "Harbor", "drill velero-restore"] {
            assert!(shipped.iter().any(|s| s == subject), "{subject}");
        }
        assert!(names(&places).expect("listed").iter().all(|name| name != STEM));
    }
}
