//! Rules over a scenario that types alone do not express. Each broken rule names the field's path.

use super::{AbortRule, Expectation, FaultKind, Hypothesis, Look, Probe, RESERVED, SHARDS, Scenario, Target};
use model::Invalid;
use model::ids::dns_label;
use model::step::Role;
use std::collections::BTreeSet;

/// Longest outage of one drill, seconds: whoever needs more runs several.
const MAX_OUTAGE: u64 = 24 * 3600;

/// Every rule that `scenario` breaks.
pub(super) fn check(scenario: &Scenario, stem: &str) -> Vec<Invalid> {
    let mut out = Vec::new();
    header(scenario, stem, &mut out);
    hypothesis(scenario, &mut out);
    faults(scenario, &mut out);
    probes(scenario, &mut out);
    abort(scenario, &mut out);
    phases(scenario, &mut out);
    out
}

fn header(scenario: &Scenario, stem: &str, out: &mut Vec<Invalid>) {
    if scenario.api_version != model::lab::API_VERSION {
        let rule = format!("must be {}", model::lab::API_VERSION);
        out.push(Invalid::new("apiVersion", &scenario.api_version, rule));
    }
    if scenario.kind != "Drill" {
        out.push(Invalid::new("kind", &scenario.kind, "must be Drill"));
    }
    if scenario.name != stem {
        let rule = format!("must be the file's name, {stem}");
        out.push(Invalid::new("name", &scenario.name, rule));
    }
    if let Err(invalid) = dns_label("name", &scenario.name, 48) {
        out.push(invalid);
    }
    if RESERVED.contains(&scenario.name.as_str()) {
        out.push(Invalid::new(
            "name",
            &scenario.name,
            "is a word of the command line",
        ));
    }
}

fn hypothesis(scenario: &Scenario, out: &mut Vec<Invalid>) {
    let hypothesis = &scenario.hypothesis;
    if hypothesis.contracts.is_empty() {
        let rule = "must name at least one contract";
        out.push(Invalid::new("hypothesis.contracts", "[]", rule));
    }
    expected(hypothesis, out);
    let share = hypothesis.objectives.availability_percent;
    if !(share > 0.0 && share <= 100.0) {
        let field = "hypothesis.objectives.availabilityPercent";
        out.push(Invalid::new(
            field,
            share.to_string(),
            "must be above 0 and at most 100",
        ));
    }
    let factor = scenario.scale.factor;
    if !(factor.is_finite() && factor >= 1.0) {
        out.push(Invalid::new(
            "scale.factor",
            factor.to_string(),
            "must be at least 1",
        ));
    }
}

/// Whoever expects a violation must say of what: any other one would be a finding.
fn expected(hypothesis: &Hypothesis, out: &mut Vec<Invalid>) {
    let named = &hypothesis.expect_violated;
    let found = named
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let rule = match hypothesis.expect_violation {
        false if !named.is_empty() => "needs expectViolation: true",
        true if hypothesis.violated().is_empty() => {
            "must name those of several contracts that are to be violated"
        }
        true if !named.iter().all(|id| hypothesis.contracts.contains(id)) => {
            "must be among hypothesis.contracts"
        }
        _ => return,
    };
    out.push(Invalid::new("hypothesis.expectViolated", found, rule));
}

fn faults(scenario: &Scenario, out: &mut Vec<Invalid>) {
    let mut names = BTreeSet::new();
    if !scenario.faults.iter().any(|f| f.at_seconds == 0) {
        let found = scenario.faults.len().to_string();
        out.push(Invalid::new("faults", found, "must have one with atSeconds 0"));
    }
    for (i, fault) in scenario.faults.iter().enumerate() {
        let path = format!("faults[{i}]");
        unique(&mut names, &path, &fault.name, out);
        let late = fault.at_seconds > 0 && fault.at_seconds >= scenario.phases.observe_seconds;
        if late {
            let rule = format!(
                "must be below phases.observeSeconds, {}",
                scenario.phases.observe_seconds
            );
            out.push(Invalid::new(
                format!("{path}.atSeconds"),
                fault.at_seconds.to_string(),
                rule,
            ));
        }
        if !(10..=3600).contains(&fault.lease_margin_seconds) {
            let field = format!("{path}.leaseMarginSeconds");
            let rule = "must be within 10 to 3600";
            out.push(Invalid::new(field, fault.lease_margin_seconds.to_string(), rule));
        }
        kind(&format!("{path}.inject"), &fault.inject, out);
    }
}

fn kind(path: &str, kind: &FaultKind, out: &mut Vec<Invalid>) {
    match kind {
        FaultKind::NetworkCut { between } => {
            if between.len() != 2 || between.first() == between.last() {
                let found = between.len().to_string();
                out.push(Invalid::new(
                    format!("{path}.between"),
                    found,
                    "must be two different clusters",
                ));
            }
        }
        FaultKind::PodDelete {
            namespace, selector, ..
        } => {
            if let Err(invalid) = dns_label(&format!("{path}.namespace"), namespace, 63) {
                out.push(invalid);
            }
            if selector.is_empty() {
                let rule = "must select something; an empty selector would be every pod";
                out.push(Invalid::new(format!("{path}.selector"), "", rule));
            }
        }
        other => {
            let targets = other.targets();
            if targets.is_empty() {
                out.push(Invalid::new(
                    format!("{path}.targets"),
                    "[]",
                    "must name at least one target",
                ));
            }
            for (i, target) in targets.iter().enumerate() {
                self::target(&format!("{path}.targets[{i}]"), target, out);
            }
        }
    }
    if let FaultKind::EtcdDataLoss { targets, lag_seconds } = kind {
        if *lag_seconds > 30 {
            out.push(Invalid::new(
                format!("{path}.lagSeconds"),
                lag_seconds.to_string(),
                "must be within 0 to 30",
            ));
        }
        let plane = |target: &Target| target.cluster.is_some() && target.role == Some(Role::ControlPlane);
        for (i, _) in targets.iter().enumerate().filter(|(_, target)| !plane(target)) {
            let rule = "must name a cluster and role: control_plane, where etcd is";
            out.push(Invalid::new(format!("{path}.targets[{i}]"), "", rule));
        }
    }
    if let FaultKind::PacketLoss { percent, .. } = kind
        && !(1..=100).contains(percent)
    {
        out.push(Invalid::new(
            format!("{path}.percent"),
            percent.to_string(),
            "must be within 1 to 100",
        ));
    }
}

fn target(path: &str, target: &Target, out: &mut Vec<Invalid>) {
    if target.cluster.is_some() == target.node.is_some() {
        out.push(Invalid::new(
            path,
            "",
            "must have exactly one of cluster and node",
        ));
    }
    if target.role.is_some() && target.cluster.is_none() {
        out.push(Invalid::new(
            format!("{path}.role"),
            "",
            "needs cluster beside it",
        ));
    }
}

fn probes(scenario: &Scenario, out: &mut Vec<Invalid>) {
    let mut names = BTreeSet::new();
    if scenario.probes.is_empty() {
        out.push(Invalid::new(
            "probes",
            "[]",
            "must not be empty: what is not watched proves nothing",
        ));
    }
    for (i, probe) in scenario.probes.iter().enumerate() {
        let path = format!("probes[{i}]");
        unique(&mut names, &path, &probe.name, out);
        for (field, value, low, high) in [
            ("periodMs", probe.period_ms, 10, 600_000),
            ("timeoutMs", probe.timeout_ms, 10, 60_000),
        ] {
            if !(low..=high).contains(&value) {
                let rule = format!("must be within {low} to {high}");
                out.push(Invalid::new(format!("{path}.{field}"), value.to_string(), rule));
            }
        }
        if let Look::Pki { listener, .. } = &probe.look
            && listener.split('/').filter(|part| !part.is_empty()).count() != 2
        {
            out.push(Invalid::new(
                format!("{path}.look.listener"),
                listener,
                "must be NAMESPACE/NAME",
            ));
        }
        if let Look::CanaryStored {
            shards: Some(shards), ..
        } = &probe.look
            && !SHARDS.contains(shards)
        {
            let rule = format!("must be within {} to {}", SHARDS.start(), SHARDS.end());
            out.push(Invalid::new(
                format!("{path}.look.shards"),
                shards.to_string(),
                rule,
            ));
        }
        if let Look::Sentinel {
            namespace: Some(namespace),
            ..
        } = &probe.look
        {
            let rule = "must not be there: sentinels have a namespace of their own";
            out.push(Invalid::new(format!("{path}.look.namespace"), namespace, rule));
        }
        secret_canary(&path, probe, scenario.phases.observe_seconds, out);
        // Requests in flight, if every one runs into its timeout.
        if probe.timeout_ms / probe.period_ms.max(1) > 500 {
            let rule = "must be at most 500 periods: that many requests would be in flight";
            out.push(Invalid::new(
                format!("{path}.timeoutMs"),
                probe.timeout_ms.to_string(),
                rule,
            ));
        }
    }
}

fn secret_canary(path: &str, probe: &Probe, observe_seconds: u64, out: &mut Vec<Invalid>) {
    let Look::SecretCanary {
        store,
        refresh_seconds,
        act_after_seconds,
        ..
    } = &probe.look
    else {
        return;
    };
    if let Err(invalid) = dns_label(&format!("{path}.look.store"), store, 63) {
        out.push(invalid);
    }
    if probe.expect != Expectation::ComesBack {
        let rule = "must be comes_back: the run waits for these before the outage and after it";
        out.push(Invalid::new(format!("{path}.expect"), probe.look.word(), rule));
    }
    for (field, value, low, high) in [
        ("refreshSeconds", *refresh_seconds, 1, 3600),
        (
            "actAfterSeconds",
            *act_after_seconds,
            0,
            observe_seconds.saturating_sub(1),
        ),
    ] {
        if !(low..=high).contains(&value) {
            let rule = format!("must be within {low} to {high}");
            out.push(Invalid::new(
                format!("{path}.look.{field}"),
                value.to_string(),
                rule,
            ));
        }
    }
}

fn abort(scenario: &Scenario, out: &mut Vec<Invalid>) {
    for (i, rule) in scenario.abort.iter().enumerate() {
        let probe = rule.probe();
        let found = scenario.probes.iter().find(|p| p.name == probe);
        let log = |p: &Probe| matches!(p.look, Look::MetricsLog { .. });
        let broken = match (found, rule) {
            (None, _) => "is not the name of a probe",
            (Some(p), AbortRule::BacklogDiesWithin { .. }) if !log(p) => "must be a metrics_log probe",
            _ => continue,
        };
        out.push(Invalid::new(format!("abort[{i}].probe"), probe, broken));
    }
}

fn phases(scenario: &Scenario, out: &mut Vec<Invalid>) {
    let phases = &scenario.phases;
    for (field, value, low, high) in [
        ("steadySeconds", phases.steady_seconds, 1, 3600),
        ("observeSeconds", phases.observe_seconds, 1, MAX_OUTAGE),
        ("verifySeconds", phases.verify_seconds, 1, MAX_OUTAGE),
        ("consecutiveGood", phases.consecutive_good.into(), 1, 1000),
        ("worstStartSeconds", phases.worst_start_seconds, 0, MAX_OUTAGE),
    ] {
        if !(low..=high).contains(&value) {
            let rule = format!("must be within {low} to {high}");
            out.push(Invalid::new(format!("phases.{field}"), value.to_string(), rule));
        }
    }
    let log = |p: &Probe| matches!(p.look, Look::MetricsLog { .. });
    if phases.worst_start_seconds > 0 && !scenario.probes.iter().any(log) {
        out.push(Invalid::new(
            "phases.worstStartSeconds",
            phases.worst_start_seconds.to_string(),
            "needs a metrics_log probe: nothing else knows the worst moment",
        ));
    }
}

fn unique<'a>(seen: &mut BTreeSet<&'a str>, path: &str, name: &'a str, out: &mut Vec<Invalid>) {
    let field = format!("{path}.name");
    if let Err(invalid) = dns_label(&field, name, 48) {
        out.push(invalid);
    }
    if !seen.insert(name) {
        out.push(Invalid::new(field, name, "is used twice"));
    }
}
