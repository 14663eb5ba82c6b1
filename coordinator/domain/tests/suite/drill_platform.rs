//! Contracts about what is installed where, judged from what probes of policies and of the PKI saw.

use crate::drill_scenarios::scenario;
use crate::drill_verdicts::{contract, run};
use domain::component::Component;
use domain::drill::contract::ContractId;
use domain::drill::contracts::{PODS, PkiFigure, REFUSED};
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
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../values/components");
    let lab = Lab::default();
    let components: Vec<Component> = std::fs::read_dir(folder)
        .expect("components")
        .filter_map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(path.join("component.yaml")).ok()?;
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
