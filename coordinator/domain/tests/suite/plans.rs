//! The plan: golden text, digests, and refusals that name what must change.

use domain::component::Component;
use domain::document::DocumentError;
use domain::plan::{Plan, PlanError, plan};
use domain::render;
use model::ids::Digest;
use model::lab::Lab;

const GOLDEN: &str = "tests/golden/plan.txt";

fn yaml(name: &str, phase: u8, needs: &str, provides: &str) -> String {
    format!(
        "apiVersion: drillyard/v1\nkind: Component\nname: {name}\nphase: {phase}\nclusters: all\n\
         chart: {{name: {name}, version: 1.0.0}}\nnamespace: kube-system\nneeds: {needs}\nprovides: {provides}\n\
         readiness: [{{check: nodes_ready}}]\nexpected_seconds: 50\nbudget_seconds: 500\n"
    )
}

fn component(name: &str, phase: u8, needs: &str, provides: &str) -> Component {
    let text = yaml(name, phase, needs, provides);
    rendered(Component::from_yaml("component.yaml", name, &text).expect("valid"))
}

fn rendered(component: Component) -> Component {
    let lab = Lab::default();
    let digest = |i: usize| Digest([u8::try_from(i).expect("few"); 32]);
    let clusters = lab.clusters.iter().enumerate();
    clusters.fold(component, |component, (i, cluster)| {
        component.with_inputs(cluster.name.clone(), digest(i))
    })
}

fn network() -> Component {
    component("network", 3, "[kubeconfig]", "[cni, cluster-mesh]")
}

fn position(plan: &Plan, name: &str) -> usize {
    plan.steps
        .iter()
        .position(|step| step.name == name)
        .unwrap_or_else(|| panic!("no step {name}"))
}

#[test]
fn the_default_plan_is_the_golden_one() {
    let made = plan(&Lab::default(), &[network()], 3).expect("a plan");
    let text = render::plan(&made);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "the plan differs from {GOLDEN}; UPDATE_GOLDEN=1 writes it anew:\n{text}"
    );
}

#[test]
fn the_same_input_gives_the_same_digest_and_another_input_another() {
    let lab = Lab::default();
    let digest =
        |lab: &Lab, components: &[Component], through| plan(lab, components, through).expect("a plan").digest;
    assert_eq!(digest(&lab, &[network()], 3), digest(&lab, &[network()], 3));
    assert_ne!(digest(&lab, &[network()], 3), digest(&lab, &[network()], 2));
    assert_ne!(digest(&lab, &[network()], 3), digest(&lab, &[], 3));
    let mut larger = lab.clone();
    larger.clusters[0].nodes[0].memory_mib += 1;
    assert_ne!(digest(&larger, &[], 2), digest(&lab, &[], 2));
}

#[test]
fn a_new_component_renames_no_old_step() {
    let lab = Lab::default();
    let few = plan(&lab, &[network()], 3).expect("a plan");
    let many = plan(&lab, &[component("extra", 3, "[cni]", "[extra]"), network()], 3).expect("a plan");
    assert!(
        few.steps
            .iter()
            .all(|step| many.step(step.id).is_some_and(|other| other.name == step.name))
    );
}

#[test]
fn the_plan_survives_the_file_beside_the_log() {
    let made = plan(&Lab::default(), &[network()], 3).expect("a plan");
    let json = serde_json::to_string(&made).expect("serde");
    assert_eq!(serde_json::from_str::<Plan>(&json).expect("serde"), made);
}

#[test]
fn workers_wait_for_the_token_and_nothing_later() {
    let made = plan(&Lab::default(), &[network()], 3).expect("a plan");
    let join = &made.steps[position(&made, "app1-worker kubeadm_join/preflight")];
    let text: Vec<&str> = join
        .needs
        .iter()
        .map(domain::capability::Capability::as_str)
        .collect();
    assert_eq!(
        text,
        [
            "node/app1-worker/prepared",
            "cluster/app1/join-token",
            "cluster/app1/kubeconfig"
        ]
    );
    let token = position(&made, "app1-cp kubeadm_init/bootstrap_token");
    assert!(
        token < position(&made, "app1-cp kubeadm_init/addon_coredns"),
        "others wait for the token"
    );
}

#[test]
fn a_provider_of_a_later_phase_comes_as_early_as_it_is_needed() {
    let store = component("store", 7, "[cni]", "[object-store]");
    let vault = component("vault", 4, "[object-store]", "[vault]");
    let made = plan(&Lab::default(), &[vault, store, network()], 4).expect("a plan");
    assert_eq!(made.steps[position(&made, "mgmt install/store")].phase, 4);
    assert!(position(&made, "mgmt await_ready/store") < position(&made, "mgmt install/vault"));
    assert!(made.missing(4).contains(&"vault-issuer".to_owned()));
}

#[test]
fn needs_of_every_cluster_and_of_a_named_one() {
    let mesh = component("mesh", 3, "['*/cni', mgmt/cni]", "[mesh]");
    let made = plan(&Lab::default(), &[network(), mesh], 3).expect("a plan");
    let needs = &made.steps[position(&made, "app2 install/mesh")].needs;
    let text: Vec<&str> = needs.iter().map(domain::capability::Capability::as_str).collect();
    assert_eq!(
        text,
        [
            "cluster/app2/kubeconfig",
            "cluster/mgmt/cni",
            "cluster/app1/cni",
            "cluster/app2/cni"
        ]
    );
}

#[test]
fn refusals_name_what_must_change() {
    let lab = Lab::default();
    let table: [(Vec<Component>, &str); 5] = [
        (
            vec![component("a", 3, "[nothing]", "[x]")],
            "mgmt install/a needs cluster/mgmt/nothing, which nothing provides",
        ),
        (
            vec![component("a", 3, "[y]", "[x]"), component("b", 3, "[x]", "[y]")],
            "these need each other: mgmt install/a -> mgmt await_ready/b -> mgmt install/b -> mgmt await_ready/a -> mgmt install/a",
        ),
        (
            vec![component("a", 3, "[]", "[x]"), component("b", 3, "[]", "[x]")],
            "cluster/mgmt/x is provided by both a and b",
        ),
        (vec![network(), network()], "component network exists twice"),
        (
            vec![component("a", 3, "[moon/x]", "[y]")],
            "component a names cluster moon, which the lab does not have",
        ),
    ];
    for (components, expected) in table {
        let error = plan(&lab, &components, 3).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(plan(&lab, &[], 9), Err(PlanError::Phase(9)));
    let mut bare = network();
    bare.inputs.clear();
    assert!(matches!(plan(&lab, &[bare], 3), Err(PlanError::NoInputs { .. })));
}

#[test]
fn component_files_are_refused_with_file_field_and_rule() {
    let table = [
        ("phase: 3", "phase: 9", "phase: \"9\" must be within 1 to 8"),
        (
            "name: network\nphase",
            "name: other\nphase",
            "name: \"other\" must be the folder's name, network",
        ),
        (
            "kind: Component",
            "kind: Chart",
            "kind: \"Chart\" must be Component",
        ),
        ("[cni]", "[CNI]", "provides[0]: \"CNI\" is not a DNS-1123 label"),
        (
            "budget_seconds: 500",
            "budget_seconds: 5",
            "budget_seconds: \"5\" must be above zero and not below expected_seconds",
        ),
        (
            "[{check: nodes_ready}]",
            "[]",
            "readiness: \"[]\" must name at least one check",
        ),
        (
            "[{check: nodes_ready}]",
            "[{check: exec, workload: daemonset/network, command: [status], expect: [ready, ' ']}]",
            "readiness[0].expect[1]: \" \" must not be empty",
        ),
        (
            "namespace: kube-system",
            "namespace: kube_system",
            "namespace: \"kube_system\" is not a DNS-1123 label",
        ),
    ];
    let good = yaml("network", 3, "[kubeconfig]", "[cni]");
    for (from, to, expected) in table {
        assert!(good.contains(from), "{from}");
        let error = Component::from_yaml(
            "values/components/network/component.yaml",
            "network",
            &good.replace(from, to),
        );
        let text = error.expect_err("refused").to_string();
        assert!(
            text.contains(expected) && text.contains("network/component.yaml"),
            "{text}"
        );
    }
    for (from, to) in [
        ("phase: 3", "phse: 3"),
        ("clusters: all", "clusters: some"),
        ("nodes_ready", "nods_ready"),
    ] {
        let error = Component::from_yaml("f", "network", &good.replace(from, to));
        assert!(matches!(error, Err(DocumentError::Parse { .. })), "{to}");
    }
}

#[test]
fn every_component_folder_is_valid() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../values/components");
    let mut components = Vec::new();
    for entry in std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry"))
    {
        let file = entry.path().join("component.yaml");
        let name = entry.file_name().into_string().expect("UTF-8");
        if let Ok(text) = std::fs::read_to_string(&file) {
            let component = Component::from_yaml(&file.to_string_lossy(), &name, &text);
            components.push(component.unwrap_or_else(|error| panic!("{error}")));
        }
    }
    assert!(!components.is_empty());
    let on = |lab: &Lab| -> Vec<Component> {
        let placed = components.iter().cloned().map(|component| component.placed(lab));
        placed.map(rendered).collect()
    };
    // A lab without application clusters has a plan too.
    let alone = Lab {
        clusters: Lab::default().clusters[..1].to_vec(),
        ..Lab::default()
    };
    plan(&alone, &on(&alone), 8).expect("all folders make a plan for one cluster");
    let components = on(&Lab::default());
    let made = plan(&Lab::default(), &components, 8).expect("all folders make one plan");
    assert!(
        made.steps
            .iter()
            .any(|step| step.name == "app2 await_ready/cilium")
    );
}
