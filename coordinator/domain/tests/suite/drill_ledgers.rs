//! What the ledger is held against, and why a number is missing: the sender's own counters, the receiver's refusals, failed
//! scrapes, and the log's truncations.

use crate::drill_backlog::values as of_log;
use crate::drill_logs::{FIRST, SECOND, SERVED, float, judged, plan, recorded};
use crate::drill_verdicts::contract;
use domain::drill::assemble::{last_look, last_scrapes};
use domain::drill::backlog::names;
use domain::drill::contract::ContractId;
use domain::drill::history::{Answer, History, Line, Sample, What};
use domain::drill::report::ledger::CounterCheck;
use domain::drill::report::model::{LossCause, Report};
use domain::drill::report::verdict::Verdict;
use model::moment::Moment;
use std::ops::Range;

/// Samples that the sender appends a second, and so for each number.
const PER_SECOND: i64 = 100;
/// Numbers by the second in which they were served, as the whole outage.
const OUTAGE: Range<i64> = 20..60;
/// Since when the sender sends again.
const SENDS: i64 = 70;

/// A run that is as it should be, but for `lost` numbers of app1's canary, by the second in which they were served.
fn run(lost: Range<i64>) -> History {
    let whole = recorded(plan(false), &[], |at| (at - SECOND).max(0));
    seen(whole, &last_look("app1-canary-stored"), |sample| {
        for second in lost.clone() {
            sample.values.remove(&format!("0/{}", FIRST + second));
        }
    })
}

/// The run with other looks of a probe.
fn seen(mut history: History, probe: &str, change: impl Fn(&mut Sample)) -> History {
    let mut found = false;
    for line in &mut history.lines {
        if let What::Sample(sample) = &mut line.what
            && sample.probe == probe
        {
            change(sample);
            found = true;
        }
    }
    assert!(found, "{probe} was not asked");
    history
}

fn second(sample: &Sample) -> i64 {
    sample.due.0 / SECOND
}

fn set(sample: &mut Sample, figures: &[(&str, i64)]) {
    let figures = figures
        .iter()
        .map(|(name, value)| ((*name).to_owned(), float(*value)));
    sample.values.extend(figures);
}

/// The run with the counters of app1's sender, which sends everything but `gone` samples, of which it owns up to `failed`.
fn counted(history: History, gone: i64, failed: i64) -> History {
    seen(history, "app1-metrics-agent", |sample| {
        let at = second(sample);
        let back = at >= SENDS;
        let arrived = if back {
            at * PER_SECOND - gone
        } else {
            at.min(20) * PER_SECOND
        };
        let (failed, newest) = if back { (failed, at) } else { (0, at.min(20)) };
        let retried = if at > 20 { 700 } else { 0 };
        set(
            sample,
            &[
                ("prometheus_remote_storage_samples_in_total", at * PER_SECOND),
                // Some were tried twice, and one that failed for good was tried as well.
                (
                    "prometheus_remote_storage_samples_total",
                    arrived + failed + retried,
                ),
                ("prometheus_remote_storage_samples_retried_total", retried),
                ("prometheus_remote_storage_samples_failed_total", failed),
                ("prometheus_remote_storage_samples_pending", 0),
                (
                    "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
                    newest,
                ),
            ],
        );
    })
}

fn check(report: &Report) -> &CounterCheck {
    let of_app1 = |c: &&CounterCheck| c.cluster == "app1";
    report.counter_checks.iter().find(of_app1).expect("a row")
}

fn causes(report: &Report) -> Vec<LossCause> {
    report.losses.iter().map(|loss| loss.cause).collect()
}

#[test]
fn counters_and_ledger_tell_the_same_or_the_report_says_so() {
    for (numbers, gone, verdict, text) in [
        (0, 0, Verdict::Pass, "neither lacks anything, to 1500 samples"),
        (40, 4000, Verdict::Pass, "both lack as many, to 1500 samples"),
        (
            40,
            0,
            Verdict::Fail,
            "0 to 1500 samples are possible by the counters, and 40 numbers are missing",
        ),
        (
            0,
            4000,
            Verdict::Fail,
            "2500 to 5500 samples are possible by the counters, and 0 numbers are missing",
        ),
        (5, 500, Verdict::Inconclusive, "so few are within what"),
    ] {
        let report = judged(&counted(run(20..20 + numbers), gone, 0));
        let row = check(&report);
        assert_eq!(row.agree, verdict, "{numbers} numbers, {gone} samples: {row:?}");
        assert!(
            row.text.contains(text),
            "{numbers} numbers, {gone} samples: {row:?}"
        );
        assert_eq!(row.appended, Some(10_000));
        let told = report
            .notes
            .iter()
            .any(|note| note.contains("app1 contradict the ledger"));
        assert_eq!(told, verdict == Verdict::Fail, "{:?}", report.notes);
    }
}

#[test]
fn counters_that_say_nothing_of_the_outage_decide_nothing() {
    let whole = || counted(run(OUTAGE), 4000, 0);
    let restarted = seen(whole(), "app1-metrics-agent", |sample| {
        if second(sample) >= SENDS {
            set(sample, &[("process_start_time_seconds", 66)]);
        }
    });
    let behind = seen(whole(), "app1-metrics-agent", |sample| {
        let newest = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds";
        let sent = second(sample).min(20);
        set(sample, &[(newest, sent)]);
    });
    let unread = seen(whole(), "app1-metrics-agent", |sample| {
        if second(sample) < 20 {
            sample.answer = Answer::Bad;
        }
    });
    let contradicting = seen(whole(), "app1-metrics-agent", |sample| {
        set(sample, &[("prometheus_remote_storage_samples_retried_total", 0)]);
        if second(sample) >= SENDS {
            set(sample, &[("prometheus_remote_storage_samples_total", 20_000)]);
        }
    });
    for (history, text) in [
        (restarted, "restarted at"),
        (behind, "behind: what it had not read yet"),
        (unread, "not read before the fault"),
        (contradicting, "contradict each other"),
    ] {
        let report = judged(&history);
        let row = check(&report);
        assert_eq!((row.agree, row.gone), (Verdict::Inconclusive, None), "{row:?}");
        assert!(row.text.contains(text), "{text}: {row:?}");
    }
}

#[test]
fn a_restart_before_the_first_look_of_the_outage_is_one() {
    let restarted = |began: i64| {
        let history = seen(run(20..30), "app1-metrics-agent", |sample| {
            if second(sample) >= 20 {
                set(sample, &[("process_start_time_seconds", began)]);
            }
        });
        let report = judged(&history);
        (causes(&report), contract(&report, ContractId::C2).1)
    };
    let (cause, text) = restarted(20);
    assert_eq!(cause, [LossCause::Restart]);
    assert!(text.contains("app1-metrics-agent: the agent restarted"), "{text}");
    // It was before the fault, so it forgot no backlog of this outage.
    let (cause, text) = restarted(17);
    assert_eq!(cause, [LossCause::Unknown]);
    assert!(text.contains("app1-metrics-agent: one process in"), "{text}");
}

#[test]
fn what_the_receiver_refused_as_too_old_is_told_from_other_final_answers() {
    let receiver = |since: i64, began: i64| {
        let history = counted(run(OUTAGE), 4000, 4000);
        let history = seen(history, "mgmt-metrics-receiver", |sample| {
            if second(sample) >= SENDS {
                set(sample, &[("process_start_time_seconds", began)]);
            }
            if second(sample) >= since {
                // One for each request, however many samples it has.
                set(sample, &[("prometheus_tsdb_too_old_samples_total", 2)]);
            }
        });
        judged(&history)
    };
    for (since, began, cause) in [
        // It came back with its node, and counts from 0.
        (SENDS, 66, LossCause::OutOfBounds),
        // It was frozen, and counts on.
        (SENDS, 1, LossCause::OutOfBounds),
        // It refused something when nothing of this sender's was thrown away.
        (110, 66, LossCause::Rejected),
        (SERVED, 66, LossCause::Rejected),
    ] {
        let report = receiver(since, began);
        assert_eq!(causes(&report), [cause], "refused since {since} s");
        // What was thrown away is gone once, though it was sent.
        let row = check(&report);
        assert_eq!((row.agree, row.owned), (Verdict::Pass, Some(4000)), "{row:?}");
    }
}

#[test]
fn a_number_that_the_sender_never_took_is_lost_by_nobody() {
    let scraped = |failed: Range<i64>| {
        let mut history = counted(run(30..33), 0, 0);
        let at = Moment(SERVED * SECOND);
        let scrape = |second: i64| {
            let up = float(i64::from(!failed.contains(&second)));
            ((second * 1000).to_string(), up)
        };
        history.lines.push(Line {
            time: at,
            what: What::Sample(Sample {
                probe: last_scrapes("app1-canary-stored"),
                number: u64::MAX,
                due: at,
                sent: Some(at),
                done: at,
                answer: Answer::Good,
                detail: String::new(),
                values: (0..SERVED).map(scrape).collect(),
            }),
        });
        judged(&history)
    };
    let report = scraped(30..33);
    assert_eq!(causes(&report), [LossCause::NotScraped]);
    // It was not appended either, so the counters lack nothing.
    assert_eq!(check(&report).agree, Verdict::Pass, "{:?}", check(&report));
    assert_eq!(causes(&scraped(30..31)), [LossCause::Unknown]);
}

#[test]
fn only_a_truncation_that_passed_the_held_segment_is_a_cliff() {
    let truncated = |first: i64| {
        let history = seen(run(OUTAGE), "app1-backlog", |sample| {
            let at = second(sample);
            sample.values = of_log(at + 100);
            let first = if at >= 45 { first } else { 3 };
            set(sample, &[(names::READER, 5), (names::FIRST, first)]);
        });
        // The sender counts every truncation that deletes something.
        let history = seen(history, "app1-metrics-agent", |sample| {
            let ticks = i64::from(second(sample) >= 45);
            set(sample, &[("prometheus_tsdb_wal_truncations_total", ticks)]);
        });
        causes(&judged(&history))
    };
    assert_eq!(truncated(7), [LossCause::Cliff]);
    assert_eq!(truncated(6), [LossCause::Unknown], "the next segment is there");
}
