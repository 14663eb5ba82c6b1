//! The log ledger against the real collector and the real log store.
//!
//! ```text
//! cargo test -p tests --test twins -- --ignored --nocapture logs
//! ```

use domain::drill::measure::span::Span;
use model::moment::Moment;
use std::collections::BTreeSet;
use tests::log_twin::programs::find;
use tests::log_twin::run::{Fate, Finding, run};

/// How long before it is killed the store may take lines that it forgets: the shipper's way, a second in which they cannot be
/// found, a second until they are written, and what a busy host adds.
const FORGETS: Span = Span::from_secs(5);

#[test]
#[ignore = "half a minute, and the bundle's log store and collector"]
fn every_line_of_the_logs_is_delivered_or_counted() {
    let Some(programs) = find() else {
        let reason = "no log store or no collector: neither DRILLYARD_VICTORIA_LOGS and DRILLYARD_OTEL_COLLECTOR nor the bundle has them";
        assert!(std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(), "{reason}");
        eprintln!("SKIPPED: {reason}");
        return;
    };
    let folder = tempfile::Builder::new()
        .prefix("drillyard-log-twins-")
        .tempdir()
        .expect("a folder");
    let found: Vec<(Fate, Result<Finding, String>)> = std::thread::scope(|scope| {
        let twins = Fate::ALL.map(|fate| {
            let own = folder.path().join(format!("{fate:?}"));
            let programs = &programs;
            (fate, scope.spawn(move || run(programs, fate, &own)))
        });
        let ended =
            |(fate, twin): (Fate, std::thread::ScopedJoinHandle<'_, _>)| (fate, twin.join().expect("a twin"));
        twins.into_iter().map(ended).collect()
    });
    for (fate, finding) in found {
        let finding = finding.unwrap_or_else(|why| panic!("{fate:?}: {why}"));
        let ledger = &finding.ledger;
        println!(
            "{fate:?}: {} written, {} arrived, {} lost in {} holes, {} more than once",
            ledger.emitted,
            ledger.arrived,
            ledger.lost(),
            ledger.holes.len(),
            ledger.duplicates
        );
        recounted(fate, &finding);
        if fate == Fate::StoreKilled {
            let forgotten = |at: Moment| FORGETS.before(finding.gone) <= at && at <= finding.gone;
            for hole in &ledger.holes {
                assert!(
                    forgotten(hole.first.at) && forgotten(hole.last.at),
                    "{hole:?}, gone {:?}",
                    finding.gone
                );
            }
            assert!(
                ledger.lost() > 0,
                "a killed store forgets what it has not written"
            );
        } else {
            assert_eq!(ledger.lost(), 0, "{fate:?}: {:?}", ledger.holes);
        }
    }
}

/// The ledger is what a plain count of both ends comes to.
fn recounted(fate: Fate, finding: &Finding) {
    let written: BTreeSet<u64> = finding.written.iter().map(|e| e.number).collect();
    let there: BTreeSet<u64> = finding.recount.keys().copied().collect();
    let lost: Vec<u64> = written.difference(&there).copied().collect();
    let in_holes: Vec<u64> = written
        .iter()
        .copied()
        .filter(|n| {
            let holes = &finding.ledger.holes;
            holes
                .iter()
                .any(|hole| (hole.first.number..=hole.last.number).contains(n))
        })
        .collect();
    assert_eq!(lost, in_holes, "{fate:?}");
    assert!(there.is_subset(&written), "{fate:?}: lines that nobody wrote");
    let more: u64 = finding.recount.values().map(|times| times - 1).sum();
    assert_eq!(more, finding.ledger.duplicates, "{fate:?}");
}
