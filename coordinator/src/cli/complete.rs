//! Completions: the scripts for the shells, and the candidates that are looked up when a key is pressed.

use super::output::out;
use crate::daemon_record::DaemonRecord;
use crate::drill::library;
use crate::exit::{Failure, Outcome};
use crate::operator_auth::connect_operator;
use crate::places::{Environment, Places};
use crate::readiness;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use model::lab::Lab;
use proto::v1::GetStatusRequest;
use proto::v1::operator_client::OperatorClient;
use serde_json::Value;
use std::time::Duration;

/// How long a key press may wait for the daemon.
const LIMIT: Duration = Duration::from_millis(800);

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
    let environment = Environment::read();
    let home = environment.home.clone().or_else(|| {
        let user = environment.user_home.as_ref()?;
        Some(user.join(".local/share/drillyard/default"))
    });
    let kept = home
        .as_ref()
        .and_then(|home| std::fs::read_to_string(home.join("lab.yaml")).ok())
        .and_then(|text| Lab::from_yaml(&text).ok())
        .unwrap_or_default();
    let status = Places::new(kept.name.as_str(), &environment)
        .ok()
        .and_then(|places| live(&places))
        .unwrap_or_default();
    kept.nodes()
        .map(|(cluster, node)| {
            let state = state_of(&status, node.name.as_str()).unwrap_or_else(|| cluster.name.to_string());
            CompletionCandidate::new(node.name.as_str()).help(Some(state.into()))
        })
        .collect()
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

fn live(places: &Places) -> Option<Value> {
    DaemonRecord::alive(places)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async {
        let asked = async {
            let channel = connect_operator(&places.home).await.ok()?;
            let answer = OperatorClient::new(channel).get_status(GetStatusRequest {}).await;
            serde_json::from_slice(&answer.ok()?.into_inner().status_json).ok()
        };
        tokio::time::timeout(LIMIT, asked).await.ok().flatten()
    })
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
}
