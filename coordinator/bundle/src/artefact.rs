//! What a single thing that the builder makes is called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of artefacts, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtefactKind {
    /// A program built from a pinned Go module.
    Program,
    /// A static program built from one C file of the recipe.
    CProgram,
    /// A program of this workspace.
    Crate,
    /// A Debian tree.
    Tree,
    /// A Helm chart.
    Chart,
    /// An image archive.
    Image,
    /// The shared content store.
    Store,
}

impl fmt::Display for ArtefactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "program",
            Self::CProgram => "c_program",
            Self::Crate => "crate",
            Self::Tree => "tree",
            Self::Chart => "chart",
            Self::Image => "image",
            Self::Store => "store",
        })
    }
}

/// Kind and name: `image/etcd`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtefactId {
    /// What it is.
    pub kind: ArtefactKind,
    /// Its name in the recipe.
    pub name: String,
}

impl ArtefactId {
    pub(crate) fn new(kind: ArtefactKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A file name that no other artefact has.
    pub(crate) fn file_stem(&self) -> String {
        format!("{}-{}", self.kind, self.name)
    }
}

impl fmt::Display for ArtefactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
