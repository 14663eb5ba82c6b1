//! Steps that run on the host: nodes by Terraform, components by Helm, readiness by looking.

pub mod component_secrets;
mod config_digest;
pub mod ensure_nodes;
mod evidence;
pub mod executor;
#[cfg(test)]
pub(crate) mod fake_api;
pub mod helm;
pub mod kube;
pub mod manifests;
pub mod readiness;
mod remount;
pub mod values;
