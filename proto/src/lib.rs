//! The wire: code generated from `drillyard/v1/drillyard.proto`, and the only conversions between it and the model.
//!
//! Decoding is fallible: an unknown enumeration number, an empty `oneof` or a value that breaks a rule of the model is
//! refused with the field's name. Nothing else in the workspace reads wire types into nouns.

pub mod convert;

/// Generated messages, clients and servers of `drillyard.v1`.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::as_conversions,
    clippy::allow_attributes,
    clippy::large_enum_variant,
    reason = "generated; which of these it triggers depends on the schema, and a test keeps it current"
)]
#[rustfmt::skip]
#[path = "gen/drillyard.v1.rs"]
pub mod v1;

/// The schema as a protobuf `FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/drillyard.v1.bin");
