//! One twin: warm up, forecast, take the receiver away, give it back, and compare what was foretold with what happened.

use super::arrived::Arrived;
use super::canary::{Canary, PER_SCRAPE, SHARDS, now};
use super::gate::Gate;
use super::http::get;
use super::plan::Plan;
use super::prometheus::{AgentSetting, Program, SEGMENT, agent};
use super::watch::{Watch, list};
use crate::patience::until;
use domain::drill::measure::exposition::Exposition;
use domain::drill::measure::ledger::{Counters, Hole, Ledger, agree};
use domain::drill::measure::loss_cause::{Evidence, classify};
use domain::drill::measure::quantity::Quantity;
use domain::drill::measure::span::Span;
use domain::drill::measure::wal::deadline::{Deadline, Doubt, Outcome, deadline_between, outcome};
use domain::drill::measure::wal::loss;
use domain::drill::measure::wal::observe::{self, Sender};
use domain::drill::report::model::LossCause;
use model::moment::Moment;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// What the reader needs at most to finish its segment and open the next beside sending what is in it: a retry, a poll and a
/// look for a new segment, 100 ms each with the twins' settings, and as much again as a busy host may take.
const TURN: Span = Span::from_millis(1000);
/// One request, while forty agents share the host with their receiver.
const REQUEST: Span = Span::from_millis(20);
/// How much a tick may be off: a timer and a truncation on a busy host.
const TICK_DOUBT: Span = Span::from_millis(1500);
/// Name of the queue, as set in the agent's configuration.
const QUEUE: &str = "twin";

/// What one twin found.
#[derive(Debug)]
pub struct Finding {
    /// Which one.
    pub plan: Plan,
    /// Milliseconds that the receiver was away.
    pub outage_ms: u64,
    /// The earliest and the latest deadline that were foretold.
    pub foretold: (Deadline, Deadline),
    /// What was foretold.
    pub outcome: Outcome,
    /// How many scrapes were foretold to be lost, at least and at most.
    pub foretold_lost: (u64, u64),
    /// How many were.
    pub lost: u64,
    /// Milliseconds from the foretold tick (the middle) to the moment that the segment was seen to be gone, if it was.
    pub tick_error_ms: Option<i64>,
    /// Samples that were lost before the outage, at the agent's own start.
    pub lost_at_start: u64,
    /// Everything that was not as foretold; empty in a good run.
    pub problems: Vec<String>,
}

/// Runs it; the error tells what kept it from running.
pub fn run(program: &Program, receiver: SocketAddr, plan: Plan, folder: &Path) -> Result<Finding, String> {
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let name = format!("{:016x}", plan.seed);
    let gate = Gate::before(receiver).map_err(|e| e.to_string())?;
    let canary = Canary::start(plan.filler).map_err(|e| e.to_string())?;
    let setting = AgentSetting {
        name: &name,
        period_s: plan.period_s,
        scrape_ms: plan.scrape_ms,
        per_send: plan.per_send,
        target: canary.address(),
        receiver: gate.address(),
    };
    // Agents that start together truncate together, and each waits for the disk of all others.
    std::thread::sleep(Duration::from_millis(plan.start_ms));
    let started = now();
    let agent = agent(program, folder, setting)?;
    let wal = folder.join("data/wal");
    let watch = Watch::start(wal.clone());
    let arrived = Arrived {
        receiver,
        name: &name,
    };
    let arrives = || {
        arrived
            .newest(0)
            .map(|n| (n > 0).then_some(n))
            .and_then(|n| n.ok_or("none yet".into()))
    };
    until("the first sample arrives", Duration::from_secs(60), arrives)?;
    // The volume is measured over the last seconds before the outage.
    sleep_until(Span::from_millis(plan.warm_ms).after(started));
    let early = (now(), list(&wal)?);
    sleep_until(Span::from_secs(5).after(early.0));

    // The forecast, from what is seen at the begin of the outage and nothing else.
    let before = Exposition::parse(&get(agent.address, "/metrics")?);
    let listing = list(&wal)?;
    gate.close();
    let gone = now();
    let sender = Sender::read(&before, QUEUE).map_err(|e| e.to_string())?;
    let period = Span::from_secs(plan.period_s).plus(truncation(&before));
    let apart = Span::between(early.0, gone);
    let pace = observe::pace(&early.1, &listing, apart, period, SEGMENT)
        .ok_or("the log was replaced")?
        .map_err(|e| e.to_string())?;
    let live = observe::live(gone, &listing, pace, sender.started, listing.last_tick(SEGMENT));
    let per_second = Quantity::whole(PER_SCRAPE * 1000 / plan.scrape_ms);
    let (reader, stop) = observe::stops(gone, &sender, per_second).ok_or("nothing is sent")?;
    let record_percent = (plan.filler * 100).div_ceil(SEGMENT);
    let doubt = Doubt {
        volume_percent: if plan.filler == 0 { 0 } else { record_percent + 3 },
        tick: TICK_DOUBT,
        // A tick at the moment of stopping moves the reader on or does not.
        stop: stop.plus(Span::from_millis(plan.scrape_ms)).plus(TICK_DOUBT),
    };
    let foretold = deadline_between(pace, live, reader, doubt).ok_or("no deadline")?;
    let drain = drain(plan);
    let back = choose_end(plan, gone, foretold);
    let expected = outcome(foretold, back, drain);

    sleep_until(back);
    let held = Exposition::parse(&get(agent.address, "/metrics")?)
        .count("prometheus_wal_watcher_current_segment", &[("consumer", QUEUE)]);
    let back = now();
    gate.open();
    let settled = loss::PAUSE.plus(drain).plus(Span::from_secs(2)).after(back);
    // A backlog of five periods goes out in requests of two samples.
    let patience = Duration::from_secs(90 + plan.period_s);
    let after = until("the sender caught up", patience, || {
        let number = arrived.newest(0)?;
        let log = canary.log();
        // What is still to be sent would be a loss by the counters: they are read while nothing is, to a second.
        let behind = log.last().map_or(0, |e| e.number).saturating_sub(number);
        let fresh =
            behind * plan.scrape_ms < 1000 && log.iter().any(|e| e.number == number && e.at > settled);
        if fresh {
            return Ok(Exposition::parse(&get(agent.address, "/metrics")?));
        }
        Err(format!(
            "newest is {number} of {}\n{}",
            log.len(),
            agent.running.log_tail()
        ))
    })?;
    let cliff_logged = agent.running.logged("error tailing WAL") || agent.running.logged("Error tailing WAL");
    drop(agent);

    let mut problems = Vec::new();
    let newest = arrived.at_rest()?;
    let numbers = arrived.numbers(0)?;
    // The agent was ended between two batches: the last number that every shard has is the end of all books.
    let end = newest.iter().copied().min().unwrap_or(0);
    let log: Vec<_> = canary.log().into_iter().filter(|e| e.number <= end).collect();
    let ledger = Ledger::close(&log, numbers.iter().copied().filter(|number| *number <= end));
    let failed_scrapes = arrived.failed_scrapes()?;
    let scraped = |hole: &Hole| classify(hole, &failed_scrapes) != LossCause::NotScraped;
    let of_outage: Vec<_> = ledger
        .holes
        .iter()
        .filter(|h| h.last.at >= gone && scraped(h))
        .collect();
    let lost: u64 = of_outage.iter().map(|h| h.lost).sum();

    // The books against an independent count at the receiver, of every shard.
    for (shard, newest) in (0..SHARDS).zip(newest) {
        let there = arrived.count(shard)?.saturating_sub(newest - end);
        let missing = u64::try_from(log.len()).unwrap_or(0).saturating_sub(there);
        if missing != ledger.lost() || !ledger.strangers.is_empty() {
            problems.push(format!(
                "shard {shard}: {missing} missing by count, ledger {}",
                ledger.lost()
            ));
        }
    }
    let (low, high) = foretold;
    if held.is_none_or(|h| !(low.held.0..=high.held.0).contains(&h)) {
        problems.push(format!(
            "reader held {held:?}, foretold {} to {}",
            low.held, high.held
        ));
    }
    let died = held.and_then(|h| watch.gone(domain::drill::measure::wal::rule::Segment(h + 1)));
    let died = died.filter(|at| *at <= back || expected == Outcome::Lost);
    match (expected, lost) {
        (Outcome::Kept, 0) | (Outcome::TooClose, _) => {}
        (Outcome::Lost, lost) if lost > 0 => {}
        _ => problems.push(format!("foretold {expected:?}, lost {lost}")),
    }
    let allowed = TICK_DOUBT;
    if let Some(at) = died.filter(|at| *at < low.tick || *at > allowed.after(high.tick)) {
        problems.push(format!("died at {at}, foretold {} to {}", low.tick, high.tick));
    }
    let foretold_lost = foretold_loss(plan, foretold, expected, back, &log);
    if lost < foretold_lost.0 || lost > foretold_lost.1 {
        problems.push(format!("lost {lost}, foretold {foretold_lost:?}"));
    }
    let evidence = Evidence {
        deaths: died.into_iter().collect(),
        ..Evidence::default()
    };
    for hole in &of_outage {
        if classify(hole, &evidence) != LossCause::Cliff || !cliff_logged {
            problems.push(format!(
                "{hole:?} is no cliff by {evidence:?}, logged: {cliff_logged}"
            ));
        }
    }
    if plan.filler == 0 {
        let counted = counters(&before, &after).gone();
        if !agree(counted, lost, PER_SCRAPE) {
            problems.push(format!(
                "counters say {counted:?} samples, ledger {lost} scrapes of {PER_SCRAPE}"
            ));
        }
    }
    let middle = Moment(low.tick.0 / 2 + high.tick.0 / 2);
    Ok(Finding {
        plan,
        outage_ms: back.millis_since(gone),
        foretold,
        outcome: expected,
        foretold_lost,
        lost,
        tick_error_ms: died.map(|at| (at.0 - middle.0) / 1000),
        lost_at_start: ledger.lost() - lost,
        problems,
    })
}

/// What the reader needs at most until it opens the next segment: it sends what is left of the one that it holds first. A segment lasts for a period, or until its volume is there.
fn drain(plan: Plan) -> Span {
    let by_period = plan.period_s * 1000 / plan.scrape_ms;
    let by_volume = SEGMENT.checked_div(plan.filler).unwrap_or(by_period);
    let requests = by_period.min(by_volume) * PER_SCRAPE / plan.per_send;
    TURN.plus(REQUEST.times(requests))
}

/// When the outage ends: near the deadline or anywhere up to well beyond it, never closer than the forecast can tell.
fn choose_end(plan: Plan, gone: Moment, foretold: (Deadline, Deadline)) -> Moment {
    let mut dice = StdRng::seed_from_u64(plan.seed ^ 0x5EED);
    let window = Span::between(gone, foretold.0.tick).micros();
    let period = plan.period_s * 1_000_000;
    let from = if plan.near {
        window.saturating_sub(period)
    } else {
        window / 4
    };
    let to = window + if plan.near { period } else { period * 2 };
    let mut back = gone;
    for _ in 0..100 {
        back = Span::from_micros(dice.random_range(from.max(2_000_000)..to.max(2_000_001))).after(gone);
        if outcome(foretold, back, drain(plan)) != Outcome::TooClose {
            break;
        }
    }
    back
}

/// Scrapes that are lost, at least and at most.
fn foretold_loss(
    plan: Plan,
    (low, high): (Deadline, Deadline),
    expected: Outcome,
    back: Moment,
    log: &[domain::drill::measure::ledger::Emitted],
) -> (u64, u64) {
    let scraped = log.last().map_or(Moment(0), |e| e.at);
    let period = Span::from_millis(plan.scrape_ms);
    // A scrape may be late by as much as the host is busy.
    let of = |deadline| {
        let gap = loss::gap(deadline, back, drain(plan))?;
        Some(loss::samples(gap, period, scraped, Span::from_millis(400)))
    };
    match (expected, of(low), of(high)) {
        (Outcome::Lost, Some(a), Some(b)) => (a.0.min(b.0), a.1.max(b.1)),
        (Outcome::Kept, ..) => (0, 0),
        _ => (0, u64::MAX),
    }
}

/// How long a truncation took so far, on the mean; the agent does not count those that delete nothing.
fn truncation(page: &Exposition) -> Span {
    let sum = page.quantity("prometheus_agent_truncate_duration_seconds_sum", &[]);
    let count = page.count("prometheus_agent_truncate_duration_seconds_count", &[]);
    let mean = sum
        .zip(count)
        .and_then(|(sum, count)| u64::try_from(sum.micros()).ok()?.checked_div(count));
    Span::from_micros(mean.unwrap_or(0)).plus(Span::from_millis(1))
}

fn counters(before: &Exposition, after: &Exposition) -> Counters {
    let of = |page: &Exposition, metric: &str| {
        page.count(&format!("prometheus_remote_storage_{metric}"), &[])
            .unwrap_or(0)
    };
    let grown = |metric| of(after, metric).saturating_sub(of(before, metric));
    Counters {
        // One scrape more, which may have been under way; the comparison allows for two.
        appended: grown("samples_in_total") + of(before, "samples_pending") + PER_SCRAPE,
        sent: grown("samples_total"),
        retried: grown("samples_retried_total"),
        pending: of(after, "samples_pending"),
        dropped: grown("samples_dropped_total"),
        failed: grown("samples_failed_total"),
    }
}

fn sleep_until(moment: Moment) {
    let left = Span::between(now(), moment);
    std::thread::sleep(Duration::from_micros(left.micros()));
}
