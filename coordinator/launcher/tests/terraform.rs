//! Terraform for real, with the real launcher, and the stand-in for Multipass behind it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use launcher::terraform::{Inputs, NodeInput, Terraform, TerraformError, TerraformEvent};

struct Lab {
    dir: tempfile::TempDir,
    terraform: Terraform,
}

const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");

impl Lab {
    fn new() -> Option<Self> {
        if Command::new("terraform").arg("version").output().is_err() {
            eprintln!("skipped: no terraform on this host");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(MANIFEST).join("../../terraform");
        let lab = Self {
            terraform: Terraform::new(&source, &dir.path().join("home")),
            dir,
        };
        fs::copy(
            Path::new(MANIFEST).join("tests/fixtures/multipass"),
            lab.path("multipass"),
        )
        .unwrap();
        fs::write(
            lab.path("user-data"),
            "#cloud-config\n# addresses: [192.168.64.20/24]\n# top-secret\n",
        )
        .unwrap();
        // Stands for the coordinator: the same command, the user-data from a file, our Multipass in the search path.
        let script = format!(
            "#!/bin/sh\nDRILLYARD_USER_DATA={0}/user-data PATH={0}:$PATH exec {1} \"$@\"\n",
            lab.dir.path().display(),
            node_program().display()
        );
        fs::write(lab.path("coordinator"), script).unwrap();
        fs::set_permissions(lab.path("coordinator"), fs::Permissions::from_mode(0o755)).unwrap();
        Some(lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn inputs(&self, attempt: &str) -> Inputs {
        let node = NodeInput {
            role: "control_plane".into(),
            address: Ipv4Addr::new(192, 168, 64, 20),
            cpus: 2,
            memory_mib: 2560,
            disk_gib: 25,
        };
        Inputs {
            node_provider: "multipass".into(),
            lab: "lab".into(),
            home: self.path("home"),
            cache: self.path("cache"),
            coordinator: self.path("coordinator"),
            gateway: Ipv4Addr::new(192, 168, 64, 1),
            prefix: 24,
            memory_budget_mib: 24576,
            disk_budget_gib: 240,
            attempt: attempt.into(),
            nodes: BTreeMap::from([("app1-cp".to_owned(), node)]),
        }
    }

    fn apply(&self, inputs: &Inputs) -> (Vec<TerraformEvent>, Result<(), TerraformError>) {
        let mut events = Vec::new();
        let outcome = self.terraform.apply(inputs, 2, &mut |e| events.push(e));
        (events, outcome)
    }

    fn calls(&self, what: &str) -> usize {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().filter(|l| l.starts_with(what)).count()
    }
}

/// The example that is the `node` command by itself; cargo builds it before it runs the tests, unless asked for one.
fn node_program() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let program = deps.parent().unwrap().parent().unwrap().join("examples/node");
    if !program.exists() {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "launcher", "--example", "node"])
            .status()
            .unwrap();
        assert!(status.success());
    }
    program
}

#[test]
fn nodes_are_launched_adopted_and_removed() {
    let Some(lab) = Lab::new() else { return };
    let (events, outcome) = lab.apply(&lab.inputs("1"));
    outcome.unwrap();
    let ready = events.iter().any(|e| matches!(e, TerraformEvent::Output { node: Some(n), line } if n == "app1-cp" && line["stage"] == "ready"));
    assert!(ready, "{events:#?}");
    assert_eq!(lab.calls("launch"), 1);

    // The same again touches nothing; another attempt looks at the node, and adopts it.
    lab.apply(&lab.inputs("1")).1.unwrap();
    let before = lab.calls("list");
    lab.apply(&lab.inputs("2")).1.unwrap();
    assert!(lab.calls("list") > before);
    assert_eq!((lab.calls("launch"), lab.calls("delete")), (1, 0));

    // A changed size is handed to the launcher and does not replace the node.
    let mut larger = lab.inputs("2");
    larger.nodes.get_mut("app1-cp").unwrap().memory_mib = 3072;
    lab.apply(&larger).1.unwrap();
    assert_eq!((lab.calls("launch"), lab.calls("delete")), (1, 0));

    lab.terraform.destroy(2, &mut |_| ()).unwrap();
    assert_eq!(lab.calls("delete --purge drillyard-lab-app1-cp"), 1);
}

#[test]
fn an_apply_that_fails_keeps_its_first_error_and_the_next_one_goes_on() {
    let Some(lab) = Lab::new() else { return };
    fs::write(lab.path("launch"), "fail").unwrap();
    let (events, outcome) = lab.apply(&lab.inputs("1"));
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), "DY-0324");
    let error = error.to_string();
    assert!(error.contains("local-exec"), "{error}");
    let told = events
        .iter()
        .any(|e| matches!(e, TerraformEvent::Output { line, .. } if line["code"] == "DY-0306"));
    assert!(told, "{events:#?}");
    fs::remove_file(lab.path("launch")).unwrap();
    lab.apply(&lab.inputs("1")).1.unwrap();
    assert_eq!(lab.calls("delete"), 0, "the failed attempt was taken back");
}

#[test]
fn no_secret_and_no_state_beside_the_sources() {
    let Some(lab) = Lab::new() else { return };
    lab.apply(&lab.inputs("1")).1.unwrap();
    let folder = lab.path("home/terraform");
    for file in ["terraform.tfstate", "terraform.tfvars.json"] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(!text.contains("top-secret"), "{file}");
    }
    for left in [".terraform", "terraform.tfstate", ".terraform.lock.hcl"] {
        let path = Path::new(MANIFEST).join("../../terraform").join(left);
        assert!(!path.exists(), "{} was made", path.display());
    }
}

#[test]
fn sizes_over_the_budget_are_refused_before_anything_is_made() {
    let Some(lab) = Lab::new() else { return };
    let mut inputs = lab.inputs("1");
    inputs.memory_budget_mib = 1024;
    let error = lab.apply(&inputs).1.unwrap_err().to_string();
    assert!(error.contains("memory"), "{error}");
    assert_eq!(lab.calls("launch"), 0);
}

#[test]
fn the_sources_are_formatted_valid_and_pass_their_own_tests() {
    let Some(lab) = Lab::new() else { return };
    let commands: [&[&str]; 4] = [
        &["fmt", "-check", "-recursive"],
        &["init", "-backend=false", "-input=false"],
        &["validate"],
        &["test"],
    ];
    for arguments in commands {
        let output = Command::new("terraform")
            .arg(format!("-chdir={}", lab.terraform.source.display()))
            .args(arguments)
            .env("TF_DATA_DIR", lab.path("data"))
            .env("CHECKPOINT_DISABLE", "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{errors}");
    }
}
