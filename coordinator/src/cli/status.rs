//! `status`: one look at the lab.

use super::args::Status;
use super::client::{connect, no_daemon, refused};
use super::output::{out, outln};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use proto::v1::GetStatusRequest;
use serde_json::Value;

pub(crate) fn run(context: &Context, _options: &Status) -> Result<Outcome, Failure> {
    let document = block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        let answer = client
            .get_status(GetStatusRequest {})
            .await
            .map_err(|s| refused(&s))?;
        Ok(answer.into_inner().status_json)
    })?;
    let status: Value = serde_json::from_slice(&document)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0114", &e, "coordinator down, then up"))?;
    if context.json {
        outln!("{status}");
    } else {
        out!("{}", render(&status));
    }
    Ok(Outcome::Done)
}

/// The document as a table for people.
pub(crate) fn render(status: &Value) -> String {
    let mut text = format!(
        "lab {}  epoch {}  phase {}\n",
        plain(&status["lab"]),
        status["epoch"],
        plain(&status["phase"])
    );
    for cluster in list(&status["clusters"]) {
        text.push_str(&format!("\n{}\n", plain(&cluster["name"])));
        for node in list(&cluster["nodes"]) {
            let agent = &node["agent"];
            text.push_str(&format!(
                "  {:<16} {:<14} {:<10} agent {} {} (seen {})\n",
                plain(&node["name"]),
                plain(&node["role"]),
                if node["ready"] == true {
                    "ready"
                } else {
                    "not ready"
                },
                plain(&agent["state"]),
                plain(&agent["version"]),
                agent["last_seen_ms"]
                    .as_u64()
                    .map_or_else(|| "never".into(), |ms| format!("{ms} ms ago"))
            ));
            for condition in list(&node["conditions"]).iter().filter(|c| !is_good(c)) {
                text.push_str(&format!(
                    "    {}: {}\n",
                    plain(&condition["type"]),
                    plain(&condition["message"])
                ));
            }
        }
        for component in list(&cluster["components"]) {
            let ready = if component["ready"] == true {
                "ready"
            } else {
                "not ready"
            };
            text.push_str(&format!(
                "  {:<16} {:<14} {ready}\n",
                plain(&component["name"]),
                plain(&component["version"])
            ));
        }
    }
    for contract in list(&status["contracts"]) {
        text.push_str(&format!(
            "{}: {}\n",
            plain(&contract["id"]),
            plain(&contract["state"])
        ));
    }
    text
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
