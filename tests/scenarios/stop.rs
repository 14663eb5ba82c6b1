//! A daemon that is told to end does so at once, whoever is connected to it. Who follows its events waits for the next one and
//! goes on behind the last line, also over a SIGKILL.

use crate::daemon::Daemon;
use agent::paths::Paths;
use coordinator::places::Places;
use model::ids::BootId;
use model::lab::Lab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
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
    let mut operator = Operator::follow(&daemon);
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
    operator.sees("agent_connected");

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

    // The follower says what it waits for, and goes on where it was: with the next life of the daemon, and with the one after.
    operator.says("waiting for it, to go on behind revision");
    daemon.serve_again();
    operator.sees("epoch_started");
    daemon.kill();
    until("the follower says so again", PATIENCE, || {
        match operator.said().matches("waiting for it").count() {
            2.. => Ok(()),
            _ => Err(operator.said()),
        }
    })
    .expect("said");
    daemon.serve_again();
    operator.sees("epoch_started");
    operator.goes_on();
    let revisions = operator.revisions();
    assert_eq!(revisions.first(), Some(&1));
    let holes: Vec<_> = revisions.windows(2).filter(|two| two[1] != two[0] + 1).collect();
    assert!(holes.is_empty(), "each entry once, in order: {holes:?}");
}

fn status(daemon: &Daemon) -> Result<Value, String> {
    let output = daemon
        .command(&["--json", "status"])
        .output()
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// An operator that follows the log from its beginning; killed when dropped.
struct Operator {
    child: Child,
    lines: mpsc::Receiver<Value>,
    seen: Vec<Value>,
    said: tempfile::NamedTempFile,
}

impl Operator {
    fn follow(daemon: &Daemon) -> Self {
        let said = tempfile::NamedTempFile::new().expect("temp");
        let mut child = daemon
            .command(&["--json", "events", "--follow", "--after", "0"])
            .stdout(Stdio::piped())
            .stderr(File::create(said.path()).expect("made"))
            .spawn()
            .expect("started");
        let (sender, lines) = mpsc::channel();
        let out = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).expect("JSON"));
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
            said,
        }
    }

    /// Waits for an event of this kind that was not looked at yet.
    #[track_caller]
    fn sees(&mut self, kind: &str) {
        let since = Instant::now();
        while let Some(left) = PATIENCE.checked_sub(since.elapsed()) {
            let Ok(event) = self.lines.recv_timeout(left) else {
                break;
            };
            let is_it = event["kind"] == kind;
            self.seen.push(event);
            if is_it {
                return;
            }
        }
        panic!("no {kind} among {:?}; it said: {}", self.seen, self.said());
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let said = || {
            let said = self.said();
            if said.contains(words) { Ok(()) } else { Err(said) }
        };
        until(words, PATIENCE, said).expect("said");
    }

    #[track_caller]
    fn goes_on(&mut self) {
        assert_eq!(self.child.try_wait().expect("asked"), None, "{}", self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.said.path()).expect("read")
    }

    /// Of all entries that came.
    fn revisions(&self) -> Vec<u64> {
        let entries = self.seen.iter().filter(|event| event["kind"] != "bookmark");
        entries
            .map(|event| event["revision"].as_u64().expect("a revision"))
            .collect()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
