//! What a plan foretells of Secrets and logs: from one look, and without any.

use crate::drill_platform::planned_text;
use crate::drill_scenarios::{planned as planned_without_secrets, scenario};
use domain::drill::foresight::{Foresight, LogRoom, PlannedLog, PlannedStaleness, ages, shipped};
use domain::drill::history::{Answer, Sample};
use domain::drill::measure::quantity::Quantity;
use domain::drill::plan::DrillPlan;
use domain::drill::report::parts::Bounds;
use model::moment::Moment;

fn planned(name: &str) -> DrillPlan {
    planned_text(name, &scenario(name).to_yaml())
}

fn bounds(low: u64, high: u64) -> Option<Bounds> {
    Some(Bounds {
        low: Quantity::whole(low),
        high: Quantity::whole(high),
    })
}

/// What a look at 5000 s sees of the Secrets of app1.
fn seen(figures: &[(&str, f64)]) -> Vec<PlannedStaleness> {
    let plan = planned("vault-down");
    let (probe, skipped) = ages(&plan).next().expect("a probe of ages");
    assert_eq!((probe.name.as_str(), skipped), ("app1-secrets", None));
    let now = Moment(5_000_000_000);
    let sample = Sample {
        probe: probe.name.clone(),
        number: 0,
        due: now,
        sent: Some(now),
        done: now,
        answer: Answer::Good,
        detail: String::new(),
        values: figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    };
    PlannedStaleness::seen(&plan, probe, &sample)
}

#[test]
fn a_secret_that_is_not_due_in_the_outage_is_as_old_as_its_interval() {
    let all = seen(&[
        ("external_secrets", 1.0),
        ("demo/demo.age_seconds", 600.0),
        ("demo/demo.interval_seconds", 3600.0),
        ("demo/demo.present", 1.0),
    ]);
    let [one] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(one.due_in, Some(Quantity::whole(3000)));
    assert_eq!(one.from_now, bounds(3599, 3600));
    // 90 s of outage, 64 s of the store's pause, 128 s of the Secret's.
    assert_eq!(one.whenever, bounds(3599, 3600 + 90 + 64 + 128));
    let message = one.message();
    assert!(
        message.starts_with("app1 demo/demo: refreshed every 3600 s, due in 3000 s; 3599 to 3600 s old"),
        "{message}"
    );
}

#[test]
fn one_that_is_due_in_it_is_as_old_as_the_outage_makes_it() {
    let all = seen(&[
        ("demo/a.age_seconds", 3590.0),
        ("demo/a.interval_seconds", 3600.0),
    ]);
    assert_eq!(all[0].due_in, Some(Quantity::whole(10)));
    // Due after 10 s, failing for 80 s at the return and 64 s more: 128 s pause.
    assert_eq!(all[0].from_now, bounds(3679, 3680 + 64 + 128));
    // It was not refreshed when it was due.
    let late = seen(&[
        ("demo/a.age_seconds", 3605.0),
        ("demo/a.interval_seconds", 3600.0),
    ]);
    assert!(
        late[0].message().contains("overdue by 5 s"),
        "{}",
        late[0].message()
    );
}

#[test]
fn what_a_look_does_not_tell_is_not_known() {
    let once = seen(&[("demo/a.age_seconds", 10.0), ("demo/a.interval_seconds", 0.0)]);
    assert_eq!((once[0].due_in, once[0].whenever), (None, None));
    assert!(
        once[0].message().contains("refreshed once"),
        "{}",
        once[0].message()
    );
    let unread = seen(&[("demo/a.age_seconds", 10.0)]);
    assert!(
        unread[0].message().contains("not known: its refresh interval"),
        "{}",
        unread[0].message()
    );
    let none = seen(&[]);
    assert_eq!(
        none[0].message(),
        "app1 app1-secrets: not known: nothing was seen"
    );
    // Never refreshed yet: no moment at which it is due.
    let young = seen(&[("demo/a.interval_seconds", 3600.0)]);
    assert!(young[0].due_in.is_none() && young[0].whenever.is_some());
}

#[test]
fn the_drills_own_secrets_need_no_lab() {
    let plan = planned("vault-down");
    let foresight = Foresight::unseen(&plan, "nobody can be asked");
    // Every 15 s, 90 s of outage.
    let own = &foresight.secrets[0];
    assert_eq!(own.secret, "app1-secret-canary");
    assert_eq!(own.whenever, bounds(89, 15 + 90 + 64 + 128));
    let document = foresight.document(&plan);
    let text = document["text"].as_str().expect("text");
    for line in [
        "predicted age of Secrets whose source is away for the whole outage of 90 s\n",
        "  app1 app1-secret-canary: refreshed every 15 s; 89 to 297 s old whenever it begins\n",
        "  app1 app1-secrets: not known: nobody can be asked\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert_eq!(document["secrets"].as_array().map(Vec::len), Some(4));
    // It ships no logs and watches none.
    assert!(!text.contains("logs") && document["logs"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn a_probe_that_is_not_started_says_why() {
    let foresight = Foresight::unseen(&planned_without_secrets("mgmt-down"), "nobody can be asked");
    let text = foresight.text(&planned_without_secrets("mgmt-down"));
    assert!(
        text.contains("  app1 app1-secrets: not known: no component provides external-secrets in app1\n"),
        "{text}"
    );
    assert!(
        text.contains("  app2: not known: no component provides log-shipper in app2\n"),
        "{text}"
    );
}

#[test]
fn each_shipped_log_is_read_where_its_cluster_writes_it() {
    let plan = planned("mgmt-down");
    let pairs: Vec<_> = shipped(&plan)
        .map(|log| (log.stored.name.as_str(), log.served.map(|p| p.name.as_str())))
        .collect();
    let expected = [
        ("app1-log-canary-stored", Some("app1-canary-served")),
        ("app2-log-canary-stored", Some("app2-canary-served")),
    ];
    assert_eq!(pairs, expected);
    // 10 MiB at 80 bytes a second.
    let room = LogRoom {
        file_bytes: 10 << 20,
        written: 4800,
        over_seconds: 60,
    };
    let log = PlannedLog::new(&plan.probes[0].probe.cluster, Ok(room));
    assert_eq!(log.guaranteed, Quantity::from_float(131_072.0));
    let all = Foresight {
        logs: vec![log],
        ..Foresight::default()
    };
    let text = all.text(&plan);
    assert!(
        text.starts_with(
            "\npredicted windows of unshipped logs\n  app1: the node keeps unread lines at least 131072 s"
        ),
        "{text}"
    );
}
