//! User-data as it is rendered: compared whole, judged by the node's own cloud-init, and its script really run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use launcher::user_data::{InjectSpec, render_user_data};

fn spec() -> InjectSpec {
    InjectSpec {
        lab: "lab".into(),
        cluster: "app1".into(),
        node: "app1-cp".into(),
        role: "control_plane".into(),
        ca_pem: "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\nAbc+/w==\n-----END CERTIFICATE-----\n"
            .into(),
        token: "tok1.c2VjcmV0".into(),
        enrol_url: "https://192.168.64.1:7443".into(),
        agent_url: "https://192.168.64.1:7444".into(),
        server_name: "coordinator.lab.drillyard".into(),
        agent_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        agent_target: "x86_64-unknown-linux-gnu".into(),
        static_address: None,
        install_containerd: false,
    }
}

fn multipass() -> InjectSpec {
    InjectSpec {
        static_address: Some((Ipv4Addr::new(192, 168, 64, 20), 24)),
        install_containerd: true,
        agent_target: "aarch64-unknown-linux-gnu".into(),
        ..spec()
    }
}

/// `DRILLYARD_BLESS=1` writes the files anew; the change is then read in the diff.
fn same_as_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("DRILLYARD_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, golden, "{} differs", path.display());
}

#[test]
fn rendered_text_is_the_one_reviewed() {
    same_as_golden("user-data.nspawn.yaml", &render_user_data(&spec()).unwrap());
    same_as_golden(
        "user-data.multipass.yaml",
        &render_user_data(&multipass()).unwrap(),
    );
}

#[test]
fn user_data_stays_small() {
    // The agent is fetched, never embedded: what is left is the certificate, the token and a script.
    assert!(render_user_data(&multipass()).unwrap().len() < 4096);
}

#[test]
fn a_value_that_could_mean_something_to_a_shell_is_refused() {
    type Change = fn(&mut InjectSpec);
    let cases: [(&str, Change); 8] = [
        ("node", |s| s.node = "x; reboot".into()),
        ("lab", |s| s.lab = String::new()),
        ("token", |s| s.token = "a'b".into()),
        ("server_name", |s| s.server_name = "$(id)".into()),
        ("agent_target", |s| s.agent_target = "../../etc/passwd".into()),
        ("agent_sha256", |s| s.agent_sha256 = "beef".into()),
        ("enrol_url", |s| s.enrol_url = "http://192.168.64.1:7443".into()),
        ("ca_pem", |s| s.ca_pem = "-----BEGIN CERTIFICATE-----\n'\n".into()),
    ];
    for (field, change) in cases {
        let mut bad = spec();
        change(&mut bad);
        let error = render_user_data(&bad).unwrap_err().to_string();
        assert!(error.starts_with(field), "{field}: {error}");
        assert!(!error.contains("reboot"), "value is repeated: {error}");
    }
}

#[test]
fn debug_output_holds_no_token() {
    assert!(!format!("{:?}", spec()).contains("c2VjcmV0"));
}

#[test]
fn the_nodes_own_cloud_init_accepts_it() {
    let Some(tree) = rootfs() else {
        eprintln!("skipped: no root file system, or not root (coordinator bundle build makes one)");
        return;
    };
    for spec in [spec(), multipass()] {
        let text = render_user_data(&spec).unwrap();
        let output = check_schema(&tree, &text);
        assert!(output.0, "{}\n{text}", output.1);
    }
    let broken = render_user_data(&spec())
        .unwrap()
        .replace("bootcmd:", "bootcmd: 7\nx:");
    assert!(!check_schema(&tree, &broken).0, "the check accepts everything");
}

/// The tree is shared and must not change: the file goes in through standard input.
fn check_schema(tree: &Path, text: &str) -> (bool, String) {
    use std::io::Write;
    let script = "import sys; sys.argv[0] = 'cloud-init'; from cloudinit.config.schema import get_schema, validate_cloudconfig_schema; \
        import yaml; validate_cloudconfig_schema(yaml.safe_load(sys.stdin), get_schema(), strict=True)";
    let mut child = Command::new("chroot")
        .arg(tree)
        .args(["python3", "-c", script])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), errors)
}

fn rootfs() -> Option<PathBuf> {
    let cache = std::env::var_os("DRILLYARD_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache/drillyard")))?;
    let tree = cache.join("rootfs/tree");
    let usable = tree.join("usr/bin/cloud-init").exists() && nix::unistd::geteuid().is_root();
    usable.then_some(tree)
}
