//! Names, help texts and units as readers of the endpoint see them.

use super::follow::Reader;
use super::instruments::{one, two};
use super::*;
use crate::envelope::{Sealed, Stamp};
use crate::journal::Entry;
use domain::plan::Target;
use domain::record::Record;
use model::ids::{Attempt, StepId};
use model::moment::Moment;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// An exposition with at least one sample of most metrics.
fn filled() -> Metrics {
    let metrics = Metrics::default();
    let mut reader = Reader::new(metrics.clone());
    let (step, attempt) = (StepId([1; 32]), Attempt(1));
    let intended = Record::StepIntended {
        step,
        attempt,
        name: "app1-cp kubeadm_init/certs".into(),
        target: Target::Host,
        cluster: None,
        lane: None,
        ours: true,
    };
    let succeeded = Record::StepSucceeded {
        step,
        attempt,
        run_ms: 1,
        cpu_ms: 0,
        boot: None,
        source: None,
    };
    let denied = Record::Audit {
        actor: "stranger".into(),
        action: "enrol".into(),
        target: String::new(),
        outcome: "no such token".into(),
    };
    let judged = Record::DrillProgress {
        run: model::ids::RunId([2; 16]),
        drill: "mgmt-down".into(),
        what: "finished".into(),
        message: "verdict not_covered; not undone: x".into(),
    };
    for (second, record) in [(0, intended), (4, succeeded), (5, denied), (6, judged)] {
        let stamp = Stamp {
            step_name: Some("app1-cp kubeadm_init/certs".into()),
            ..Stamp::default()
        };
        let time = Moment(second * 1_000_000);
        reader.take(&Entry::sealed(time, Sealed { record, stamp }).expect("sealed"));
    }
    reader.take(&Entry::new(Moment(7), &b"of a later release"[..]));
    metrics.heartbeat();
    let all = &metrics.0;
    all.agents.get_or_create(&one("state", "connected")).set(6);
    all.waits.get_or_create(&one("blocker", "needs")).set(3);
    all.certificates
        .get_or_create(&one("renewal", "automatic"))
        .set(3600);
    all.handshakes
        .get_or_create(&two("listener", "agent", "result", "failed"))
        .inc();
    metrics
}

#[test]
fn records_become_figures() {
    let text = filled().open_metrics().expect("encoded");
    for line in [
        "drillyard_step_duration_seconds_sum{kind=\"kubeadm_init\",outcome=\"succeeded\"} 4.0",
        "drillyard_step_duration_seconds_bucket{le=\"2.5\",kind=\"kubeadm_init\",outcome=\"succeeded\"} 0",
        "drillyard_step_duration_seconds_bucket{le=\"5.0\",kind=\"kubeadm_init\",outcome=\"succeeded\"} 1",
        "drillyard_calls_denied_total 1",
        "drillyard_agent_heartbeats_total 1",
        "drillyard_drill_verdicts_total{verdict=\"not_covered\"} 1",
        "drillyard_events_total{class=\"step\"} 2",
        "drillyard_events_total{class=\"log\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// Names in the code and names in the table of the document are the same set.
#[test]
fn the_document_names_every_metric_and_no_other() {
    let text = filled().prometheus_text().expect("encoded");
    let code: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let document = include_str!("../../../docs/telemetry.md");
    let documented: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("drillyard_") || name.starts_with("process_"))
        .collect();
    assert!(code.len() > 20, "{code:?}");
    assert_eq!(code, documented);
}

#[test]
fn prometheus_own_linter_has_no_complaint() {
    // Prometheus brings it along.
    let beside =
        std::env::var_os("DRILLYARD_PROMETHEUS").map(|path| Path::new(&path).with_file_name("promtool"));
    let checker = Command::new(beside.as_deref().unwrap_or(Path::new("promtool")))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checker) = checker else {
        let reason =
            "there is no promtool beside DRILLYARD_PROMETHEUS, nor on the path (Debian package prometheus)";
        assert!(std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(), "{reason}");
        eprintln!("SKIPPED: {reason}");
        return;
    };
    let text = filled().prometheus_text().expect("encoded");
    let mut input = checker.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("written");
    drop(input);
    let output = checker.wait_with_output().expect("ended");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}
