//! Probes that ask kubelet's unit or the API server. The server is asked by kubectl with the node's own admin file.

use super::kubeadm_config::TOKEN_DESCRIPTION;
use super::probe::files;
use super::{Context, api, systemd};
use crate::clock;
use crate::command::{self, CommandError};
use crate::paths::Paths;
use model::moment::Moment;
use model::step::ProbeResult;
use std::net::SocketAddrV4;
use std::path::Path;

const KUBECTL: &str = "/usr/bin/kubectl";

/// What is left of a token must do for all phases of a join, whose budgets are twelve minutes together.
const JOIN_MS: u64 = 900_000;

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

/// Our token is good for a while yet, and the roles that let a kubelet use it exist.
pub(crate) fn bootstrap_token(paths: &Paths) -> ProbeResult {
    let tokens = [
        "--namespace=kube-system",
        "get",
        "secrets",
        r#"--output=jsonpath={range .items[*]}{.data.description} {.data.expiration}{"\n"}{end}"#,
        "--field-selector=type=bootstrap.kubernetes.io/token",
    ];
    let roles = [
        "get",
        "--output=name",
        "--ignore-not-found",
        "clusterrolebinding/kubeadm:kubelet-bootstrap",
        "clusterrolebinding/kubeadm:node-autoapprove-bootstrap",
    ];
    let count = |args: &[&str], of: &dyn Fn(&str) -> bool| match kubectl(paths, args) {
        Answer::Yes(out) => Ok(out.lines().filter(|line| of(line)).count()),
        other => Err(other),
    };
    let needed_until = clock::now().plus_millis(JOIN_MS);
    let tokens = count(&tokens, &|line| is_our_token(line, needed_until));
    let roles = count(&roles, &|line| !line.trim().is_empty());
    match (tokens, roles) {
        (Ok(0), Ok(0)) | (Err(Answer::NoCluster), _) => ProbeResult::NotStarted,
        (Ok(1..), Ok(2)) => ProbeResult::Done,
        (Ok(tokens), Ok(roles)) => ProbeResult::Partial {
            detail: format!("{tokens} tokens of ours that last, and {roles} of 2 bindings"),
        },
        (Err(Answer::No(detail)), _) | (_, Err(Answer::No(detail))) => ProbeResult::Broken { detail },
        _ => ProbeResult::NotStarted,
    }
}

/// Whether a line with a token's description and end, both as base64, is of ours and lasts until `needed_until`. A probe is
/// given no secret, so the token is known by its description. The API server writes times in UTC and to the second, which
/// have the order of their letters.
fn is_our_token(line: &str, needed_until: Moment) -> bool {
    use base64::Engine as _;
    let text = |data: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
        String::from_utf8(bytes).ok()
    };
    let Some((description, end)) = line.split_once(' ') else {
        return false;
    };
    let is_ours = text(description).is_some_and(|it| it == TOKEN_DESCRIPTION);
    is_ours && text(end.trim()).is_some_and(|end| end > needed_until.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn only_our_token_counts_and_only_while_it_lasts() {
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let line = |description: &str, end: &str| format!("{} {}", base64(description), base64(end));
        // 2024-02-29T00:00:00.000001Z
        let needed_until = Moment(1_709_164_800_000_001);
        let counts = |line: &str| is_our_token(line, needed_until);
        assert!(counts(&line(TOKEN_DESCRIPTION, "2024-02-29T00:15:00Z")));
        assert!(
            !counts(&line(TOKEN_DESCRIPTION, "2024-02-28T23:59:59Z")),
            "run out"
        );
        assert!(!counts(&line("of a person", "2024-03-29T00:00:00Z")));
        assert!(
            !counts(&format!(" {}", base64("2024-03-29T00:00:00Z"))),
            "no description"
        );
        assert!(!counts(&format!("{} ", base64(TOKEN_DESCRIPTION))), "no end");
        assert!(!counts(""));
    }
}
