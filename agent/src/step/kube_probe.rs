//! Probes that ask kubelet's unit or the API server. The server is asked by kubectl with the node's own admin file.

use super::probe::files;
use super::{Context, api, systemd};
use crate::command::{self, CommandError};
use crate::paths::Paths;
use model::step::ProbeResult;
use std::net::SocketAddrV4;
use std::path::Path;

const KUBECTL: &str = "/usr/bin/kubectl";

/// Configuration is there and the unit runs.
pub(crate) fn kubelet_started(paths: &Paths) -> ProbeResult {
    match files(&paths.kubelet(), &["config.yaml", "kubeadm-flags.env"]) {
        ProbeResult::Done if systemd::is_active("kubelet.service") => ProbeResult::Done,
        ProbeResult::Done => ProbeResult::Partial {
            detail: "configured, but kubelet does not run".into(),
        },
        other => other,
    }
}

/// The API server says that it is ready.
pub(crate) fn api_ready(paths: &Paths, server: SocketAddrV4) -> ProbeResult {
    let kubernetes = paths.kubernetes();
    if !kubernetes.join("manifests/kube-apiserver.yaml").exists() {
        return ProbeResult::NotStarted;
    }
    match api::is_ready(&kubernetes.join("pki/ca.crt"), server) {
        Ok(()) => ProbeResult::Done,
        Err(error) => ProbeResult::Partial {
            detail: format!("the API server is not ready: {error}"),
        },
    }
}

/// All of these objects of kube-system exist.
pub(crate) fn objects(paths: &Paths, names: &[&str]) -> ProbeResult {
    let mut args = vec![
        "--namespace=kube-system",
        "get",
        "--output=name",
        "--ignore-not-found",
    ];
    args.extend(names);
    match kubectl(paths, &args) {
        Answer::Yes(out) => match out.lines().filter(|l| !l.trim().is_empty()).count() {
            0 => ProbeResult::NotStarted,
            n if n == names.len() => ProbeResult::Done,
            n => ProbeResult::Partial {
                detail: format!("{n} of {} objects exist", names.len()),
            },
        },
        Answer::No(detail) => ProbeResult::Broken { detail },
        Answer::NoCluster => ProbeResult::NotStarted,
    }
}

/// The node carries the control plane's label.
pub(crate) fn marked(context: &Context) -> ProbeResult {
    let name = format!("node/{}", context.node);
    let path = "--output=jsonpath={.metadata.labels}";
    match kubectl(&context.paths, &["get", &name, path]) {
        Answer::Yes(out) if out.contains("node-role.kubernetes.io/control-plane") => ProbeResult::Done,
        Answer::Yes(_) => ProbeResult::NotStarted,
        Answer::No(detail) => ProbeResult::Broken { detail },
        Answer::NoCluster => ProbeResult::NotStarted,
    }
}

/// A token exists, and the roles that let a kubelet use it.
pub(crate) fn bootstrap_token(paths: &Paths) -> ProbeResult {
    let tokens = [
        "--namespace=kube-system",
        "get",
        "secrets",
        "--output=name",
        "--field-selector=type=bootstrap.kubernetes.io/token",
    ];
    let roles = [
        "get",
        "--output=name",
        "--ignore-not-found",
        "clusterrolebinding/kubeadm:kubelet-bootstrap",
        "clusterrolebinding/kubeadm:node-autoapprove-bootstrap",
    ];
    let count = |args: &[&str]| match kubectl(paths, args) {
        Answer::Yes(out) => Ok(out.lines().filter(|l| !l.trim().is_empty()).count()),
        other => Err(other),
    };
    match (count(&tokens), count(&roles)) {
        (Ok(0), Ok(0)) | (Err(Answer::NoCluster), _) => ProbeResult::NotStarted,
        (Ok(1..), Ok(2)) => ProbeResult::Done,
        (Ok(tokens), Ok(roles)) => ProbeResult::Partial {
            detail: format!("{tokens} tokens and {roles} of 2 bindings"),
        },
        (Err(Answer::No(detail)), _) | (_, Err(Answer::No(detail))) => ProbeResult::Broken { detail },
        _ => ProbeResult::NotStarted,
    }
}

enum Answer {
    Yes(String),
    No(String),
    NoCluster,
}

fn kubectl(paths: &Paths, args: &[&str]) -> Answer {
    let admin = paths.kubernetes().join("admin.conf");
    if !admin.exists() {
        return Answer::NoCluster;
    }
    let config = format!("--kubeconfig={}", admin.display());
    let all = [config.as_str(), "--request-timeout=10s"]
        .into_iter()
        .chain(args.iter().copied());
    match command::run(Path::new(KUBECTL), all) {
        Ok(out) => Answer::Yes(out.stdout),
        Err(CommandError::Failed { output, .. }) => Answer::No(output.trim().chars().take(300).collect()),
        Err(error @ CommandError::Start { .. }) => Answer::No(error.to_string()),
    }
}
