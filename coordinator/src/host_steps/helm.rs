//! Helm from the bundle, as a child in its own process group; values go in on standard input.
//!
//! A Helm that outlives its coordinator finishes what it began: its output goes into a file whose lock it holds, and the
//! next coordinator waits for that lock before it starts another one. One that was ended in the middle leaves the release
//! "pending" for good; who holds the lock knows that nobody works on it and takes the mark away.

use super::kube::{Cluster, KubeError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longest wait for an earlier Helm; one takes seconds, and Helm's own limit for a hook is five minutes.
const EARLIER: Duration = Duration::from_secs(300);

/// How often the lock is tried.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// What of Helm's words goes into an error.
const LAST_WORDS: usize = 2048;

/// One release to converge.
#[derive(Debug)]
pub struct Release<'a> {
    /// Helm of the bundle.
    pub helm: PathBuf,
    /// Unpacked chart.
    pub chart: PathBuf,
    /// Name of the cluster.
    pub cluster: &'a str,
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
    /// An earlier Helm does not end.
    #[error("an earlier helm still works on {release} after {} s", EARLIER.as_secs())]
    Busy {
        /// The release.
        release: String,
    },
    /// Helm said no.
    #[error("helm ended with {status}: {output}")]
    Refused {
        /// Exit status.
        status: ExitStatus,
        /// Last 2 KiB of what it said.
        output: String,
    },
    /// What an ended Helm left could not be taken away.
    #[error("the mark of an interrupted helm")]
    Pending(#[from] KubeError),
}

/// `helm upgrade --install`, without waiting for readiness: that is observed by its own step.
pub async fn upgrade(release: &Release<'_>, values: &str) -> Result<(), HelmError> {
    let output = turn(release).await?;
    match once(release, values, &output).await {
        Err(HelmError::Refused { output: said, .. }) if is_pending(&said) => {
            let cluster = Cluster::open(release.cluster, &release.kubeconfig).await?;
            let forgotten = cluster.forget_pending(release.namespace, release.name).await?;
            tracing::warn!(
                release = release.name,
                cluster = release.cluster,
                forgotten,
                "an earlier helm was interrupted"
            );
            once(release, values, &output).await
        }
        ended => ended,
    }
}

/// What Helm says of a release that another one works on, or worked on when it was ended.
fn is_pending(said: &str) -> bool {
    said.contains("another operation (install/upgrade/rollback) is in progress")
}

/// The release's output file, locked: no other Helm works on it.
async fn turn(release: &Release<'_>) -> Result<File, HelmError> {
    crate::files::private_dir(release.scratch).map_err(HelmError::Run)?;
    let path = release
        .scratch
        .join(format!("{}-{}.log", release.cluster, release.name));
    let file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(HelmError::Run)?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if since.elapsed() < EARLIER => tokio::time::sleep(TRY_EVERY).await,
            Err(TryLockError::WouldBlock) => {
                return Err(HelmError::Busy {
                    release: release.name.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(HelmError::Run(error)),
        }
    }
}

async fn once(release: &Release<'_>, values: &str, output: &File) -> Result<(), HelmError> {
    output.set_len(0).map_err(HelmError::Run)?;
    let to_file = || output.try_clone().map(Stdio::from).map_err(HelmError::Run);
    let mut child = command(release)
        .stdin(Stdio::piped())
        .stdout(to_file()?)
        .stderr(to_file()?)
        .spawn()
        .map_err(HelmError::Run)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(values.as_bytes()).await.map_err(HelmError::Run)?;
        stdin.shutdown().await.map_err(HelmError::Run)?;
    }
    let status = child.wait().await.map_err(HelmError::Run)?;
    if status.success() {
        return Ok(());
    }
    Err(HelmError::Refused {
        status,
        output: last_words(output).map_err(HelmError::Run)?,
    })
}

fn command(release: &Release<'_>) -> Command {
    let mut command = Command::new(&release.helm);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", release.scratch)
        .arg("--kubeconfig")
        .arg(&release.kubeconfig)
        .args(["upgrade", "--install", release.name])
        .arg(&release.chart)
        .args(["--namespace", release.namespace, "--create-namespace"])
        .args(["--values", "-", "--history-max", "3"])
        // The API server checks what it is given; Helm's own look makes it put its whole schema together, seconds of a core.
        .arg("--disable-openapi-validation")
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn last_words(mut output: &File) -> std::io::Result<String> {
    use std::io::Seek;
    output.rewind()?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    let tail = &bytes[bytes.len().saturating_sub(LAST_WORDS)..];
    Ok(String::from_utf8_lossy(tail).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Bench {
        dir: tempfile::TempDir,
    }

    impl Bench {
        fn new(script: &str) -> Self {
            let dir = tempfile::tempdir().expect("temp");
            let helm = dir.path().join("helm");
            std::fs::write(&helm, format!("#!/bin/sh\n{script}\n")).expect("written");
            std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).expect("executable");
            Self { dir }
        }

        fn release(&self) -> Release<'_> {
            Release {
                helm: self.dir.path().join("helm"),
                chart: "/nonexistent".into(),
                cluster: "mgmt",
                kubeconfig: "/nonexistent".into(),
                name: "cilium",
                namespace: "kube-system",
                scratch: self.dir.path(),
            }
        }
    }

    #[tokio::test]
    async fn values_go_in_on_standard_input_and_a_refusal_has_the_last_words() {
        let bench = Bench::new("cat > \"$HOME/values\"; echo 'Error: no such chart' >&2; exit 3");
        let refused = upgrade(&bench.release(), "a: 1").await.expect_err("refused");
        assert!(refused.to_string().contains("exit status: 3"), "{refused}");
        assert!(refused.to_string().ends_with("Error: no such chart"), "{refused}");
        let values = std::fs::read_to_string(bench.dir.path().join("values")).expect("values");
        assert_eq!(values, "a: 1");
    }

    #[tokio::test]
    async fn a_helm_that_outlived_its_coordinator_is_waited_for() {
        // The first helm is a process that nobody waits for, as after a kill of its coordinator; it holds the lock.
        let bench = Bench::new("[ -e \"$HOME/done\" ] || exit 9");
        let release = bench.release();
        let held = turn(&release).await.expect("free");
        let mut orphan = std::process::Command::new("sh")
            .args(["-c", "sleep 0.4; touch \"$0\"/done; exec sleep 0.1"])
            .arg(bench.dir.path())
            .stdout(Stdio::from(held.try_clone().expect("clone")))
            .spawn()
            .expect("spawned");
        drop(held);
        upgrade(&release, "").await.expect("only after the orphan's end");
        orphan.wait().expect("ended");
    }

    #[test]
    fn an_interrupted_release_is_told_from_other_refusals() {
        assert!(is_pending(
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
        ));
        assert!(!is_pending("Error: UPGRADE FAILED: timed out"));
    }
}
