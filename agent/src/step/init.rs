//! `kubeadm init`, one phase at a time.

use super::kubeadm::{self, JoinSecret, Private};
use super::{Context, StepError, api, kubeadm_config};
use crate::durable;
use model::step::{ClusterParams, InitPhase};
use std::net::Ipv4Addr;

pub(crate) fn run(
    context: &Context,
    phase: InitPhase,
    params: &ClusterParams,
    address: Ipv4Addr,
    secret: Option<&str>,
) -> Result<(), StepError> {
    refuse_after_serving(context, phase)?;
    if phase == InitPhase::WaitControlPlane {
        api::await_ready(context, params.control_plane)?;
        let served = context.paths.served();
        return durable::replace(&served, params.cluster.as_str().as_bytes(), 0o600)
            .map_err(StepError::io("write", &served));
    }
    let token = match phase {
        InitPhase::BootstrapToken => Some(JoinSecret::parse(secret)?.token),
        _ => None,
    };
    let config = kubeadm::with_input(context, params, address, |i| {
        kubeadm_config::init(i, token.as_deref())
    });
    let config = Private::create(context, "init.yaml", &config)?;
    kubeadm::call(words(phase), &config)?;
    Ok(())
}

/// After the first healthy API server these phases could only damage what serves.
fn refuse_after_serving(context: &Context, phase: InitPhase) -> Result<(), StepError> {
    let makes_state = matches!(
        phase,
        InitPhase::Certs
            | InitPhase::Kubeconfig
            | InitPhase::Etcd
            | InitPhase::ControlPlane
            | InitPhase::KubeletStart
    );
    if makes_state && context.paths.served().exists() {
        return Err(StepError::Served {
            found: format!("what {} makes is not whole", words(phase).join(" ")),
        });
    }
    Ok(())
}

fn words(phase: InitPhase) -> &'static [&'static str] {
    match phase {
        InitPhase::Preflight => &["init", "phase", "preflight"],
        InitPhase::Certs => &["init", "phase", "certs", "all"],
        InitPhase::Kubeconfig => &["init", "phase", "kubeconfig", "all"],
        InitPhase::Etcd => &["init", "phase", "etcd", "local"],
        InitPhase::ControlPlane => &["init", "phase", "control-plane", "all"],
        InitPhase::KubeletStart => &["init", "phase", "kubelet-start"],
        // Not called: see `api`.
        InitPhase::WaitControlPlane => &["init", "phase", "wait-control-plane"],
        InitPhase::UploadConfig => &["init", "phase", "upload-config", "all"],
        InitPhase::MarkControlPlane => &["init", "phase", "mark-control-plane"],
        InitPhase::BootstrapToken => &["init", "phase", "bootstrap-token", "--skip-token-print"],
        InitPhase::KubeletFinalize => &["init", "phase", "kubelet-finalize", "all"],
        InitPhase::AddonCoredns => &["init", "phase", "addon", "coredns"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::paths::Paths;
    use model::ids::NodeName;

    #[test]
    fn what_made_a_cluster_that_served_is_not_made_again() {
        let root = tempfile::tempdir().expect("temp");
        let context = Context {
            paths: Paths::below(root.path()),
            node: NodeName::new("app1-cp").expect("valid"),
            progress: None,
        };
        refuse_after_serving(&context, InitPhase::Certs).expect("nothing served yet");
        let served = context.paths.served();
        std::fs::create_dir_all(served.parent().expect("a folder")).expect("made");
        std::fs::write(served, "app1").expect("written");
        for phase in [InitPhase::Certs, InitPhase::Etcd, InitPhase::KubeletStart] {
            let error = refuse_after_serving(&context, phase).expect_err("refused");
            assert_eq!(error.code(), codes::SERVED);
            assert!(error.to_string().contains(&words(phase).join(" ")), "{error}");
        }
        for phase in [
            InitPhase::Preflight,
            InitPhase::UploadConfig,
            InitPhase::AddonCoredns,
        ] {
            refuse_after_serving(&context, phase).expect("changes nothing that serves");
        }
    }
}
