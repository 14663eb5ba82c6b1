//! Scenario files: the shipped ones fit the default lab, and a broken one is refused at the right field.

use crate::drill_verdicts::run;
use domain::component::Component;
use domain::document::DocumentError;
use domain::drill::contract::ContractId;
use domain::drill::not_covered::{NotCovered, STEM};
use domain::drill::plan::{DependencyKind, DrillPlan, DrillPlanError, Present, drill_plan};
use domain::drill::scenario::{Look, RESERVED, Scenario};
use model::lab::Lab;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const GOLDEN: &str = "tests/golden/drill-plan.txt";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../values/drills")
}

fn shipped() -> Vec<(String, String)> {
    let mut all: Vec<_> = std::fs::read_dir(folder())
        .expect("values/drills")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| path.file_stem().is_some_and(|stem| stem != STEM))
        .map(|path| {
            let stem = path.file_stem().expect("name").to_string_lossy().into_owned();
            (stem, std::fs::read_to_string(&path).expect("text"))
        })
        .collect();
    all.sort();
    all
}

pub(crate) fn scenario(name: &str) -> Scenario {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).expect("shipped");
    Scenario::from_yaml(name, name, &text).expect("valid")
}

pub(crate) fn component(name: &str, clusters: &str, needs: &str, provides: &str) -> Component {
    let text = format!(
        "apiVersion: drillyard/v1\nkind: Component\nname: {name}\nphase: 4\nclusters: {clusters}\n\
         chart: {{name: {name}, version: 1.0.0}}\nnamespace: demo\nneeds: {needs}\nprovides: {provides}\n\
         readiness: [{{check: nodes_ready}}]\nexpected_seconds: 50\nbudget_seconds: 500\n"
    );
    Component::from_yaml("component.yaml", name, &text).expect("valid")
}

/// Vault on mgmt, its clients everywhere, and a store on app1 that mgmt needs: a circle over two clusters.
fn components() -> Vec<Component> {
    vec![
        component("application", "[app1, app2]", "[mgmt/vault]", "[application]"),
        component("cilium", "all", "[]", "[cluster-mesh]"),
        component("store", "[app1]", "[mgmt/vault]", "[object-store]"),
        component("vault", "[mgmt]", "[]", "[vault]"),
        component("backup", "[mgmt]", "[app1/object-store, vault]", "[backup]"),
    ]
}

pub(crate) fn planned(name: &str) -> DrillPlan {
    planned_text(name, &scenario(name).to_yaml())
}

/// The plan of a scenario's text on a lab with those components.
pub(crate) fn planned_text(name: &str, text: &str) -> DrillPlan {
    let (lab, components) = (Lab::default(), components());
    drill_plan(
        &Scenario::from_yaml(name, name, text).expect("valid"),
        &lab,
        &components,
        &Present::assumed(&lab, &components),
    )
    .expect("fits")
}

#[test]
fn every_shipped_scenario_is_valid_and_fits_the_default_lab() {
    let (lab, all) = (Lab::default(), shipped());
    assert!(all.len() >= 7, "{} scenarios", all.len());
    for (stem, text) in all {
        let read = Scenario::from_yaml(&stem, &stem, &text).unwrap_or_else(|e| panic!("{stem}: {e}"));
        let again = Scenario::from_yaml(&stem, &stem, &read.to_yaml()).expect("its own YAML");
        assert_eq!(read, again, "{stem} does not round trip");
        // Without any component nothing that needs one is covered, and every reason is told.
        let plan = drill_plan(&read, &lab, &[], &Present::default()).expect("fits");
        assert!(
            plan.coverage.iter().all(|c| c.missing.is_some()),
            "{stem}: {:?}",
            plan.coverage
        );
    }
}

#[test]
fn what_no_drill_looks_at_is_in_the_coverage_of_every_report() {
    let text = std::fs::read_to_string(folder().join(format!("{STEM}.yaml"))).expect("shipped");
    let gaps = NotCovered::from_yaml("f", &text).expect("valid").not_covered;
    assert!(
        gaps.iter()
            .any(|gap| gap.subject == "Loki" && gap.reason.contains("AGPL"))
    );
    let bare = planned("worker-loss");
    let plan = DrillPlan {
        gaps: gaps.clone(),
        ..bare.clone()
    };
    // A history has it, and one of an older release has none.
    let recorded = serde_json::to_value(&plan).expect("JSON");
    let read: DrillPlan = serde_json::from_value(recorded.clone()).expect("a plan");
    assert_eq!(read, plan);
    let mut older = recorded;
    older.as_object_mut().expect("a plan").remove("gaps");
    assert_eq!(serde_json::from_value::<DrillPlan>(older).expect("a plan"), bare);
    let report = run(read, |_, _| (true, BTreeMap::new()));
    for gap in gaps {
        let row = report.coverage.iter().find(|row| row.subject == gap.subject);
        let row = row.unwrap_or_else(|| panic!("{} is not told", gap.subject));
        assert!(!row.covered && row.reason == gap.reason);
    }
}

/// What the README says of drills, from this heading on.
fn read_me(heading: &str) -> String {
    let text = std::fs::read_to_string(folder().join("README.md")).expect("a README");
    let at = text.find(&format!("## {heading}\n"));
    text[at.expect("the heading")..].to_owned()
}

#[test]
fn every_shipped_drill_has_its_row_in_the_readme() {
    let text = read_me("What is shipped");
    for (stem, _) in shipped() {
        assert!(text.contains(&format!("\n| {stem} |")), "{stem} has no row");
    }
}

#[test]
fn every_fault_is_in_a_shipped_drill_or_named_as_one_that_is_in_none() {
    let (schema, absent) = (Scenario::schema(), read_me("Not shipped"));
    let kinds = schema["$defs"]["FaultKind"]["oneOf"].as_array().expect("kinds");
    let words = kinds
        .iter()
        .map(|kind| kind["properties"]["fault"]["const"].as_str().expect("a word"));
    let used: Vec<&str> = shipped()
        .iter()
        .flat_map(|(stem, _)| scenario(stem).faults)
        .map(|fault| fault.inject.word())
        .collect();
    assert!(words.len() >= 10, "{kinds:?}");
    for word in words {
        let named = absent.contains(&format!("`{word}`"));
        assert!(
            used.contains(&word) || named,
            "no shipped drill has {word}, and nothing says why"
        );
    }
}

/// The scenario with `from` changed to `to` breaks a rule of `field`.
fn breaks(name: &str, field: &str, from: &str, to: &str) {
    let good = scenario(name).to_yaml();
    assert!(good.contains(from), "{from:?} is not in the document");
    let text = good.replacen(from, to, 1);
    let broken = match Scenario::from_yaml("f", name, &text) {
        Err(DocumentError::Rules { broken, .. }) => broken,
        other => panic!("{field}: {other:?}"),
    };
    assert!(
        broken.iter().any(|b| b.field == field),
        "{field} not among {broken:?}"
    );
}

#[test]
fn each_rule_names_its_field() {
    let breaks = |field: &str, from: &str, to: &str| breaks("mgmt-down", field, from, to);
    breaks("apiVersion", "drillyard/v1", "drillyard/v9");
    breaks("kind", "kind: Drill", "kind: Lab");
    breaks("name", "name: mgmt-down", "name: other");
    breaks(
        "hypothesis.objectives.availabilityPercent",
        "availabilityPercent: 99.0",
        "availabilityPercent: 101.0",
    );
    breaks("phases.observeSeconds", "observeSeconds: 90", "observeSeconds: 0");
    breaks("faults", "atSeconds: 0", "atSeconds: 5");
    breaks(
        "faults[0].leaseMarginSeconds",
        "leaseMarginSeconds: 90",
        "leaseMarginSeconds: 1",
    );
    breaks("faults[0].inject.targets[0]", "- cluster: mgmt", "- role: worker");
    breaks("probes[0].periodMs", "periodMs: 250", "periodMs: 1");
    breaks("probes[1].name", "name: app1-web-pod", "name: app1-web-host");
    breaks(
        "probes[23].look.listener",
        "listener: vault/vault-tls",
        "listener: vault-tls",
    );
    breaks("abort[0].probe", "probe: app1-web-host", "probe: nobody");
    breaks(
        "abort[2].probe",
        "probe: app1-backlog",
        "probe: app1-metrics-agent",
    );
    breaks(
        "phases.worstStartSeconds",
        "verifySeconds: 420",
        "verifySeconds: 420\n  worstStartSeconds: 90000",
    );
    breaks("probes[11].look.shards", "shards: 4", "shards: 0");
    breaks("scale.factor", "factor: 1.0", "factor: 0.5");
    let of_canary = |field: &str, from: &str, to: &str| {
        self::breaks("secret-deleted", &format!("probes[1].{field}"), from, to);
    };
    of_canary("look.refreshSeconds", "refreshSeconds: 5", "refreshSeconds: 0");
    of_canary(
        "look.actAfterSeconds",
        "actAfterSeconds: 10",
        "actAfterSeconds: 30",
    );
    of_canary("look.store", "store: vault", "store: a/b");
    of_canary("expect", "comes_back", "stays_good");
    self::breaks(
        "etcd-restore",
        "probes[0].look.namespace",
        "probe: sentinel",
        "probe: sentinel\n    namespace: demo",
    );
    let good = scenario("mgmt-down").to_yaml();
    for word in RESERVED {
        let text = good.replacen("name: mgmt-down", &format!("name: {word}"), 1);
        let refused = Scenario::from_yaml("f", word, &text).expect_err("reserved");
        assert!(
            refused.to_string().contains("word of the command line"),
            "{refused}"
        );
    }
}

/// Whoever judges a run again reads the plan that it was made with.
#[test]
fn a_plan_recorded_with_the_namespace_of_its_sentinels_is_still_read() {
    let recorded = serde_json::json!({"probe": "sentinel", "namespace": "demo", "image": "a:1"});
    let look: Look = serde_json::from_value(recorded.clone()).expect("read");
    assert_eq!(serde_json::to_value(&look).expect("JSON"), recorded);
    assert!(!Scenario::schema().to_string().contains("recorded before"));
}

#[test]
fn a_lab_that_sets_how_many_shards_its_canaries_serve_decides() {
    let components = [component(
        "metrics-agent",
        "[app1, app2]",
        "[]",
        "[metrics-agent]",
    )];
    let shards = |set: Option<&str>| {
        let mut lab = Lab::default();
        if let Some(set) = set {
            let name = components[0].name.clone();
            let settings = BTreeMap::from([("canary_shards".to_owned(), set.to_owned())]);
            lab.settings.insert(name, settings);
        }
        let present = Present::assumed(&lab, &components);
        let plan = drill_plan(&scenario("mgmt-down"), &lab, &components, &present).expect("fits");
        let found = plan.active_probes().find_map(|probe| match &probe.look {
            Look::CanaryStored { shards, .. } => Some(*shards),
            _ => None,
        });
        found.flatten()
    };
    for (set, expected) in [(None, 4), (Some("2"), 2), (Some("many"), 4), (Some("0"), 4)] {
        assert_eq!(shards(set), Some(expected), "{set:?}");
    }
}

#[test]
fn an_unknown_key_or_kind_is_refused_with_its_path() {
    let good = scenario("mgmt-down").to_yaml();
    for (from, to, path) in [
        ("periodMs: 250", "periodMs: 250\n  speed: 3", "probes[0]"),
        (
            "fault: node_power_loss",
            "fault: node_explosion",
            "faults[0].inject",
        ),
        ("atSeconds: 0", "atSeconds: soon", "faults[0].atSeconds"),
    ] {
        let refused = Scenario::from_yaml("f", "mgmt-down", &good.replacen(from, to, 1)).expect_err(to);
        let source = std::error::Error::source(&refused).expect("a cause").to_string();
        assert!(source.contains(path), "{source:?} does not name {path}");
    }
}

#[test]
fn the_plan_is_what_the_golden_text_says() {
    let text = planned("mgmt-down").to_text();
    if std::env::var_os("DRILLYARD_REGENERATE").is_some() {
        std::fs::write(GOLDEN, &text).expect("write");
    }
    assert_eq!(
        text,
        std::fs::read_to_string(GOLDEN).expect("golden"),
        "DRILLYARD_REGENERATE=1 writes it anew"
    );
}

#[test]
fn equal_inputs_have_equal_digests_and_others_do_not() {
    assert_eq!(planned("mgmt-down").digest, planned("mgmt-down").digest);
    assert_ne!(planned("mgmt-down").digest, planned("mgmt-freeze").digest);
    let lab = Lab::default();
    let bare = drill_plan(&scenario("mgmt-down"), &lab, &[], &Present::default()).expect("fits");
    assert_ne!(planned("mgmt-down").digest, bare.digest);
}

#[test]
fn the_circle_over_two_clusters_is_found() {
    let plan = planned("mgmt-down");
    let of = |kind| {
        plan.dependencies
            .iter()
            .filter(move |d| d.kind == kind)
            .collect::<Vec<_>>()
    };
    let circular = of(DependencyKind::Circular);
    assert_eq!(circular.len(), 1, "{circular:?}");
    assert_eq!(circular[0].dependent, "backup in mgmt");
    assert_eq!(circular[0].needs, "object-store of store in app1");
    let after: Vec<&str> = of(DependencyKind::ReturnsAfter)
        .iter()
        .map(|d| d.dependent.as_str())
        .collect();
    assert_eq!(
        after,
        ["apiserver in mgmt", "backup in mgmt", "every controller in mgmt"]
    );
    assert_eq!(
        of(DependencyKind::Misses).len(),
        3,
        "{:?}",
        of(DependencyKind::Misses)
    );
}

#[test]
fn coverage_says_what_is_missing() {
    let plan = planned("mgmt-down");
    assert_eq!(plan.not_covered(ContractId::C1), None);
    assert_eq!(plan.not_covered(ContractId::C6), None);
    assert_eq!(
        plan.not_covered(ContractId::C2).as_deref(),
        Some("no component provides metrics-agent in app1; no component provides metrics-agent in app2")
    );
    assert_eq!(
        plan.not_covered(ContractId::C4).as_deref(),
        Some("no component provides kyverno in app1; no component provides kyverno in app2")
    );
    assert_eq!(
        plan.not_covered(ContractId::C5).as_deref(),
        Some("no component provides vault-issuer in mgmt")
    );
}

#[test]
fn a_lab_that_does_not_fit_is_refused_with_the_field() {
    let mut lab = Lab::default();
    lab.clusters.truncate(2);
    let refused =
        |name: &str| drill_plan(&scenario(name), &lab, &[], &Present::default()).expect_err("does not fit");
    let DrillPlanError::UnknownCluster { field, cluster, .. } = refused("mesh-partition") else {
        panic!("{:?}", refused("mesh-partition"));
    };
    assert_eq!(
        (field.as_str(), cluster.as_str()),
        ("faults[0].inject.between", "app2")
    );
    let alone = Lab {
        clusters: Lab::default().clusters.into_iter().take(1).collect(),
        ..Lab::default()
    };
    let text = scenario("worker-loss").to_yaml();
    let text = text.replace("app1-worker", "nobody");
    let scenario = Scenario::from_yaml("f", "worker-loss", &text).expect("valid by itself");
    let refused = drill_plan(&scenario, &alone, &[], &Present::default()).expect_err("no such node");
    assert!(matches!(refused, DrillPlanError::NoNodes { .. }), "{refused}");
}

#[test]
fn a_control_says_which_contract_is_to_be_violated() {
    assert_eq!(scenario("secret-deleted").hypothesis.violated(), [ContractId::C3]);
    assert_eq!(
        scenario("agent-restart-during-outage").hypothesis.violated(),
        [ContractId::C2]
    );
    assert!(scenario("mgmt-down").hypothesis.violated().is_empty());
    let field = "hypothesis.expectViolated";
    let named = "  expectViolated:\n  - C2\n";
    breaks("agent-restart-during-outage", field, named, "");
    breaks(
        "agent-restart-during-outage",
        field,
        "- C2\nguards",
        "- C5\nguards",
    );
    breaks(
        "mgmt-down",
        field,
        "expectViolation: false",
        "expectViolation: false\n  expectViolated: [C1]",
    );
    // A plan that was recorded before they were named is read, and nothing is guessed.
    let mut before = scenario("agent-restart-during-outage").hypothesis;
    before.expect_violated.clear();
    assert!(before.violated().is_empty());
}
