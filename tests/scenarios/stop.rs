//! A daemon that is told to end does so at once, whoever is connected to it.

use crate::daemon::Daemon;
use agent::paths::Paths;
use coordinator::places::Places;
use model::ids::BootId;
use model::lab::Lab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tests::patience::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// Well below the daemon's own limit for what does not heed it, and what a supervisor never notices.
const AT_ONCE: Duration = Duration::from_millis(1500);

const NODE: &str = "mgmt-cp";

#[test]
fn it_waits_for_no_operator_and_no_agent() {
    // The agents' listener is on the gateway.
    let mut daemon = Daemon::start(Lab::with_subnet("stop", [127, 0, 0]), |_| ());
    until("the daemon answers", PATIENCE, || status(&daemon).map(drop)).expect("served");

    let node = tempfile::tempdir().expect("temp");
    front(&daemon, node.path());
    let mut operator = follow(&daemon);
    until("the agent's session", PATIENCE, || {
        let status = status(&daemon)?;
        let agent = &status["clusters"][0]["nodes"][0]["agent"];
        if agent["state"] == "connected" {
            Ok(())
        } else {
            Err(agent.to_string())
        }
    })
    .expect("connected");
    let mut lines = BufReader::new(operator.stdout.take().expect("piped")).lines();
    let connected = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("agent_connected")));
    assert!(connected.is_some(), "the operator sees what happens");

    let since = Instant::now();
    let pid = Pid::from_raw(i32::try_from(daemon.child.id()).expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("told to end");
    let ended = until("the daemon's end", PATIENCE, || {
        let ended = daemon.child.try_wait().map_err(|e| e.to_string())?;
        ended.ok_or_else(|| "it runs".to_owned())
    });
    let took = since.elapsed();
    let said = daemon.said();
    assert!(ended.expect("ended").success(), "{said}");
    assert!(took < AT_ONCE, "it took {took:?}: {said}");
    assert!(!said.contains("did not end in time"), "{said}");
    let _ = operator.kill();
    operator.wait().expect("gone");
}

fn status(daemon: &Daemon) -> Result<Value, String> {
    let output = daemon
        .command(&["--json", "status"])
        .output()
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// An operator that follows the log.
fn follow(daemon: &Daemon) -> Child {
    daemon
        .command(&["--json", "events", "--follow", "--after", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started")
}

/// The agent's real front in a thread of its own, as the node's installation leaves it: with a seed, a token, and the boot that a
/// root helper would have drawn.
fn front(daemon: &Daemon, root: &Path) {
    let paths = Paths::below(root);
    let Places { home, .. } = daemon.places();
    let operator = home.join("pki/operator");
    let endpoint = std::fs::read(operator.join("endpoint.json")).expect("the endpoint");
    let endpoint: Value = serde_json::from_slice(&endpoint).expect("JSON");
    let url = |above: u16| {
        let port = daemon.lab.network.coordinator_port + above;
        format!("https://{}:{port}", daemon.lab.network.gateway)
    };
    let seed = json!({"lab": "stop", "cluster": "mgmt", "node": NODE, "role": "control_plane", "enrol_url": url(0),
        "agent_url": url(1), "server_name": endpoint["server_name"]});
    let token = token(&daemon.mint(NODE));
    let ca = std::fs::read_to_string(operator.join("ca.pem")).expect("the root");
    std::fs::create_dir_all(paths.front()).expect("made");
    std::fs::create_dir_all(paths.run()).expect("made");
    std::fs::write(paths.boot(), BootId([1; 16]).to_string()).expect("written");
    for (name, content) in [("agent.json", seed.to_string()), ("ca.pem", ca), ("token", token)] {
        let path = paths.front().join(name);
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closed");
    }
    // It goes on trying until the test's process ends.
    std::thread::spawn(move || agent::front::run(paths, agent::logs::LogFormat::Text));
}

/// The token in a node's user-data.
fn token(user_data: &str) -> String {
    let mut lines = user_data
        .lines()
        .skip_while(|line| !line.ends_with("/seed/token"));
    let content = lines.find_map(|line| line.trim().strip_prefix("content: "));
    content.expect("a token").trim_matches('\'').to_owned()
}
