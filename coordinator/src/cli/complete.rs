//! Completions: the scripts for the shells, and the candidates that are looked up when a key is pressed.

use super::output::out;
use crate::daemon_record::DaemonRecord;
use crate::drill::{library, runs};
use crate::exit::{Failure, Outcome};
use crate::operator_auth::connect_operator;
use crate::places::{Environment, Places};
use crate::readiness;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use domain::record::Class;
use model::ids::RunId;
use model::lab::{Cluster, Lab};
use proto::v1::operator_client::OperatorClient;
use proto::v1::subscribe_response::Item;
use proto::v1::{EventFilter, GetStatusRequest, SubscribeRequest};
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use tonic::transport::Channel;

/// How long a key press may wait for the daemon.
const LIMIT: Duration = Duration::from_millis(800);

/// Most runs that are offered.
const RUNS: usize = 10;

/// The script that makes a shell ask this program.
pub(crate) fn script(shell: &str) -> Result<Outcome, Failure> {
    let failed =
        |e: std::io::Error| Failure::from_error(Outcome::Internal, "DY-0100", &e, "coordinator completions");
    let mut text = Vec::new();
    if let Some(shell) = Shells::builtins().completer(shell) {
        shell
            .write_registration("COMPLETE", "coordinator", "coordinator", "coordinator", &mut text)
            .map_err(failed)?;
    }
    out!("{}", String::from_utf8_lossy(&text));
    Ok(Outcome::Done)
}

/// Names of the lab's nodes: with their present state where the daemon answers, else as the document has them.
pub(crate) fn nodes() -> Vec<CompletionCandidate> {
    let Yard { lab, places } = Yard::find();
    let status = places
        .and_then(|places| live(&places, status))
        .unwrap_or_default();
    lab.nodes()
        .map(|(cluster, node)| {
            let state = state_of(&status, node.name.as_str()).unwrap_or_else(|| cluster.name.to_string());
            CompletionCandidate::new(node.name.as_str()).help(Some(state.into()))
        })
        .collect()
}

/// Names of the lab's clusters.
pub(crate) fn clusters() -> Vec<CompletionCandidate> {
    let clusters = Yard::find().lab.clusters;
    let one = |cluster: &Cluster| {
        let count = format!("{} nodes", cluster.nodes.len());
        CompletionCandidate::new(cluster.name.as_str()).help(Some(count.into()))
    };
    clusters.iter().map(one).collect()
}

/// All kinds of events, and their classes.
pub(crate) fn kinds() -> Vec<CompletionCandidate> {
    let is_class = |name: &str| Class::ALL.iter().any(|class| class.name() == name);
    let one = |name: &'static str| {
        let help = is_class(name).then(|| "all of this class".into());
        CompletionCandidate::new(name).help(help)
    };
    domain::filter::kinds().into_iter().map(one).collect()
}

/// The latest runs of `up`, the newest first, where the daemon answers.
pub(crate) fn runs() -> Vec<CompletionCandidate> {
    Yard::find()
        .places
        .map(|places| runs_of_up(&places))
        .unwrap_or_default()
}

/// The latest runs of drills, the newest first.
pub(crate) fn drill_runs() -> Vec<CompletionCandidate> {
    Yard::find()
        .places
        .map(|places| runs_of_drills(&places))
        .unwrap_or_default()
}

/// Both.
pub(crate) fn all_runs() -> Vec<CompletionCandidate> {
    let Some(places) = Yard::find().places else {
        return Vec::new();
    };
    let mut all = runs_of_up(&places);
    all.extend(runs_of_drills(&places));
    all
}

fn runs_of_up(places: &Places) -> Vec<CompletionCandidate> {
    live(places, latest_runs).unwrap_or_default()
}

fn runs_of_drills(places: &Places) -> Vec<CompletionCandidate> {
    let runs = runs::list(places).unwrap_or_default();
    let one = |run: &RunId| CompletionCandidate::new(run.to_string()).help(Some("a drill".into()));
    runs.iter().rev().take(RUNS).map(one).collect()
}

/// What the words before the cursor are about.
struct Yard {
    lab: Lab,
    /// None outside a checkout, as for every other command.
    places: Option<Places>,
}

impl Yard {
    /// By `--file`, else by the document that the lab's home keeps.
    fn find() -> Self {
        let environment = Environment::read();
        let read = |path: PathBuf| Lab::from_yaml(&std::fs::read_to_string(path).ok()?).ok();
        let kept = || {
            let home = Places::home_of(Lab::default().name.as_str(), &environment);
            read(home?.join("lab.yaml"))
        };
        let lab = match document(std::env::args_os()) {
            Some(path) => read(path),
            None => kept(),
        };
        let lab = lab.unwrap_or_default();
        let places = Places::new(lab.name.as_str(), &environment).ok();
        Self { lab, places }
    }
}

/// The value of `--file` among the words of a command line.
fn document(words: impl IntoIterator<Item = OsString>) -> Option<PathBuf> {
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--file" {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = word.to_str().and_then(|word| word.strip_prefix("--file=")) {
            return Some(path.into());
        }
    }
    None
}

/// All drills with their summaries; of a file that is wrong the name alone.
pub(crate) fn drills() -> Vec<CompletionCandidate> {
    let Ok(places) = Places::new(Lab::default().name.as_str(), &Environment::read()) else {
        return Vec::new();
    };
    let names = library::names(&places).unwrap_or_default();
    let one = |name: String| {
        let summary = library::load(&places, &name)
            .ok()
            .map(|drill| drill.summary.into());
        CompletionCandidate::new(name).help(summary)
    };
    names.into_iter().map(one).collect()
}

/// All error codes with their titles.
pub(crate) fn codes() -> Vec<CompletionCandidate> {
    domain::catalogue::all()
        .map(|entry| CompletionCandidate::new(entry.code).help(Some(entry.title.into())))
        .collect()
}

/// What the daemon answers, if it does so in time.
fn live<T, F>(places: &Places, ask: impl FnOnce(OperatorClient<Channel>) -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    DaemonRecord::alive(places)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let asked = async { ask(OperatorClient::new(connect_operator(&places.home).await.ok()?)).await };
        tokio::time::timeout(LIMIT, asked).await.ok().flatten()
    })
}

async fn status(mut client: OperatorClient<Channel>) -> Option<Value> {
    let answer = client.get_status(GetStatusRequest {}).await.ok()?;
    serde_json::from_slice(&answer.into_inner().status_json).ok()
}

async fn latest_runs(mut client: OperatorClient<Channel>) -> Option<Vec<CompletionCandidate>> {
    let filter = EventFilter {
        kinds: vec!["run_started".into()],
        ..EventFilter::default()
    };
    let request = SubscribeRequest {
        tail: u64::try_from(RUNS).unwrap_or(u64::MAX),
        filter: Some(filter),
        ..SubscribeRequest::default()
    };
    let mut stream = client.subscribe(request).await.ok()?.into_inner();
    let mut runs = Vec::new();
    while let Ok(Some(answer)) = stream.message().await {
        // A declared loss passes every filter.
        let Some(Item::Entry(entry)) = answer.item else {
            continue;
        };
        let event: Value = serde_json::from_slice(&entry.json).ok()?;
        let Some(run) = event["run"].as_str() else {
            continue;
        };
        let help = format!("up, {}", event["time"].as_str().unwrap_or_default());
        runs.push(CompletionCandidate::new(run).help(Some(help.into())));
    }
    runs.reverse();
    Some(runs)
}

/// `connected, ready`, from a status document.
fn state_of(status: &Value, name: &str) -> Option<String> {
    let clusters = status["clusters"].as_array()?;
    let (cluster, node) = clusters
        .iter()
        .filter_map(|cluster| Some((cluster, cluster["nodes"].as_array()?)))
        .flat_map(|(cluster, nodes)| nodes.iter().map(move |node| (cluster, node)))
        .find(|(_, node)| node["name"] == name)?;
    let ready = readiness::word(cluster, node);
    Some(format!("{}, {ready}", node["agent"]["state"].as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn candidates_say_what_the_daemon_knows() {
        let status = json!({"clusters": [{"nodes": [{"name": "mgmt-cp", "ready": true, "agent": {"state": "connected"}}]}]});
        assert_eq!(state_of(&status, "mgmt-cp").as_deref(), Some("connected, ready"));
        assert_eq!(state_of(&status, "mgmt-worker"), None);
        assert_eq!(state_of(&Value::Null, "mgmt-cp"), None);
    }

    #[test]
    fn the_document_is_the_one_that_the_words_name() {
        let named = |words: &[&str]| document(words.iter().map(OsString::from));
        let path = Some(PathBuf::from("lab.yaml"));
        assert_eq!(
            named(&[
                "coordinator",
                "--",
                "coordinator",
                "--file",
                "lab.yaml",
                "status",
                ""
            ]),
            path
        );
        assert_eq!(
            named(&[
                "coordinator",
                "--",
                "coordinator",
                "status",
                "--file=lab.yaml",
                ""
            ]),
            path
        );
        assert_eq!(
            named(&["coordinator", "--", "coordinator", "status", "--file"]),
            None
        );
        assert_eq!(named(&["coordinator", "--", "coordinator", "status", ""]), None);
    }
}
