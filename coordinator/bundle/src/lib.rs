//! The bundle: everything a lab's nodes need, made once and kept in the cache folder with a manifest of digests.
//!
//! `values/bundle/bundle.yaml` says what there is ([`Spec`]); [`Builder`] makes what is missing or changed and
//! writes [`Manifest`]; [`verify()`] reads every artefact again; [`store`] makes the ready content store and seeds
//! nodes from it. All calls block. No program, image or chart is known by name here.

mod builder;
mod digest;
mod disk;
mod durable;
mod error;
mod graph;
mod image;
mod lock;
mod make;
mod manifest;
pub mod paths;
mod plan;
mod process;
mod progress;
mod prune;
pub mod pull;
mod recipe;
pub mod spec;
mod state;
pub mod store;
mod verify;

pub use builder::{Builder, Source};
pub use error::BuildError;
pub use graph::Kind;
pub use manifest::{Artefact, ImageRecord, Manifest, ManifestError};
pub use plan::{Plan, PlannedStep, Why};
pub use progress::{Phase, Progress};
pub use spec::{Spec, SpecError};
pub use verify::{Fault, Finding, VerifyReport, verify};
