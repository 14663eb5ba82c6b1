//! `values/bundle/bundle.yaml` as types. Unknown keys are refused; references between parts are checked on load.

mod check;
mod expand;
mod inherit;
mod parts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use parts::{
    Chart, Entry, Host, Image, Layer, Module, Profile, Program, SourceProgram, Store, Tree, WorkspaceCrate,
};
use serde::{Deserialize, Serialize};

/// The only schema version this builder reads.
const SCHEMA: u32 = 1;

/// Everything the bundle can contain.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// Version of this document's form.
    pub schema_version: u32,
    /// The version set's name, shown wherever versions are shown.
    pub name: String,
    /// Version of each piece of software, by its own name.
    pub versions: BTreeMap<String, String>,
    /// What building asks of the host.
    pub host: Host,
    /// Seconds since 1970 that every built file carries as its time.
    pub epoch: u64,
    /// Go modules and the programs built from each, in build order.
    pub modules: Vec<Module>,
    /// Static programs from one C file each.
    #[serde(default)]
    pub sources: Vec<SourceProgram>,
    /// Debian trees.
    #[serde(default)]
    pub trees: Vec<Tree>,
    /// Image layers, shared by name.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// Images.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Helm charts.
    #[serde(default)]
    pub charts: Vec<Chart>,
    /// Programs that the project's own workspace builds.
    #[serde(default)]
    pub crates: Vec<WorkspaceCrate>,
    /// How the content store is made.
    #[serde(default)]
    pub store: Option<Store>,
    /// Selections of the above.
    pub profiles: Vec<Profile>,
    /// The folder of the document; relative paths in it start there.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Why the description cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The document.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// It is not YAML of this schema.
    #[error("{} does not follow the schema", path.display())]
    Parse {
        /// The document.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_norway::Error,
    },
    /// Another schema version.
    #[error("schemaVersion {found} is not {SCHEMA}, the one this program reads")]
    Schema {
        /// What the document says.
        found: u32,
    },
    /// `${NAME}` names no version, or its form is not known.
    #[error("{field}: `${{{name}}}` is no known version")]
    Version {
        /// Where it stands.
        field: String,
        /// What stands between the braces.
        name: String,
    },
    /// A part names another part that is not there.
    #[error("{field}: there is no {kind} named `{name}`")]
    Dangling {
        /// Where it stands.
        field: String,
        /// What kind of part was looked for.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two parts of a kind have one name.
    #[error("two parts of kind {kind} are named `{name}`")]
    Twice {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A value breaks its rule.
    #[error("{field}: `{value}` {rule}")]
    Value {
        /// Where it stands.
        field: String,
        /// What stands there.
        value: String,
        /// The rule.
        rule: &'static str,
    },
}

impl Spec {
    /// Reads `values/bundle/bundle.yaml` of a project, fills in versions and checks all references.
    ///
    /// # Errors
    /// When the file cannot be read, has unknown keys, or its parts do not fit together.
    pub fn load(project: &Path) -> Result<Self, SpecError> {
        let path = project.join("values/bundle/bundle.yaml");
        let text = std::fs::read_to_string(&path).map_err(|source| SpecError::Read {
            path: path.clone(),
            source,
        })?;
        Self::parse(&text, &path)
    }

    /// Reads the document from its text; `path` is where it lies.
    ///
    /// # Errors
    /// As [`Spec::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, SpecError> {
        let mut spec: Spec = serde_norway::from_str(text).map_err(|source| SpecError::Parse {
            path: path.to_owned(),
            source,
        })?;
        if spec.schema_version != SCHEMA {
            return Err(SpecError::Schema {
                found: spec.schema_version,
            });
        }
        spec.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        expand::expand(&mut spec)?;
        inherit::inherit(&mut spec)?;
        check::check(&spec)?;
        Ok(spec)
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn profile(&self, name: &str) -> Result<&Profile, SpecError> {
        self.profiles
            .iter()
            .find(|p| p.name == name)
            .ok_or_else(|| SpecError::Dangling {
                field: "profile".to_owned(),
                kind: "profile",
                name: name.to_owned(),
            })
    }

    /// The first profile that serves `phase` of `up`.
    ///
    /// # Errors
    /// When none does.
    pub fn profile_for(&self, phase: u8) -> Result<&Profile, SpecError> {
        self.profiles
            .iter()
            .find(|p| p.through >= phase)
            .ok_or_else(|| SpecError::Dangling {
                field: "profiles.through".to_owned(),
                kind: "profile",
                name: format!("phase {phase}"),
            })
    }

    /// Whether `profile` has all that the profile `base` has, because it extends it or is the same.
    #[must_use]
    pub fn includes(&self, profile: &str, base: &str) -> bool {
        let mut name = profile;
        // A profile extends one that stands before it, so the chain ends.
        loop {
            if name == base {
                return true;
            }
            match self
                .profiles
                .iter()
                .find(|p| p.name == name)
                .and_then(|p| p.extends.as_deref())
            {
                Some(next) => name = next,
                None => return false,
            }
        }
    }
}
