//! An agent of the simulation: the real outbox over a real journal, and a wire that may be cut.

use agent::front::outbox::{BATCH_EVENTS, Expectation, Outbox};
use agent::journal::{Batch, Draft, Journal, MemoryJournal, Position, dropped};
use model::event::{NodeEvent, NodeEventKind};
use model::fact::NodeFacts;
use model::ids::{BootId, Incarnation, NodeName, Seq};
use model::moment::Moment;
use std::collections::VecDeque;

/// What goes to the coordinator.
#[derive(Debug, Clone)]
pub(crate) enum Up {
    Hello(Position),
    Events(Vec<NodeEvent>),
}

/// What comes from it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Down {
    Welcome(Seq),
    Ack(Seq),
    Rewind(Seq),
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) up: VecDeque<Up>,
    pub(crate) down: VecDeque<Down>,
    /// Number of the session at the coordinator, once it has met the hello.
    pub(crate) session: Option<u64>,
    outbox: Option<Outbox>,
}

pub(crate) struct Agent {
    pub(crate) name: NodeName,
    pub(crate) wire: Option<Wire>,
    live: MemoryJournal,
    /// What is on its disk: every append, and acknowledgements now and then.
    disk: MemoryJournal,
}

pub(crate) fn draft(kind: NodeEventKind) -> Draft {
    Draft {
        time: Moment(0),
        monotonic_ms: 0,
        boot: BootId([1; 16]),
        kind,
    }
}

/// An event that must never be lost, and says which one it is.
pub(crate) fn marked(mark: &str) -> Draft {
    draft(NodeEventKind::AgentStarted { version: mark.into() })
}

/// A sample, which may be thinned out.
pub(crate) fn sample() -> Draft {
    draft(NodeEventKind::Health {
        facts: NodeFacts::default(),
    })
}

impl Agent {
    pub(crate) fn new(name: NodeName, life: u8) -> Self {
        let live = MemoryJournal::new(Incarnation([life; 16]));
        Self {
            name,
            wire: None,
            disk: live.clone(),
            live,
        }
    }

    /// Durable, and its producers know it, when this returns.
    pub(crate) fn produce(&mut self, events: Vec<Draft>) {
        let batch = Batch {
            events,
            ..Batch::default()
        };
        self.live.append(&batch).expect("small");
        self.disk.append(&batch).expect("small");
    }

    /// The buffer is thinned out.
    pub(crate) fn thin(&mut self) {
        self.live.thin();
        self.disk.thin();
    }

    pub(crate) fn connect(&mut self) {
        let mut wire = Wire::default();
        wire.up.push_back(Up::Hello(self.live.position()));
        self.wire = Some(wire);
    }

    /// SIGKILL: what was only in memory is gone.
    pub(crate) fn die(&mut self) {
        self.wire = None;
        self.live = self.disk.clone();
    }

    /// What was acknowledged so far is forgotten on disk too.
    pub(crate) fn settle(&mut self) {
        let kept = self.live.position().first_unacked;
        self.disk.ack(Seq(kept.0.saturating_sub(1))).expect("in memory");
    }

    /// Nothing is left to be sent.
    pub(crate) fn is_drained(&self) -> bool {
        let position = self.live.position();
        position.first_unacked > position.last
    }

    /// Sends at most `most` events, as its session does.
    pub(crate) fn send(&mut self, most: usize) {
        let Some(wire) = &mut self.wire else { return };
        let Some(outbox) = &mut wire.outbox else { return };
        let Some(from) = outbox.next(self.live.position().last) else {
            return;
        };
        let events = self.live.read(from, most.min(BATCH_EVENTS)).expect("in memory");
        if let Some(last) = events.last() {
            outbox.sent(last.seq);
            wire.up.push_back(Up::Events(events));
        }
    }

    /// Takes the next message of the coordinator.
    pub(crate) fn receive(&mut self) {
        let Some(message) = self.wire.as_mut().and_then(|wire| wire.down.pop_front()) else {
            return;
        };
        match message {
            Down::Welcome(expected) | Down::Rewind(expected) => self.expect(expected),
            Down::Ack(upto) => {
                let outbox = self.wire.as_mut().and_then(|wire| wire.outbox.as_mut());
                let Some(outbox) = outbox else { return };
                outbox.acked(upto);
                self.live.ack(outbox.forgettable()).expect("in memory");
            }
        }
    }

    fn expect(&mut self, expected: Seq) {
        let position = self.live.position();
        let Some(wire) = &mut self.wire else { return };
        let (outbox, expectation) = Outbox::expect(expected, position);
        wire.outbox = Some(outbox);
        match expectation {
            Expectation::Fits => self.live.ack(outbox.forgettable()).expect("in memory"),
            Expectation::Gone { from, to } => {
                let stamp = NodeEvent {
                    incarnation: position.incarnation,
                    seq: to,
                    time: Moment(0),
                    monotonic_ms: 0,
                    boot: BootId([1; 16]),
                    kind: sample().kind,
                };
                let gone = dropped(&stamp, from, to, "acknowledged earlier, and removed since");
                wire.up.push_back(Up::Events(vec![gone]));
            }
            Expectation::Ahead => {
                let lost = draft(NodeEventKind::StoreLost {
                    reason: "behind the coordinator".into(),
                });
                self.live
                    .renew("behind the coordinator", &lost)
                    .expect("in memory");
                self.disk = self.live.clone();
                self.wire = None;
            }
        }
    }
}
