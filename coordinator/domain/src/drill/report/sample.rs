//! A report as a run might leave it, made of test data and labelled so.

use super::ledger::{CounterCheck, CrossCheck, LedgerRow};
use super::model::{
    ContractVerdict, Evidence, FORMAT, Identity, Loss, LossCause, Measurement, PhaseSpan, Report, Scale,
    Version, Worse,
};
use super::parts::{
    Bounds, CoverageRow, FaultBand, Horizon, Outcome, Point, ProbeReport, Recovery, SecretStaleness, Slice,
};
use super::verdict::Verdict;
use super::wal::{Foreseen, WalReport};
use crate::drill::backlog::{Input, Promise};
use crate::drill::measure::quantity::Quantity;
use crate::drill::measure::slo::{Measured, Objectives, judge};
use crate::drill::measure::stamp::Stamp;

const BEGIN: i64 = 1_795_579_200;

fn at(secs: i64) -> Stamp {
    Stamp::from_micros((BEGIN + secs) * 1_000_000)
}

fn ms(low: i64, high: i64) -> Bounds {
    Bounds {
        low: Quantity::from_millis(low),
        high: Quantity::from_millis(high),
    }
}

fn contract(id: &str, promise: &str, verdict: Verdict, check: &str, text: &str) -> ContractVerdict {
    ContractVerdict {
        id: id.into(),
        promise: promise.into(),
        verdict,
        evidence: vec![Evidence {
            check: check.into(),
            verdict,
            text: text.into(),
            lines: vec![7],
        }],
    }
}

fn curve(value: impl Fn(i64) -> i64) -> Vec<Point> {
    (0..=24)
        .map(|i| Point {
            at: at(i * 10),
            value: Quantity::from_millis(value(i * 10) * 1000),
        })
        .collect()
}

fn probe(id: &str, vantage: &str, down: std::ops::Range<i64>) -> ProbeReport {
    let slice = |i: i64| Slice {
        at: at(i),
        due: 20,
        // Some are lost in the seconds around it.
        good: if down.contains(&i) {
            0
        } else if down.contains(&(i - 4)) || down.contains(&(i + 2)) {
            17
        } else {
            20
        },
    };
    let slices: Vec<Slice> = (0..240).map(slice).collect();
    let good = slices.iter().map(|s| s.good).sum();
    ProbeReport {
        id: id.into(),
        target: "http of app1".into(),
        look: "http".into(),
        vantage: vantage.into(),
        contracts: vec!["C1".into()],
        period: Quantity::from_millis(50),
        timeout: Quantity::whole(1),
        due: 4800,
        good,
        sent_late: 0,
        availability: Quantity::ratio(good, 4800),
        outages: vec![],
        slices,
    }
}

/// Every section has something in it; hostile text is in some.
pub(super) fn report() -> Report {
    let phase = |name: &str, from, to| PhaseSpan {
        name: name.into(),
        from: at(from),
        to: at(to),
    };
    let outage = |t: i64| (60..150).contains(&t);
    Report {
        drill: "mgmt-down".into(),
        run: "000102030405060708090a0b0c0d0e0f".into(),
        verdict: Verdict::Fail,
        format: FORMAT,
        hypothesis: "Applications on app1 and app2 serve while mgmt is down, and no metric is lost.".into(),
        label: Some("TEST DATA: made to check this page, not measured".into()),
        expect_violation: false,
        expected: None,
        from: at(0),
        to: at(240),
        identity: Identity {
            lab: "sample".into(),
            plan_digest: "9f86d081884c7d65".into(),
            scale: Scale {
                tick_seconds: 10,
                of_seconds: 7200,
            },
            host_fingerprint: "2c26b46b68ffc68f".into(),
            versions: vec![Version {
                name: "prometheus".into(),
                version: "2.42.0".into(),
                set: "built".into(),
            }],
        },
        phases: vec![
            phase("steady", 0, 60),
            phase("inject", 60, 62),
            phase("observe", 62, 148),
            phase("revert", 148, 152),
            phase("verify", 152, 240),
        ],
        measurements: vec![Measurement {
            id: "rto.mgmt.service_good".into(),
            unit: "seconds".into(),
            value: Quantity::from_millis(96_072),
            low: Quantity::from_millis(96_020),
            high: Quantity::from_millis(96_072),
            worse: Worse::Higher,
            method: "union over two vantage points".into(),
        }],
        contracts: vec![
            contract(
                "C1",
                "applications serve while mgmt is down",
                Verdict::Pass,
                "always_served",
                "4800 of 4800 probes were good from both vantage points",
            ),
            contract(
                "C2",
                "metrics are delivered after recovery",
                Verdict::Fail,
                "nothing_lost",
                "41 samples per shard are gone <script>alert(1)</script>",
            ),
            contract(
                "C3",
                "Secrets outlive Vault",
                Verdict::Inconclusive,
                "served",
                "one answer in 90 s was late & odd",
            ),
            contract(
                "C4",
                "Kyverno runs on app clusters only",
                Verdict::NotCovered,
                "placement",
                "Kyverno is not part of this lab",
            ),
        ],
        losses: vec![Loss {
            series: "app1/canary{shard=\"0\"}".into(),
            lines: false,
            lost: 41,
            from: at(98),
            to: at(138),
            cause: LossCause::Cliff,
        }],
        ledgers: vec![
            LedgerRow {
                series: "app1/canary{shard=\"0\"}".into(),
                way: "metrics".into(),
                served: 120,
                arrived: 79,
                lost: 41,
                holes: 1,
                longest_hole: Some(Quantity::whole(40)),
                duplicates: 0,
                unbooked: 0,
                under_way: 3,
            },
            LedgerRow {
                series: "app1/canary log".into(),
                way: "logs".into(),
                served: 121,
                arrived: 121,
                lost: 0,
                holes: 0,
                longest_hole: None,
                duplicates: 1,
                unbooked: 0,
                under_way: 2,
            },
        ],
        cross_checks: vec![CrossCheck {
            cluster: "app1".into(),
            compared: 120,
            in_neither: 0,
            logs_only: 41,
            metrics_only: 0,
            unbooked_in_both: 0,
            text: "41 missing at the metrics receiver and there in the log store (98 to 138): lost on the metrics' way".into(),
        }],
        counter_checks: vec![CounterCheck {
            cluster: "app1".into(),
            from: Some(at(50)),
            to: Some(at(230)),
            appended: Some(1080),
            owned: Some(0),
            gone: Some(Bounds {
                low: Quantity::whole(240),
                high: Quantity::whole(248),
            }),
            ledger: Some(Bounds {
                low: Quantity::whole(246),
                high: Quantity::whole(246),
            }),
            slack: Some(90),
            agree: Verdict::Pass,
            text: "both lack as many, to 90 samples".into(),
        }],
        faults: vec![FaultBand {
            kind: "power_loss".into(),
            target: "mgmt".into(),
            from: at(60),
            to: at(150),
            end: "reverted".into(),
        }],
        probes: vec![
            probe("app1-http", "host", 500..501),
            probe("mgmt-receiver", "app1", 60..156),
        ],
        recovery: vec![Recovery {
            subject: "mgmt".into(),
            counted_from: "fault".into(),
            outcome: Outcome::Recovered,
            service_good: Some(ms(96_020, 96_072)),
            data_complete: None,
            relapses: vec![],
            vantages: vec!["host".into(), "app1".into()],
            clock_offset: Quantity::from_millis(1),
        }],
        recovery_points: vec![],
        slo: Some(judge(
            Objectives::default(),
            Measured {
                down: Some(ms(0, 0)),
                rto: Some(ms(96_020, 96_072)),
                rpo: None,
                answers: None,
            },
        )),
        wal: vec![WalReport {
            cluster: "app1".into(),
            version: "2.42.0".into(),
            truncate_period: Quantity::whole(10),
            promise: Promise {
                segment_bytes: 10 << 20,
                samples_per_second: Quantity::whole(7),
                bytes_per_sample: Quantity::from_millis(8_400),
                segments_per_period: Quantity::ZERO,
                guaranteed: Quantity::whole(30),
                expected: Quantity::whole(40),
                best: Quantity::whole(50),
                disk_window: None,
                receiver_window: Some(Quantity::whole(3600)),
                governed_by: "count_rule".into(),
            },
            memory: Some(ms(8_000, 22_000)),
            deadline: Some(at(105)),
            deadline_by: Some(at(107)),
            predicted_loss: Some(true),
            observed_loss: Some(true),
            died: Some(at(105)),
            catch_up: None,
            foreseen: vec![Foreseen {
                what: "backlog".into(),
                foretold: "lost".into(),
                seen: "39 samples are missing".into(),
                agree: Verdict::Pass,
            }],
            inputs: vec![Input {
                name: "truncate_frequency".into(),
                value: Quantity::whole(10),
                unit: "seconds".into(),
                source: "agent's flag storage.agent.wal-truncate-frequency".into(),
            }],
            backlog_segments: curve(|t| if outage(t) { (t - 50) / 10 } else { 0 }),
            backlog_bytes: curve(|t| if outage(t) { (t - 50) * 3000 } else { 32_768 }),
            headroom: curve(|t| if outage(t) { (105 - t).max(0) } else { 40 }),
        }],
        staleness: vec![SecretStaleness {
            secret: "app1/shop/db".into(),
            refresh_interval: Quantity::whole(30),
            highest_age: ms(118_000, 119_000),
            served: Verdict::Pass,
            predicted_convergence: Some(ms(0, 96_000)),
            measured_convergence: Some(ms(41_000, 42_000)),
            curve: curve(|t| if (60..190).contains(&t) { t - 50 } else { t % 30 }),
        }],
        secret_canaries: vec![],
        horizon: vec![
            Horizon {
                dependency: "app1 metrics".into(),
                harm: "the whole backlog is skipped".into(),
                survives: Some(ms(30_000, 50_000)),
                not_computed: false,
                headroom: Some(Quantity::from_millis(-60_000)),
                source: "count rule of the log".into(),
            },
            Horizon {
                dependency: "app1 logs".into(),
                harm: "a file is turned over before it was read, and its lines are lost".into(),
                survives: None,
                not_computed: true,
                headroom: None,
                source: "when the kubelet turns them over is not recorded".into(),
            },
        ],
        coverage: vec![CoverageRow {
            subject: "fault clock_skew".into(),
            covered: false,
            reason: "nodes share the host's clock; a skewed one would be everybody's".into(),
        }],
        comparison: vec![],
        notes: vec!["Verdicts of a scaled run speak for the scale that it had.".into()],
    }
}

#[path = "sample_tests.rs"]
mod tests;
