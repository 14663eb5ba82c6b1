//! The contracts as checks over a recorded history: each with its evidence, each verdict from what was seen and nothing else.

mod applications;
mod mesh;
mod metrics;
mod pki;
mod policy;
mod premise;
mod secrets;

pub use mesh::FULL;
pub use pki::{AUTHORITY_ENDS, Figure as PkiFigure, LISTENER_ENDS};
pub use policy::{PODS, REFUSED};
pub use secrets::EXTERNAL_SECRETS;

use super::assemble::{Books, Watch, Window};
use super::contract::ContractId;
use super::history::History;
use super::phases::is_conclusive;
use super::plan::DrillPlan;
use super::report::model::{ContractVerdict, Evidence};
use super::report::secret_canary::SecretCanary;
use super::report::verdict::Verdict;

/// What checks look at.
pub(crate) struct Case<'a> {
    plan: &'a DrillPlan,
    window: &'a Window,
    /// Probes that are evidence for the contract.
    watches: Vec<&'a Watch<'a>>,
    /// All probes.
    all: &'a [Watch<'a>],
    books: &'a [Books],
    secret_canaries: &'a [SecretCanary],
    /// Why nothing follows from what was not seen by the end of the run; None when the recovery was watched to its end.
    unwatched: Option<&'static str>,
}

impl Case<'_> {
    /// Of something that was not seen by the end of the run: that convicts only where somebody watched to that end.
    fn never_came(&self, check: &str, text: impl Into<String>) -> Evidence {
        match self.unwatched {
            None => evidence(check, Verdict::Fail, text),
            Some(why) => evidence(check, Verdict::Inconclusive, format!("{}; {why}", text.into())),
        }
    }
}

/// What was computed of the whole run before.
type Computed<'a> = (&'a [Books], &'a [SecretCanary]);

/// All six, in order.
pub(crate) fn judge(
    plan: &DrillPlan,
    history: &History,
    watches: &[Watch<'_>],
    computed: Computed<'_>,
    window: &Window,
) -> Vec<ContractVerdict> {
    ContractId::ALL
        .into_iter()
        .map(|contract| one(contract, plan, history, (watches, computed), window))
        .collect()
}

fn one(
    contract: ContractId,
    plan: &DrillPlan,
    history: &History,
    (watches, (books, secret_canaries)): (&[Watch<'_>], Computed<'_>),
    window: &Window,
) -> ContractVerdict {
    let evidence = match plan.not_covered(contract) {
        Some(why) => vec![evidence("coverage", Verdict::NotCovered, why)],
        None => {
            let case = Case {
                plan,
                window,
                watches: watches
                    .iter()
                    .filter(|w| w.probe.contract == Some(contract))
                    .collect(),
                all: watches,
                books,
                secret_canaries,
                unwatched: unwatched(history, window),
            };
            let mut found = match contract {
                ContractId::C1 => applications::check(&case),
                ContractId::C2 => metrics::check(&case),
                ContractId::C3 => secrets::check(&case),
                ContractId::C4 => policy::check(&case),
                ContractId::C5 => pki::check(&case),
                ContractId::C6 => mesh::check(&case),
            };
            found.extend(premise::check(contract, &case));
            found.extend(skipped(contract, plan));
            if window.fault.is_none() {
                found.push(evidence(
                    "outage",
                    Verdict::Inconclusive,
                    "nothing was broken in this run",
                ));
            }
            if let Some(cause) = history.abort().filter(|cause| !is_conclusive(Some(cause))) {
                let text = format!("the run ended before its time: {}", cause.message());
                found.push(evidence("whole_run", Verdict::Inconclusive, text));
            }
            found
        }
    };
    ContractVerdict {
        id: contract.to_string(),
        promise: contract.promise().to_owned(),
        verdict: Verdict::of_all(evidence.iter().map(|e| e.verdict)),
        evidence,
    }
}

/// Why nothing follows from what was not seen by the end of the run; None when the recovery was watched to its end.
pub(crate) fn unwatched(history: &History, window: &Window) -> Option<&'static str> {
    if !is_conclusive(history.abort()) {
        return Some("the run was not watched to its end");
    }
    window.undone.is_none().then_some("what was broken is not undone")
}

/// A contract that only some of its probes could look at is not proven.
fn skipped(contract: ContractId, plan: &DrillPlan) -> Vec<Evidence> {
    let of_contract = plan.probes.iter().filter(|p| p.probe.contract == Some(contract));
    of_contract
        .filter_map(|p| {
            let why = p.skipped.as_ref()?;
            Some(evidence(
                "probes",
                Verdict::Inconclusive,
                format!("{} was not started: {why}", p.probe.name),
            ))
        })
        .collect()
}

/// One piece of evidence.
pub(crate) fn evidence(check: &str, verdict: Verdict, text: impl Into<String>) -> Evidence {
    Evidence {
        check: check.to_owned(),
        verdict,
        text: text.into(),
        lines: Vec::new(),
    }
}
