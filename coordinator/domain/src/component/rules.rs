//! Rules over a component file that types alone do not express.

use super::{Clusters, Component, Keeper, Readiness, SecretKind};
use model::Invalid;
use model::ids::dns_label;
use std::collections::BTreeSet;

/// Every rule that `component` breaks.
pub(super) fn check(component: &Component, folder: &str) -> Vec<Invalid> {
    let mut out = Vec::new();
    header(component, folder, &mut out);
    content(component, &mut out);
    capabilities(component, &mut out);
    readiness(component, &mut out);
    out
}

fn header(component: &Component, folder: &str, out: &mut Vec<Invalid>) {
    if component.api_version != model::lab::API_VERSION {
        let rule = format!("must be {}", model::lab::API_VERSION);
        out.push(Invalid::new("apiVersion", &component.api_version, rule));
    }
    if component.kind != "Component" {
        out.push(Invalid::new("kind", &component.kind, "must be Component"));
    }
    if component.name.as_str() != folder {
        out.push(Invalid::new(
            "name",
            component.name.as_str(),
            format!("must be the folder's name, {folder}"),
        ));
    }
    if !(1..=8).contains(&component.phase) {
        out.push(Invalid::new(
            "phase",
            component.phase.to_string(),
            "must be within 1 to 8",
        ));
    }
    if matches!(&component.clusters, Clusters::Listed(list) if list.is_empty()) {
        out.push(Invalid::new(
            "clusters",
            "[]",
            "must name at least one cluster, or be the word all",
        ));
    }
}

fn content(component: &Component, out: &mut Vec<Invalid>) {
    let manifests = component.bundled_manifests.is_some() || !component.manifests.is_empty();
    if component.chart.is_some() == manifests {
        out.push(Invalid::new(
            "chart",
            "",
            "must be given when there are no manifests, and only then",
        ));
    }
    if !component.remount.is_empty() && !manifests {
        let found = component.remount.join(", ");
        out.push(Invalid::new("remount", found, "is for components with manifests"));
    }
    for (i, name) in component.remount.iter().enumerate() {
        workload(&format!("remount[{i}]"), name, out);
    }
    for (field, name) in [
        ("namespace", Some(&component.namespace)),
        ("release", component.release.as_ref()),
    ] {
        if let Some(Err(error)) = name.map(|name| dns_label(field, name, 63)) {
            out.push(error);
        }
    }
    for (field, list) in [("values", &component.values), ("manifests", &component.manifests)] {
        for (i, name) in list.iter().enumerate() {
            let inside =
                !name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| part != "..");
            if !inside {
                out.push(Invalid::new(
                    format!("{field}[{i}]"),
                    name,
                    "must be a file inside the component's folder",
                ));
            }
        }
    }
    if component.budget_seconds < component.expected_seconds || component.budget_seconds == 0 {
        let found = component.budget_seconds.to_string();
        out.push(Invalid::new(
            "budget_seconds",
            found,
            "must be above zero and not below expected_seconds",
        ));
    }
    for (i, id) in component.contracts.iter().enumerate() {
        if !matches!(id.as_str(), "C1" | "C2" | "C3" | "C4" | "C5" | "C6") {
            out.push(Invalid::new(
                format!("contracts[{i}]"),
                id,
                "must be one of C1 to C6",
            ));
        }
    }
    authorities(component, out);
    let mut names = BTreeSet::new();
    for (i, secret) in component.secrets.iter().enumerate() {
        if !names.insert(&secret.name) {
            out.push(Invalid::new(
                format!("secrets[{i}].name"),
                &secret.name,
                "is given twice",
            ));
        }
    }
}

/// Whoever names an authority must have it among the component's secrets.
fn authorities(component: &Component, out: &mut Vec<Invalid>) {
    let is_authority = |name: &str| {
        component
            .secrets
            .iter()
            .any(|s| s.name == name && s.kind == SecretKind::Ca)
    };
    for (i, secret) in component.secrets.iter().enumerate() {
        let named = secret.authority.as_deref();
        let field = format!("secrets[{i}].authority");
        match secret.kind {
            SecretKind::Certificate if !named.is_some_and(is_authority) => out.push(Invalid::new(
                field,
                named.unwrap_or_default(),
                "must be a secret of kind ca of the same component",
            )),
            SecretKind::Ca | SecretKind::Password if named.is_some() || !secret.names.is_empty() => {
                out.push(Invalid::new(
                    field,
                    named.unwrap_or_default(),
                    "and names are for secrets of kind certificate",
                ));
            }
            _ => {}
        }
    }
    if let Some(Keeper::Vault(keeper)) = &component.keeper
        && !is_authority(&keeper.authority)
    {
        out.push(Invalid::new(
            "keeper.authority",
            &keeper.authority,
            "must be a secret of kind ca of the same component",
        ));
    }
}

fn capabilities(component: &Component, out: &mut Vec<Invalid>) {
    for (field, list) in [
        ("needs", &component.needs),
        ("ready_needs", &component.ready_needs),
    ] {
        for (i, need) in list.iter().enumerate() {
            let (scope, what) = need.split_once('/').unwrap_or(("*", need));
            let scope_ok = scope == "*" || dns_label("scope", scope, 32).is_ok();
            if !scope_ok || dns_label("what", what, 63).is_err() {
                let rule = "must be `x`, `*/x` or `CLUSTER/x`, where x is a DNS-1123 label";
                out.push(Invalid::new(format!("{field}[{i}]"), need, rule));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for (i, what) in component.provides.iter().enumerate() {
        let path = format!("provides[{i}]");
        if let Err(error) = dns_label(&path, what, 63) {
            out.push(error);
        }
        if !seen.insert(what) {
            out.push(Invalid::new(path, what, "is given twice"));
        }
    }
    if !component.provides.is_empty() && component.readiness.is_empty() {
        let rule = "must name at least one check, or what is provided would only be assumed";
        out.push(Invalid::new("readiness", "[]", rule));
    }
}

fn readiness(component: &Component, out: &mut Vec<Invalid>) {
    for (i, check) in component.readiness.iter().enumerate() {
        if let Readiness::Exec {
            workload: named,
            command,
            expect,
            ..
        } = check
        {
            let path = format!("readiness[{i}]");
            workload(&format!("{path}.workload"), named, out);
            if command.is_empty() {
                out.push(Invalid::new(
                    format!("{path}.command"),
                    "[]",
                    "must name a program",
                ));
            }
            if expect.is_empty() {
                out.push(Invalid::new(
                    format!("{path}.expect"),
                    "[]",
                    "must hold at least one text",
                ));
            }
            // Every output contains the empty text.
            for (j, text) in expect
                .iter()
                .enumerate()
                .filter(|(_, text)| text.trim().is_empty())
            {
                out.push(Invalid::new(
                    format!("{path}.expect[{j}]"),
                    text,
                    "must not be empty",
                ));
            }
        }
    }
}

fn workload(field: &str, name: &str, out: &mut Vec<Invalid>) {
    let both = name
        .split_once('/')
        .is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
    if !both {
        out.push(Invalid::new(field, name, "must be KIND/NAME"));
    }
}
