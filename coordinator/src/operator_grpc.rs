//! The operator's API: requests become events of the engine, the log becomes a stream.

use crate::agents::LastSeen;
use crate::api_servers::ApiServers;
use crate::authority::{AuditSink, Authority};
use crate::clock;
use crate::components;
use crate::drill::operator as drill;
use crate::drill::service::DrillService;
use crate::engine::EngineHandle;
use crate::enrolment::{Enrolment, EnrolmentError};
use crate::exit::chain;
use crate::faults::Faults;
use crate::host_steps::values::HostFacts;
use crate::node_logs;
use crate::places::Places;
use crate::session_grpc::AgentHub;
use crate::subscribe_grpc::{Feed, Items, Pace, Subscribe, Subscription};
use crate::subscribers::Subscribers;
use crate::{plan_store, user_data};
use domain::event::Event;
use domain::machine::Refused;
use domain::plan::{Plan, plan};
use model::ids::{Revision, RunId};
use model::lab::Lab;
use proto::v1;
use proto::v1::operator_server::Operator;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// What the API needs of the daemon.
#[derive(Debug, Clone)]
pub struct OperatorApi {
    /// The lab.
    pub lab: Arc<Lab>,
    /// Folders.
    pub places: Arc<Places>,
    /// The loop.
    pub engine: EngineHandle,
    /// Faults.
    pub faults: Faults,
    /// The log, as subscribers see it.
    pub feed: Feed,
    /// Who reads the log.
    pub subscribers: Subscribers,
    /// When agents were last heard.
    pub seen: LastSeen,
    /// What the API servers said last.
    pub servers: ApiServers,
    /// The certificate authority.
    pub authority: Arc<Authority>,
    /// Where audit events go.
    pub audit: AuditSink,
    /// Sessions of the agents.
    pub hub: AgentHub,
    /// Gives nodes new tokens.
    pub enrolment: Enrolment,
    /// What the host can do.
    pub facts: HostFacts,
    /// Drills.
    pub drills: DrillService,
    /// Ends the daemon.
    pub stop: CancellationToken,
}

impl Subscribe for OperatorApi {
    fn subscribe(&self, wanted: v1::SubscribeRequest) -> Result<Items, Status> {
        let position = self.subscribers.enter(Revision(wanted.after));
        let subscription = Subscription::new(self.feed.clone(), wanted, Pace::default())
            .map_err(|invalid| Status::invalid_argument(invalid.to_string()))?
            .watched(position);
        let (outlet, items) = Subscription::channel();
        tokio::spawn(subscription.run_until(outlet, self.stop.clone()));
        Ok(items)
    }
}

#[tonic::async_trait]
impl Operator for OperatorApi {
    type SubscribeStream = Items;
    type FollowDrillStream = drill::Progress;
    type ReadNodeLogsStream = ReceiverStream<Result<v1::NodeLog, Status>>;

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let document = self.status_document().await.ok_or_else(ended)?;
        let status_json = serde_json::to_vec(&document).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Response::new(v1::GetStatusResponse { status_json }))
    }

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Subscribe::subscribe(self, request.into_inner()).map(Response::new)
    }

    async fn start_run(
        &self,
        request: Request<v1::StartRunRequest>,
    ) -> Result<Response<v1::StartRunResponse>, Status> {
        let actor = crate::net::peer(&request)?.label();
        let wanted = request.into_inner();
        let through =
            u8::try_from(wanted.through).map_err(|_| Status::invalid_argument("through must be 1 to 8"))?;
        let plan = self.plan(through)?;
        let plan_digest = plan.digest.0.to_vec();
        if wanted.dry_run {
            let document =
                serde_json::json!({"digest": plan.digest, "text": domain::render::plan(&plan), "plan": plan});
            return Ok(Response::new(v1::StartRunResponse {
                plan_digest,
                plan_json: document.to_string().into_bytes(),
                ..Default::default()
            }));
        }
        plan_store::save(&self.places, &plan)
            .map_err(|e| Status::internal(format!("the plan cannot be kept: {e}")))?;
        let run = RunId(*uuid::Uuid::new_v4().as_bytes());
        let digest = plan.digest;
        let asked = Event::UpRequested {
            run,
            through,
            yes: wanted.yes,
            plan,
        };
        match self.engine.submit_as(actor, asked).await.ok_or_else(ended)? {
            Ok(revision) => {
                // The machine joins a request to an active run of the same plan.
                let active = self
                    .engine
                    .ask(|state| state.run.as_ref().map(|r| r.id))
                    .await
                    .ok_or_else(ended)?;
                let active = active.unwrap_or(run);
                Ok(Response::new(v1::StartRunResponse {
                    run_id: active.0.to_vec(),
                    plan_digest: digest.0.to_vec(),
                    plan_json: Vec::new(),
                    revision: revision.0,
                    already_running: active != run,
                }))
            }
            Err(refused) => Err(refusal(&refused)),
        }
    }

    async fn confirm_gate(
        &self,
        request: Request<v1::ConfirmGateRequest>,
    ) -> Result<Response<v1::ConfirmGateResponse>, Status> {
        let actor = crate::net::peer(&request)?.label();
        let wanted = request.into_inner();
        let run = run_id(&wanted.run_id)?;
        let phase =
            u8::try_from(wanted.phase).map_err(|_| Status::invalid_argument("phase must be 1 to 8"))?;
        let event = Event::GateConfirmed {
            run,
            phase,
            go_on: wanted.go_on,
        };
        self.request(actor, event)
            .await
            .map(|()| Response::new(v1::ConfirmGateResponse {}))
    }

    async fn cancel_run(
        &self,
        request: Request<v1::CancelRunRequest>,
    ) -> Result<Response<v1::CancelRunResponse>, Status> {
        let actor = crate::net::peer(&request)?.label();
        self.request(actor, Event::CancelRequested)
            .await
            .map(|()| Response::new(v1::CancelRunResponse {}))
    }

    async fn mint_user_data(
        &self,
        request: Request<v1::MintUserDataRequest>,
    ) -> Result<Response<v1::MintUserDataResponse>, Status> {
        let node = request.into_inner().node;
        let (user_data, audit) =
            user_data::mint(&self.lab, &self.places, &self.authority, &node, clock::now())
                .map_err(|e| Status::failed_precondition(chain(&e)))?;
        self.audit.record(audit);
        Ok(Response::new(v1::MintUserDataResponse { user_data }))
    }

    async fn revoke_node(
        &self,
        request: Request<v1::RevokeNodeRequest>,
    ) -> Result<Response<v1::RevokeNodeResponse>, Status> {
        let node = request.into_inner().node;
        let generation = self.enrolment.revoke(&node).map_err(|e| not_enrolled(&e))?;
        Ok(Response::new(v1::RevokeNodeResponse { generation }))
    }

    async fn enrol_node(
        &self,
        request: Request<v1::EnrolNodeRequest>,
    ) -> Result<Response<v1::EnrolNodeResponse>, Status> {
        let wanted = request.into_inner();
        let enrolment = self.enrolment.clone();
        let given = tokio::task::spawn_blocking(move || enrolment.give(&wanted.node, wanted.replace));
        match given.await.map_err(|e| Status::internal(e.to_string()))? {
            Ok(expires) => Ok(Response::new(v1::EnrolNodeResponse {
                expires_micros: expires.0,
            })),
            Err(error) => Err(not_enrolled(&error)),
        }
    }

    async fn get_run_report(
        &self,
        request: Request<v1::GetRunReportRequest>,
    ) -> Result<Response<v1::GetRunReportResponse>, Status> {
        let wanted = request.into_inner().run_id;
        let run = if wanted.is_empty() {
            None
        } else {
            Some(proto::convert::run_id(&wanted).map_err(|e| Status::invalid_argument(e.to_string()))?)
        };
        let (log, places) = (self.feed.log().clone(), Arc::clone(&self.places));
        let made = tokio::task::spawn_blocking(move || crate::run_report::make(&log, &places, run));
        let account = made
            .await
            .map_err(|e| Status::internal(e.to_string()))?
            .map_err(|e| crate::run_report::status(&e))?;
        let report_json = serde_json::to_vec(&account).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Response::new(v1::GetRunReportResponse {
            report_json,
            text: domain::render_account::account(&account),
        }))
    }

    async fn inject_fault(
        &self,
        request: Request<v1::InjectFaultRequest>,
    ) -> Result<Response<v1::FaultResponse>, Status> {
        crate::operator_faults::inject(&self.faults, &self.drills.tasks, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn release_fault(
        &self,
        request: Request<v1::ReleaseFaultRequest>,
    ) -> Result<Response<v1::FaultResponse>, Status> {
        crate::operator_faults::release(&self.faults, &self.drills.tasks, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn survey_faults(
        &self,
        request: Request<v1::SurveyFaultsRequest>,
    ) -> Result<Response<v1::SurveyFaultsResponse>, Status> {
        crate::operator_faults::survey(
            &self.faults,
            &self.drills.tasks,
            (&self.lab, &self.places),
            request.into_inner(),
        )
        .await
        .map(Response::new)
    }

    async fn start_drill(
        &self,
        request: Request<v1::StartDrillRequest>,
    ) -> Result<Response<v1::StartDrillResponse>, Status> {
        drill::start(&self.drills, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn follow_drill(
        &self,
        request: Request<v1::FollowDrillRequest>,
    ) -> Result<Response<Self::FollowDrillStream>, Status> {
        drill::follow(&self.drills, run_id(&request.into_inner().run_id)?).map(Response::new)
    }

    async fn abort_drill(
        &self,
        request: Request<v1::AbortDrillRequest>,
    ) -> Result<Response<v1::AbortDrillResponse>, Status> {
        drill::abort(&self.drills, run_id(&request.into_inner().run_id)?).map(Response::new)
    }

    async fn read_node_logs(
        &self,
        _: Request<v1::ReadNodeLogsRequest>,
    ) -> Result<Response<Self::ReadNodeLogsStream>, Status> {
        let nodes = self.lab.nodes().map(|(_, node)| node.name.clone()).collect();
        // One waits for the operator, each other one for its turn: memory has a bound.
        let (sender, receiver) = mpsc::channel(1);
        let collecting = node_logs::collect(self.hub.clone(), nodes, node_logs::Limits::default(), sender);
        let stop = self.stop.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(collecting).await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn stop_daemon(
        &self,
        _: Request<v1::StopDaemonRequest>,
    ) -> Result<Response<v1::StopDaemonResponse>, Status> {
        self.stop.cancel();
        Ok(Response::new(v1::StopDaemonResponse {}))
    }
}

impl OperatorApi {
    /// What the lab is like now; None when the coordinator ends.
    pub async fn status_document(&self) -> Option<domain::status::Status> {
        let mut observed = crate::status::observe(&self.places, &self.seen, &self.servers).await;
        observed.drill = self.drills.now();
        let components: Vec<_> = components::load(&self.lab, &self.places, self.facts)
            .map(|all| all.into_iter().map(|loaded| loaded.component).collect())
            .unwrap_or_default();
        let lab = Arc::clone(&self.lab);
        self.engine
            .ask(move |state| domain::status::status(state, &lab, &components, &observed, clock::now()))
            .await
    }

    /// The plan of today's lab document and component folders.
    fn plan(&self, through: u8) -> Result<Plan, Status> {
        let loaded = components::load(&self.lab, &self.places, self.facts)
            .map_err(|e| Status::invalid_argument(chain(&e)))?;
        let components: Vec<_> = loaded.into_iter().map(|l| l.component).collect();
        plan(&self.lab, &components, through).map_err(|e| Status::invalid_argument(chain(&e)))
    }

    async fn request(&self, actor: String, event: Event) -> Result<(), Status> {
        match self.engine.submit_as(actor, event).await.ok_or_else(ended)? {
            Ok(_) => Ok(()),
            Err(refused) => Err(refusal(&refused)),
        }
    }
}

fn run_id(bytes: &[u8]) -> Result<RunId, Status> {
    proto::convert::run_id(bytes).map_err(|e| Status::invalid_argument(e.to_string()))
}

fn ended() -> Status {
    Status::unavailable("the coordinator is ending")
}

/// Why nothing changed in who may speak for a node.
fn not_enrolled(error: &EnrolmentError) -> Status {
    let text = chain(error);
    match error {
        EnrolmentError::UnknownNode(_) => {
            Status::invalid_argument(format!("{text}; `coordinator status` lists those that it has"))
        }
        EnrolmentError::Mint(_) | EnrolmentError::Launch(_) => Status::failed_precondition(text),
        EnrolmentError::Revoke(_) => Status::internal(text),
    }
}

fn refusal(refused: &Refused) -> Status {
    match refused {
        Refused::RunActive(_) => Status::already_exists(refused.to_string()),
        Refused::StaleEpoch { .. } => Status::aborted(refused.to_string()),
        Refused::NoActiveRun | Refused::NotAtGate(_) => Status::failed_precondition(refused.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_node_is_the_caller_s_mistake_and_told_with_what_helps() {
        let status = not_enrolled(&EnrolmentError::UnknownNode("app1-wroker".into()));
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        for word in ["app1-wroker", "coordinator status"] {
            assert!(status.message().contains(word), "{status}");
        }
    }
}
