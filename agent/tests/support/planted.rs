//! Secrets that a lab has, planted or made by it, and a run that uses them: its plan lies beside the log as that of a run
//! that was interrupted, so that the coordinator carries it on as soon as the node's agent is there.

use crate::secrets::Secrets;
use crate::yard::Yard;
use agent::paths::Paths;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coordinator::journal::{Entry, Journal, RedbJournal};
use coordinator::plan_store;
use domain::plan::{Plan, PlannedStep, StepBody, Target};
use domain::record::Record;
use model::ids::{Digest, LogId, RunId};
use model::step::{InitPhase, NodeStep};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) const NODE: &str = "app1-cp";
pub(crate) const CLUSTER: &str = "app1";

/// Folders of the home that are for secrets.
pub(crate) const OF_SECRETS: [&str; 4] = ["pki", "secrets", "sealing", "kubeconfig"];

const JOIN_TOKEN: &str = "canary.plantedjoin12345";
const VAULT_TOKEN: &str = "hvs.plantedVaultRootTokenAAAA";
const SEALING_KEY: &str = "planted sealing key, 32 bytes...";
const BEARER: &str = "planted-bearer-token-of-a-kubeconfig";
const CERTIFICATE_KEY: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";
const SPILLED_KEY: &str = "MIGHplantedKeyThatKubeadmPrintedWhenItShouldNotHave0123456789abc";

/// kubeadm at its worst: it prints its configuration with the token, a key and a PEM block to both streams, and fails once.
const KUBEADM: &str = r#"#!/bin/sh
{ tr '\0' '\n' < /proc/$$/cmdline; env; } >> @ROOT@/kubeadm.seen
[ "$1" = kubeconfig ] && exec cat @ROOT@/minted
for word; do
    case "$word" in --config=*) config=${word#--config=} ;; esac
done
cp "$config" @ROOT@/kubeadm.config
cat "$config" @ROOT@/spilled
cat "$config" @ROOT@/spilled >&2
[ -e @ROOT@/failed ] && exit 0
: > @ROOT@/failed
exit 1
"#;

/// What was planted, and what the coordinator and the agents made for themselves.
pub(crate) fn secrets(yard: &Yard) -> Secrets {
    let mut all = Secrets::default();
    for (name, value) in [
        ("join token", JOIN_TOKEN),
        ("Vault's token", VAULT_TOKEN),
        ("sealing key", SEALING_KEY),
        ("kubeconfig's token", BEARER),
        ("certificate key", CERTIFICATE_KEY),
        ("a key that kubeadm printed", SPILLED_KEY),
    ] {
        all.add(name, &[value]);
    }
    let key = fs::read_to_string(yard.root(NODE).join("minted.key")).expect("planted");
    all.add_keys("kubeconfig's key", &key);
    let home = &yard.places.home;
    for entry in walk(&home.join("pki")) {
        let text = fs::read_to_string(&entry).unwrap_or_default();
        let name = entry.strip_prefix(home).expect("below it").display().to_string();
        all.add_keys(&name, &text);
    }
    let note: serde_json::Value =
        serde_json::from_slice(&fs::read(home.join("web.json")).expect("a note")).expect("JSON");
    all.add("page's secret", &[note["secret"].as_str().expect("a secret")]);
    for node in yard.names() {
        let root = yard.root(node.as_str());
        let token = fs::read_to_string(root.join("given/token")).expect("given");
        let secret = token.trim().split_once('.').expect("ID.SECRET").1;
        all.add(&format!("{node}'s token"), &[secret]);
        let identity = fs::read_to_string(Paths::below(&root).front().join("identity.pem"));
        all.add_keys(&format!("{node}'s key"), &identity.expect("enrolled"));
    }
    assert!(all.names().len() > 20, "{:?}", all.names());
    all
}

/// Plants secrets and the run.
pub(crate) fn prepare(yard: &Yard) {
    let (home, root) = (&yard.places.home, yard.root(NODE));
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let bearer = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: mgmt\n  cluster:\n    server: https://127.77.0.10:6443\n\
         contexts:\n- name: mgmt\n  context: {{cluster: mgmt, user: a}}\ncurrent-context: mgmt\nusers:\n- name: a\n  user:\n    token: {BEARER}\n"
    );
    let authority = crate::support::authority::Authority::new().pem();
    let minted = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster:\n    server: https://127.77.0.20:6443\n    \
         certificate-authority-data: {}\ncontexts:\n- name: a\n  context: {{cluster: a, user: a}}\ncurrent-context: a\n\
         users:\n- name: a\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(&authority),
        STANDARD.encode(&authority),
        STANDARD.encode(&key)
    );
    let spilled = format!(
        "kubeadm join 127.77.0.20:6443 --token {JOIN_TOKEN} --certificate-key {CERTIFICATE_KEY}\n\
         -----BEGIN PRIVATE KEY-----\n{SPILLED_KEY}\n-----END PRIVATE KEY-----\n"
    );
    let kubeadm = KUBEADM.replace("@ROOT@", &root.display().to_string());
    for (path, content, mode) in [
        (home.join("secrets/join-app1"), JOIN_TOKEN, 0o600),
        (
            home.join("secrets/vault.json"),
            &format!("{{\"root_token\":\"{VAULT_TOKEN}\"}}"),
            0o600,
        ),
        (home.join("secrets/vault-mgmt.sealed"), "not what it was", 0o600),
        (home.join("sealing/key"), SEALING_KEY, 0o600),
        (home.join("kubeconfig/mgmt"), &bearer, 0o600),
        (root.join("minted"), &minted, 0o600),
        (root.join("minted.key"), &key, 0o600),
        (root.join("spilled"), &spilled, 0o600),
        (root.join("journal"), &backwards(&spilled), 0o600),
        (Paths::below(&root).at("/usr/bin/kubeadm"), &kubeadm, 0o755),
    ] {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
    }
    for folder in ["", "secrets", "sealing", "kubeconfig"].map(|name| home.join(name)) {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("mode");
    }
    interrupted_run(yard);
}

/// An entry of the journal for each line, newest first; of an older key the begin is cut off.
fn backwards(spilled: &str) -> String {
    let told = format!(
        "{}{spilled}",
        spilled.replace("-----BEGIN PRIVATE KEY-----\n", "")
    );
    let lines = told.lines().rev();
    let entries = lines.map(|line| format!("2026-11-25T04:00:00.000000+0000 kubeadm[7]: {line}\n"));
    entries.collect()
}

/// A kubeconfig that comes back, and then a token that goes out.
fn interrupted_run(yard: &Yard) {
    let (cluster, node) = yard.lab.node(NODE).expect("a node");
    let params = yard.lab.params(cluster).expect("a control plane");
    let steps = [
        NodeStep::MintKubeconfig {
            params: params.clone(),
        },
        NodeStep::KubeadmInit {
            phase: InitPhase::BootstrapToken,
            params,
            address: node.address,
        },
    ];
    let steps = steps.map(|step| PlannedStep {
        id: step.id(yard.lab.name.as_str(), &node.name),
        name: format!("{NODE} {}", step.label()),
        phase: 2,
        cluster: Some(cluster.name.clone()),
        target: Target::Node(node.name.clone()),
        body: StepBody::Node(step),
        needs: Vec::new(),
        provides: Vec::new(),
        budget_ms: 60_000,
        expected_ms: 1_000,
    });
    let plan = Plan {
        steps: steps.to_vec(),
        digest: Digest([7; 32]),
        through: 2,
    };
    plan_store::save(&yard.places, &plan).expect("saved");
    let started = Record::RunStarted {
        run: RunId([7; 16]),
        through: 2,
        yes: true,
        plan_digest: plan.digest,
    };
    // Of today: retention drops what is older than seven days, and the run's report with it.
    let entry = Entry::sealed(coordinator::clock::now(), started.into()).expect("sealed");
    let log = yard.places.home.join("log.redb");
    let mut journal = RedbJournal::open(&log, LogId([7; 16])).expect("a log");
    journal.append(&[entry]).expect("appended");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}
