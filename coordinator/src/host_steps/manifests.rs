//! Manifests of a component, applied by `kubectl` of the bundle: server-side, so that a second time changes nothing that is right.

use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Whose fields are ours.
const FIELD_MANAGER: &str = "drillyard";

/// Why manifests were not applied.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// kubectl could not be started or fed.
    #[error("kubectl of the bundle")]
    Start(#[source] std::io::Error),
    /// kubectl or the API server refused.
    #[error("kubectl: {0}")]
    Refused(String),
}

/// Applies the documents in `namespace`, which is made first. They go in on standard input: they may hold secrets.
pub async fn apply(
    kubectl: &Path,
    kubeconfig: &Path,
    namespace: &str,
    documents: &[String],
) -> Result<(), ManifestError> {
    let own = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n");
    // kubectl takes the documents in their order, so the namespace is there before what is in it.
    let text = std::iter::once(&own)
        .chain(documents)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n---\n");
    let mut child = Command::new(kubectl)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args([
            "--namespace",
            namespace,
            "apply",
            "--server-side",
            "--force-conflicts",
        ])
        .args(["--field-manager", FIELD_MANAGER, "--filename", "-"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(ManifestError::Start)?;
    let mut stdin = child.stdin.take();
    // A kubectl that ends early closes the pipe; its own words say why.
    let feed = async move {
        if let Some(stdin) = &mut stdin {
            let _ = stdin.write_all(text.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(ManifestError::Start)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    Err(ManifestError::Refused(
        last.into_iter().rev().collect::<Vec<_>>().join("; "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A kubectl that keeps what it is given and ends as told.
    fn fake(folder: &Path, ends: &str) -> std::path::PathBuf {
        let path = folder.join("kubectl");
        let script = format!(
            "#!/bin/sh\n/bin/cat > {0}/in\necho \"$@\" > {0}/args\n{ends}\n",
            folder.display()
        );
        std::fs::write(&path, script).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        path
    }

    #[tokio::test]
    async fn documents_go_in_on_standard_input_after_their_namespace() {
        let folder = tempfile::tempdir().expect("folder");
        let kubectl = fake(folder.path(), "exit 0");
        apply(&kubectl, Path::new("/k"), "demo", &["kind: Secret".into()])
            .await
            .expect("applied");
        let given = std::fs::read_to_string(folder.path().join("in")).expect("in");
        assert!(
            given.find("kind: Namespace") < given.find("kind: Secret"),
            "{given}"
        );
        let words = std::fs::read_to_string(folder.path().join("args")).expect("args");
        assert!(
            !words.contains("Secret") && words.contains("--server-side"),
            "{words}"
        );
    }

    #[tokio::test]
    async fn a_refusal_has_the_last_words() {
        let folder = tempfile::tempdir().expect("folder");
        let kubectl = fake(folder.path(), "echo no such kind >&2; exit 1");
        let refused = apply(&kubectl, Path::new("/k"), "demo", &[])
            .await
            .expect_err("refused");
        assert_eq!(refused.to_string(), "kubectl: no such kind");
    }
}
