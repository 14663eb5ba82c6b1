//! `drill doctor`: every outstanding fault on every node and on the host, and what is left of faults without a lease.

use super::client::{connect, connect_or_start, refused};
use super::output::{out, outln};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use crate::faults::{PlaceSurvey, WholeSurvey, local};
use model::lease::HeldLease;
use proto::v1::SurveyFaultsRequest;
use proto::v1::operator_client::OperatorClient;
use tonic::transport::Channel;

pub(super) const EXAMPLES: &str = "Examples:
  coordinator drill doctor           list what is outstanding, without changing anything
  coordinator drill doctor --fix     undo all of it, then list what is left
  coordinator drill doctor --json    the same for scripts

Exit codes: 0 nothing is outstanding anywhere, 5 something is, or a node could not be asked.";

/// Looks, or heals and looks.
pub(crate) fn doctor(context: &Context, fix: bool) -> Result<Outcome, Failure> {
    let survey = block_on(async {
        let mut client = match connect(context).await {
            Some(client) => client,
            // A daemon undoes what is left on its host when it starts: looking must not do that.
            None if !fix => return Ok(local(&context.lab, &context.places)),
            None => connect_or_start(context).await?,
        };
        ask(&mut client, fix).await
    })?;
    if context.json {
        outln!("{}", serde_json::to_string(&survey).unwrap_or_default());
    } else {
        out!("{}", render(&survey));
    }
    Ok(if survey.clean {
        Outcome::Done
    } else {
        Outcome::Partial
    })
}

/// What every place says, after all of it was undone if it is to `heal`.
pub(super) async fn ask(client: &mut OperatorClient<Channel>, heal: bool) -> Result<WholeSurvey, Failure> {
    let answer = client
        .survey_faults(SurveyFaultsRequest { heal })
        .await
        .map_err(|s| refused(&s))?;
    serde_json::from_slice(&answer.into_inner().survey_json)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0170", &e, "coordinator drill doctor"))
}

fn render(survey: &WholeSurvey) -> String {
    let mut text = String::new();
    for place in &survey.places {
        for line in lines(place) {
            text.push_str(&format!("{:<16} {line}\n", place.place));
        }
    }
    let (leases, residue) = survey.places.iter().fold((0, 0), |(leases, residue), p| {
        (leases + p.leases.len(), residue + p.residue.len())
    });
    let unreached = survey.places.iter().filter(|p| p.unreached.is_some()).count();
    text.push_str(&format!(
        "{leases} faults outstanding, {residue} left without a lease, {unreached} of {} places not reached\n",
        survey.places.len()
    ));
    text
}

fn lines(place: &PlaceSurvey) -> Vec<String> {
    let lease = |held: &HeldLease| {
        let trouble = held.status.trouble.as_ref();
        let trouble = trouble.map_or(String::new(), |t| format!(", not undone yet: {t}"));
        format!(
            "{} {} until {}{trouble}",
            held.status.lease,
            held.fault.kind(),
            held.status.deadline
        )
    };
    let mut lines: Vec<String> = place.leases.iter().map(lease).collect();
    lines.extend(
        place
            .residue
            .iter()
            .map(|line| format!("without a lease: {line}")),
    );
    lines.extend(place.unreached.iter().map(|why| format!("not reached: {why}")));
    if lines.is_empty() {
        lines.push("nothing".into());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreached_place_is_never_called_clean() {
        let place = |name: &str, unreached: Option<&str>| PlaceSurvey {
            place: name.into(),
            unreached: unreached.map(str::to_owned),
            leases: Vec::new(),
            residue: Vec::new(),
        };
        let survey = WholeSurvey {
            clean: false,
            places: vec![place("host", None), place("app1-cp", Some("not connected"))],
        };
        let text = render(&survey);
        assert!(text.contains("host             nothing"), "{text}");
        assert!(text.contains("not reached: not connected"), "{text}");
        assert!(text.contains("1 of 2 places not reached"), "{text}");
    }
}
