//! `enrol` and `revoke`: who may speak for a node.

use super::args::{Enrol, Revoke};
use super::client::{connect_or_start, refused};
use super::output::outln;
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use model::moment::Moment;
use proto::v1::{EnrolNodeRequest, RevokeNodeRequest};

pub(super) const EXAMPLES: &str = "Examples:
  coordinator enrol app1-worker              a node whose token ran out before it first connected
  coordinator enrol app1-worker --replace    a node that was wiped, or whose seed leaked";

pub(crate) fn run(context: &Context, options: &Enrol) -> Result<Outcome, Failure> {
    let request = EnrolNodeRequest {
        node: options.node.clone(),
        replace: options.replace,
    };
    let expires = block_on(async {
        let mut client = connect_or_start(context).await?;
        let answer = client.enrol_node(request).await.map_err(|status| {
            let failure = refused(&status);
            let next = format!(
                "coordinator status {0}; with --replace its certificate is revoked",
                options.node
            );
            Failure::new(failure.outcome, "DY-0116", status.message(), next)
        })?;
        Ok(Moment(answer.into_inner().expires_micros))
    })?;
    if context.json {
        outln!(
            "{}",
            serde_json::json!({"node": options.node, "expires": expires})
        );
    } else {
        outln!(
            "{} has a new enrolment token, good for one use until {expires}",
            options.node
        );
    }
    Ok(Outcome::Done)
}

pub(crate) fn revoke(context: &Context, options: &Revoke) -> Result<Outcome, Failure> {
    let request = RevokeNodeRequest {
        node: options.node.clone(),
    };
    let generation = block_on(async {
        let mut client = connect_or_start(context).await?;
        let answer = client.revoke_node(request).await.map_err(|s| refused(&s))?;
        Ok(answer.into_inner().generation)
    })?;
    if context.json {
        outln!(
            "{}",
            serde_json::json!({"node": options.node, "generation": generation})
        );
    } else {
        outln!(
            "{} may no longer connect; `coordinator enrol {0}` lets it in again",
            options.node
        );
    }
    Ok(Outcome::Done)
}
