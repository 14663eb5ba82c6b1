//! From a history to the report: pure, so that a run can be judged again with other checks.

mod backlog;
mod canary;
mod counters;
mod delivery;
mod ended;
mod evidence;
mod figures;
mod foreseen;
mod horizon;
mod ledgers;
mod recovery;
mod restore;
mod scale;
mod scrapes;
mod secret_canary;
mod secrets;
mod share;
mod watch;

pub use canary::{Books, LOG, Way, last_look, last_scrapes};
pub(crate) use evidence::{BEGAN, lives};
pub use restore::WRITTEN;
pub(crate) use secret_canary::is_canary;
pub use secret_canary::{DELETED, KEPT, NEW, NUMBER, NUMBERS, REFRESHED, STORE_READY};
pub(crate) use secrets::{AGE, INTERVAL};
pub use watch::{Watch, Window};

use super::contracts;
use super::history::History;
use super::measure::quantity::Quantity;
use super::measure::slo;
use super::measure::span::Span;
use super::phases::is_conclusive;
use super::plan::DrillPlan;
use super::record::Record;
use super::report::expected::Expected;
use super::report::model::{FORMAT, Identity, Loss, PhaseSpan, Report, Version};
use super::report::parts::{CoverageRow, FaultBand, Outcome};
use super::report::verdict::Verdict;
use model::moment::Moment;
use serde::{Deserialize, Serialize};

/// What the report says of the place where the run was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Hash over what makes figures comparable.
    pub host_fingerprint: String,
    /// What ran, of a run whose plan does not say so: one of an older release.
    pub versions: Vec<Version>,
}

/// The report of a history; None when it has no plan, so that nothing is known of it. `now` closes what is still open.
pub fn assemble(history: &History, facts: &Facts, now: Moment) -> Option<Report> {
    let plan = history.plan()?;
    let run = history.records().find_map(|(_, record)| match record {
        Record::Started { run, .. } => Some(*run),
        _ => None,
    })?;
    let end = history.lines.last().map_or(now, |line| line.time.max(now));
    let window = Window::of(history, end);
    let watches = Watch::all(plan, history, &window);
    let staleness = secrets::all(&watches, &window);
    let secret_canaries = secret_canary::all(history, &watches, &window);
    let books = canary::close(history, &watches, &window);
    let mut recoveries = recovery::all(&watches, &window);
    delivery::complete(&mut recoveries, &books, &window);
    let restored = restore::all(plan, history, &watches, &window);
    let measured = slo::Measured {
        down: figures::down(&watches, &window),
        rto: recovery::longest(
            &watches,
            &window,
            contracts::unwatched(history, &window).is_none(),
        ),
        rpo: restore::longest(&restored),
        answers: figures::answers(&watches, &window),
    };
    let losses = delivery::losses(&books, &watches, &window);
    let (of_metrics, of_logs): (Vec<Books>, Vec<Books>) =
        books.iter().cloned().partition(|book| book.way == Way::Metrics);
    let samples: Vec<Loss> = losses.iter().filter(|loss| !loss.lines).cloned().collect();
    let counter_checks = counters::rows(&of_metrics, &losses, &watches, &window);
    let scaled = scale::of(plan, history);
    let wal = backlog::all(history, &watches, &of_metrics, &samples, &window);
    let slo = slo::judge(objectives(plan), measured);
    let contracts = contracts::judge(plan, history, &watches, (&books, &secret_canaries), &window);
    let phases: Vec<PhaseSpan> = history
        .phases()
        .into_iter()
        .map(|span| PhaseSpan {
            name: span.name.word().to_owned(),
            from: span.from.into(),
            to: span.to.unwrap_or(end).into(),
        })
        .collect();
    let own = [
        own_verdict(plan, history, &recoveries),
        restore::verdict(&restored),
        objective(&slo, "rto"),
        objective(&slo, "rpo"),
        objective(&slo, "answers"),
    ];
    let expected = Expected::judge(plan.scenario.hypothesis.violated(), &contracts, &own[..2], &slo);
    let nothing_judged = plan
        .coverage
        .iter()
        .all(|c| plan.not_covered(c.contract).is_some())
        && own[1..].iter().all(|verdict| *verdict == Verdict::NotCovered);
    let verdict = if nothing_judged {
        Verdict::NotCovered
    } else {
        Verdict::of_all(contracts.iter().map(|c| c.verdict).chain(own))
    };
    Some(Report {
        drill: plan.drill.clone(),
        run: run.to_string(),
        verdict,
        format: FORMAT,
        hypothesis: plan.scenario.hypothesis.statement.clone(),
        label: scaled.label,
        expect_violation: plan.scenario.hypothesis.expect_violation,
        expected,
        from: phases.first().map_or(end.into(), |p| p.from),
        to: end.into(),
        identity: Identity {
            lab: plan.lab.clone(),
            plan_digest: plan.digest.to_string(),
            scale: scaled.scale,
            host_fingerprint: facts.host_fingerprint.clone(),
            versions: match plan.versions.as_slice() {
                [] => facts.versions.clone(),
                known => known.to_vec(),
            },
        },
        phases,
        measurements: figures::all(&watches, &window, &recoveries, history)
            .into_iter()
            .chain(delivery::figures(&books, &window))
            .chain(secrets::figures(&staleness))
            .chain(secret_canary::figures(&secret_canaries))
            .chain(restore::figures(&restored))
            .chain(backlog::figures(&wal))
            .collect(),
        contracts,
        losses,
        ledgers: ledgers::rows(&books),
        cross_checks: ledgers::cross_checks(&of_metrics, &of_logs),
        faults: fault_bands(plan, history, end),
        probes: watches.iter().map(|w| w.report(&window)).collect(),
        recovery_points: restore::points(&restored),
        slo: Some(slo),
        staleness,
        secret_canaries,
        horizon: horizon::all(&watches, &window, &wal),
        wal,
        coverage: coverage(plan),
        comparison: Vec::new(),
        notes: notes(plan, history)
            .into_iter()
            .chain(recovery::notes(&recoveries))
            .chain(restore::notes(&restored))
            .chain(scaled.notes)
            .chain(counters::notes(&counter_checks))
            .collect(),
        recovery: recoveries,
        counter_checks,
    })
}

fn objectives(plan: &DrillPlan) -> slo::Objectives {
    let wanted = plan.scenario.hypothesis.objectives;
    slo::Objectives {
        availability: Quantity::from_float(wanted.availability_percent / 100.0).unwrap_or(Quantity::ZERO),
        rto: Span::from_secs(wanted.rto_seconds),
        rpo: Span::from_secs(wanted.rpo_seconds),
        ..slo::Objectives::default()
    }
}

/// What the run itself says beside its contracts: whether it went to its end, whether what it broke was broken until it undid it, and
/// whether everything came back.
fn own_verdict(
    plan: &DrillPlan,
    history: &History,
    recoveries: &[super::report::parts::Recovery],
) -> Verdict {
    let undone = history.faults().iter().all(|fault| fault.ended.is_some());
    let broke = !history.faults().is_empty();
    let early = ended::all(history).iter().any(|ended| ended.early);
    if !is_conclusive(history.abort()) || !undone || early || (!broke && !plan.faults.is_empty()) {
        return Verdict::Inconclusive;
    }
    if recoveries.iter().any(|r| r.outcome == Outcome::NotRecovered) {
        return Verdict::Fail;
    }
    Verdict::NotCovered
}

/// Objectives of the scenario that decide together with the contracts. They are judged in every drill, also in one whose
/// faults are not what a contract speaks of.
fn objective(slo: &super::report::parts::Slo, id: &str) -> Verdict {
    slo.objectives
        .iter()
        .find(|o| o.id == id)
        .map_or(Verdict::NotCovered, |o| o.verdict)
}

fn fault_bands(plan: &DrillPlan, history: &History, end: Moment) -> Vec<FaultBand> {
    let ended = ended::all(history);
    history
        .faults()
        .into_iter()
        .map(|span| {
            let planned = plan.fault(&span.name);
            let by_place = ended.iter().find(|e| e.fault == span.name);
            let nodes = planned.map(|f| {
                f.nodes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            });
            FaultBand {
                kind: planned.map_or_else(|| span.name.clone(), |f| f.inject.word().to_owned()),
                target: nodes.filter(|n| !n.is_empty()).unwrap_or(span.name),
                from: span.began.0.into(),
                to: span.ended.map_or(end, |(_, by)| by).into(),
                end: match (span.ended, by_place) {
                    (None, _) => "still_in_force",
                    (Some(_), Some(by_place)) => by_place.word(),
                    (Some(_), None) => "reverted",
                }
                .to_owned(),
            }
        })
        .collect()
}

fn coverage(plan: &DrillPlan) -> Vec<CoverageRow> {
    let contracts = plan.coverage.iter().map(|c| {
        let missing = plan.not_covered(c.contract);
        CoverageRow {
            subject: c.contract.to_string(),
            covered: missing.is_none(),
            reason: missing.unwrap_or_else(|| c.contract.promise().to_owned()),
        }
    });
    let probes = plan.probes.iter().map(|p| CoverageRow {
        subject: format!("probe {}", p.probe.name),
        covered: p.skipped.is_none(),
        reason: p.skipped.clone().unwrap_or_else(|| {
            format!(
                "{} from {}, every {} ms",
                p.probe.look.word(),
                p.probe.vantage(),
                p.probe.period_ms
            )
        }),
    });
    let gaps = plan.gaps.iter().map(|gap| CoverageRow {
        subject: gap.subject.clone(),
        covered: false,
        reason: gap.reason.clone(),
    });
    contracts.chain(probes).chain(gaps).collect()
}

fn notes(plan: &DrillPlan, history: &History) -> Vec<String> {
    let mut notes = Vec::new();
    // A coordinator may be lost more than once.
    for cause in history.aborts() {
        let note = format!("The run ended before its time: {}.", cause.message());
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let early = ended::all(history).into_iter().filter(|ended| ended.early);
    notes.extend(early.map(|ended| ended.note()));
    for (_, record) in history.records() {
        if matches!(record, Record::HeldBack { .. }) {
            notes.push(format!("It was chosen when to begin: {}.", record.message()));
        }
    }
    if plan.scenario.hypothesis.expect_violation {
        notes.push(
            "This drill is meant to show a violation: a failed contract is the expected result.".into(),
        );
    }
    if !history.damaged.is_empty() {
        let count = history.damaged.len();
        notes.push(format!(
            "{count} lines of the history could not be read; a crash cuts off the last one."
        ));
    }
    for dependency in &plan.dependencies {
        if dependency.kind == super::plan::DependencyKind::Circular {
            notes.push(format!(
                "What is needed to recover lives in what is lost: {} needs {}.",
                dependency.dependent, dependency.needs
            ));
        }
    }
    notes
}
