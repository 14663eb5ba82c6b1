use super::*;
use crate::drill::assemble::canary::{LOG, Way};
use crate::drill::measure::ledger::Emitted;
use model::ids::ClusterName;
use model::moment::Moment;
use std::collections::BTreeMap;

/// Books over the numbers 100 to 119, one a second; `arrived` by shard.
fn books(way: Way, arrived: &[(&str, &[u64])]) -> Books {
    let emitted: Vec<Emitted> = (100..120)
        .map(|number| Emitted {
            number,
            at: Moment(i64::try_from(number).expect("small") * 1_000_000),
        })
        .collect();
    let shard = |(shard, numbers): &(&str, &[u64])| {
        let newest = numbers.iter().copied().max().unwrap_or(0);
        let due: Vec<Emitted> = emitted.iter().filter(|e| e.number <= newest).copied().collect();
        ((*shard).to_owned(), Ledger::close(&due, numbers.iter().copied()))
    };
    let shards: BTreeMap<String, Ledger> = arrived.iter().map(shard).collect();
    Books {
        cluster: ClusterName::new("app1").expect("a name"),
        way,
        emitted: emitted.clone(),
        shards,
        under_way: 0,
        back: None,
        complete: None,
        not_scraped: vec![],
    }
}

fn but(lost: std::ops::RangeInclusive<u64>, newest: u64) -> Vec<u64> {
    (100..=newest).filter(|n| !lost.contains(n)).collect()
}

#[test]
fn what_one_way_lacks_and_the_other_has_is_told() {
    // The metrics lack 105 to 107, in one shard 108 as well; the log 107 and 112; 118 and 119 are under way in the log.
    let (shard, other) = (but(105..=107, 119), but(105..=108, 119));
    let metrics = books(Way::Metrics, &[("0", &shard), ("1", &other)]);
    let lines: Vec<u64> = but(107..=107, 117).into_iter().filter(|n| *n != 112).collect();
    let logs = books(Way::Logs, &[(LOG, &lines)]);
    let checks = cross_checks(std::slice::from_ref(&metrics), std::slice::from_ref(&logs));
    let [check] = checks.as_slice() else {
        panic!("{checks:?}")
    };
    assert_eq!(
        (
            check.compared,
            check.in_neither,
            check.logs_only,
            check.metrics_only
        ),
        (18, 1, 3, 1)
    );
    for part in [
        "3 missing at the metrics receiver and there in the log store (105 to 108): lost on the metrics' way",
        "1 missing in the log store and there at the metrics receiver (112 to 112): lost on the logs' way",
        "1 in neither (107 to 107)",
    ] {
        assert!(check.text.contains(part), "{part}: {}", check.text);
    }
    let rows = rows(&[metrics, logs]);
    let row = rows.last().expect("a row");
    assert_eq!(
        (row.series.as_str(), row.way.as_str()),
        ("app1/canary log", "logs")
    );
    assert_eq!((row.served, row.arrived, row.lost, row.holes), (18, 16, 2, 2));
    assert_eq!(rows[1].longest_hole, Some(Span::from_secs(3).seconds()));
}

#[test]
fn numbers_that_only_the_emitters_log_lacks_are_told_as_such() {
    let mut arrived = but(0..=0, 119);
    arrived.push(130);
    let metrics = books(Way::Metrics, &[("0", &arrived)]);
    let logs = books(Way::Logs, &[(LOG, &arrived)]);
    let checks = cross_checks(&[metrics], &[logs]);
    assert_eq!((checks[0].logs_only, checks[0].metrics_only), (0, 0));
    assert_eq!(checks[0].unbooked_in_both, 1);
    assert!(
        checks[0]
            .text
            .contains("(130 to 130): that log is what lacks them"),
        "{}",
        checks[0].text
    );
}

#[test]
fn books_that_could_not_be_read_are_compared_with_nothing() {
    let whole = but(0..=0, 119);
    let metrics = || books(Way::Metrics, &[("0", &whole)]);
    assert!(cross_checks(&[metrics()], &[books(Way::Logs, &[])]).is_empty());
    assert!(cross_checks(&[metrics()], &[]).is_empty());
    assert_eq!(
        cross_checks(&[metrics()], &[books(Way::Logs, &[(LOG, &whole)])])[0].text,
        "both have every number"
    );
}
