//! A yard for killing: a real coordinator, six agents with their processes, and what their faults really break.

use crate::support::kept::Kept;
use agent::paths::Paths;
use coordinator::daemon_record::DaemonRecord;
use coordinator::operator_auth::connect_operator;
use coordinator::places::Places;
use model::fault::Fault;
use model::ids::{LeaseId, NodeName};
use model::lab::Lab;
use model::lease::{LeaseState, LeaseStatus, Terms};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto::convert::terms_to_wire;
use proto::v1::operator_client::OperatorClient;
use proto::v1::{
    FollowDrillRequest, GetStatusRequest, InjectFaultRequest, MintUserDataRequest, StartDrillRequest,
};
use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::own_drills::{CUT_SHORT, CUT_SHORT_NAME, OwnDrills, begun};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// Starts a unit in the background, or a timer that starts one later; restarts what asked for it, and says how it ended.
const SYSTEMD_RUN: &str = r#"#!/bin/sh
export DRILLYARD_ROOT=@ROOT@
while [ "${1#--}" != "$1" ]; do
    case "$1" in
        --unit=*) unit=${1#--unit=} ;;
        --on-active=*) delay=${1#--on-active=}; delay=${delay%ms} ;;
        --wait) wait=yes ;;
        --property=Restart=*) restart=yes ;;
        --property=ExecStopPost=*) post=${1#--property=ExecStopPost=} ;;
    esac
    shift
done
mkdir -p @ROOT@/alive && : > "@ROOT@/alive/$unit"
job() {
    [ -z "$delay" ] || sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    while :; do
        "$@"
        status=$?
        [ $status -ne 0 ] && [ -n "$restart" ] || break
        sleep 0.5
    done
    result=exit-code
    [ $status -eq 0 ] && result=success
    [ $status -gt 128 ] && result=signal
    [ -z "$post" ] || SERVICE_RESULT=$result EXIT_STATUS=$status $post
    rm -f "@ROOT@/alive/$unit"
    return $status
}
if [ -n "$wait" ]; then
    job "$@"
else
    # In a subshell: a function would keep copies of the caller's pipes open, and the caller waits for their end.
    (job "$@") < /dev/null >> @ROOT@/units.log 2>&1 &
fi
"#;

const SYSTEMCTL: &str = r#"#!/bin/sh
verb=$1
for unit; do :; done
case "$verb" in
    start) : > "@ROOT@/running/$unit" ;;
    stop) rm -f "@ROOT@/running/$unit" ;;
    is-active) [ -e "@ROOT@/running/$unit" ] ;;
    show) [ -e "@ROOT@/alive/$unit" ] && echo active || echo inactive ;;
esac
"#;

const CTR: &str = "#!/bin/sh\n[ \"$3\" = tasks ] && echo 'TASK PID STATUS'\nexit 0\n";
/// A journal, newest first as it is asked for: what a test put there, or a calm line.
const JOURNALCTL: &str = r#"#!/bin/sh
for word; do
    case "$word" in --unit=*) unit=${word#--unit=} ;; esac
done
[ -s "@ROOT@/journal" ] && exec cat "@ROOT@/journal"
echo "2026-11-25T04:00:00.000000+0000 $unit[1]: all is well"
"#;
const NFT: &str = "#!/bin/sh\nexec ip netns exec @NS@ /usr/sbin/nft \"$@\"\n";

/// Who is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prey {
    Coordinator,
    Front(usize),
    Helper(usize),
    /// Any step that runs now on any node: an injector or a release in the middle of its work.
    Step,
}

struct Node {
    name: NodeName,
    root: PathBuf,
    namespace: String,
    front: Option<Kept>,
    exec: Option<Kept>,
}

pub(crate) struct Yard {
    pub(crate) lab: Lab,
    pub(crate) places: Places,
    pub(crate) document: PathBuf,
    nodes: Vec<Node>,
    seen: BTreeSet<LeaseId>,
    /// For the coordinator's environment.
    variables: Vec<(&'static str, String)>,
    _drills: OwnDrills,
    _dir: tempfile::TempDir,
}

/// What became of a round's leases.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) leases: usize,
    /// The latest undo, milliseconds after its deadline; negative for one that came before.
    pub(crate) latest_ms: i64,
    pub(crate) violations: Vec<String>,
}

impl Yard {
    /// None where network namespaces or packet filters cannot be made.
    pub(crate) async fn new() -> Option<Self> {
        Self::with(Vec::new(), |_| ()).await
    }

    /// The same with `variables` in the coordinator's environment, after `prepare` did its work in the folders.
    pub(crate) async fn with(
        variables: Vec<(&'static str, String)>,
        prepare: impl FnOnce(&Self),
    ) -> Option<Self> {
        let dir = tempfile::tempdir().expect("temp");
        let name = format!("yard-{}", std::process::id());
        let mut lab = Lab::with_subnet(&name, [127, 77, 0]);
        // Every address of the loopback network is this host's.
        lab.network.coordinator_port = tests::ports::four_free(&[Ipv4Addr::LOCALHOST, lab.network.gateway]);
        let document = dir.path().join("lab.yaml");
        fs::write(&document, lab.to_yaml()).expect("written");
        let drills = OwnDrills::new(&[(CUT_SHORT_NAME, CUT_SHORT)]).expect("a checkout of the test's own");
        let places = Places {
            home: dir.path().join("home"),
            cache: dir.path().join("cache"),
            project: drills.path().to_owned(),
            program: tests::lab::program().expect("the coordinator is built"),
        };
        let bundled = coordinator::user_data::agent_binary(&places);
        fs::create_dir_all(bundled.parent().expect("a folder")).expect("made");
        fs::write(bundled, "not used").expect("written");
        let mut yard = Self {
            nodes: Vec::new(),
            lab,
            places,
            document,
            seen: BTreeSet::new(),
            variables,
            _drills: drills,
            _dir: dir,
        };
        for (i, (_, node)) in yard.lab.clone().nodes().enumerate() {
            let namespace = format!("dyk-{}-{i}", std::process::id());
            if !ip(&["netns", "add", &namespace]) {
                eprintln!("SKIPPED: network namespaces need root");
                return None;
            }
            let root = yard.root(node.name.as_str());
            yard.nodes.push(Node {
                name: node.name.clone(),
                root,
                namespace,
                front: None,
                exec: None,
            });
        }
        prepare(&yard);
        yard.serve();
        yard.furnish().await;
        Some(yard)
    }

    /// The folder that a node's processes take for `/`.
    pub(crate) fn root(&self, node: &str) -> PathBuf {
        self.document.with_file_name(node)
    }

    /// The coordinator's program with these words, for this lab.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.places.program);
        command
            .arg("--file")
            .arg(&self.document)
            .args(words)
            .env("DRILLYARD_HOME", &self.places.home)
            .env("DRILLYARD_CACHE", &self.places.cache)
            .env("DRILLYARD_PROJECT", &self.places.project)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn names(&self) -> Vec<NodeName> {
        self.nodes.iter().map(|n| n.name.clone()).collect()
    }

    /// A coordinator serves, and all agents are connected to it.
    pub(crate) async fn ready(&mut self) {
        for _ in 0..600 {
            if DaemonRecord::alive(&self.places).is_none() {
                self.serve();
            }
            if self.connected().await == Some(self.nodes.len()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not all agents are connected: {:?}", self.connected().await);
    }

    /// Asks for a fault in a task of its own; the coordinator may die meanwhile.
    pub(crate) fn inject(&self, fault: Fault, ttl_ms: u64) -> JoinHandle<bool> {
        let home = self.places.home.clone();
        let terms = Terms::new(ttl_ms, 2_000, ttl_ms).expect("valid");
        tokio::spawn(async move {
            let Ok(channel) = connect_operator(&home).await else {
                return false;
            };
            let request = InjectFaultRequest {
                fault_json: serde_json::to_vec(&fault).expect("JSON"),
                terms: Some(terms_to_wire(terms)),
            };
            let mut client = OperatorClient::new(channel);
            let call = client.inject_fault(request);
            let limit = tokio::time::timeout(Duration::from_secs(20), call);
            matches!(limit.await, Ok(Ok(_)))
        })
    }

    /// Runs the tests' drill in a task of its own, which ends with the run, or with its coordinator. Its run is on record then.
    pub(crate) async fn drill(&self) -> JoinHandle<bool> {
        let before = begun(&self.places).expect("runs").len();
        let home = self.places.home.clone();
        let followed = async move {
            let mut client = OperatorClient::new(connect_operator(&home).await.ok()?);
            let request = StartDrillRequest {
                name: CUT_SHORT_NAME.to_owned(),
                dry_run: false,
            };
            let run_id = client.start_drill(request).await.ok()?.into_inner().run_id;
            let request = FollowDrillRequest { run_id };
            let mut progress = client.follow_drill(request).await.ok()?.into_inner();
            while progress.message().await.ok()?.is_some() {}
            Some(())
        };
        let limit = tokio::time::timeout(Duration::from_secs(25), followed);
        let call = tokio::spawn(async move { matches!(limit.await, Ok(Some(()))) });
        for _ in 0..200 {
            if begun(&self.places).expect("runs").len() > before {
                return call;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no drill began; its call has ended: {}", call.is_finished());
    }

    /// Kills; says whether there was somebody to kill.
    pub(crate) fn kill(&mut self, prey: Prey) -> bool {
        match prey {
            Prey::Coordinator => {
                let Some(record) = DaemonRecord::alive(&self.places) else {
                    return false;
                };
                end(record.pid)
            }
            Prey::Front(i) => self.nodes[i].front.as_ref().map(Kept::kill).is_some(),
            Prey::Helper(i) => self.nodes[i].exec.as_ref().map(Kept::kill).is_some(),
            Prey::Step => self.steps().into_iter().next().is_some_and(end),
        }
    }

    /// Waits until every lease of the round is over, and looks at what is broken at every moment: nothing may be `bound_ms`
    /// after the last deadline of its place.
    pub(crate) async fn settle(&mut self, bound_ms: i64, calls: &[JoinHandle<bool>]) -> Settled {
        let mut settled = Settled {
            latest_ms: i64::MIN,
            ..Settled::default()
        };
        for _ in 0..300 {
            // A call that is on its way may still take a lease.
            let mut open = !calls.iter().all(JoinHandle::is_finished);
            for (place, leases, broken) in self.look() {
                let now = now_us();
                let last = leases.iter().map(|l| l.deadline.0).max().unwrap_or(i64::MIN);
                let outstanding: Vec<_> = leases.iter().filter(|l| l.state != LeaseState::Undone).collect();
                open |= !outstanding.is_empty() || !broken.is_empty();
                if now > last.saturating_add(bound_ms * 1000)
                    && !(broken.is_empty() && outstanding.is_empty())
                {
                    let line = format!("{place}: {broken:?} with {outstanding:?} at {now}");
                    settled.violations.push(line);
                }
            }
            if !open || !settled.violations.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let all: Vec<_> = self
            .look()
            .into_iter()
            .flat_map(|(_, leases, _)| leases)
            .collect();
        for lease in all {
            if !self.seen.insert(lease.lease) {
                continue;
            }
            settled.leases += 1;
            let late = lease
                .undone
                .map_or(i64::MAX, |at| (at.to.0 - lease.deadline.0) / 1000);
            settled.latest_ms = settled.latest_ms.max(late);
            if late > bound_ms {
                settled.violations.push(format!("{late} ms late: {lease:?}"));
            }
        }
        settled
    }

    /// Per place: its leases, and what is broken there.
    fn look(&self) -> Vec<(String, Vec<LeaseStatus>, Vec<String>)> {
        let mut all: Vec<_> = self
            .nodes
            .iter()
            .map(|node| {
                let paths = Paths::below(&node.root);
                (node.name.to_string(), records(&paths.leases()), node.broken())
            })
            .collect();
        let tables = output("nft", &["list", "tables", "bridge"]);
        let ours = format!("drillyard_{}_", self.lab.name.as_str().replace('-', "_"));
        let broken = tables.lines().filter(|l| l.contains(&ours)).map(str::to_owned);
        let leases = records(&self.places.home.join("leases"));
        all.push(("host".into(), leases, broken.collect()));
        all
    }

    pub(crate) fn serve(&self) {
        fs::create_dir_all(&self.places.home).expect("made");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.places.home.join("coordinator.log"))
            .expect("opened");
        let out = log.try_clone().expect("cloned");
        let mut child = self
            .command(&["serve"])
            .envs(self.variables.iter().cloned())
            .stdout(out)
            .stderr(log)
            .spawn()
            .expect("a coordinator");
        let pid = child.id();
        std::thread::spawn(move || child.wait());
        // A log of tens of thousands of entries is checked whole first, by a program that is not optimised.
        for _ in 0..2400 {
            if DaemonRecord::alive(&self.places).is_some_and(|record| record.pid == pid) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Nobody else would: it has left no record by which it is found.
        end(pid);
        let log = fs::read_to_string(self.places.home.join("coordinator.log")).unwrap_or_default();
        panic!("no coordinator serves: {log}");
    }

    /// Gives every node its scripts, its seed and its processes.
    async fn furnish(&mut self) {
        let mut client = self.client().await.expect("an operator");
        let port = self.lab.network.coordinator_port;
        for node in &mut self.nodes {
            let request = MintUserDataRequest {
                node: node.name.to_string(),
            };
            let made = client
                .mint_user_data(request)
                .await
                .expect("user-data")
                .into_inner();
            let (cluster, spec) = self.lab.node(node.name.as_str()).expect("a node");
            let seed = serde_json::json!({
                "lab": self.lab.name, "cluster": cluster.name, "node": node.name, "role": spec.role,
                "enrol_url": format!("https://{}:{port}", self.lab.network.gateway),
                "agent_url": format!("https://{}:{}", self.lab.network.gateway, port + 1),
                "server_name": format!("coordinator.{}.drillyard", self.lab.name),
            });
            node.furnish(&seed.to_string(), &made.user_data);
        }
    }

    async fn client(&self) -> Option<OperatorClient<Channel>> {
        let channel = connect_operator(&self.places.home).await.ok()?;
        Some(OperatorClient::new(channel))
    }

    /// What the coordinator says of itself and its nodes.
    pub(crate) async fn status(&self) -> Option<serde_json::Value> {
        let mut client = self.client().await?;
        let answer = client.get_status(GetStatusRequest {}).await.ok()?;
        serde_json::from_slice(&answer.into_inner().status_json).ok()
    }

    async fn connected(&self) -> Option<usize> {
        let status = self.status().await?;
        let clusters = status["clusters"].as_array()?;
        let nodes = clusters.iter().filter_map(|c| c["nodes"].as_array()).flatten();
        Some(nodes.filter(|n| n["agent"]["state"] == "connected").count())
    }

    /// Steps of our nodes that run now.
    fn steps(&self) -> Vec<u32> {
        let folder = self.document.parent().expect("a folder").display().to_string();
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let mut words = line.split(|b| *b == 0).map(String::from_utf8_lossy);
                let program = words.next().unwrap_or_default().into_owned();
                let step = words.next().is_some_and(|word| word == "step");
                step && program.ends_with("/agent")
                    && words.next().is_some_and(|file| file.starts_with(&folder))
            })
            .collect()
    }
}

impl Node {
    fn furnish(&mut self, seed: &str, user_data: &str) {
        let paths = Paths::below(&self.root);
        let (ca, token) = (
            between(user_data, "-----BEGIN", "-----END CERTIFICATE-----"),
            token(user_data),
        );
        let files = [
            (paths.front().join("agent.json"), seed.to_owned(), 0o600),
            (paths.exec().join("agent.json"), seed.to_owned(), 0o600),
            (paths.front().join("ca.pem"), ca, 0o600),
            (paths.front().join("token"), token.clone(), 0o600),
            // The agent removes its own.
            (self.root.join("given/token"), token, 0o600),
            (paths.at("/usr/bin/systemd-run"), SYSTEMD_RUN.into(), 0o755),
            (paths.at("/usr/bin/systemctl"), SYSTEMCTL.into(), 0o755),
            (paths.at("/usr/bin/ctr"), CTR.into(), 0o755),
            (paths.at("/usr/bin/journalctl"), JOURNALCTL.into(), 0o755),
            (paths.at("/usr/sbin/nft"), NFT.into(), 0o755),
            (paths.manifests().join("etcd.yaml"), "a pod".into(), 0o600),
            (self.root.join("running/kubelet.service"), String::new(), 0o600),
        ];
        for (path, content, mode) in files {
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            let content = content
                .replace("@ROOT@", &self.root.display().to_string())
                .replace("@NS@", &self.namespace);
            fs::write(&path, content).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        }
        fs::create_dir_all(paths.run()).expect("made");
        self.front = Some(Kept::start(&self.root, "front"));
        self.exec = Some(Kept::start(&self.root, "exec"));
    }

    fn broken(&self) -> Vec<String> {
        let paths = Paths::below(&self.root);
        let mut broken = Vec::new();
        if !paths.manifests().join("etcd.yaml").exists() {
            broken.push("etcd's manifest is gone".to_owned());
        }
        if !self.root.join("running/kubelet.service").exists() {
            broken.push("kubelet does not run".into());
        }
        let tables = output("ip", &["netns", "exec", &self.namespace, "nft", "list", "tables"]);
        broken.extend(
            tables
                .lines()
                .filter(|l| l.contains("drillyard_"))
                .map(str::to_owned),
        );
        broken
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        if let Some(record) = DaemonRecord::alive(&self.places) {
            end(record.pid);
        }
        for node in &mut self.nodes {
            node.front = None;
            node.exec = None;
            ip(&["netns", "delete", &node.namespace]);
        }
    }
}

fn records(folder: &Path) -> Vec<LeaseStatus> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "json"))
        .filter_map(|entry| {
            let record: serde_json::Value = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
            serde_json::from_value(record["status"].clone()).ok()
        })
        .collect()
}

/// The lines from the one with `first` to the one with `last`, without their indentation.
fn between(text: &str, first: &str, last: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim).skip_while(|l| !l.starts_with(first)) {
        out.push_str(line);
        out.push('\n');
        if line.starts_with(last) {
            break;
        }
    }
    out
}

fn token(user_data: &str) -> String {
    let mut lines = user_data.lines().skip_while(|l| !l.ends_with("/seed/token"));
    let line = lines.find(|l| l.trim().starts_with("content:")).expect("a token");
    let text = line.trim().trim_start_matches("content:").trim();
    text.trim_matches('\'').trim_matches('"').to_owned()
}

fn end(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok())
}

fn ip(words: &[&str]) -> bool {
    let done = Command::new("ip").args(words).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    output.map_or_else(
        |_| String::new(),
        |o| String::from_utf8_lossy(&o.stdout).into_owned(),
    )
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
