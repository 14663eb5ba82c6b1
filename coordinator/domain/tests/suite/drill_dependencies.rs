//! What a plan says of what recovery depends on, beyond whole lost clusters, with the shipped components.

use crate::drill_platform::planned_text;
use crate::drill_scenarios::{component, scenario};
use domain::drill::plan::{DependencyKind, DrillPlan, Present, drill_plan};
use domain::drill::scenario::Scenario;
use model::lab::Lab;

const NOTHING: &str = "no installed component needs another one that is lost";

/// What is told wherever the API server of app1 is away.
const WITHOUT_API: (DependencyKind, &str, &str) = (
    DependencyKind::Misses,
    "every controller in app1",
    "apiserver in app1",
);

/// What is told where its etcd is away with it.
const WITHOUT_ETCD: (DependencyKind, &str, &str) =
    (DependencyKind::ReturnsAfter, "apiserver in app1", "etcd in app1");

fn planned(name: &str) -> DrillPlan {
    planned_text(name, &scenario(name).to_yaml())
}

/// Each dependency as (kind, dependent, needs).
fn found(plan: &DrillPlan) -> Vec<(DependencyKind, &str, &str)> {
    let all = plan.dependencies.iter();
    all.map(|d| (d.kind, d.dependent.as_str(), d.needs.as_str()))
        .collect()
}

#[test]
fn whoever_needs_a_paused_vault_will_miss_it() {
    for drill in ["vault-down", "secret-deleted"] {
        let plan = planned(drill);
        let vault = "vault of vault in mgmt";
        let expected = [
            "secret-store in app1",
            "secret-store in app2",
            "secret-store in mgmt",
            "vault-issuer in mgmt",
        ];
        let expected = expected.map(|who| (DependencyKind::Misses, who, vault));
        assert_eq!(found(&plan), expected, "{drill}");
        assert!(
            plan.unknown_dependencies.is_empty(),
            "{:?}",
            plan.unknown_dependencies
        );
        assert!(
            plan.to_text()
                .contains("vault-issuer in mgmt will miss vault of vault in mgmt")
        );
    }
}

#[test]
fn a_paused_component_that_needs_what_needs_it_is_a_circle() {
    let components = [
        component("vault", "[mgmt]", "[app1/object-store]", "[vault]"),
        component("store", "[app1]", "[keys]", "[object-store]"),
        component("keys", "[app1]", "[mgmt/vault]", "[keys]"),
    ];
    let plan = |components: &[_]| {
        let lab = Lab::default();
        drill_plan(
            &scenario("vault-down"),
            &lab,
            components,
            &Present::assumed(&lab, components),
        )
        .expect("fits")
    };
    let circle = (
        DependencyKind::Circular,
        "vault in mgmt",
        "object-store of store in app1",
    );
    assert!(
        found(&plan(&components)).contains(&circle),
        "{:?}",
        found(&plan(&components))
    );
    // Without the last of the three it leads nowhere.
    let kinds = |plan: &DrillPlan| plan.dependencies.iter().map(|d| d.kind).collect::<Vec<_>>();
    assert!(kinds(&plan(&components[..2])).is_empty());
}

#[test]
fn an_etcd_that_is_away_takes_the_api_server_with_it_and_waits_for_nothing() {
    for drill in ["etcd-stop", "etcd-restore"] {
        assert_eq!(found(&planned(drill)), [WITHOUT_ETCD, WITHOUT_API]);
    }
}

#[test]
fn an_api_server_that_is_stopped_alone_is_missed_and_waits_for_nothing() {
    assert_eq!(found(&planned("apiserver-stop")), [WITHOUT_API]);
}

#[test]
fn what_part_of_a_cluster_runs_is_not_known_and_said_so() {
    let plan = planned("control-plane-loss");
    assert_eq!(found(&plan), [WITHOUT_ETCD, WITHOUT_API]);
    for (drill, unknown) in [
        ("control-plane-loss", "control-plane-off takes away on app1-cp:"),
        ("worker-loss", "worker-off takes away on app1-worker:"),
        ("dns-block", "dns-away hurts on app1-cp, app1-worker:"),
        ("packet-loss", "lossy hurts on app1-worker:"),
    ] {
        let plan = planned(drill);
        assert_eq!(
            plan.unknown_dependencies.len(),
            1,
            "{drill}: {:?}",
            plan.unknown_dependencies
        );
        let text = plan.to_text();
        assert!(
            text.contains(&format!("not known: who needs what {unknown}")),
            "{text}"
        );
        assert!(!text.contains(NOTHING), "{text}");
    }
    // All nodes of mgmt: what runs there is known.
    assert!(planned("mgmt-down").unknown_dependencies.is_empty());
}

#[test]
fn clusters_that_are_cut_off_miss_what_the_other_one_has() {
    let plan = planned("mesh-partition");
    let expected = [
        (
            DependencyKind::Misses,
            "cluster-mesh in app1",
            "mesh-server of cilium in app2",
        ),
        (
            DependencyKind::Misses,
            "cluster-mesh in app2",
            "mesh-server of cilium in app1",
        ),
    ];
    assert_eq!(found(&plan), expected);
}

/// A pod that is deleted begins anew whatever it cannot reach meanwhile.
#[test]
fn deleted_pods_wait_for_nobody() {
    let plan = planned("agent-restart-during-outage");
    let of_agent: Vec<_> = found(&plan)
        .into_iter()
        .filter(|(_, who, _)| *who == "metrics-agent in app1")
        .collect();
    let missed = (
        DependencyKind::Misses,
        "metrics-agent in app1",
        "remote-write of metrics-receiver in mgmt",
    );
    assert_eq!(of_agent, [missed]);
    // And whoever needs what they provide misses it.
    let components = [
        component("metrics-agent", "[app1]", "[]", "[metrics-agent]"),
        component("watcher", "[app1]", "[metrics-agent]", "[watcher]"),
    ];
    let (lab, scenario) = (Lab::default(), scenario("agent-restart-during-outage"));
    let plan = drill_plan(&scenario, &lab, &components, &Present::assumed(&lab, &components)).expect("fits");
    let missed = (
        DependencyKind::Misses,
        "watcher in app1",
        "metrics-agent of metrics-agent in app1",
    );
    assert!(found(&plan).contains(&missed), "{:?}", found(&plan));
}

/// Whoever judges a run again reads the plan that it was made with.
#[test]
fn a_plan_recorded_before_there_was_anything_not_known_is_still_read() {
    let plan = planned("vault-down");
    let recorded = serde_json::to_value(&plan).expect("JSON");
    assert!(recorded.get("unknown_dependencies").is_none());
    assert!(recorded["dependencies"][0].get("why").is_none());
    let read: DrillPlan = serde_json::from_value(recorded).expect("read");
    assert_eq!(read, plan);
}

/// Of a fault that hits nothing that the lab has, nothing is said.
#[test]
fn a_drill_whose_components_are_absent_says_that_nothing_is_needed() {
    let text = scenario("vault-down").to_yaml();
    let scenario = Scenario::from_yaml("f", "vault-down", &text).expect("valid");
    let plan = drill_plan(&scenario, &Lab::default(), &[], &Present::default()).expect("fits");
    assert!(plan.dependencies.is_empty() && plan.to_text().contains(NOTHING));
}
