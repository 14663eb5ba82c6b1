//! Enrolment tokens on a real node: one that was spent by another key stops the step and says what to do; one that ran out
//! is replaced without anybody's help.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use tests::lab::{TestLab, fit};
use tests::node_net::{Inside, inside};
use tests::patience::until;
use tests::prey;

const NODE: &str = "mgmt-cp";
const UP: [&str; 5] = ["--json", "up", "--yes", "--through", "1"];

#[test]
fn a_spent_token_stops_the_step_and_one_that_ran_out_is_replaced() {
    if !fit() {
        return;
    }
    let lab = one_node();
    assert_eq!(lab.run(&UP).expect("up runs").status.code(), Some(0));
    let node = inside(&lab, NODE).expect("the node runs");
    let spent = token_of_the_seed(&node).expect("the seed");

    forget_identity(&node);
    stops_at_the_spent_token(&lab, &node, &spent);
    a_new_token_replaces_it(&lab);

    forget_identity(&node);
    the_token_ran_out(&lab).expect("an older registry");
    let up = lab.run(&UP).expect("up runs");
    assert_eq!(up.status.code(), Some(0), "{}", text(&up.stdout));
    assert_eq!(
        minted(&lab),
        3,
        "the seed's, the operator's, the coordinator's own"
    );

    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    assert_eq!(crate::leftovers::of("tokens"), Vec::<String>::new());
}

fn one_node() -> TestLab {
    let mut lab = model::lab::Lab::with_subnet("tokens", [192, 168, 74]);
    lab.network.coordinator_port = 19443;
    lab.clusters.truncate(1);
    for cluster in &mut lab.clusters {
        cluster.nodes.truncate(1);
    }
    TestLab::of(lab).expect("a lab of the test's own")
}

/// The wiped node presents the token of its seed again: the certificate that was made for it is somebody else's by now.
fn stops_at_the_spent_token(lab: &TestLab, node: &Inside, spent: &str) {
    let mut command = lab.command(&UP);
    let command = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let up = command.spawn().expect("up starts");
    until("a run that waits for the agent", Duration::from_secs(60), || {
        let waits = lab.run(&["--json", "status"]).map_err(|e| e.to_string())?;
        let said = text(&waits.stdout);
        if said.contains("await_agent") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .expect("up waits");
    // What the provider does to deliver one.
    std::fs::write(node.path("/var/lib/drillyard/seed/token"), spent).expect("written");
    let up = up.wait_with_output().expect("up ends");
    let said = format!("{}{}", text(&up.stdout), text(&up.stderr));
    assert_eq!(up.status.code(), Some(5), "{said}");
    for word in [
        "DY-0509",
        "used before with another key",
        "coordinator enrol mgmt-cp --replace",
    ] {
        assert!(said.contains(word), "does not say {word:?}: {said}");
    }
}

fn a_new_token_replaces_it(lab: &TestLab) {
    let refused = output(lab, &["--json", "enrol", NODE]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("DY-0116") && said.contains("--replace"), "{said}");
    let given = output(lab, &["--json", "enrol", NODE, "--replace"]);
    assert_eq!(given.status.code(), Some(0), "{}", text(&given.stderr));
    let again = lab.run(&UP).expect("up runs");
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
}

/// As after a quarter of an hour in which the node could not enrol: no certificate, and its only token is old.
fn the_token_ran_out(lab: &TestLab) -> io::Result<()> {
    let daemon = prey::daemon(lab).ok_or(io::Error::other("no daemon"))?;
    kill(Pid::from_raw(daemon.pid), Signal::SIGTERM)?;
    until(
        "the daemon ends",
        Duration::from_secs(20),
        || match prey::daemon(lab) {
            None => Ok(()),
            Some(running) => Err(running.to_string()),
        },
    )
    .map_err(io::Error::other)?;
    let path = lab.home().join("pki/registry.json");
    let mut registry: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    registry["nodes"][NODE]["live"] = Value::Array(Vec::new());
    let tokens = registry["tokens"].as_object_mut().into_iter().flatten();
    for (_, token) in tokens {
        token["state"] = serde_json::json!({"state": "minted"});
        token["expires"] = 1.into();
    }
    std::fs::write(&path, registry.to_string())
}

/// Stops the agent and takes its identity away, as a new disk would.
fn forget_identity(node: &Inside) {
    assert!(
        node.run(&["systemctl", "stop", "drillyard-agent.service"]),
        "stopped"
    );
    std::fs::remove_file(node.path("/var/lib/drillyard/agent/identity.pem")).expect("removed");
}

/// The line after the token's path in the user-data that the node was made with.
fn token_of_the_seed(node: &Inside) -> Option<String> {
    let seed = node.path("/var/lib/cloud/seed/nocloud/user-data");
    let user_data = read(&seed)?;
    let (_, rest) = user_data.split_once("path: /var/lib/drillyard/seed/token")?;
    let (_, rest) = rest.split_once("content: '")?;
    rest.split_once('\'').map(|(token, _)| token.to_owned())
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn minted(lab: &TestLab) -> usize {
    let events = output(lab, &["--json", "events"]);
    let said = text(&events.stdout);
    said.lines()
        .filter(|line| line.contains("\"token_minted\""))
        .count()
}

fn output(lab: &TestLab, words: &[&str]) -> Output {
    lab.command(words).output().expect("started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
