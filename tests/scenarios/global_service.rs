//! A service that app1 and app2 share: asked in app1, answered by a pod of app2 over the mesh.

use std::time::Duration;
use tests::lab::TestLab;
use tests::patience::until;

/// Image of the probe program; its tag comes from the bundle's manifest.
fn image() -> Result<String, String> {
    let path = tests::lab::cache().join("bundle/manifest.json");
    let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
    let at = text
        .find("registry.k8s.io/e2e-test-images/agnhost:")
        .ok_or("no agnhost image in the bundle")?;
    Ok(text[at..].split('"').next().unwrap_or_default().to_owned())
}

fn manifest(image: &str, serve: bool) -> String {
    let service = "apiVersion: v1
kind: Service
metadata: {name: hello, namespace: default, annotations: {service.cilium.io/global: \"true\"}}
spec: {selector: {app: hello}, ports: [{port: 80, targetPort: 8080}]}
";
    let pod = |name: &str, command: &str| {
        format!(
            "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default, labels: {{app: {name}}}}}
spec:
  containers:
  - {{name: agnhost, image: {image}, imagePullPolicy: Never, args: [{command}]}}
"
        )
    };
    let program = if serve {
        pod("hello", "netexec, --http-port=8080")
    } else {
        pod("asker", "pause")
    };
    format!("{service}{program}")
}

/// Deploys both sides and asks until the answer is the other cluster's pod.
pub(crate) fn check(lab: &TestLab) -> Result<(), String> {
    let image = image()?;
    for (cluster, serve) in [("app1", false), ("app2", true)] {
        let file = lab.home().join(format!("global-{cluster}.yaml"));
        std::fs::write(&file, manifest(&image, serve)).map_err(|e| e.to_string())?;
        lab.kubectl(cluster, &["apply", "-f", &file.display().to_string()])?;
    }
    let words = [
        "exec",
        "asker",
        "--",
        "/agnhost",
        "connect",
        "--timeout=2s",
        "hello.default.svc.cluster.local:80",
    ];
    until("app1 reaches app2's pod", Duration::from_secs(180), || {
        lab.kubectl("app1", &words)
    })
    .map(|_| ())
}
