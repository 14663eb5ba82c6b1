//! `kubeadm join` of a worker, one phase at a time. Discovery reads a file, so nothing depends on `cluster-info`.

use super::kubeadm::{self, JoinSecret, Private};
use super::{Context, StepError, kubeadm_config};
use model::step::{ClusterParams, JoinPhase};
use std::net::Ipv4Addr;

pub(crate) fn run(
    context: &Context,
    phase: JoinPhase,
    params: &ClusterParams,
    address: Ipv4Addr,
    secret: Option<&str>,
) -> Result<(), StepError> {
    let secret = JoinSecret::parse(secret)?;
    if !secret.ca_pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(StepError::Secret("holds no certificate authority"));
    }
    let discovery = kubeadm_config::discovery(params, &secret.ca_pem, &secret.token);
    let discovery = Private::create(context, "discovery.yaml", &discovery)?;
    let config = kubeadm::with_input(context, params, address, |i| kubeadm_config::join(i, &discovery.text()));
    let config = Private::create(context, "join.yaml", &config)?;
    if phase == JoinPhase::KubeletWaitBootstrap {
        context.say("waiting for kubelet's own certificate");
    }
    kubeadm::call(words(phase), &config)?;
    Ok(())
}

fn words(phase: JoinPhase) -> &'static [&'static str] {
    match phase {
        JoinPhase::Preflight => &["join", "phase", "preflight"],
        JoinPhase::KubeletStart => &["join", "phase", "kubelet-start"],
        JoinPhase::KubeletWaitBootstrap => &["join", "phase", "kubelet-wait-bootstrap"],
    }
}
