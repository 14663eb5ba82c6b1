//! The model of an agent: its ledger, its numbered journal, its units. It guards against nothing but repetition and old
//! epochs, so that whatever else goes wrong is the machine's fault.

use super::{Down, Os, Up};
use model::event::{NodeEvent, NodeEventKind};
use model::ids::{Attempt, Epoch, NodeName, Seq, StepId};
use model::moment::Moment;
use model::step::StepOutcome;
use std::collections::BTreeMap;

/// How far an attempt is, in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    Accepted,
    Started { boot: u8 },
    Finished(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    Unknown,
}

/// One journal entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) incarnation: u8,
    pub(crate) boot: u8,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Started(StepId, Attempt),
    Finished(StepId, Attempt, Outcome),
    StaleEpoch(StepId, Attempt),
    StoreLost,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    pub(crate) name: NodeName,
    pub(crate) boot: u8,
    pub(crate) incarnation: u8,
    pub(crate) highest_epoch: Epoch,
    pub(crate) ledger: BTreeMap<StepId, (Attempt, Phase)>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) last_seq: Seq,
    pub(crate) os: BTreeMap<StepId, Os>,
    /// Units that run.
    pub(crate) units: Vec<(StepId, Attempt)>,
}

impl Agent {
    pub(crate) fn new(name: NodeName) -> Self {
        Agent {
            name,
            boot: 1,
            incarnation: 1,
            highest_epoch: Epoch(0),
            ledger: BTreeMap::new(),
            journal: vec![],
            last_seq: Seq(0),
            os: BTreeMap::new(),
            units: vec![],
        }
    }

    pub(crate) fn hello(&self) -> Up {
        Up::Hello {
            boot: self.boot,
            incarnation: self.incarnation,
            last: self.last_seq,
        }
    }

    /// Makes an entry durable and returns it, to be sent when there is a session.
    pub(crate) fn write(&mut self, what: What) -> Up {
        self.last_seq = self.last_seq.next();
        let entry = Entry {
            seq: self.last_seq,
            incarnation: self.incarnation,
            boot: self.boot,
            what,
        };
        self.journal.push(entry.clone());
        Up::Events(vec![entry])
    }

    /// Handles a message; answers go up in order.
    pub(crate) fn handle(&mut self, message: Down, dedup: bool) -> Vec<Up> {
        match message {
            Down::Welcome(epoch) => {
                self.highest_epoch = self.highest_epoch.max(epoch);
                vec![]
            }
            Down::Run(epoch, step, attempt) if epoch < self.highest_epoch => {
                vec![self.write(What::StaleEpoch(step, attempt))]
            }
            Down::Run(_, step, attempt) => self.order(step, attempt, dedup),
            Down::List(epoch) if epoch >= self.highest_epoch => {
                vec![Up::Ledger(
                    self.ledger
                        .iter()
                        .map(|(step, (attempt, phase))| (*step, *attempt, *phase))
                        .collect(),
                )]
            }
            Down::Probe(epoch, step, attempt) if epoch >= self.highest_epoch => {
                vec![Up::Probed(
                    step,
                    attempt,
                    self.os.get(&step).copied().unwrap_or(Os::Nothing),
                )]
            }
            Down::List(_) | Down::Probe(..) => vec![],
            Down::Ack(upto) => {
                self.journal.retain(|entry| entry.seq > upto);
                vec![]
            }
            Down::Rewind(expected) => {
                vec![Up::Events(
                    self.journal
                        .iter()
                        .filter(|entry| entry.seq >= expected)
                        .cloned()
                        .collect(),
                )]
            }
        }
    }

    fn order(&mut self, step: StepId, attempt: Attempt, dedup: bool) -> Vec<Up> {
        if let Some((known, phase)) = self.ledger.get(&step).copied().filter(|_| dedup) {
            return match phase {
                Phase::Finished(outcome) if known == attempt => {
                    vec![self.write(What::Finished(step, attempt, outcome))]
                }
                _ if attempt <= known => vec![],
                _ => self.take(step, attempt),
            };
        }
        self.take(step, attempt)
    }

    fn take(&mut self, step: StepId, attempt: Attempt) -> Vec<Up> {
        // The real agent numbers an event for this too; it only moves a cursor, and would only multiply the worlds.
        self.ledger.insert(step, (attempt, Phase::Accepted));
        vec![]
    }

    /// The steps that were accepted and not started.
    pub(crate) fn startable(&self) -> Vec<(StepId, Attempt)> {
        let accepted = self
            .ledger
            .iter()
            .filter(|(_, (_, phase))| *phase == Phase::Accepted);
        accepted.map(|(step, (attempt, _))| (*step, *attempt)).collect()
    }

    pub(crate) fn start(&mut self, step: StepId, attempt: Attempt) -> Up {
        self.ledger
            .insert(step, (attempt, Phase::Started { boot: self.boot }));
        self.units.push((step, attempt));
        if self.os.get(&step) != Some(&Os::Done) {
            self.os.insert(step, Os::Partial);
        }
        self.write(What::Started(step, attempt))
    }

    pub(crate) fn end(&mut self, step: StepId, attempt: Attempt, outcome: Outcome) -> Up {
        self.units.retain(|unit| *unit != (step, attempt));
        if outcome == Outcome::Succeeded {
            self.os.insert(step, Os::Done);
        }
        self.ledger.insert(step, (attempt, Phase::Finished(outcome)));
        self.write(What::Finished(step, attempt, outcome))
    }

    /// Power is cut: units die, the ledger survives, and the agent finds that the boot is another.
    pub(crate) fn reboot(&mut self) {
        self.boot += 1;
        self.units.clear();
        let started: Vec<_> = self
            .ledger
            .iter()
            .map(|(step, (attempt, phase))| (*step, *attempt, *phase))
            .collect();
        for (step, attempt, phase) in started {
            if matches!(phase, Phase::Started { boot } if boot != self.boot) {
                self.ledger
                    .insert(step, (attempt, Phase::Finished(Outcome::Unknown)));
                self.write(What::Finished(step, attempt, Outcome::Unknown));
            }
        }
    }

    /// The store is put aside. What runs is found again by its unit; the epoch is kept in the checkpoint.
    pub(crate) fn lose_store(&mut self) {
        self.incarnation += 1;
        self.journal.clear();
        self.last_seq = Seq(0);
        self.ledger = self
            .units
            .iter()
            .map(|(s, attempt)| (*s, (*attempt, Phase::Started { boot: self.boot })))
            .collect();
        self.write(What::StoreLost);
    }
}

impl Entry {
    pub(crate) fn event(&self) -> NodeEvent {
        let kind = match &self.what {
            What::Started(step, attempt) => NodeEventKind::StepStarted {
                step: *step,
                attempt: *attempt,
                unit: "unit".into(),
            },
            What::Finished(step, attempt, outcome) => NodeEventKind::StepFinished {
                step: *step,
                attempt: *attempt,
                outcome: outcome.model(),
            },
            What::StaleEpoch(step, attempt) => NodeEventKind::StepRefused {
                step: *step,
                attempt: *attempt,
                code: "DY-0520".into(),
                reason: "an older coordinator".into(),
            },
            What::StoreLost => NodeEventKind::StoreLost {
                reason: "damaged".into(),
            },
        };
        NodeEvent {
            incarnation: crate::fixtures::incarnation(self.incarnation),
            seq: self.seq,
            time: Moment(0),
            monotonic_ms: 0,
            boot: crate::fixtures::boot(self.boot),
            kind,
        }
    }
}

impl Outcome {
    fn model(self) -> StepOutcome {
        match self {
            Outcome::Succeeded => StepOutcome::Succeeded { run_ms: 1, cpu_ms: 1 },
            Outcome::Failed => StepOutcome::Failed {
                code: "DY-0501".into(),
                message: "failed".into(),
                output: String::new(),
            },
            Outcome::Unknown => StepOutcome::Unknown {
                reason: "the node was rebooted".into(),
            },
        }
    }
}
