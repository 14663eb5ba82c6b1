//! Dependencies point one way, and the top level holds what the design names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// What each crate may use of our own crates.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("proto", &["model"]),
    ("shell", &[]),
    ("domain", &["model"]),
    ("bundle", &["shell"]),
    ("launcher", &["model", "shell"]),
    (
        "coordinator",
        &["model", "proto", "shell", "domain", "bundle", "launcher"],
    ),
    ("agent", &["model", "proto", "shell"]),
    (
        "tests",
        &["model", "proto", "shell", "domain", "coordinator", "agent"],
    ),
];

/// What the deciding crates must never link.
const PERFORMERS: [&str; 7] = ["tokio", "tonic", "prost", "sled", "redb", "nix", "rustls"];

fn normal_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("workspace root");
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies
                .iter()
                .filter(|d| d["kind"].is_null())
                .filter_map(|d| d["name"].as_str());
            (
                package["name"].as_str().expect("name").to_owned(),
                normal.map(str::to_owned).collect(),
            )
        })
        .collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let all = normal_dependencies();
    let ours: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        all.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        ours,
        "a crate without a rule"
    );
    for (name, allowed) in ALLOWED {
        let used: Vec<&String> = all[name].iter().filter(|d| ours.contains(d.as_str())).collect();
        let beyond: Vec<_> = used.iter().filter(|d| !allowed.contains(&d.as_str())).collect();
        assert!(beyond.is_empty(), "{name} uses {beyond:?}");
    }
}

#[test]
fn deciding_crates_link_nothing_that_performs() {
    let all = normal_dependencies();
    for name in ["model", "domain"] {
        let bad: Vec<_> = PERFORMERS.iter().filter(|p| all[name].contains(**p)).collect();
        assert!(bad.is_empty(), "{name} links {bad:?}");
    }
}

#[test]
fn the_top_level_holds_what_the_design_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("workspace root");
    let tracked = Command::new("git")
        .args(["ls-files"])
        .current_dir(root)
        .output()
        .expect("git ls-files");
    let text = String::from_utf8_lossy(&tracked.stdout);
    let found: BTreeSet<&str> = text
        .lines()
        .filter_map(|l| l.split('/').next())
        .filter(|name| !name.starts_with('.'))
        .collect();
    // Cargo.lock and rust-toolchain.toml have no hidden form.
    let expected = [
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "agent",
        "cloud-init",
        "coordinator",
        "docs",
        "proto",
        "rust-toolchain.toml",
        "terraform",
        "tests",
        "values",
    ];
    assert!(
        found.iter().all(|name| expected.contains(name)),
        "beyond the design: {found:?}"
    );
}
