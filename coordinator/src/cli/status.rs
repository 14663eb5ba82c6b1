//! `status`: one look at the lab.

use super::args::Status;
use super::client::{connect, no_daemon, status_of};
use super::output::{out, outln};
use super::{Context, block_on, watch};
use crate::clock;
use crate::exit::{Failure, Outcome};
use crate::readiness;
use domain::drill::countdown::DrillNow;
use model::moment::Moment;
use serde_json::Value;

pub(crate) fn run(context: &Context, options: &Status) -> Result<Outcome, Failure> {
    if options.watch {
        return watch::run(context, options.wide);
    }
    let mut status = block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        status_of(&mut client).await
    })?;
    if let Some(node) = &options.node {
        only(&mut status, node)?;
    }
    if context.json {
        outln!("{status}");
    } else {
        out!("{}", render(&status, options.wide || options.node.is_some()));
    }
    Ok(Outcome::Done)
}

/// Leaves one node and its cluster.
fn only(status: &mut Value, node: &str) -> Result<(), Failure> {
    let mut found = false;
    if let Some(clusters) = status["clusters"].as_array_mut() {
        for cluster in clusters.iter_mut() {
            if let Some(nodes) = cluster["nodes"].as_array_mut() {
                nodes.retain(|n| n["name"] == node);
                found |= !nodes.is_empty();
            }
        }
        clusters.retain(|cluster| !list(&cluster["nodes"]).is_empty());
    }
    if let Some(waits) = status["waits"].as_array_mut() {
        waits.retain(|wait| wait["node"] == node);
    }
    if found {
        Ok(())
    } else {
        let message = format!("the lab has no node {node:?}");
        Err(Failure::new(
            Outcome::Usage,
            "DY-0138",
            message,
            "coordinator status",
        ))
    }
}

/// The document as a table for people; `wide` adds what is well too.
pub(crate) fn render(status: &Value, wide: bool) -> String {
    let mut text = format!(
        "lab {}  epoch {}  phase {}",
        plain(&status["lab"]),
        status["epoch"],
        plain(&status["phase"])
    );
    if wide {
        text.push_str(&format!("  revision {}", status["revision"]));
    }
    text.push('\n');
    let run = &status["run"];
    if run.is_object() {
        text.push_str(&format!(
            "run {}  {}  {} of {} steps  through phase {}\n",
            plain(&run["id"]),
            plain(&run["state"]),
            run["done"],
            run["steps"],
            run["through"]
        ));
    }
    if let Ok(drill) = serde_json::from_value::<DrillNow>(status["drill"].clone()) {
        text.push_str(&drill.text());
        text.push('\n');
    }
    for cluster in list(&status["clusters"]) {
        text.push_str(&format!("\n{}\n", plain(&cluster["name"])));
        conditions(&mut text, &cluster["conditions"], wide, "  ");
        for node in list(&cluster["nodes"]) {
            let agent = &node["agent"];
            text.push_str(&format!(
                "  {:<16} {:<14} {:<10} agent {} {} (seen {})\n",
                plain(&node["name"]),
                plain(&node["role"]),
                readiness::word(cluster, node),
                plain(&agent["state"]),
                plain(&agent["version"]),
                agent["last_seen_ms"]
                    .as_u64()
                    .map_or_else(|| "never".into(), |ms| format!("{ms} ms ago"))
            ));
            conditions(&mut text, &node["conditions"], wide, "    ");
        }
        for component in list(&cluster["components"]) {
            text.push_str(&format!(
                "  {:<16} {:<14} {}\n",
                plain(&component["name"]),
                plain(&component["version"]),
                installed(component)
            ));
        }
    }
    waits(&mut text, status, wide);
    for contract in list(&status["contracts"]) {
        let by = match (contract["drill"].as_str(), contract["run"].as_str()) {
            (Some(drill), Some(run)) => {
                let label = contract["label"].as_str().map(|_| plain(&contract["label"]));
                let label = label.map(|label| format!(" ({label})")).unwrap_or_default();
                format!(
                    "{label}, drill {drill} at {}, run {run}",
                    plain(&contract["checked_at"])
                )
            }
            _ => String::new(),
        };
        text.push_str(&format!(
            "{}: {}{by}\n",
            plain(&contract["id"]),
            plain(&contract["state"])
        ));
    }
    text
}

/// One line for a stream of states.
pub(crate) fn summary(status: &Value) -> String {
    let nodes: Vec<&Value> = list(&status["clusters"])
        .iter()
        .flat_map(|cluster| list(&cluster["nodes"]))
        .collect();
    let ready = nodes.iter().filter(|node| node["ready"] == true).count();
    let connected = nodes
        .iter()
        .filter(|node| node["agent"]["state"] == "connected")
        .count();
    let run = match &status["run"] {
        Value::Null => "no run".to_owned(),
        run => format!(
            "run {}, {} of {} steps",
            plain(&run["state"]),
            run["done"],
            run["steps"]
        ),
    };
    format!(
        "status: phase {}, {run}, {ready} of {count} nodes ready, {connected} of {count} agents connected",
        status["phase"],
        count = nodes.len()
    )
}

fn conditions(text: &mut String, all: &Value, wide: bool, indent: &str) {
    for condition in list(all).iter().filter(|c| wide || !is_good(c)) {
        text.push_str(&format!(
            "{indent}{}: {}",
            plain(&condition["type"]),
            plain(&condition["message"])
        ));
        if wide {
            text.push_str(&format!(
                " ({}, {} since {})",
                plain(&condition["status"]),
                plain(&condition["reason"]),
                plain(&condition["since"])
            ));
        }
        text.push('\n');
    }
}

/// What is awaited, with its blocker: the likeliest cause where one was found.
fn waits(text: &mut String, status: &Value, wide: bool) {
    let all = list(&status["waits"]);
    if all.is_empty() {
        return;
    }
    text.push_str("\nwaiting for\n");
    for wait in all {
        let since = Moment(wait["since"].as_i64().unwrap_or_default());
        text.push_str(&format!(
            "  {:<40} {:>4} s, usually {} s: {}",
            plain(&wait["name"]),
            clock::now().millis_since(since) / 1000,
            wait["expected_ms"].as_u64().unwrap_or_default().div_ceil(1000),
            plain(&wait["summary"])
        ));
        if wide {
            let deadline = wait["deadline"].as_i64().map(|at| Moment(at).to_string());
            text.push_str(&format!(
                " (attempt {}, deadline {})",
                wait["attempt"],
                deadline.unwrap_or_else(|| "-".into())
            ));
        }
        text.push('\n');
        causes(text, wait, wide);
    }
    text.push('\n');
}

/// How the likeliest cause is put right; with `wide` every cause with what speaks for it.
fn causes(text: &mut String, wait: &Value, wide: bool) {
    let all = list(&wait["causes"]);
    if let (false, Some(first)) = (wide, all.first()) {
        text.push_str(&format!("      remedy: {}\n", plain(&first["remedy"])));
        return;
    }
    for cause in all {
        let (code, title, sure) = (
            plain(&cause["code"]),
            plain(&cause["title"]),
            &cause["confidence"],
        );
        text.push_str(&format!("      {code} {sure} %: {title}\n"));
        for piece in list(&cause["evidence"]) {
            let (source, subject) = (plain(&piece["source"]), plain(&piece["subject"]));
            text.push_str(&format!(
                "        {source} {subject}: {}\n",
                plain(&piece["text"])
            ));
        }
        text.push_str(&format!("        remedy: {}\n", plain(&cause["remedy"])));
    }
}

/// A component that no run has begun yet is none that is in trouble.
fn installed(component: &Value) -> &'static str {
    match (component["since"].is_null(), component["ready"] == true) {
        (true, _) => "not installed",
        (false, true) => "ready",
        (false, false) => "not ready",
    }
}

/// Whether a condition is as one wants it: pressure is good when it is not there, everything else when it is.
fn is_good(condition: &Value) -> bool {
    let wanted = if plain(&condition["type"]).ends_with("Pressure") {
        "false"
    } else {
        "true"
    };
    condition["status"] == wanted
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A string without quotes and control characters, or the value as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Null => "-".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "lab": "default", "epoch": 2, "revision": 41, "phase": 2,
            "run": {"id": "ab", "state": "active", "done": 3, "steps": 9, "through": 3},
            "clusters": [{"name": "mgmt", "conditions": [], "components": [
                {"name": "cilium", "version": "1", "ready": false, "since": "t"},
                {"name": "vault", "version": "2", "ready": false, "since": null}], "nodes": [
                {"name": "mgmt-cp", "role": "control_plane", "ready": false,
                 "agent": {"state": "connected", "version": "0.1.0", "last_seen_ms": 12},
                 "conditions": [{"type": "KubeletRunning", "status": "true", "reason": "Active", "message": "runs", "since": "t"},
                                {"type": "DiskPressure", "status": "true", "reason": "Full", "message": "97 % used", "since": "t"}]},
                {"name": "mgmt-worker", "role": "worker", "ready": true, "agent": {"state": "lost"}, "conditions": []}]}],
            "waits": [{"name": "mgmt-cp kubeadm_init/wait_control_plane", "node": "mgmt-cp", "since": 0, "expected_ms": 4000,
                       "attempt": 1, "summary": "etcd: disk full\u{1b}[2J"}],
            "contracts": [{"id": "C1", "state": "not_covered"}],
        })
    }

    #[test]
    fn the_table_shows_what_is_wrong_and_wide_shows_all() {
        let short = render(&document(), false);
        assert!(
            short.contains("DiskPressure: 97 % used") && !short.contains("KubeletRunning"),
            "{short}"
        );
        assert!(
            short.contains("usually 4 s: etcd: disk full[2J"),
            "no escape passes: {short}"
        );
        let component = |name: &str| short.lines().find(|line| line.trim().starts_with(name));
        assert!(
            component("cilium").is_some_and(|line| line.ends_with("not ready")),
            "{short}"
        );
        assert!(
            component("vault").is_some_and(|line| line.ends_with("not installed")),
            "{short}"
        );
        let wide = render(&document(), true);
        assert!(
            wide.contains("KubeletRunning: runs (true, Active since t)") && wide.contains("revision 41"),
            "{wide}"
        );
    }

    #[test]
    fn a_scaled_verdict_is_shown_with_its_scale() {
        let mut status = document();
        let label = "C2 is scaled: 180 s stand for 7200 s";
        status["contracts"] = json!([
            {"id": "C1", "state": "pass", "checked_at": "t", "drill": "mgmt-down", "run": "ab"},
            {"id": "C2", "state": "pass", "checked_at": "t", "drill": "mgmt-down", "run": "ab", "label": label},
        ]);
        let text = render(&status, false);
        assert!(
            text.contains("C1: pass, drill mgmt-down at t, run ab\n"),
            "{text}"
        );
        let line = format!("C2: pass ({label}), drill mgmt-down at t, run ab\n");
        assert!(text.contains(&line), "{text}");
    }

    #[test]
    fn a_silent_api_server_is_told_with_its_reason_and_its_nodes_are_unknown() {
        let mut status = document();
        let line = |status: &Value| {
            let text = render(status, false);
            let line = text.lines().find(|line| line.contains("mgmt-cp  "));
            line.map(str::to_owned).unwrap_or_default()
        };
        assert!(line(&status).contains(" not ready "), "{}", line(&status));
        status["clusters"][0]["conditions"] = json!([{"type": "ApiServerAnswers", "status": "unknown", "reason": "NoAnswer",
            "message": "connection refused; its last answer is 7 s old", "since": "t"}]);
        assert!(line(&status).contains(" unknown "), "{}", line(&status));
        let text = render(&status, false);
        assert!(
            text.contains("ApiServerAnswers: connection refused; its last answer is 7 s old"),
            "{text}"
        );
    }

    #[test]
    fn one_node_is_left_and_an_unknown_one_is_refused() {
        let mut status = document();
        only(&mut status, "mgmt-worker").expect("there");
        assert_eq!(status["clusters"][0]["nodes"].as_array().map(Vec::len), Some(1));
        assert_eq!(status["waits"], json!([]));
        let refused = only(&mut document(), "mgmt-cpp").expect_err("not there");
        assert_eq!((refused.code, refused.outcome), ("DY-0138", Outcome::Usage));
    }

    #[test]
    fn the_summary_counts() {
        assert_eq!(
            summary(&document()),
            "status: phase 2, run active, 3 of 9 steps, 1 of 2 nodes ready, 1 of 2 agents connected"
        );
    }
}
