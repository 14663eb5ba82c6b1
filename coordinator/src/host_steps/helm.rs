//! Helm from the bundle, as a child in its own process group; values go in on standard input.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// One release to converge.
#[derive(Debug)]
pub struct Release<'a> {
    /// Helm of the bundle.
    pub helm: PathBuf,
    /// Unpacked chart.
    pub chart: PathBuf,
    /// Kubeconfig of the cluster.
    pub kubeconfig: PathBuf,
    /// Release name.
    pub name: &'a str,
    /// Namespace; made when missing.
    pub namespace: &'a str,
    /// Folder for Helm's own files.
    pub scratch: &'a Path,
}

/// Why Helm did not converge the release.
#[derive(Debug, thiserror::Error)]
pub enum HelmError {
    /// Helm could not be started or spoken to.
    #[error("helm cannot be run")]
    Run(#[source] std::io::Error),
    /// Helm said no.
    #[error("helm ended with {status}: {output}")]
    Refused {
        /// Exit status.
        status: String,
        /// Last 2 KiB of what it said.
        output: String,
    },
}

/// `helm upgrade --install`, without waiting for readiness: that is observed by its own step.
pub async fn upgrade(release: &Release<'_>, values: &str) -> Result<(), HelmError> {
    let mut command = command(release);
    command
        .args(["upgrade", "--install", release.name])
        .arg(&release.chart);
    command.args([
        "--namespace",
        release.namespace,
        "--create-namespace",
        "--values",
        "-",
        "--history-max",
        "3",
    ]);
    command.stdin(Stdio::piped());
    let mut child = command.spawn().map_err(HelmError::Run)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(values.as_bytes()).await.map_err(HelmError::Run)?;
        stdin.shutdown().await.map_err(HelmError::Run)?;
    }
    finish(child.wait_with_output().await.map_err(HelmError::Run)?).map(|_| ())
}

/// Whether the release exists and was deployed.
pub async fn deployed(release: &Release<'_>) -> Result<bool, HelmError> {
    let mut command = command(release);
    command.args([
        "status",
        release.name,
        "--namespace",
        release.namespace,
        "--output",
        "json",
    ]);
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(HelmError::Run)?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("not found") {
        return Ok(false);
    }
    let text = finish(output)?;
    let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(status["info"]["status"] == "deployed")
}

fn command(release: &Release<'_>) -> Command {
    let mut command = Command::new(&release.helm);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", release.scratch)
        .arg("--kubeconfig")
        .arg(&release.kubeconfig)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn finish(output: std::process::Output) -> Result<String, HelmError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let tail: String = text
        .chars()
        .rev()
        .take(2048)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    Err(HelmError::Refused {
        status: output.status.to_string(),
        output: tail.trim().to_owned(),
    })
}
