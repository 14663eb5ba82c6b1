//! Contracts about what is installed where, judged from what probes of policies and of the PKI saw.

use crate::drill_scenarios::scenario;
use crate::drill_verdicts::{FAULT, UNDONE, contract, run};
use domain::component::Component;
use domain::drill::contract::ContractId;
use domain::drill::contracts::{EXTERNAL_SECRETS, PODS, PkiFigure, REFUSED};
use domain::drill::plan::{DrillPlan, Present, drill_plan};
use domain::drill::report::verdict::Verdict;
use domain::drill::scenario::{Look, Scenario};
use model::lab::Lab;
use std::collections::BTreeMap;

/// The shipped components as they are in the repository, all of them installed.
fn planned(name: &str) -> DrillPlan {
    planned_text(name, &scenario(name).to_yaml())
}

/// The plan of a scenario's text where all shipped components are installed.
pub(crate) fn planned_text(name: &str, text: &str) -> DrillPlan {
    planned_with(name, text, |_, component| component)
}

/// The same where the text of each component, by its name, is first changed.
fn planned_with(name: &str, text: &str, change: impl Fn(&str, String) -> String) -> DrillPlan {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../values/components");
    let lab = Lab::default();
    let components: Vec<Component> = std::fs::read_dir(folder)
        .expect("components")
        .filter_map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = change(&name, std::fs::read_to_string(path.join("component.yaml")).ok()?);
            let component = Component::from_yaml("component.yaml", &name, &text).expect("valid");
            Some(component.placed(&lab))
        })
        .collect();
    let present = Present::assumed(&lab, &components);
    let scenario = Scenario::from_yaml(name, name, text).expect("valid");
    drill_plan(&scenario, &lab, &components, &present).expect("fits")
}

fn values(figures: &[(&str, f64)]) -> BTreeMap<String, f64> {
    figures
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

/// What every probe of the two contracts sees where all is well.
fn well(look: &Look) -> BTreeMap<String, f64> {
    match look {
        Look::NoPods { .. } => values(&[(PODS, 0.0)]),
        Look::PodRefused { .. } => values(&[(REFUSED, 1.0)]),
        Look::Pki { .. } => values(&[
            (PkiFigure::AuthorityReady.name(), 1.0),
            (PkiFigure::IssuerPresent.name(), 1.0),
            (PkiFigure::AuthorityFirst.name(), 1.0),
            (PkiFigure::ListenerByAuthority.name(), 1.0),
        ]),
        _ => BTreeMap::new(),
    }
}

/// The verdict on `id` where, from 70 s on, `probe` sees `instead` in place of that; absent figures where it is None.
fn verdict(id: ContractId, probe: &str, instead: Option<&[(&str, f64)]>) -> (Verdict, String) {
    let report = run(planned("mgmt-down"), |p, at| {
        let mut seen = well(&p.look);
        if p.name == probe && at > 70_000_000 {
            match instead {
                Some(figures) => seen.extend(values(figures)),
                None => seen.clear(),
            }
        }
        (true, seen)
    });
    contract(&report, id)
}

#[test]
fn kyverno_stays_off_mgmt_and_its_policies_stay_in_force_on_the_others() {
    let judged = |probe, instead| verdict(ContractId::C4, probe, instead);
    assert_eq!(judged("none", None).0, Verdict::Pass);
    let (found, why) = judged("mgmt-without-kyverno", Some(&[(PODS, 1.0)]));
    assert_eq!(found, Verdict::Fail, "{why}");
    let (found, why) = judged("app2-refuses-privileges", Some(&[(REFUSED, 0.0)]));
    assert_eq!(found, Verdict::Fail, "{why}");
    assert!(why.contains("app2-refuses-privileges"), "{why}");
    // A webhook that does not answer for a while neither admits nor refuses.
    assert_eq!(judged("app1-refuses-privileges", None).0, Verdict::Pass);
}

/// The control of C1: it is an application of app1, and one that is only asked from there would show nothing.
#[test]
fn an_application_of_app1_that_needs_mgmt_violates_the_first_contract_alone() {
    let dependent = "app1-dependent-host";
    let plan = planned("dependent-app");
    let judged: Vec<(&str, &str)> = plan
        .active_probes()
        .filter(|probe| probe.contract == Some(ContractId::C1))
        .map(|probe| (probe.name.as_str(), probe.cluster.as_str()))
        .collect();
    assert_eq!(judged, [(dependent, "app1"), ("app1-web-host", "app1")]);
    let misses = "dependent-application in app1 will miss application of application in mgmt";
    assert!(plan.to_text().contains(misses), "{}", plan.to_text());
    let report = run(plan, |probe, at| {
        let away = (FAULT..UNDONE + 5_000_000).contains(&at);
        let needs_mgmt = probe.name == dependent || probe.cluster.as_str() == "mgmt";
        (!(away && needs_mgmt), BTreeMap::new())
    });
    let (found, why) = contract(&report, ContractId::C1);
    assert_eq!(found, Verdict::Fail, "{why}");
    assert_eq!(report.outcome(), Verdict::Pass, "{:?}", report.expected);
    let failed = report
        .contracts
        .iter()
        .flat_map(|judged| &judged.evidence)
        .filter(|evidence| evidence.verdict == Verdict::Fail);
    let convicting: Vec<&str> = failed.map(|evidence| evidence.text.as_str()).collect();
    assert_eq!(convicting.len(), 1, "{convicting:?}");
    assert!(convicting[0].starts_with(dependent), "{convicting:?}");
}

/// The control of C4 in values/drills/README.md: two lines of two components.
#[test]
fn kyverno_comes_to_mgmt_where_both_of_its_folders_say_so() {
    let text = scenario("mgmt-freeze").to_yaml();
    let everywhere = planned_with("mgmt-freeze", &text, |name, component| {
        if !matches!(name, "kyverno" | "kyverno-crds") {
            return component;
        }
        let changed = component.replace("\nclusters: applications\n", "\nclusters: all\n");
        assert_ne!(changed, component, "{name} has no such line");
        changed
    });
    assert_eq!(everywhere.not_covered(ContractId::C4), None);
    let of_mgmt = |plan: &DrillPlan| plan.dependencies.iter().any(|d| d.dependent == "kyverno in mgmt");
    assert!(of_mgmt(&everywhere));
    assert!(!of_mgmt(&planned("mgmt-freeze")));
}

#[test]
fn the_second_phase_of_the_pki_never_stands_without_the_first() {
    fn judged(instead: Option<&[(&str, f64)]>) -> (Verdict, String) {
        verdict(ContractId::C5, "mgmt-pki", instead)
    }
    let (found, why) = judged(Some(&[]));
    assert_eq!(found, Verdict::Pass, "{why}");
    for (wrong, text) in [
        (PkiFigure::AuthorityReady, "the self-signed authority issues"),
        (
            PkiFigure::AuthorityFirst,
            "without an earlier self-signed authority",
        ),
        (PkiFigure::ListenerByAuthority, "certificate of Vault's listener"),
    ] {
        let (found, why) = judged(Some(&[(wrong.name(), 0.0)]));
        assert_eq!(found, Verdict::Fail, "{wrong:?}: {why}");
        assert!(why.contains(text), "{why}");
    }
    // An API that is away convicts nobody, and a first phase alone is not both.
    assert_eq!(judged(None).0, Verdict::Pass);
    let report = run(planned("mgmt-down"), |p, _| {
        let mut seen = well(&p.look);
        seen.remove(PkiFigure::AuthorityFirst.name());
        seen.entry(PkiFigure::IssuerPresent.name().to_owned())
            .and_modify(|present| *present = 0.0);
        (true, seen)
    });
    let (found, why) = contract(&report, ContractId::C5);
    assert_eq!(found, Verdict::Inconclusive, "{why}");
}

/// What C3 says of the Secret `b` of app1 of which looks in the outage see these figures, beside another that is well; where
/// there are none, the looks fail.
fn said_of_b(seen: impl Fn(i64) -> Option<Vec<(&'static str, f64)>>) -> Vec<(String, Verdict, String)> {
    let report = run(planned("vault-down"), |probe, at| {
        if !matches!(probe.look, Look::SecretAge {}) {
            return (true, BTreeMap::new());
        }
        let there = vec![("present", 1.0), ("changed", 0.0), ("age_seconds", 7.0)];
        let in_outage = (FAULT..=UNDONE).contains(&at) && probe.name == "app1-secrets";
        let of_b = if in_outage { seen(at) } else { Some(there.clone()) };
        let Some(of_b) = of_b else {
            return (false, BTreeMap::new());
        };
        let named = |name: &str, figures: Vec<(&str, f64)>| {
            let one = |(what, value): (&str, f64)| (format!("demo/{name}.{what}"), value);
            figures.into_iter().map(one).collect::<Vec<_>>()
        };
        let mut values: BTreeMap<String, f64> =
            named("a", there).into_iter().chain(named("b", of_b)).collect();
        values.insert(EXTERNAL_SECRETS.to_owned(), 2.0);
        (true, values)
    });
    let of_b = |text: &str| text.starts_with("demo/b");
    let contract = report
        .contracts
        .into_iter()
        .find(|c| c.id == "C3")
        .expect("judged");
    let evidence = contract.evidence.into_iter().filter(|e| of_b(&e.text));
    // The first two are of app1.
    evidence.take(2).map(|e| (e.check, e.verdict, e.text)).collect()
}

#[test]
fn a_secret_is_there_and_its_age_known_at_every_look_or_it_is_not() {
    let there = vec![("present", 1.0), ("changed", 0.0), ("age_seconds", 7.0)];
    let ageless = vec![("present", 1.0), ("changed", 0.0)];
    // A look every two seconds, from 22 s to 60 s.
    let later = FAULT + 20_000_000;
    let verdicts = |said: &[(String, Verdict, String)]| {
        let checks: Vec<&str> = said.iter().map(|(check, ..)| check.as_str()).collect();
        assert_eq!(checks, ["served", "age_known"], "{said:?}");
        (said[0].1, said[1].1)
    };
    let said = said_of_b(|_| Some(there.clone()));
    assert_eq!(verdicts(&said), (Verdict::Pass, Verdict::Pass));
    assert!(said[0].2.contains("in 20 looks"), "{said:?}");
    // Looks that fail say nothing, and are not counted.
    let said = said_of_b(|at| (at < later).then(|| there.clone()));
    assert_eq!(verdicts(&said), (Verdict::Pass, Verdict::Pass));
    assert!(said[0].2.contains("in 9 looks"), "{said:?}");
    // Gone together with its ExternalSecret, in a part of the outage or from its begin on.
    for since in [later, 0] {
        let said = said_of_b(|at| Some(if at < since { there.clone() } else { vec![] }));
        assert_eq!(verdicts(&said).0, Verdict::Fail, "{said:?}");
        assert!(said[0].2.contains("demo/b: gone at"), "{said:?}");
    }
    let said = said_of_b(|at| {
        Some(if at < later {
            there.clone()
        } else {
            ageless.clone()
        })
    });
    assert_eq!(verdicts(&said), (Verdict::Pass, Verdict::Fail));
}
