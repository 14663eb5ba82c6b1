//! What a run whose driller was killed leaves: its own end, its leases, and every place's word, asked until all is said or the
//! time is over.

use super::super::client::refused;
use super::super::{Context, drill_doctor};
use super::kill::history;
use crate::exit::{Failure, Outcome};
use crate::faults::{PlaceSurvey, WholeSurvey, handle, planned};
use domain::drill::assemble::{Facts, assemble};
use domain::drill::driller_kill::{Aftermath, end_limit_ms};
use domain::drill::history::History;
use domain::drill::phases::Run;
use domain::drill::record::{Phase, Record};
use domain::drill::scenario::FaultKind;
use model::event::NodeEventKind;
use model::fault::Fault;
use model::ids::{LeaseId, RunId};
use model::lease::{LeaseState, LeaseStatus};
use proto::v1::operator_client::OperatorClient;
use proto::v1::subscribe_response::Item;
use proto::v1::{EventFilter, SubscribeRequest};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// How long places may take until all of them can be asked and nothing is left: nodes that lost power boot, agents connect again.
const PLACES_LIMIT: Duration = Duration::from_secs(240);

/// Pause between two looks at the run, and at the places.
const PAUSE: Duration = Duration::from_secs(1);

/// Newest words of agents about leases that are looked through: a run has few, and a test may have thousands before it.
const WORDS: u64 = 4096;

/// Waits for the end of the run, then for a lab in which nothing is left; what was found last is what counts.
pub(super) async fn gather(
    context: &Context,
    client: &mut OperatorClient<Channel>,
    run: RunId,
    killed_in: Option<Phase>,
) -> Result<Aftermath, Failure> {
    let (history, unfinished) = end_of(context, run).await?;
    let taken = taken(context, run, &history)?;
    let since = Instant::now();
    loop {
        let (survey, words) = (drill_doctor::ask(client, false).await?, words(client).await?);
        let (leases, untold) = ends(context, &taken, &words)?;
        if (survey.clean && untold == 0) || since.elapsed() > PLACES_LIMIT {
            let end = history.lines.last().map(|line| line.time).unwrap_or_default();
            return Ok(Aftermath {
                killed_in,
                unfinished,
                given_up: given_up(&history),
                judged: assemble(&history, &Facts::default(), end).is_some(),
                leases,
                untold,
                outstanding: survey.places.iter().map(|place| place.leases.len()).sum(),
                residue: told(&survey, |place| place.residue.clone()),
                unreached: told(&survey, |place| place.unreached.iter().cloned().collect()),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The history when its end is on record; else as it is when the time is over, with what the run was last seen doing.
async fn end_of(context: &Context, run: RunId) -> Result<(History, Option<String>), Failure> {
    let since = Instant::now();
    loop {
        let history = history(context, run)?;
        let state = Run::fold(history.records());
        if state.finished.is_some() {
            return Ok((history, None));
        }
        let limit = state.plan.as_deref().map_or(0, end_limit_ms);
        if since.elapsed() > Duration::from_millis(limit) {
            let open: Vec<&str> = state.outstanding().into_iter().map(|(fault, _)| fault).collect();
            let status = format!(
                "last seen in {} after {} s, not undone: {}",
                state.phase.map_or("no phase", Phase::word),
                since.elapsed().as_secs(),
                if open.is_empty() {
                    "nothing".into()
                } else {
                    open.join(", ")
                }
            );
            return Ok((history, Some(status)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Leases that the run may have taken, with whether the fault is known to have taken hold.
fn taken(context: &Context, run: RunId, history: &History) -> Result<Vec<(LeaseId, Fault, bool)>, Failure> {
    let held: BTreeSet<&str> = history
        .records()
        .filter_map(|(_, record)| match record {
            Record::FaultInjected { fault, .. } => Some(fault.as_str()),
            _ => None,
        })
        .collect();
    let state = Run::fold(history.records());
    let mut all = Vec::new();
    for name in state.faults.keys() {
        let Some(fault) = state.plan.as_deref().and_then(|plan| plan.fault(name)) else {
            continue;
        };
        // Deleted once through the API: nothing is leased.
        if matches!(fault.inject, FaultKind::PodDelete { .. }) {
            continue;
        }
        let parts = planned(run, fault, &context.lab)
            .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0170", &e, "coordinator drill doctor"))?;
        let held = held.contains(name.as_str());
        all.extend(parts.into_iter().map(|(lease, fault)| (lease, fault, held)));
    }
    Ok(all)
}

/// What the places say of the leases, and of how many whose fault took hold no end is told.
fn ends(
    context: &Context,
    taken: &[(LeaseId, Fault, bool)],
    words: &BTreeMap<LeaseId, LeaseStatus>,
) -> Result<(Vec<LeaseStatus>, usize), Failure> {
    let place = handle(&context.lab, &context.places);
    let (mut all, mut untold) = (Vec::new(), 0);
    for (lease, fault, held) in taken {
        let status = match fault {
            Fault::Node { .. } => words.get(lease).cloned(),
            Fault::Host { .. } => launcher::fault::status(&place, *lease).map_err(|e| {
                Failure::from_error(Outcome::Internal, "DY-0170", &e, "coordinator drill doctor")
            })?,
        };
        let undone = status.as_ref().is_some_and(|s| s.state == LeaseState::Undone);
        untold += usize::from(*held && !undone);
        all.extend(status);
    }
    Ok((all, untold))
}

/// The last word of every node about every lease, by the clock of the node.
async fn words(client: &mut OperatorClient<Channel>) -> Result<BTreeMap<LeaseId, LeaseStatus>, Failure> {
    let request = SubscribeRequest {
        filter: Some(EventFilter {
            kinds: vec!["lease_changed".into()],
            ..EventFilter::default()
        }),
        tail: WORDS,
        ..SubscribeRequest::default()
    };
    let answer = client.subscribe(request).await.map_err(|s| refused(&s))?;
    let mut stream = answer.into_inner();
    let mut last = BTreeMap::new();
    while let Some(answer) = stream.message().await.map_err(|s| refused(&s))? {
        if let Some(Item::Entry(entry)) = answer.item
            && let Some(status) = word(&entry.json)
        {
            last.insert(status.lease, status);
        }
    }
    Ok(last)
}

/// Of one line of the log.
fn word(json: &[u8]) -> Option<LeaseStatus> {
    #[derive(Deserialize)]
    struct Told {
        detail: NodeEventKind,
    }
    match serde_json::from_slice::<Told>(json).ok()?.detail {
        NodeEventKind::LeaseChanged { status } => Some(status),
        _ => None,
    }
}

/// Lines of all places, each with its place.
fn told(survey: &WholeSurvey, of: impl Fn(&PlaceSurvey) -> Vec<String>) -> Vec<String> {
    let mut all = Vec::new();
    for place in &survey.places {
        all.extend(of(place).iter().map(|line| format!("{}: {line}", place.place)));
    }
    all
}

/// Faults that the end of the run names as not undone.
fn given_up(history: &History) -> Vec<String> {
    let ends = history.records().filter_map(|(_, record)| match record {
        Record::Finished { outstanding, .. } => Some(outstanding.clone()),
        _ => None,
    });
    ends.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::projection::Projection;
    use model::ids::Revision;
    use model::lab::Lab;
    use model::moment::Moment;

    #[test]
    fn an_agent_s_word_about_a_lease_is_read_as_the_log_tells_it() {
        let lease = "ab".repeat(16);
        let event = format!(
            r#"{{"record":"node","node":"app1-cp","event":{{"incarnation":"{lease}","seq":5,"time":11000000,"monotonic_ms":77,
            "boot":"{lease}","kind":{{"kind":"lease_changed","status":{{"lease":"{lease}","state":"undone","armed":1,
            "deadline":9,"undone":{{"from":5,"to":6}},"cause":"agent_start"}}}}}}}}"#
        );
        let entry = Entry::new(Moment(10_000_000), event);
        let projection = Projection::new(&Lab::default());
        let line = projection.view(Revision(1), &entry).json();
        let status = word(&line).expect("a word about a lease");
        assert_eq!(status.lease.to_string(), lease);
        assert_eq!(
            (status.state, status.undone.map(|at| at.to)),
            (LeaseState::Undone, Some(Moment(6)))
        );
        assert_eq!(
            word(b"{\"detail\":{\"kind\":\"clock_jump\",\"shift_ms\":1}}"),
            None
        );
    }
}
