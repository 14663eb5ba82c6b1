//! `fault`: one fault by hand, under a lease like a drill's.

use super::args::{Fault, FaultAction};
use super::client::{connect_or_start, refused};
use super::output::outln;
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use crate::faults::{Lease, capabilities};
use model::ids::LeaseId;
use model::lease::Terms;
use proto::convert::terms_to_wire;
use proto::v1::{InjectFaultRequest, ReleaseFaultRequest};

pub(super) const EXAMPLES: &str = r#"Examples:
  coordinator fault kinds
  coordinator fault inject '{"on":"host","inject":{"fault":"freeze","node":"mgmt-cp"}}' --for 20000
  coordinator fault inject '{"on":"host","inject":{"fault":"cut_clusters","one":"app1","other":"app2"}}'
  coordinator fault inject '{"on":"node","node":"app1-cp","inject":{"fault":"stop_static_pod","pod":"etcd"}}'
  coordinator fault inject '{"on":"node","node":"app1-worker","inject":{"fault":"lose_packets","peers":["192.168.64.20"],"percent":30}}'
  coordinator fault release LEASE"#;

pub(crate) fn run(context: &Context, options: &Fault) -> Result<Outcome, Failure> {
    match &options.action {
        FaultAction::Inject {
            fault,
            ttl_ms,
            grace_ms,
        } => inject(context, fault, *ttl_ms, *grace_ms),
        FaultAction::Release { lease } => release(context, lease),
        FaultAction::Kinds => {
            kinds(context);
            Ok(Outcome::Done)
        }
    }
}

fn inject(context: &Context, fault: &str, ttl_ms: u64, grace_ms: u64) -> Result<Outcome, Failure> {
    let terms = Terms::new(ttl_ms, grace_ms, ttl_ms).map_err(|e| usage(&e))?;
    // Read here as well, so that a typing error needs no daemon to be told.
    serde_json::from_str::<model::fault::Fault>(fault).map_err(|e| usage(&e))?;
    let request = InjectFaultRequest {
        fault_json: fault.as_bytes().to_vec(),
        terms: Some(terms_to_wire(terms)),
    };
    let answer = block_on(async {
        let mut client = connect_or_start(context).await?;
        let answer = client.inject_fault(request).await.map_err(|s| refused(&s))?;
        Ok(answer.into_inner().lease_json)
    })?;
    show(context, &answer)
}

fn release(context: &Context, lease: &str) -> Result<Outcome, Failure> {
    let lease = LeaseId::parse(lease).map_err(|e| usage(&e))?.0.to_vec();
    let answer = block_on(async {
        let mut client = connect_or_start(context).await?;
        let request = ReleaseFaultRequest { lease };
        let answer = client.release_fault(request).await.map_err(|s| refused(&s))?;
        Ok(answer.into_inner().lease_json)
    })?;
    show(context, &answer)
}

fn kinds(context: &Context) {
    let all = capabilities(&context.lab);
    if context.json {
        outln!("{}", serde_json::to_string(&all).unwrap_or_default());
        return;
    }
    for capability in all {
        let word = match &capability.not_covered {
            None => "covered".to_owned(),
            Some(reason) => format!("not covered: {reason}"),
        };
        outln!("{:<16} {word}", capability.kind.as_str());
    }
}

fn show(context: &Context, lease_json: &[u8]) -> Result<Outcome, Failure> {
    let lease: Lease = serde_json::from_slice(lease_json)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0170", &e, "coordinator drill doctor"))?;
    if context.json {
        outln!("{}", String::from_utf8_lossy(lease_json));
        return Ok(Outcome::Done);
    }
    let state = match &lease.status {
        Some(status) if lease.is_undone() => format!(
            "undone ({})",
            status.cause.map(|c| c.to_string()).unwrap_or_default()
        ),
        Some(status) => format!("there until {}", status.deadline),
        None => "unknown at its place".into(),
    };
    outln!("{} {} {state}", lease.lease, lease.fault.label());
    Ok(Outcome::Done)
}

fn usage(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::from_error(Outcome::Usage, "DY-0170", error, "coordinator fault --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_faults_and_nonsense_is_a_usage_error() {
        let mut examples = EXAMPLES
            .lines()
            .filter_map(|line| line.split('\'').nth(1))
            .peekable();
        assert!(examples.peek().is_some());
        for example in examples {
            serde_json::from_str::<model::fault::Fault>(example).expect(example);
        }
        let error = serde_json::from_str::<model::fault::Fault>("{}").expect_err("nonsense");
        let failure = usage(&error);
        assert_eq!((failure.code, failure.outcome), ("DY-0170", Outcome::Usage));
    }
}
