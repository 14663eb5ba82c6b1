//! Lets kubelet look at the volumes of running pods at once. It takes in a changed Secret or ConfigMap at its next round over a
//! pod, 10 to 15 s apart here; any change of the pod itself brings the round forward.

use super::kube::{Cluster, KubeError};
use super::readiness::pods_of;
use domain::component::Component;

/// Says when the pod's volumes were last asked to be looked at.
const REMOUNTED_AT: &str = "drillyard.io/remounted-at";

/// Marks every running pod of the component's `remount` workloads.
pub(super) async fn remount(cluster: &Cluster, component: &Component) -> Result<(), KubeError> {
    let now = crate::clock::now().to_string();
    for workload in &component.remount {
        for pod in pods_of(cluster, &component.namespace, workload).await? {
            cluster
                .annotate_pod(&component.namespace, &pod, REMOUNTED_AT, &now)
                .await?;
        }
    }
    Ok(())
}
