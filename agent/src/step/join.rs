//! `kubeadm join` of a worker, one phase at a time. Discovery reads a file, so nothing depends on `cluster-info`.

use super::kubeadm::{self, JoinSecret, Private};
use super::{Context, StepError, kubeadm_config, pki_probe, until};
use crate::durable;
use model::step::{ClusterParams, JoinPhase, ProbeResult};
use std::net::Ipv4Addr;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn run(
    context: &Context,
    phase: JoinPhase,
    params: &ClusterParams,
    address: Ipv4Addr,
    secret: Option<&str>,
) -> Result<(), StepError> {
    if phase == JoinPhase::KubeletWaitBootstrap {
        return await_bootstrap(context);
    }
    let secret = JoinSecret::parse(secret)?;
    if !secret.ca_pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(StepError::Secret("holds no certificate authority"));
    }
    let discovery = kubeadm_config::discovery(params, &secret.ca_pem, &secret.token);
    let discovery = Private::create(context, "discovery.yaml", &discovery)?;
    let config = kubeadm::with_input(context, params, address, |i| {
        kubeadm_config::join(i, &discovery.text())
    });
    let config = Private::create(context, "join.yaml", &config)?;
    kubeadm::call(words(phase), &config)?;
    Ok(())
}

/// Waits as kubeadm's phase does, which run by itself asks for the control plane's admin file. Then the bootstrap
/// credential goes from the disk.
fn await_bootstrap(context: &Context) -> Result<(), StepError> {
    let kubernetes = context.paths.kubernetes();
    context.say("waiting for kubelet's own certificate");
    until("kubelet gets its certificate", PATIENCE, LOOK, || {
        let found = pki_probe::rotated(&kubernetes.join("kubelet.conf"), &context.paths.kubelet());
        Ok(match found {
            ProbeResult::Done => None,
            ProbeResult::NotStarted => Some("no kubelet.conf yet".to_owned()),
            ProbeResult::Partial { detail } | ProbeResult::Broken { detail } => Some(detail),
        })
    })?;
    let bootstrap = kubernetes.join("bootstrap-kubelet.conf");
    durable::remove(&bootstrap).map_err(StepError::io("remove", bootstrap))
}

fn words(phase: JoinPhase) -> &'static [&'static str] {
    match phase {
        JoinPhase::Preflight => &["join", "phase", "preflight"],
        JoinPhase::KubeletStart => &["join", "phase", "kubelet-start"],
        // Not called: see `await_bootstrap`.
        JoinPhase::KubeletWaitBootstrap => &["join", "phase", "kubelet-wait-bootstrap"],
    }
}
