//! Where things are: the lab's home, the cache, the project's own files and this program.

use launcher::resolved;
use std::path::{Path, PathBuf};

/// The environment variables that scripts may set, read once, at the edge.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `DRILLYARD_HOME`: state of one lab.
    pub home: Option<PathBuf>,
    /// `DRILLYARD_CACHE`: bundle and root file system, shared by labs.
    pub cache: Option<PathBuf>,
    /// `DRILLYARD_PROJECT`: the checkout with `values/` and `terraform/`.
    pub project: Option<PathBuf>,
    /// `HOME`.
    pub user_home: Option<PathBuf>,
}

impl Environment {
    /// Reads the process environment.
    pub fn read() -> Self {
        let path = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        Self {
            home: path("DRILLYARD_HOME"),
            cache: path("DRILLYARD_CACHE"),
            project: path("DRILLYARD_PROJECT"),
            user_home: path("HOME"),
        }
    }
}

/// All folders of one lab, absolute; the first two are [`resolved`], for below them something is mounted.
#[derive(Debug, Clone)]
pub struct Places {
    /// State of this lab.
    pub home: PathBuf,
    /// Bundle and root file system.
    pub cache: PathBuf,
    /// The checkout.
    pub project: PathBuf,
    /// This program.
    pub program: PathBuf,
}

/// Why the folders cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum PlacesError {
    /// Neither variable nor home directory.
    #[error("no home directory: set DRILLYARD_HOME and DRILLYARD_CACHE")]
    NoHome,
    /// `values/` and `terraform/` were not found.
    #[error(
        "the project's values/ and terraform/ folders were not found: run inside the checkout or set DRILLYARD_PROJECT"
    )]
    NoProject,
    /// The operating system does not tell this program's own path.
    #[error("the path of this program is unknown")]
    NoProgram(#[source] std::io::Error),
}

impl Places {
    /// Derives the folders for `lab` from the environment.
    pub fn new(lab: &str, environment: &Environment) -> Result<Self, PlacesError> {
        let user = environment.user_home.as_deref();
        let home = Self::home_of(lab, environment).ok_or(PlacesError::NoHome)?;
        let cache = match &environment.cache {
            Some(cache) => cache.clone(),
            None => user.ok_or(PlacesError::NoHome)?.join(".cache/drillyard"),
        };
        let program = std::env::current_exe().map_err(PlacesError::NoProgram)?;
        let project = match &environment.project {
            Some(project) => project.clone(),
            None => find_project().ok_or(PlacesError::NoProject)?,
        };
        Ok(Self {
            home: resolved(&home),
            cache: resolved(&cache),
            project: std::path::absolute(&project).unwrap_or(project),
            program,
        })
    }

    /// The home of `lab`, not resolved: the one that is named, else one below the user's. None where there is neither.
    pub(crate) fn home_of(lab: &str, environment: &Environment) -> Option<PathBuf> {
        let below = |user: &PathBuf| user.join(".local/share/drillyard").join(lab);
        let user = environment.user_home.as_ref();
        environment.home.clone().or_else(|| user.map(below))
    }

    /// Folders at and below `home`; none of them is made.
    #[cfg(test)]
    pub(crate) fn at(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            cache: home.join("cache"),
            project: home.join("project"),
            program: home.join("coordinator"),
        }
    }

    /// `kubeconfig/CLUSTER`, mode 0600.
    pub fn kubeconfig(&self, cluster: &str) -> PathBuf {
        self.home.join("kubeconfig").join(cluster)
    }

    /// The durable log.
    pub fn log(&self) -> PathBuf {
        self.home.join("log.redb")
    }

    /// Where the daemon says that it serves: pid, start time and operator port.
    pub fn daemon_record(&self) -> PathBuf {
        self.home.join("daemon.json")
    }

    /// A program of the bundle.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.cache.join("bundle/bin").join(name)
    }

    /// Secrets that components need, 0600 below 0700.
    pub fn secrets(&self) -> PathBuf {
        self.home.join("secrets")
    }
}

/// The folder with `values/components` and `terraform/`: upwards from here, else where this program was compiled.
fn find_project() -> Option<PathBuf> {
    let fits = |dir: &Path| dir.join("values/components").is_dir() && dir.join("terraform").is_dir();
    let here = std::env::current_dir().ok();
    let upwards = here
        .as_deref()
        .into_iter()
        .flat_map(Path::ancestors)
        .find(|dir| fits(dir))
        .map(Path::to_path_buf);
    upwards.or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .filter(|dir| fits(dir))
            .map(Path::to_path_buf)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_behind_a_link_is_where_the_link_leads() {
        let folder = tempfile::tempdir().expect("temp");
        let folder = folder.path().canonicalize().expect("there");
        std::fs::create_dir(folder.join("disk")).expect("made");
        std::os::unix::fs::symlink(folder.join("disk"), folder.join("link")).expect("linked");
        let environment = Environment {
            project: Some(folder.clone()),
            user_home: Some(folder.join("link")),
            ..Environment::default()
        };
        let places = Places::new("default", &environment).expect("told");
        // Neither is there yet.
        assert_eq!(places.home, folder.join("disk/.local/share/drillyard/default"));
        assert_eq!(places.cache, folder.join("disk/.cache/drillyard"));
    }
}
