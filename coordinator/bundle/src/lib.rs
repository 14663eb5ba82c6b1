//! The bundle: everything a node needs that the host does not fetch at run time.
//!
//! One recipe (`values/bundle/bundle.yaml`) names programs, Debian trees, images, charts and the content store that
//! nodes share. [`Builder::build`] makes what is missing or changed, [`Manifest`] says what there is, [`verify()`]
//! compares it with the disk, and [`store::seed_node`] gives a node its share. The code knows no program by name.
//!
//! An artefact is kept when its *recipe digest* (of all that goes into it: pins, flags, Go version, recipe files)
//! equals the recorded one and its bytes still have the recorded digest. Each artefact is recorded on its own, so an
//! interrupted build goes on where it stopped.

pub mod paths;
pub mod store;

mod artefact;
mod builder;
mod chart;
mod command;
mod compile;
mod digest;
mod error;
mod image;
mod inventory;
mod layer;
mod lock;
mod manifest;
mod plan;
mod progress;
mod recipe;
mod recipe_image;
mod records;
mod space;
mod store_build;
mod toolchain;
mod tree;
mod tree_digest;
mod verify;

pub use artefact::{ArtefactId, ArtefactKind};
pub use builder::{Builder, Source};
pub use error::BuildError;
pub use manifest::{Artefact, ImageInfo, Manifest, ManifestError};
pub use plan::{Plan, PlannedStep, Reason};
pub use progress::{Phase, Progress};
pub use recipe::{Recipe, RecipeError};
pub use verify::{Finding, VerifyReport, verify};
