//! The parts of the bundle's description.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What building asks of the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Host {
    /// Debian packages to have installed.
    pub packages: Vec<String>,
    /// Oldest Go that builds every module, such as `1.26.7`.
    pub go: String,
    /// MiB that stay below the cache folder after a full build.
    pub kept_mib: u64,
}

/// One Go module of ours: a folder with go.mod and go.sum that pins a program family.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Module {
    /// The folder, relative to the document.
    pub name: String,
    /// What it is there for; checked against its go.mod.
    pub version: Pinned,
    /// The most MiB that Go's module and build caches hold while it is built.
    pub peak_mib: u64,
    /// Linker flags of all its programs, beside those that every program gets.
    #[serde(default)]
    pub ldflags: Vec<String>,
    /// Build tags of all its programs.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Files of the pinned module that files of this folder replace, by their paths in either.
    #[serde(default)]
    pub overlay: BTreeMap<String, String>,
    /// The programs, in build order.
    pub programs: Vec<Program>,
}

/// A Go module path and the version it must have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The module path.
    pub of: String,
    /// The version.
    pub is: String,
}

/// One program of a Go module.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The file's name.
    pub name: String,
    /// The main package.
    pub package: String,
    /// Further linker flags.
    #[serde(default)]
    pub ldflags: Vec<String>,
    /// Usual build time on two cores, in this order, from an empty build cache.
    pub seconds: u64,
}

/// A static program from one C file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceProgram {
    /// The file's name.
    pub name: String,
    /// The C file, relative to the document.
    pub file: String,
    /// Usual build time.
    pub seconds: u64,
}

/// A Debian tree made by mmdebstrap. Paths are relative to the document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Its name.
    pub name: String,
    /// Debian suite.
    pub suite: String,
    /// mmdebstrap variant.
    pub variant: String,
    /// File with one package per line; `#` begins a comment.
    pub packages: String,
    /// Folder whose whole content is part of the recipe.
    pub recipe: String,
    /// Folder copied over the tree before the script runs.
    #[serde(default)]
    pub files: Option<String>,
    /// The script that finishes the tree.
    #[serde(default)]
    pub customize: Option<Customize>,
    /// Usual build time.
    pub seconds: u64,
}

/// A script that mmdebstrap calls with the tree's path.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customize {
    /// Which of mmdebstrap's hooks: `setup`, `extract`, `essential` or `customize`.
    pub hook: String,
    /// The script.
    pub script: String,
}

/// One image layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// What it holds; later entries win.
    pub entries: Vec<Entry>,
}

/// One thing in a layer. `path` is absolute in the image, written without the leading slash.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "lowercase")]
pub enum Entry {
    /// An empty folder, or the mode and owner of one.
    Directory {
        /// Where.
        path: String,
        /// Octal mode, 0755 where absent.
        #[serde(default)]
        mode: Option<String>,
        /// Owner.
        #[serde(default)]
        uid: u64,
        /// Group.
        #[serde(default)]
        gid: u64,
    },
    /// A small file written here.
    Text {
        /// Where.
        path: String,
        /// Its content.
        text: String,
    },
    /// A symbolic link.
    Symlink {
        /// Where.
        path: String,
        /// What it points at.
        target: String,
    },
    /// A built program, mode 0755.
    Program {
        /// The program.
        name: String,
        /// Where.
        path: String,
    },
    /// A whole Debian tree, at the root.
    Tree {
        /// The tree.
        name: String,
    },
    /// A file or folder out of a Go module's sources.
    Module {
        /// Which of our modules pins it.
        module: String,
        /// The Go module path.
        of: String,
        /// Path inside it.
        source: String,
        /// Where.
        path: String,
        /// Octal mode of a single file, 0644 where absent.
        #[serde(default)]
        mode: Option<String>,
        /// Names directly below `source` to leave out.
        #[serde(default)]
        exclude: Vec<String>,
    },
}

/// One image.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Image {
    /// The archive's name.
    pub name: String,
    /// The full reference nodes know it by.
    pub reference: String,
    /// `sha256:...` that a pull must give; without it a pull takes what the tag names and records its digest.
    #[serde(default)]
    pub digest: Option<String>,
    /// Layers, lowest first.
    pub layers: Vec<String>,
    /// Entry point.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Default arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// `UID[:GID]`; root where absent.
    #[serde(default)]
    pub user: Option<String>,
    /// Working folder.
    #[serde(default)]
    pub workdir: Option<String>,
    /// `NAME=VALUE`, beside PATH.
    #[serde(default)]
    pub environment: Vec<String>,
    /// Largest unpacked size allowed.
    #[serde(default)]
    pub max_mib: Option<u64>,
}

/// A Helm chart, or a folder of plain manifests, out of a Go module's sources.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// The folder's name.
    pub name: String,
    /// Which of our modules pins it.
    pub module: String,
    /// The Go module path.
    pub of: String,
    /// Path inside it.
    pub source: String,
    /// The chart's version, checked against its Chart.yaml. Absent for a folder of plain manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Of a folder of plain manifests: only these files of it, where not all are wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// A program of the project's own workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceCrate {
    /// The program's name.
    pub name: String,
    /// The package, and its binary.
    pub package: String,
    /// Cargo profile.
    pub profile: String,
    /// Target triples.
    pub targets: Vec<String>,
    /// Files and folders of the project that decide whether it is built again; it is left out while one is absent.
    pub inputs: Vec<String>,
    /// Usual build time.
    pub seconds: u64,
}

/// How the ready content store is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Script that is called with the tree, containerd's folder, the images' folder and the snapshotter.
    pub script: String,
    /// containerd's snapshotter.
    pub snapshotter: String,
    /// Usual time.
    pub seconds: u64,
}

/// A selection.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The last phase of `up` that it serves.
    #[serde(default = "last_phase")]
    pub through: u8,
    /// The profile whose parts it has too.
    #[serde(default)]
    pub extends: Option<String>,
    /// Programs for `bundle/bin`.
    #[serde(default)]
    pub binaries: Vec<String>,
    /// Images.
    #[serde(default)]
    pub images: Vec<String>,
    /// Charts.
    #[serde(default)]
    pub charts: Vec<String>,
    /// Workspace programs.
    #[serde(default)]
    pub crates: Vec<String>,
    /// The tree that is the nodes' root file system.
    #[serde(default)]
    pub rootfs: Option<String>,
    /// Whether to make a ready content store of the images; needs `rootfs`.
    #[serde(default)]
    pub store: bool,
}

fn last_phase() -> u8 {
    8
}
