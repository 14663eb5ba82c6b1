//! Each dependency with its own harm, and what cannot be computed told apart from what is not in sight.

use super::*;
use crate::drill::assemble::secrets::PRESENT;
use crate::drill::history::Answer;
use crate::drill::scenario::{Probe, Via};
use model::ids::ClusterName;

fn at(seconds: i64) -> Moment {
    Moment(seconds * 1_000_000)
}

/// Of a fault that took hold between 100 and 101 s, and was undone at 200 s.
fn window() -> Window {
    let edge = |after, by| Edge {
        after: at(after),
        by: at(by),
    };
    Window {
        fault: Some(edge(100, 101)),
        undone: Some(edge(200, 200)),
        from: at(0),
        to: at(300),
        watched_until: at(300),
    }
}

fn probe(name: &str, expect: Expectation, look: Look) -> Probe {
    Probe {
        name: name.into(),
        cluster: ClusterName::new("app1").expect("a name"),
        contract: None,
        expect,
        needs: None,
        look,
        period_ms: 1000,
        timeout_ms: 900,
        consecutive_good: None,
    }
}

fn sample(looked: i64, values: &[(&str, f64)]) -> Sample {
    Sample {
        probe: "probe".into(),
        number: 0,
        due: at(looked),
        sent: Some(at(looked)),
        done: at(looked),
        answer: Answer::Good,
        detail: String::new(),
        values: values.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
    }
}

fn rows(probe: &Probe, samples: &[Sample]) -> Vec<Horizon> {
    let watch = Watch {
        probe,
        samples: samples.iter().collect(),
        consecutive: 1,
        stretches: Vec::new(),
        held: None,
    };
    all(&[watch], &window(), &[])
}

fn row<'a>(rows: &'a [Horizon], dependency: &str) -> &'a Horizon {
    let found = rows.iter().find(|r| r.dependency == dependency);
    found.unwrap_or_else(|| panic!("{dependency} is not among {rows:?}"))
}

fn survives(row: &Horizon) -> Option<(Quantity, Quantity)> {
    row.survives.map(|b| (b.low, b.high))
}

#[test]
fn a_secret_may_be_stale_from_its_next_refresh_on() {
    let probe = probe("secrets", Expectation::StaysGood, Look::SecretAge {});
    let looks = |interval: f64| {
        let look = |looked: i64, age: f64| {
            let figures = [
                ("demo/db.age_seconds", age),
                ("demo/db.interval_seconds", interval),
                ("demo/db.present", 1.0),
            ];
            sample(looked, &figures)
        };
        // Refreshed at 40 s, at 98 s between two looks, and at 250 s after the return.
        [look(97, 57.0), look(150, 52.0), look(260, 10.0)]
    };
    let found = rows(&probe, &looks(60.0));
    let secret = row(&found, "app1 secret demo/db");
    // Due at 158 to 159 s.
    assert_eq!(survives(secret), Some((Quantity::whole(57), Quantity::whole(59))));
    assert_eq!(secret.headroom, Some(Quantity::ZERO.minus(Quantity::whole(43))));
    assert!(secret.harm.contains("the Secret stays"));
    assert!(row(&found, "secrets").harm.contains("Secret is gone"));
    let once = rows(&probe, &looks(0.0));
    let once = row(&once, "app1 secret demo/db");
    assert!(once.survives.is_none() && !once.not_computed);
    let unseen = rows(&probe, &[sample(97, &[(&format!("demo/db.{PRESENT}"), 1.0)])]);
    assert!(row(&unseen, "app1 secret demo/db").not_computed);
}

#[test]
fn a_certificate_ends_when_it_says_so_and_is_not_computed_where_no_look_told() {
    let look = Look::Pki {
        namespace: "cert-manager".into(),
        authority: "platform-ca".into(),
        issuer: "vault".into(),
        listener: "vault/vault-tls".into(),
    };
    let probe = probe("pki", Expectation::ComesBack, look);
    let found = rows(
        &probe,
        &[
            sample(50, &[(LISTENER_ENDS, 1100.0)]),
            sample(90, &[(LISTENER_ENDS, 2100.0)]),
            sample(250, &[(LISTENER_ENDS, 9000.0), (AUTHORITY_ENDS, 9000.0)]),
        ],
    );
    let listener = row(&found, "app1 certificate vault/vault-tls");
    assert_eq!(
        survives(listener),
        Some((Quantity::whole(1999), Quantity::whole(2000)))
    );
    let authority = row(&found, "app1 certificate platform-ca");
    assert!(authority.survives.is_none() && authority.not_computed);
    // Not good is no harm to users: what comes back has no row of its own.
    assert!(found.iter().all(|r| r.dependency != "pki"));
}

#[test]
fn what_was_not_asked_in_the_outage_is_not_taken_for_unharmed() {
    let look = Look::Http {
        namespace: "demo".into(),
        service: "web".into(),
        path: "/".into(),
        contains: String::new(),
        via: Via::Host {},
    };
    let web = probe("web", Expectation::StaysGood, look);
    let asked = rows(&web, &[sample(150, &[])]);
    assert_eq!(asked[0].harm, "requests fail");
    assert!(asked[0].survives.is_none() && !asked[0].not_computed);
    let unasked = rows(&web, &[sample(50, &[]), sample(250, &[])]);
    assert!(unasked[0].not_computed);
    let mesh = probe("mesh", Expectation::StaysGood, Look::Mesh { peers: vec![] });
    assert_ne!(rows(&mesh, &[sample(150, &[])])[0].harm, "requests fail");
}

#[test]
fn dependencies_without_a_figure_are_named_once_with_the_reason() {
    let nodes = probe("nodes", Expectation::ComesBack, Look::NodesReady {});
    let again = Probe {
        name: "nodes-again".into(),
        ..nodes.clone()
    };
    let watch = |probe| Watch {
        probe,
        samples: Vec::new(),
        consecutive: 1,
        stretches: Vec::new(),
        held: None,
    };
    let found = all(&[watch(&nodes), watch(&again)], &window(), &[]);
    let [leases] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(leases.dependency, "app1 node leases");
    assert!(leases.not_computed && leases.headroom.is_none());
}
