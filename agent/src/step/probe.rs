//! What the operating system says of a step, whatever any journal says.

use super::{Context, StepFile, images, kube_probe, pki_probe, prepare};
use crate::paths::Paths;
use crate::{durable, fault};
use model::step::{InitPhase, JoinPhase, NodeStep, ProbeResult};
use std::io;
use std::net::SocketAddrV4;
use std::path::Path;

/// Whether the probe costs next to nothing, so that it may precede every run of the step.
pub(crate) fn is_cheap(step: &NodeStep) -> bool {
    match step {
        NodeStep::KubeadmInit { phase, .. } => {
            matches!(
                phase,
                InitPhase::Certs
                    | InitPhase::Kubeconfig
                    | InitPhase::Etcd
                    | InitPhase::ControlPlane
                    | InitPhase::KubeletStart
                    | InitPhase::KubeletFinalize
            )
        }
        NodeStep::KubeadmJoin { phase, .. } => {
            matches!(phase, JoinPhase::KubeletStart | JoinPhase::KubeletWaitBootstrap)
        }
        NodeStep::PrepareNode { .. } => true,
        NodeStep::ImportImages { .. }
        | NodeStep::MintKubeconfig { .. }
        | NodeStep::InjectFault { .. }
        | NodeStep::RenewFault { .. }
        | NodeStep::ReleaseFault { .. }
        | NodeStep::HealFaults { .. } => false,
    }
}

/// Probes the step in `file` and leaves the answer beside it, with the extension `answer`.
pub fn probe_file(paths: &Paths, file: &Path) -> io::Result<ProbeResult> {
    let input = StepFile::read(file)?;
    let context = Context {
        paths: paths.clone(),
        node: input.node.clone(),
        progress: None,
    };
    let result = probe(&context, &input.order.body);
    let bytes = serde_json::to_vec(&result).map_err(io::Error::other)?;
    durable::replace(&file.with_extension("answer"), &bytes, 0o600)?;
    Ok(result)
}

/// Looks, and changes nothing.
pub fn probe(context: &Context, step: &NodeStep) -> ProbeResult {
    let paths = &context.paths;
    match step {
        NodeStep::PrepareNode { .. } => match prepare::missing(paths) {
            None => ProbeResult::Done,
            Some(detail) => ProbeResult::Partial { detail },
        },
        NodeStep::ImportImages { role } => match images::missing_references(paths, *role) {
            Ok(missing) if missing.is_empty() => ProbeResult::Done,
            Ok(missing) => ProbeResult::Partial {
                detail: format!("not in the store: {}", missing.join(", ")),
            },
            Err(error) => ProbeResult::Broken {
                detail: error.chain(),
            },
        },
        NodeStep::KubeadmInit { phase, params, .. } => init(context, *phase, params.control_plane),
        NodeStep::KubeadmJoin { phase, .. } => join(context, *phase),
        // Nothing on the node tells whether the coordinator has it; making another is harmless.
        NodeStep::MintKubeconfig { .. } => ProbeResult::NotStarted,
        NodeStep::InjectFault { .. }
        | NodeStep::RenewFault { .. }
        | NodeStep::ReleaseFault { .. }
        | NodeStep::HealFaults { .. } => fault::probe(context, step),
    }
}

fn init(context: &Context, phase: InitPhase, server: SocketAddrV4) -> ProbeResult {
    let paths = &context.paths;
    let kubernetes = paths.kubernetes();
    match phase {
        InitPhase::Preflight => {
            // What follows it would not be there had it failed; run again it would refuse exactly that.
            let later = kubernetes.join("manifests/kube-apiserver.yaml").exists();
            if later {
                ProbeResult::Done
            } else {
                ProbeResult::NotStarted
            }
        }
        InitPhase::Certs => pki_probe::certificates(&kubernetes.join("pki")),
        InitPhase::Kubeconfig => pki_probe::kubeconfigs(&kubernetes),
        InitPhase::Etcd => files(&kubernetes, &["manifests/etcd.yaml"]),
        InitPhase::ControlPlane => files(
            &kubernetes,
            &[
                "manifests/kube-apiserver.yaml",
                "manifests/kube-controller-manager.yaml",
                "manifests/kube-scheduler.yaml",
            ],
        ),
        InitPhase::KubeletStart => kube_probe::kubelet_started(paths),
        InitPhase::WaitControlPlane => kube_probe::api_ready(paths, server),
        InitPhase::UploadConfig => {
            kube_probe::objects(paths, &["configmap/kubeadm-config", "configmap/kubelet-config"])
        }
        InitPhase::MarkControlPlane => kube_probe::marked(context),
        InitPhase::BootstrapToken => kube_probe::bootstrap_token(paths),
        InitPhase::KubeletFinalize => pki_probe::rotated(&kubernetes.join("kubelet.conf"), &paths.kubelet()),
        InitPhase::AddonCoredns => kube_probe::objects(paths, &["deployment/coredns", "service/kube-dns"]),
    }
}

fn join(context: &Context, phase: JoinPhase) -> ProbeResult {
    let paths = &context.paths;
    let kubelet_conf = paths.kubernetes().join("kubelet.conf");
    match phase {
        JoinPhase::Preflight if kubelet_conf.exists() => ProbeResult::Done,
        JoinPhase::Preflight => ProbeResult::NotStarted,
        JoinPhase::KubeletStart => kube_probe::kubelet_started(paths),
        JoinPhase::KubeletWaitBootstrap => match pki_probe::rotated(&kubelet_conf, &paths.kubelet()) {
            ProbeResult::Done if paths.kubernetes().join("bootstrap-kubelet.conf").exists() => {
                ProbeResult::Partial {
                    detail: "the bootstrap credential is still on the disk".into(),
                }
            }
            other => other,
        },
    }
}

/// All of these files, none, or some.
pub(crate) fn files(folder: &Path, names: &[&str]) -> ProbeResult {
    let empty = |name: &&&str| std::fs::metadata(folder.join(name)).map_or(0, |m| m.len()) == 0;
    let missing: Vec<&str> = names.iter().filter(empty).copied().collect();
    match missing.len() {
        0 => ProbeResult::Done,
        n if n == names.len() => ProbeResult::NotStarted,
        _ => ProbeResult::Partial {
            detail: format!("missing or empty: {}", missing.join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::NodeName;

    #[test]
    fn files_are_none_some_or_all_and_an_empty_one_does_not_count() {
        let dir = tempfile::tempdir().expect("temp");
        let names = ["a", "b"];
        assert_eq!(files(dir.path(), &names), ProbeResult::NotStarted);
        std::fs::write(dir.path().join("a"), "x").expect("written");
        std::fs::write(dir.path().join("b"), "").expect("written");
        assert!(matches!(files(dir.path(), &names), ProbeResult::Partial { detail } if detail.contains('b')));
        std::fs::write(dir.path().join("b"), "x").expect("written");
        assert_eq!(files(dir.path(), &names), ProbeResult::Done);
    }

    #[test]
    fn an_untouched_node_has_started_nothing() {
        let dir = tempfile::tempdir().expect("temp");
        let node = NodeName::new("a").expect("valid");
        let server = SocketAddrV4::new([127, 0, 0, 1].into(), 1);
        let context = Context {
            paths: Paths::below(dir.path()),
            node,
            progress: None,
        };
        for phase in [
            InitPhase::Preflight,
            InitPhase::Certs,
            InitPhase::Kubeconfig,
            InitPhase::Etcd,
            InitPhase::ControlPlane,
            InitPhase::WaitControlPlane,
            InitPhase::UploadConfig,
            InitPhase::KubeletFinalize,
        ] {
            assert_eq!(
                init(&context, phase, server),
                ProbeResult::NotStarted,
                "{phase:?}"
            );
        }
        for phase in [JoinPhase::Preflight, JoinPhase::KubeletWaitBootstrap] {
            assert_eq!(join(&context, phase), ProbeResult::NotStarted, "{phase:?}");
        }
    }
}
