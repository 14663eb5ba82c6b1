//! New enrolment tokens for nodes that exist: the one in a node's seed lives for 15 minutes, and the node may have been off,
//! or the host asleep, for longer.

use crate::authority::{
    AuditEvent, AuditSink, Authority, MintError, NodeSpec, RegistryError, TOKEN_LIFE_MS, Token,
};
use crate::clock;
use crate::engine::EngineHandle;
use crate::exit::chain;
use crate::host_steps::ensure_nodes;
use crate::places::Places;
use domain::plan::HostStep;
use domain::state::State;
use launcher::{LaunchError, Power};
use model::ids::NodeName;
use model::lab::Lab;
use model::moment::Moment;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often somebody looks whether an awaited agent can join at all.
const LOOK: Duration = Duration::from_secs(5);

/// Why a node got no token, or was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The lab document does not have the node.
    #[error("the lab has no node {0:?}")]
    UnknownNode(String),
    /// The authority refused.
    #[error("no token was made")]
    Mint(#[from] MintError),
    /// It could not be put into the node.
    #[error("the token could not be put into the node")]
    Launch(#[from] LaunchError),
    /// The revocation could not be made durable.
    #[error("the revocation could not be stored")]
    Revoke(#[from] RegistryError),
}

/// Gives tokens, and takes back what they bought.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The lab.
    pub lab: Arc<Lab>,
    /// Folders.
    pub places: Arc<Places>,
    /// Makes tokens.
    pub authority: Arc<Authority>,
    /// Where it is told.
    pub audit: AuditSink,
}

impl Enrolment {
    /// Puts a new token into `node` and returns the end of its life. `replace` first revokes what is enrolled under that
    /// name; without it such a node is refused. A revoked node is let in again by it. Blocks.
    pub fn give(&self, node: &str, replace: bool) -> Result<Moment, EnrolmentError> {
        let spec = self.spec(node)?;
        let now = clock::now();
        let minted = self.authority.mint(&spec, replace, now)?;
        self.deliver(node, minted, now)
    }

    /// Ends all certificates, tokens and sessions of `node`; returns the generation that a new token will carry. One that
    /// left the lab document may still hold a certificate, so it can be revoked too. Blocks.
    pub fn revoke(&self, node: &str) -> Result<u64, EnrolmentError> {
        let known = |name: &NodeName| self.lab.node(name.as_str()).is_some() || self.authority.knows(name);
        let name = NodeName::new(node).ok().filter(known);
        let name = name.ok_or_else(|| unknown(node))?;
        let (generation, audit) = self.authority.revoke(&name)?;
        self.audit.record(audit);
        Ok(generation)
    }

    /// As [`Self::give`], with nobody asking; None when the node lacks no token, or was revoked.
    fn give_unasked(&self, node: &str) -> Result<Option<Moment>, EnrolmentError> {
        let spec = self.spec(node)?;
        let now = clock::now();
        let Some(minted) = self.authority.mint_unasked(&spec, now)? else {
            return Ok(None);
        };
        self.deliver(node, minted, now).map(Some)
    }

    fn spec(&self, node: &str) -> Result<NodeSpec, EnrolmentError> {
        let (cluster, spec) = self.lab.node(node).ok_or_else(|| unknown(node))?;
        Ok(NodeSpec::of(cluster, spec))
    }

    /// Tells of a token that was made at `now` and puts it into `node`; returns the end of its life.
    fn deliver(
        &self,
        node: &str,
        (token, audit): (Token, Vec<AuditEvent>),
        now: Moment,
    ) -> Result<Moment, EnrolmentError> {
        self.audit.record(audit);
        ensure_nodes::provider(&self.lab, &self.places)
            .deliver_token(node, token.expose())
            .inspect_err(|_| self.withdraw(node, &token))?;
        Ok(now.plus_millis(TOKEN_LIFE_MS))
    }

    /// A token that did not arrive must not count as one that the node has: the next look gives it another one.
    fn withdraw(&self, node: &str, token: &Token) {
        if let Err(error) = self.authority.withdraw(token) {
            tracing::warn!(
                node,
                token = token.id(),
                error = chain(&error),
                "the token lives on undelivered"
            );
        }
    }

    /// Gives a token to each running node whose agent a run waits for and that has no other way to join.
    pub async fn keep(self, engine: EngineHandle, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(tick.tick()).await.is_some() {
            let Some(awaited) = engine.ask(awaited).await else {
                return;
            };
            let now = clock::now();
            let stuck = awaited
                .into_iter()
                .filter(|node| self.authority.lacks_token(node, now));
            for node in stuck {
                let enrolment = self.clone();
                let given = tokio::task::spawn_blocking(move || enrolment.rescue(node.as_str())).await;
                if let Err(error) = given {
                    tracing::warn!(%error, "no new token");
                }
            }
        }
    }

    fn rescue(&self, node: &str) {
        let provider = ensure_nodes::provider(&self.lab, &self.places);
        // One that is off gets its token when it runs: the token's life would pass meanwhile.
        if !matches!(provider.state(node), Ok(Some(state)) if state.power == Power::Running) {
            return;
        }
        match self.give_unasked(node) {
            Ok(Some(expires)) => {
                tracing::info!(node, %expires, "its enrolment token had run out; it got another one")
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(node, error = chain(&error), "no new token"),
        }
    }
}

fn unknown(node: &str) -> EnrolmentError {
    EnrolmentError::UnknownNode(node.chars().take(80).collect())
}

/// Nodes whose agents the present run waits for.
fn awaited(state: &State) -> Vec<NodeName> {
    let Some(plan) = state.active_run().and_then(|_| state.plan()) else {
        return Vec::new();
    };
    let waits = |id| state.steps.get(id).is_some_and(|step| step.phase.in_flight());
    plan.steps
        .iter()
        .filter(|step| waits(&step.id))
        .filter_map(|step| match step.host_step() {
            Some(HostStep::AwaitAgent { node }) => Some(node.clone()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The compiled-in lab without any machine.
    fn enrolment(home: &Path) -> Enrolment {
        let lab = Lab::default();
        let authority = Authority::open(home, &lab.name, clock::now()).expect("opens");
        let places = Places {
            home: home.to_owned(),
            cache: home.join("cache"),
            project: home.join("project"),
            program: home.join("program"),
        };
        Enrolment {
            lab: Arc::new(lab),
            places: Arc::new(places),
            authority: Arc::new(authority),
            audit: AuditSink::channel(8).0,
        }
    }

    #[test]
    fn a_token_that_did_not_arrive_is_not_one_that_the_node_has() {
        let home = tempfile::tempdir().expect("temp dir");
        let enrolment = enrolment(home.path());
        let node = NodeName::new("app1-worker").expect("valid");
        for given in [
            enrolment.give(node.as_str(), false).map(Some),
            enrolment.give_unasked(node.as_str()),
        ] {
            assert!(matches!(given, Err(EnrolmentError::Launch(_))), "{given:?}");
            assert!(
                enrolment.authority.lacks_token(&node, clock::now()),
                "waits for nothing"
            );
        }
    }

    #[test]
    fn a_node_that_there_is_not_cannot_be_revoked() {
        let home = tempfile::tempdir().expect("temp dir");
        let enrolment = enrolment(home.path());
        for name in ["app1-wroker", "App1 worker", ""] {
            let revoked = enrolment.revoke(name);
            assert!(
                matches!(&revoked, Err(EnrolmentError::UnknownNode(told)) if told == name),
                "{name:?}: {revoked:?}"
            );
        }
        enrolment.revoke("app1-worker").expect("a node of the lab");
        let (cluster, node) = enrolment.lab.node("app1-worker").expect("there");
        let left = NodeSpec {
            name: NodeName::new("app1-left").expect("valid"),
            ..NodeSpec::of(cluster, node)
        };
        let minted = enrolment.authority.mint(&left, false, clock::now());
        minted.expect("minted while it was in the lab");
        assert_eq!(enrolment.revoke("app1-left").expect("known"), 2);
    }
}
