//! The part of the recipe that describes images: an image is a list of layers, a layer is a list of entries.

use serde::{Deserialize, Serialize};

/// One image.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecipe {
    /// Name of the archive, without `.tar`.
    pub name: String,
    /// Full reference with a tag.
    pub reference: String,
    /// What runs.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Arguments where none are given.
    #[serde(default)]
    pub command: Vec<String>,
    /// `KEY=VALUE` beside `PATH`.
    #[serde(default)]
    pub env: Vec<String>,
    /// `uid:gid`; empty means root.
    #[serde(default)]
    pub user: String,
    /// Working directory; `/` where empty.
    #[serde(default)]
    pub workdir: String,
    /// From the lowest to the highest. Equal layers of several images are one blob in a store.
    pub layers: Vec<Vec<Entry>>,
}

/// One entry of a layer: exactly one of the sources is set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Absolute path in the image.
    pub to: String,
    /// Octal permissions; those of the source where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// User and group number; root where absent.
    #[serde(default)]
    pub owner: u32,
    /// A Go program of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// A C program of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub c_program: Option<String>,
    /// A whole Debian tree of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// A file or folder of a Go module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_module: Option<ModulePath>,
    /// A symbolic link to this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// An empty directory.
    #[serde(default)]
    pub directory: bool,
}

/// A path inside the pinned module of a module recipe.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModulePath {
    /// Name of the module recipe.
    pub module: String,
    /// Relative to the module's root.
    pub path: String,
    /// Names directly below `path` that are left out.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// What an entry is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntrySource<'a> {
    Program(&'a str),
    CProgram(&'a str),
    Tree(&'a str),
    Module(&'a ModulePath),
    Link(&'a str),
    Directory,
}

impl Entry {
    /// The source, or none where not exactly one is named.
    pub(crate) fn source(&self) -> Option<EntrySource<'_>> {
        let mut found = [
            self.program.as_deref().map(EntrySource::Program),
            self.c_program.as_deref().map(EntrySource::CProgram),
            self.tree.as_deref().map(EntrySource::Tree),
            self.from_module.as_ref().map(EntrySource::Module),
            self.link.as_deref().map(EntrySource::Link),
            self.directory.then_some(EntrySource::Directory),
        ]
        .into_iter()
        .flatten();
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Permissions as a number, or none where absent or not octal.
    pub(crate) fn permissions(&self) -> Option<u32> {
        u32::from_str_radix(self.mode.as_deref()?, 8).ok().filter(|mode| *mode <= 0o7777)
    }
}
