//! Performs what the domain concludes: the daemon with its listeners, its log and its one loop, and the command line.
//!
//! ```text
//! session_grpc ─► agents ─► engine (domain::machine) ─► journal ─► effects ─► session_grpc, host_steps
//! cli ─► operator_grpc ─► engine;   journal ─► projection ─► operator_grpc ─► cli
//! ```

pub mod agents;
pub mod api_servers;
pub mod authority;
pub mod certs;
pub mod cli;
pub mod clock;
pub mod components;
pub mod daemon;
pub mod daemon_record;
pub mod dashboard;
pub mod drill;
pub mod effects;
pub mod engine;
pub mod enrol_grpc;
pub mod enrolment;
pub mod envelope;
pub mod exit;
pub mod faults;
pub mod files;
pub mod host_facts;
pub mod host_steps;
pub mod journal;
pub mod metrics;
pub mod net;
pub mod node_logs;
pub mod offsets;
pub mod operator_auth;
mod operator_faults;
pub mod operator_grpc;
pub mod otlp;
pub mod places;
pub mod plan_store;
pub mod projection;
pub mod reach;
mod readiness;
pub mod run_report;
pub mod session_grpc;
pub mod silence;
pub mod standard_grpc;
pub mod status;
pub mod step_secrets;
pub mod subscribe_grpc;
pub mod subscribers;
pub mod support;
pub mod traces;
pub mod user_data;
mod vault;
pub mod web;
