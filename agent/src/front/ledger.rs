//! What an order means for a node that may know the step already. Pure, so that every case is a line of a table.

use crate::codes;
use crate::journal::{StepPhase, StepRecord};
use model::ids::{Epoch, NodeName};
use model::step::{StepOrder, StepOutcome};

/// What to do with an order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Keep it and run it.
    Accept,
    /// It runs, or a later attempt is known: nothing to do.
    Ignore,
    /// It ended earlier: say so again.
    Repeat(StepOutcome),
    /// Refuse it.
    Refuse(&'static str, String),
}

/// Judges `order` under `epoch`.
pub(super) fn judge(
    known: Option<&StepRecord>,
    order: &StepOrder,
    epoch: Epoch,
    highest: Epoch,
    lab: &str,
    node: &NodeName,
) -> Verdict {
    if epoch < highest {
        return Verdict::Refuse(
            codes::STALE_EPOCH,
            format!("epoch {epoch} is over, {highest} was seen"),
        );
    }
    if order.body.id(lab, node) != order.step {
        return Verdict::Refuse(
            codes::CONTENT_DIFFERS,
            "the step's content does not give its id on this node".into(),
        );
    }
    let Some(known) = known else {
        return Verdict::Accept;
    };
    // One that ended and is not reported has its secret to hand over and its outcome to tell: it is not over.
    let over = matches!(known.phase, StepPhase::Reported { .. });
    match order.attempt.cmp(&known.attempt()) {
        std::cmp::Ordering::Less => Verdict::Ignore,
        std::cmp::Ordering::Greater if over => Verdict::Accept,
        std::cmp::Ordering::Greater => Verdict::Refuse(
            codes::BUSY,
            format!("attempt {} is not over yet", known.attempt()),
        ),
        std::cmp::Ordering::Equal => match &known.phase {
            StepPhase::Reported { outcome } => Verdict::Repeat(outcome.clone()),
            // Finished and not reported: whoever reports it is at work.
            _ => Verdict::Ignore,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ids::{Attempt, BootId};
    use model::moment::Moment;
    use model::step::{NodeStep, Role};

    #[test]
    fn every_case() {
        let node = NodeName::new("a").expect("valid");
        let body = NodeStep::ImportImages { role: Role::Worker };
        let order = |attempt| StepOrder {
            step: body.id("lab", &node),
            attempt: Attempt(attempt),
            body: body.clone(),
            budget_ms: 1,
        };
        let record = |phase| StepRecord {
            order: order(2),
            phase,
            at: Moment(0),
        };
        let ask = |known: Option<&StepRecord>, attempt, epoch| {
            judge(known, &order(attempt), Epoch(epoch), Epoch(5), "lab", &node)
        };

        let refused = |verdict, code| matches!(verdict, Verdict::Refuse(c, _) if c == code);
        assert_eq!(ask(None, 1, 5), Verdict::Accept);
        assert!(refused(ask(None, 1, 4), codes::STALE_EPOCH));
        let foreign = judge(None, &order(1), Epoch(5), Epoch(5), "other", &node);
        assert!(refused(foreign, codes::CONTENT_DIFFERS));

        for phase in [
            StepPhase::Accepted,
            StepPhase::Started {
                boot: BootId([0; 16]),
            },
        ] {
            let known = record(phase);
            assert_eq!(ask(Some(&known), 1, 5), Verdict::Ignore);
            assert_eq!(ask(Some(&known), 2, 6), Verdict::Ignore);
            assert!(refused(ask(Some(&known), 3, 5), codes::BUSY));
        }
        let done = record(StepPhase::Reported {
            outcome: StepOutcome::Cancelled,
        });
        assert_eq!(ask(Some(&done), 1, 5), Verdict::Ignore);
        assert_eq!(ask(Some(&done), 2, 5), Verdict::Repeat(StepOutcome::Cancelled));
        assert_eq!(ask(Some(&done), 3, 5), Verdict::Accept);
        assert!(refused(ask(Some(&done), 3, 4), codes::STALE_EPOCH));
        let finished = record(StepPhase::Finished {
            outcome: StepOutcome::Cancelled,
        });
        assert_eq!(ask(Some(&finished), 2, 5), Verdict::Ignore);
        assert!(refused(ask(Some(&finished), 3, 5), codes::BUSY));
    }
}
