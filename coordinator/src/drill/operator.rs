//! The operator's methods about drills.

use super::service::{DrillService, StartError};
use super::windows;
use crate::exit::chain;
use model::ids::RunId;
use proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Progress of a run.
pub type Progress = ReceiverStream<Result<v1::DrillUpdate, Status>>;

/// Updates that may wait for a slow reader; more are not made for it.
const WAITING: usize = 16;

/// Plans a drill, or plans and begins it.
pub async fn start(
    drills: &DrillService,
    wanted: v1::StartDrillRequest,
) -> Result<v1::StartDrillResponse, Status> {
    if wanted.dry_run {
        let plan = drills.plan(&wanted.name).await.map_err(|e| refusal(&e))?;
        let foresight = windows::predict(&drills.lab, &drills.places, &plan).await;
        let document = foresight.document(&plan);
        return Ok(v1::StartDrillResponse {
            run_id: Vec::new(),
            plan_digest: plan.digest.0.to_vec(),
            plan_json: document.to_string().into_bytes(),
        });
    }
    let (run, plan) = drills.start(&wanted.name).await.map_err(|e| refusal(&e))?;
    Ok(v1::StartDrillResponse {
        run_id: run.0.to_vec(),
        plan_digest: plan.digest.0.to_vec(),
        plan_json: Vec::new(),
    })
}

/// Streams a run's progress until it is over.
pub fn follow(drills: &DrillService, run: RunId) -> Result<Progress, Status> {
    let mut follower = drills.follow(run).ok_or_else(|| unknown(run))?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Some(item) = follower.next().await {
            let update = v1::DrillUpdate {
                json: item.as_bytes().to_vec(),
            };
            if sender.send(Ok(update)).await.is_err() {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Ends a run early.
pub fn abort(drills: &DrillService, run: RunId) -> Result<v1::AbortDrillResponse, Status> {
    if drills.abort(run) {
        Ok(v1::AbortDrillResponse {})
    } else {
        Err(unknown(run))
    }
}

fn unknown(run: RunId) -> Status {
    Status::not_found(format!("this coordinator carries out no drill run {run}"))
}

fn refusal(error: &StartError) -> Status {
    let text = chain(error);
    match error {
        StartError::Library(_) | StartError::Plan(_) => Status::invalid_argument(text),
        StartError::Busy(_) | StartError::UpActive => Status::already_exists(text),
        StartError::Components(_) => Status::failed_precondition(text),
        StartError::Record(_) => Status::internal(text),
        StartError::Ending => Status::unavailable(text),
    }
}
