//! Names, ids and plans that the tests share.

use domain::capability::Capability;
use domain::plan::{HostStep, Plan, PlannedStep, StepBody, Target};
use model::ids::{BootId, ClusterName, ComponentName, Digest, Incarnation, NodeName, RunId};
use model::lab::Lab;
use model::step::{InitPhase, JoinPhase, NodeStep, step_id};

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("valid name")
}

pub(crate) fn boot(number: u8) -> BootId {
    BootId([number; 16])
}

pub(crate) fn incarnation(number: u8) -> Incarnation {
    Incarnation([number; 16])
}

pub(crate) fn run_id(number: u8) -> RunId {
    RunId([number; 16])
}

/// Two init phases on one node, one join phase on the other, one host step, and the waits for both agents.
pub(crate) fn small_plan() -> Plan {
    let lab = Lab::default();
    let cluster = lab.clusters.first().expect("a cluster");
    let params = lab.params(cluster).expect("a control plane");
    let name = cluster.name.clone();
    let (cp, worker) = (node("mgmt-cp"), node("mgmt-worker"));
    let address = params.control_plane.ip().to_owned();
    let of = |what: &str| Capability::cluster(&name, what);
    let init = |phase| NodeStep::KubeadmInit {
        phase,
        params: params.clone(),
        address,
    };
    let join = NodeStep::KubeadmJoin {
        phase: JoinPhase::KubeletStart,
        params: params.clone(),
        address,
    };
    let install = HostStep::InstallComponent {
        component: ComponentName::new("network").expect("valid"),
        cluster: name.clone(),
        digest: Digest([7; 32]),
    };
    let on = |node: &NodeName, body: NodeStep, needs: &[Capability], provides: &[Capability]| PlannedStep {
        id: body.id("default", node),
        name: format!("{node} {}", body.label()),
        phase: 1,
        cluster: Some(name.clone()),
        target: Target::Node(node.clone()),
        body: StepBody::Node(body),
        needs: needs.to_vec(),
        provides: provides.to_vec(),
        budget_ms: 60_000,
        expected_ms: 1_000,
    };
    let host = |subject: &str, body: HostStep, needs: &[Capability], provides: &[Capability]| {
        host_step(&name, subject, body, needs, provides)
    };
    let agent = |node: &NodeName| Capability::node(node, "agent");
    let steps = vec![
        host(
            "mgmt-cp",
            HostStep::AwaitAgent { node: cp.clone() },
            &[],
            &[agent(&cp)],
        ),
        host(
            "mgmt-worker",
            HostStep::AwaitAgent { node: worker.clone() },
            &[],
            &[agent(&worker)],
        ),
        on(
            &cp,
            init(InitPhase::ControlPlane),
            &[agent(&cp)],
            &[of("manifests")],
        ),
        on(
            &cp,
            init(InitPhase::WaitControlPlane),
            &[of("manifests")],
            &[of("apiserver")],
        ),
        on(&worker, join, &[agent(&worker), of("apiserver")], &[of("joined")]),
        host("mgmt", install, &[of("apiserver")], &[of("cni")]),
    ];
    Plan {
        steps,
        digest: Digest([9; 32]),
        through: 1,
    }
}

/// [`small_plan`] whose host step is also waited for.
pub(crate) fn awaited_plan() -> Plan {
    let mut plan = small_plan();
    let install = plan.steps.pop().expect("the host step");
    let Some(HostStep::InstallComponent {
        component, cluster, ..
    }) = install.host_step()
    else {
        panic!("{} is the last step", install.name);
    };
    let body = HostStep::AwaitReady {
        component: component.clone(),
        cluster: cluster.clone(),
    };
    let installed = Capability::cluster(cluster, "component/network/installed");
    let ready = host_step(
        cluster,
        "mgmt",
        body,
        std::slice::from_ref(&installed),
        &install.provides,
    );
    plan.steps.push(PlannedStep {
        provides: vec![installed],
        ..install
    });
    plan.steps.push(ready);
    plan
}

pub(crate) fn host_step(
    cluster: &ClusterName,
    subject: &str,
    body: HostStep,
    needs: &[Capability],
    provides: &[Capability],
) -> PlannedStep {
    PlannedStep {
        id: step_id("default", "host", &serde_json::to_vec(&body).expect("serde")),
        name: format!("{subject} {}", body.label()),
        phase: 1,
        cluster: Some(cluster.clone()),
        target: Target::Host,
        body: StepBody::Host(body),
        needs: needs.to_vec(),
        provides: provides.to_vec(),
        budget_ms: 60_000,
        expected_ms: 1_000,
    }
}
