//! One line of `terraform apply -json`, as far as it tells something about the nodes.

use serde_json::Value;

/// What Terraform tells while it works.
#[derive(Debug, Clone, PartialEq)]
pub enum TerraformEvent {
    /// The first line: which JSON dialect follows.
    Version {
        /// Version of the dialect, such as `1.2`.
        ui: String,
    },
    /// How much there is to do.
    Planned {
        /// Resources to be made.
        add: u64,
        /// Resources to be removed.
        remove: u64,
    },
    /// Work on a resource began.
    Started {
        /// Address of the resource.
        resource: String,
        /// The node it stands for.
        node: Option<String>,
    },
    /// A line that the launcher printed for a node; its own lines are JSON objects.
    Output {
        /// The node.
        node: Option<String>,
        /// The line, parsed where it is JSON.
        line: Value,
    },
    /// Work on a resource ended well.
    Finished {
        /// Address of the resource.
        resource: String,
        /// The node it stands for.
        node: Option<String>,
        /// How long it took.
        seconds: f64,
    },
    /// Work on a resource failed.
    Failed {
        /// Address of the resource.
        resource: String,
        /// The node it stands for.
        node: Option<String>,
    },
    /// A warning or an error.
    Diagnostic {
        /// `error` or `warning`.
        severity: String,
        /// What happened.
        summary: String,
        /// More about it.
        detail: String,
        /// The resource it is about.
        address: Option<String>,
    },
}

/// Reads one line; `None` for kinds that say nothing about the nodes, and for what is not JSON.
#[must_use]
pub fn parse_line(line: &str) -> Option<TerraformEvent> {
    let value: Value = serde_json::from_str(line).ok()?;
    let hook = &value["hook"];
    let resource = text(&hook["resource"]["addr"]);
    let node = hook["resource"]["resource_key"].as_str().map(str::to_owned);
    match value["type"].as_str()? {
        "version" => Some(TerraformEvent::Version {
            ui: text(&value["ui"]),
        }),
        "change_summary" => Some(TerraformEvent::Planned {
            add: value["changes"]["add"].as_u64().unwrap_or_default(),
            remove: value["changes"]["remove"].as_u64().unwrap_or_default(),
        }),
        "apply_start" => Some(TerraformEvent::Started { resource, node }),
        "provision_progress" => {
            let output = text(&hook["output"]);
            let line = serde_json::from_str(&output).unwrap_or(Value::String(output));
            Some(TerraformEvent::Output { node, line })
        }
        "apply_complete" => Some(TerraformEvent::Finished {
            resource,
            node,
            seconds: hook["elapsed_seconds"].as_f64().unwrap_or_default(),
        }),
        "apply_errored" => Some(TerraformEvent::Failed { resource, node }),
        "diagnostic" => {
            let told = &value["diagnostic"];
            Some(TerraformEvent::Diagnostic {
                severity: text(&told["severity"]),
                summary: text(&told["summary"]),
                detail: text(&told["detail"]),
                address: told["address"].as_str().map(str::to_owned),
            })
        }
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{TerraformEvent, parse_line};

    // Lines of Terraform 1.11.4 `apply -json`, shortened to the keys in use.
    #[test]
    fn lines_become_events() {
        let version = r#"{"@level":"info","type":"version","terraform":"1.11.4","ui":"1.2"}"#;
        assert_eq!(
            parse_line(version),
            Some(TerraformEvent::Version { ui: "1.2".into() })
        );
        let output = r#"{"type":"provision_progress","hook":{"resource":{"addr":"module.nspawn[0].terraform_data.launch[\"n1\"]","resource_key":"n1"},"provisioner":"local-exec","output":"{\"stage\":\"ready\"}"}}"#;
        let Some(TerraformEvent::Output { node, line }) = parse_line(output) else {
            panic!("not an output");
        };
        assert_eq!(node.as_deref(), Some("n1"));
        assert_eq!(line["stage"], "ready");
    }

    #[test]
    fn other_kinds_and_noise_are_passed_over() {
        assert_eq!(parse_line(r#"{"type":"refresh_start"}"#), None);
        assert_eq!(parse_line("Warning: something in plain text"), None);
    }
}
