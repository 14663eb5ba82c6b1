//! Calls of kubeadm: configuration to a private file on tmpfs, constant arguments, file removed afterwards.

use super::kubeadm_config::{self, Input};
use super::node::NodeKind;
use super::{Context, StepError, preflight};
use crate::command::{self, Output};
use crate::durable;
use model::step::ClusterParams;
use serde::Deserialize;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

const KUBEADM: &str = "/usr/bin/kubeadm";

/// What travels as `SecretName::JoinToken`.
#[derive(Deserialize)]
pub(crate) struct JoinSecret {
    pub(crate) token: String,
    pub(crate) ca_pem: String,
}

impl JoinSecret {
    /// Reads and checks the secret; what is wrong is told without any of its content.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, StepError> {
        let text = text.ok_or(StepError::Secret("did not come with the order"))?;
        let secret: JoinSecret =
            serde_json::from_str(text).map_err(|_| StepError::Secret("is not the JSON expected"))?;
        let lower = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let shaped = secret
            .token
            .split_once('.')
            .is_some_and(|(a, b)| a.len() == 6 && b.len() == 16 && lower(a) && lower(b));
        if shaped {
            Ok(secret)
        } else {
            Err(StepError::Secret("holds no bootstrap token"))
        }
    }
}

/// A file that is gone when the call is over, whatever its end.
#[derive(Debug)]
pub(crate) struct Private(PathBuf);

impl Private {
    pub(crate) fn create(context: &Context, name: &str, content: &str) -> Result<Self, StepError> {
        let folder = context.paths.run().join("kubeadm");
        durable::folder(&folder, 0o700).map_err(StepError::io("make", &folder))?;
        let path = folder.join(format!("{name}-{}", std::process::id()));
        durable::remove(&path).map_err(StepError::io("remove", &path))?;
        durable::create_private(&path, content.as_bytes()).map_err(StepError::io("write", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = durable::remove(&self.0);
    }
}

/// Renders with what this node is like.
pub(crate) fn with_input<T>(
    context: &Context,
    params: &ClusterParams,
    address: Ipv4Addr,
    render: impl FnOnce(&Input<'_>) -> T,
) -> T {
    let kind = NodeKind::detect(&context.paths.bundle());
    let ignore = preflight::ignorable(kind);
    render(&Input {
        params,
        node: &context.node,
        address,
        kind,
        ignore: &ignore,
    })
}

/// Runs kubeadm with `words` and the configuration at `config`.
pub(crate) fn call(words: &[&str], config: &Private) -> Result<Output, StepError> {
    let config = format!("--config={}", config.text());
    let mut args: Vec<&str> = words.to_vec();
    args.push(&config);
    let output = command::run(Path::new(KUBEADM), &args)?;
    print!("{}", crate::redact::clean(&output.stdout));
    eprint!("{}", output.stderr);
    Ok(output)
}

/// Makes a client certificate with cluster-wide rights and returns its kubeconfig.
pub(crate) fn mint(context: &Context, params: &ClusterParams) -> Result<String, StepError> {
    let config = with_input(context, params, *params.control_plane.ip(), |input| {
        kubeadm_config::init(input, None)
    });
    let config = Private::create(context, "mint.yaml", &config)?;
    let arg = format!("--config={}", config.text());
    let words = [
        "kubeconfig",
        "user",
        "--client-name=drillyard-coordinator",
        "--org=kubeadm:cluster-admins",
        &arg,
    ];
    let output = command::run(Path::new(KUBEADM), words)?;
    if !output.stdout.contains("client-key-data") {
        return Err(StepError::Missing {
            what: "a client key in what kubeadm printed".into(),
        });
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn a_wrong_secret_is_refused_without_its_content() {
        for bad in [
            None,
            Some("abcdef.0123456789abcdef"),
            Some(r#"{"token":"x; rm -rf /","ca_pem":""}"#),
        ] {
            let error = JoinSecret::parse(bad).err().expect("refused");
            assert_eq!(error.code(), codes::SECRET);
            let error = error.to_string();
            assert!(
                !error.contains("rm -rf") && !error.contains("0123456789"),
                "{error}"
            );
        }
        let good = r#"{"token":"abcdef.0123456789abcdef","ca_pem":"PEM"}"#;
        assert!(JoinSecret::parse(Some(good)).is_ok_and(|s| s.ca_pem == "PEM"));
    }
}
