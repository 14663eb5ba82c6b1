//! The machine of a run against a world that breaks: whatever happens, what was broken is undone before it ends.

use crate::drill_scenarios::planned;
use crate::fixtures::run_id;
use domain::drill::deed::{CLEAR_LIMIT_MS, Deed};
use domain::drill::history::{Answer, History, Line, Sample, What};
use domain::drill::live::Live;
use domain::drill::phases::{Decision, Effect, Event, GIVE_UP_MS, Run, begin, is_conclusive, step};
use domain::drill::plan::DrillPlan;
use domain::drill::record::{AbortCause, Phase, Record};
use domain::drill::report::verdict::Verdict;
use model::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// A small generator of its own, so that a failing seed can be repeated anywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Coordinator, faults and probes in one: what is on disk, what is really broken, what is under way.
struct World {
    disk: Vec<(Moment, Record)>,
    run: Run,
    now: Moment,
    /// Really in effect, until when its lease lasts.
    broken: BTreeMap<String, Moment>,
    /// Given to the world and not answered yet, in order.
    under_way: Vec<Effect>,
    good: bool,
    ever_broken: BTreeSet<String>,
    /// Probes whose own objects are there.
    planted: BTreeSet<String>,
    ever_planted: bool,
    probing: bool,
}

impl World {
    fn new(plan: DrillPlan) -> Self {
        let mut world = World {
            disk: vec![],
            run: Run::default(),
            now: Moment(1_000_000),
            broken: BTreeMap::new(),
            under_way: vec![],
            good: true,
            ever_broken: BTreeSet::new(),
            planted: BTreeSet::new(),
            ever_planted: false,
            probing: false,
        };
        world.take(begin(run_id(1), plan), None);
        world
    }

    /// Makes the records durable and hands the effects over; a crash cuts the records at `cut` and loses the effects.
    fn take(&mut self, decision: Decision, cut: Option<usize>) {
        let kept = cut.unwrap_or(decision.records.len()).min(decision.records.len());
        for record in &decision.records[..kept] {
            self.disk.push((self.now, record.clone()));
            self.run.apply(record, self.now);
        }
        if cut.is_none() {
            self.under_way.extend(decision.effects);
        }
    }

    fn event(&mut self, event: Event, cut: Option<usize>) {
        let decision = step(&self.run, event, self.now);
        self.take(decision, cut);
    }

    /// The process dies and another one folds what is on disk. Faults stay; orders under way may or may not have acted.
    fn crash(&mut self, dice: &mut Dice) {
        for effect in std::mem::take(&mut self.under_way) {
            if dice.roll(2) == 0 {
                self.act(&effect);
            }
        }
        self.probing = false;
        let folded = Run::fold(self.disk.iter().map(|(time, record)| (*time, record)));
        assert_eq!(
            folded, self.run,
            "the fold of the disk is not what the process knew"
        );
        self.run = folded;
        if self.run.finished.is_none() {
            self.event(Event::Restarted, None);
        }
    }

    /// What an order does to the world.
    fn act(&mut self, effect: &Effect) {
        match effect {
            Effect::Inject { fault, deadline } => {
                self.broken.insert(fault.clone(), *deadline);
                self.ever_broken.insert(fault.clone());
            }
            Effect::Undo { fault } => {
                self.broken.remove(fault);
            }
            Effect::StartProbes => self.probing = true,
            Effect::Perform { probe, deed } => self.perform(probe, *deed),
            Effect::CheckGuards | Effect::Judge => {}
        }
    }

    /// Objects of the drill's own come with the first deed and go with the last; the others need them.
    fn perform(&mut self, probe: &str, deed: Deed) {
        match deed {
            Deed::Plant => {
                self.planted.insert(probe.to_owned());
                self.ever_planted = true;
            }
            Deed::Clear => {
                self.planted.remove(probe);
            }
            Deed::Delete | Deed::Create => assert!(
                self.planted.contains(probe),
                "{deed:?} before anything was planted"
            ),
            Deed::Write => {
                assert!(
                    self.planted.contains(probe) && self.broken.is_empty(),
                    "written while its source was away"
                );
            }
        }
    }

    /// Answers an order, well or badly.
    fn answer(&mut self, dice: &mut Dice, well: bool) {
        let index =
            usize::try_from(dice.roll(u64::try_from(self.under_way.len()).expect("few"))).expect("small");
        let effect = self.under_way.remove(index);
        // Orders about one fault are performed one after another.
        let of = |e: &Effect| match e {
            Effect::Inject { fault, .. } | Effect::Undo { fault } => Some(fault.clone()),
            Effect::Perform { probe, .. } => Some(probe.clone()),
            _ => None,
        };
        if of(&effect).is_some() && self.under_way[..index].iter().any(|e| of(e) == of(&effect)) {
            self.under_way.insert(index, effect);
            return;
        }
        let (from, to) = (self.now, self.now.plus_millis(1));
        let reason = "the world did not want to".to_owned();
        let event = match effect.clone() {
            Effect::CheckGuards if well => Event::GuardsChecked(vec![]),
            Effect::CheckGuards => Event::GuardsChecked(vec![reason]),
            Effect::StartProbes => return self.act(&effect),
            Effect::Judge => {
                assert!(
                    self.planted.is_empty() || self.given_up(),
                    "judged before it was clear"
                );
                Event::Judged(Verdict::Pass)
            }
            Effect::Perform { probe, deed } if well => {
                self.act(&effect);
                Event::DeedDone {
                    probe,
                    deed,
                    from,
                    to,
                }
            }
            Effect::Perform { probe, deed } => {
                if dice.roll(2) == 0 {
                    self.act(&effect);
                }
                Event::DeedFailed { probe, deed, reason }
            }
            Effect::Inject { fault, .. } if well => {
                self.act(&effect);
                Event::Injected { fault, from, to }
            }
            Effect::Inject { fault, .. } => {
                if dice.roll(2) == 0 {
                    self.act(&effect);
                }
                Event::InjectFailed { fault, reason }
            }
            Effect::Undo { fault } if well => {
                self.act(&effect);
                let ended_by = None;
                Event::Undone {
                    fault,
                    from,
                    to,
                    ended_by,
                }
            }
            Effect::Undo { fault } => {
                if dice.roll(2) == 0 {
                    self.act(&effect);
                }
                Event::UndoFailed { fault, reason }
            }
        };
        self.event(event, None);
    }

    fn tick(&mut self, millis: u64, cut: Option<usize>) {
        self.now = self.now.plus_millis(millis);
        // Leases end by themselves.
        let now = self.now;
        self.broken.retain(|_, deadline| *deadline > now);
        let live = self.live();
        self.event(Event::Tick(live), cut);
    }

    fn live(&self) -> Live {
        let mut live = Live::default();
        let Some(plan) = self.run.plan.as_ref().filter(|_| self.probing) else {
            return live;
        };
        for probe in plan.active_probes() {
            for number in 0..20 {
                live.observe(&Sample {
                    probe: probe.name.clone(),
                    number,
                    due: self.now,
                    sent: Some(self.now),
                    done: self.now,
                    answer: if self.good { Answer::Good } else { Answer::Bad },
                    detail: String::new(),
                    values: BTreeMap::new(),
                });
            }
        }
        live
    }

    /// From here on nothing more goes wrong: the run must end, with nothing broken.
    fn settle(&mut self, dice: &mut Dice, context: &str) {
        self.good = true;
        for _ in 0..20_000 {
            if self.run.finished.is_some() {
                return self.check(context);
            }
            if self.under_way.is_empty() {
                self.tick(500, None);
            } else {
                self.answer(dice, true);
            }
        }
        panic!(
            "{context}: the run never ends; it is in {:?} with {:?}",
            self.run.phase, self.run.faults
        );
    }

    fn check(&self, context: &str) {
        let left: Vec<_> = self.broken.keys().collect();
        assert!(left.is_empty(), "{context}: finished with {left:?} in effect");
        assert!(
            self.planted.is_empty() || self.given_up(),
            "{context}: finished with {:?} planted",
            self.planted
        );
        let spoken: BTreeSet<&str> = self
            .disk
            .iter()
            .filter_map(|(_, r)| match r {
                Record::FaultIntended { fault, .. } => Some(fault.as_str()),
                _ => None,
            })
            .collect();
        for fault in &self.ever_broken {
            assert!(
                spoken.contains(fault.as_str()),
                "{context}: {fault} was injected without being on record"
            );
        }
        let finished = self
            .disk
            .iter()
            .filter(|(_, r)| matches!(r, Record::Finished { .. }))
            .count();
        assert_eq!(finished, 1, "{context}");
    }

    /// Whether clearing was tried for as long as it is.
    fn given_up(&self) -> bool {
        let since = self.run.phase_since;
        self.disk.iter().any(|(at, record)| {
            matches!(
                record,
                Record::DeedFailed {
                    deed: Deed::Clear,
                    ..
                }
            ) && at.millis_since(since) > CLEAR_LIMIT_MS
        })
    }

    /// What is on disk, as it is judged.
    fn history(&self) -> History {
        let line = |(time, record): &(Moment, Record)| Line {
            time: *time,
            what: What::Record(record.clone()),
        };
        History {
            lines: self.disk.iter().map(line).collect(),
            damaged: vec![],
        }
    }

    fn phases(&self) -> Vec<Phase> {
        let entered = |(_, r): &(Moment, Record)| match r {
            Record::PhaseEntered { phase } => Some(*phase),
            _ => None,
        };
        self.disk.iter().filter_map(entered).collect()
    }
}

/// As on a lab that has what the second fault needs.
fn two_faults() -> DrillPlan {
    let mut plan = planned("agent-restart-during-outage");
    for fault in &mut plan.faults {
        fault.impossible = None;
    }
    plan
}

/// Also with ExternalSecrets of its own.
fn with_canaries() -> DrillPlan {
    let mut plan = planned("secret-deleted");
    plan.faults.iter_mut().for_each(|fault| fault.impossible = None);
    plan.probes.iter_mut().for_each(|probe| probe.skipped = None);
    plan
}

#[test]
fn own_objects_are_planted_tried_and_cleared_in_their_phases() {
    let mut world = World::new(with_canaries());
    world.settle(&mut Dice(5), "plain");
    assert!(world.ever_planted && world.planted.is_empty());
    let of_app1: Vec<String> = world
        .disk
        .iter()
        .filter_map(|(_, r)| match r {
            Record::PhaseEntered { phase } => Some(phase.word().to_owned()),
            Record::DeedOrdered { probe, deed } if probe == "app1-secret-canary" => Some(format!("{deed:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        of_app1,
        [
            "guard", "steady", "Plant", "inject", "observe", "Delete", "Create", "revert", "verify", "Write",
            "verdict", "Clear"
        ]
    );
}

#[test]
fn without_trouble_every_phase_is_walked_once() {
    let mut world = World::new(two_faults());
    world.settle(&mut Dice(1), "plain");
    use Phase::{Guard, Inject, Observe, Revert, Steady, Verdict, Verify};
    assert_eq!(
        world.phases(),
        vec![Guard, Steady, Inject, Observe, Revert, Verify, Verdict]
    );
    assert_eq!(world.run.abort, None);
    let order: Vec<String> = world
        .disk
        .iter()
        .filter_map(|(_, r)| match r {
            Record::FaultIntended { fault, .. } => Some(format!("+{fault}")),
            Record::UndoIntended { fault } => Some(format!("-{fault}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        ["+mgmt-away", "+agent-restart", "-agent-restart", "-mgmt-away"]
    );
}

#[test]
fn every_prefix_of_the_records_is_undone_after_a_restart() {
    for seed in 0..20 {
        let mut whole = World::new(two_faults());
        let mut dice = Dice(seed);
        while whole.run.finished.is_none() {
            match dice.roll(10) {
                0 if seed % 2 == 1 => whole.event(Event::AbortRequested, None),
                _ if whole.under_way.is_empty() => whole.tick(1000, None),
                _ => whole.answer(&mut dice, seed % 3 != 2 || whole.run.phase == Some(Phase::Guard)),
            }
        }
        for cut in 2..whole.disk.len() {
            let mut world = World::new(two_faults());
            world.disk = whole.disk[..cut].to_vec();
            world.run = Run::fold(world.disk.iter().map(|(time, record)| (*time, record)));
            world.now = world.disk.last().expect("not empty").0;
            world.under_way.clear();
            // Whatever was intended and not undone may be in effect.
            let possible: Vec<(String, Moment)> = world
                .run
                .outstanding()
                .into_iter()
                .map(|(name, state)| (name.to_owned(), state.deadline))
                .collect();
            world
                .ever_broken
                .extend(possible.iter().map(|(name, _)| name.clone()));
            let now = world.now;
            world
                .broken
                .extend(possible.into_iter().filter(|(_, deadline)| *deadline > now));
            world.crash(&mut Dice(seed));
            world.settle(&mut Dice(seed), &format!("seed {seed}, {cut} records"));
        }
    }
}

#[test]
fn random_trouble_leaves_nothing_broken() {
    let runs = if std::env::var_os("DRILLYARD_LONG").is_some() {
        200_000
    } else {
        4_000
    };
    let mut crashes = 0;
    for seed in 0..runs {
        let mut dice = Dice(seed);
        let mut world = World::new(if seed % 8 > 0 {
            two_faults()
        } else {
            with_canaries()
        });
        for _ in 0..dice.roll(400) {
            if world.run.finished.is_some() {
                break;
            }
            match dice.roll(40) {
                0 => {
                    crashes += 1;
                    // In the middle of a decision: some of its records are on disk, none of its effects happened.
                    let cut = usize::try_from(dice.roll(3)).expect("small");
                    world.tick(1, Some(cut));
                    world.crash(&mut dice);
                }
                1 => world.event(Event::AbortRequested, None),
                2 => world.good = dice.roll(3) > 0,
                3..=20 if !world.under_way.is_empty() => {
                    let well = dice.roll(5) > 0;
                    world.answer(&mut dice, well);
                }
                _ => {
                    let millis = dice.roll(3000);
                    world.tick(millis, None);
                }
            }
        }
        world.settle(&mut dice, &format!("seed {seed}"));
    }
    assert!(crashes > runs / 4, "only {crashes} crashes in {runs} runs");
}

#[test]
fn a_fault_that_cannot_be_undone_ends_with_its_lease_and_is_named() {
    let mut world = World::new(planned("mgmt-down"));
    let mut dice = Dice(3);
    let lease = world.run.plan.as_ref().expect("planned").faults[0].lease_ms;
    while world.run.finished.is_none() {
        let undoing = matches!(world.under_way.first(), Some(Effect::Undo { .. }));
        if world.under_way.is_empty() {
            world.tick(500, None);
        } else {
            world.answer(&mut dice, !undoing);
        }
    }
    let Some((at, Record::Finished { outstanding, .. })) = world.disk.last() else {
        panic!("not finished")
    };
    assert_eq!(outstanding, &["mgmt-away"]);
    let intended = world
        .disk
        .iter()
        .find(|(_, r)| matches!(r, Record::FaultIntended { .. }))
        .expect("intended")
        .0;
    assert!(
        at.millis_since(intended) >= lease + GIVE_UP_MS,
        "given up before its lease was over"
    );
}

#[test]
fn a_guard_that_does_not_hold_breaks_nothing() {
    let mut world = World::new(planned("mgmt-down"));
    world.under_way.clear();
    world.event(Event::GuardsChecked(vec!["a node is not ready".into()]), None);
    world.settle(&mut Dice(1), "guard");
    assert!(world.ever_broken.is_empty());
    assert!(matches!(world.run.abort, Some(AbortCause::Guard { .. })));
}

#[test]
fn a_lab_that_never_gets_steady_is_not_broken() {
    let mut world = World::new(planned("mgmt-down"));
    world.good = false;
    while world.run.finished.is_none() {
        if world.under_way.is_empty() {
            world.tick(1000, None);
        } else {
            world.answer(&mut Dice(1), true);
        }
    }
    assert!(world.ever_broken.is_empty());
    assert!(
        matches!(world.run.abort, Some(AbortCause::NotSteady { .. })),
        "{:?}",
        world.run.abort
    );
}

/// A run whose outage an abort rule has just ended.
fn ended_by_a_rule() -> World {
    let mut world = World::new(planned("mgmt-down"));
    while world.run.phase != Some(Phase::Observe) {
        if world.under_way.is_empty() {
            world.tick(1000, None);
        } else {
            world.answer(&mut Dice(1), true);
        }
    }
    let mut live = world.live();
    live.probes.get_mut("app1-web-host").expect("probed").bad_since = Some(world.now);
    world.now = world.now.plus_millis(45_000);
    world.event(Event::Tick(live), None);
    world
}

#[test]
fn an_abort_rule_ends_the_outage_early() {
    let mut world = ended_by_a_rule();
    assert_eq!(world.run.phase, Some(Phase::Revert));
    assert!(matches!(world.run.abort, Some(AbortCause::Rule { .. })));
    world.settle(&mut Dice(1), "rule");
    assert!(is_conclusive(world.history().abort()));
}

#[test]
fn what_ends_a_run_after_a_rule_is_on_record_and_leaves_doubt() {
    let operator = |world: &mut World| world.event(Event::AbortRequested, None);
    let lost = |world: &mut World| world.crash(&mut Dice(1));
    type Trouble = fn(&mut World);
    let table: [(Trouble, AbortCause); 2] = [
        (operator, AbortCause::Operator {}),
        (lost, AbortCause::CoordinatorLost {}),
    ];
    for (trouble, cause) in table {
        for phase in [Phase::Revert, Phase::Verify] {
            let mut world = ended_by_a_rule();
            world.good = false;
            while world.run.phase != Some(phase) {
                if world.under_way.is_empty() {
                    world.tick(500, None);
                } else {
                    world.answer(&mut Dice(1), true);
                }
            }
            trouble(&mut world);
            world.settle(&mut Dice(1), "trouble after a rule");
            assert_eq!(world.run.abort.as_ref(), Some(&cause), "{phase:?}");
            assert_eq!(world.history().abort(), Some(&cause), "{phase:?}");
            assert_eq!(world.history().aborts().count(), 2, "{phase:?}");
        }
    }
}
