//! The host's part: the launcher's blocking calls, off the runtime's threads.

use super::FaultError;
use super::meeting::Meeting;
use crate::places::Places;
use launcher::{LabHandle, LaunchError, fault};
use model::fault::HostFault;
use model::ids::LeaseId;
use model::lab::Lab;
use model::lease::{LeaseStatus, Survey, Terms, UndoCause};
use std::sync::Arc;

/// Calls the launcher.
#[derive(Debug, Clone)]
pub(super) struct HostSide {
    lab: Arc<Lab>,
    places: Arc<Places>,
}

impl HostSide {
    pub(super) fn new(lab: Arc<Lab>, places: Arc<Places>) -> Self {
        Self { lab, places }
    }

    pub(super) async fn inject(
        &self,
        lease: LeaseId,
        terms: Terms,
        fault: HostFault,
        together: Option<Arc<Meeting>>,
    ) -> Result<LeaseStatus, FaultError> {
        self.call(move |handle, lab, program| {
            let armed = || together.iter().for_each(|meeting| meeting.wait());
            fault::inject(handle, lab, program, lease, terms, &fault, armed)
        })
        .await
    }

    pub(super) async fn renew(&self, lease: LeaseId) -> Result<LeaseStatus, FaultError> {
        self.call(move |handle, _, _| fault::renew(handle, lease)).await
    }

    pub(super) async fn undo(
        &self,
        lease: LeaseId,
        cause: UndoCause,
    ) -> Result<Option<LeaseStatus>, FaultError> {
        self.call(move |handle, _, _| fault::undo(handle, lease, cause))
            .await
    }

    pub(super) async fn undo_all(&self, cause: UndoCause) -> Result<(), FaultError> {
        self.call(move |handle, _, _| fault::undo_all(handle, cause))
            .await
    }

    pub(super) async fn status(&self, lease: LeaseId) -> Result<Option<LeaseStatus>, FaultError> {
        self.call(move |handle, _, _| fault::status(handle, lease)).await
    }

    pub(super) async fn tend(&self) -> Result<(), FaultError> {
        self.call(|handle, _, program| fault::tend(handle, program)).await
    }

    pub(super) async fn survey(&self) -> Result<Survey, FaultError> {
        self.call(|handle, _, _| fault::survey(handle)).await
    }

    pub(super) async fn heal(&self) -> Result<(), FaultError> {
        self.call(|handle, _, _| fault::heal(handle)).await
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LabHandle, &Lab, &std::path::Path) -> Result<T, LaunchError> + Send + 'static,
    ) -> Result<T, FaultError> {
        let (lab, places) = (Arc::clone(&self.lab), Arc::clone(&self.places));
        let done = tokio::task::spawn_blocking(move || {
            let handle = handle(&lab, &places);
            work(&handle, &lab, &places.program)
        });
        match done.await {
            Ok(result) => result.map_err(FaultError::Host),
            Err(_) => Err(FaultError::Ending),
        }
    }
}

/// What the launcher must know of the lab.
pub(crate) fn handle(lab: &Lab, places: &Places) -> LabHandle {
    LabHandle {
        lab: lab.name.to_string(),
        home: places.home.clone(),
        cache: places.cache.clone(),
    }
}
