//! The operator's calls about faults.

use crate::drill::leftovers;
use crate::exit::chain;
use crate::faults::{FaultError, Faults};
use crate::places::Places;
use model::fault::Fault;
use model::lab::Lab;
use proto::{convert, v1};
use tonic::Status;

/// Injects under a fresh lease.
pub(crate) async fn inject(
    faults: &Faults,
    wanted: v1::InjectFaultRequest,
) -> Result<v1::FaultResponse, Status> {
    let invalid = |e: &dyn std::fmt::Display| Status::invalid_argument(e.to_string());
    let terms = convert::terms(wanted.terms).map_err(|e| invalid(&e))?;
    let fault: Fault = serde_json::from_slice(&wanted.fault_json).map_err(|e| invalid(&e))?;
    let lease = faults.inject(Faults::fresh(), terms, fault).await;
    answer(lease.map_err(|e| status(&e))?)
}

/// Ends a lease.
pub(crate) async fn release(
    faults: &Faults,
    wanted: v1::ReleaseFaultRequest,
) -> Result<v1::FaultResponse, Status> {
    let lease = convert::lease_id(&wanted.lease).map_err(|e| Status::invalid_argument(e.to_string()))?;
    answer(faults.release(lease).await.map_err(|e| status(&e))?)
}

/// Looks everywhere, and heals before that on request.
pub(crate) async fn survey(
    faults: &Faults,
    (lab, places): (&Lab, &Places),
    wanted: v1::SurveyFaultsRequest,
) -> Result<v1::SurveyFaultsResponse, Status> {
    let found = if wanted.heal {
        faults.heal().await
    } else {
        faults.survey().await
    };
    let found = found.with(leftovers::survey(lab, places, wanted.heal).await);
    let survey_json = serde_json::to_vec(&found).map_err(|e| Status::internal(e.to_string()))?;
    Ok(v1::SurveyFaultsResponse { survey_json })
}

fn answer(lease: crate::faults::Lease) -> Result<v1::FaultResponse, Status> {
    let lease_json = serde_json::to_vec(&lease).map_err(|e| Status::internal(e.to_string()))?;
    Ok(v1::FaultResponse { lease_json })
}

fn status(error: &FaultError) -> Status {
    let text = chain(error);
    match error {
        FaultError::NotCovered { .. } | FaultError::NotConnected(_) => Status::failed_precondition(text),
        FaultError::NoNode(_) | FaultError::NoLease(_) => Status::invalid_argument(text),
        FaultError::Unknown { .. } => Status::deadline_exceeded(text),
        FaultError::Ending => Status::unavailable(text),
        FaultError::Failed { .. } | FaultError::Host(_) => Status::internal(text),
    }
}
