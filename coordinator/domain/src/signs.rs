//! What can be seen from outside of a node whose agent is silent, and what follows from it. Pure.
//!
//! No answer alone proves nothing: a firewall that drops what it is asked looks like a dead machine. A node is called
//! without power or cut off only on two signs that do not depend on one another; anything less is silence.

use model::fact::ConditionStatus;
use serde::{Deserialize, Serialize};

/// Whether something answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It did.
    Yes,
    /// It was asked and did not.
    No,
    /// It could not be asked.
    #[default]
    NotAsked,
}

/// What the provider of the machine says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// It runs and its port is up.
    Running,
    /// It does not run.
    Off,
    /// Its processes are stopped.
    Frozen,
    /// It runs, and its port is down.
    Unplugged,
    /// The provider does not say, or takes too long to.
    #[default]
    NotKnown,
}

/// All signs of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Signs {
    /// Anything that only a living kernel sends: a refusal, an ICMP error, an accepted connection, on any of several ports.
    pub kernel: Answer,
    /// The link layer: an answer to ARP, asked afresh.
    pub neighbour: Answer,
    /// The provider's word.
    pub machine: Machine,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Of the condition `NodeReachable`.
    pub status: ConditionStatus,
    /// CamelCase.
    pub reason: &'static str,
    /// One line for people.
    pub message: &'static str,
}

impl Signs {
    /// What the signs of a silent node mean.
    pub fn verdict(&self) -> Verdict {
        use {Answer::*, ConditionStatus as Is, Machine::*};
        let (status, reason, message) = match (self.machine, self.kernel, self.neighbour) {
            // Containers share the host's kernel, which answers for processes that stand still.
            (Frozen, _, _) => (
                Is::False,
                "Frozen",
                "its machine is suspended: no process of it runs",
            ),
            (_, Yes, _) => (
                Is::True,
                "KernelAnswers",
                "its kernel answers, its agent does not speak",
            ),
            (Off, _, _) => (
                Is::False,
                "PowerLost",
                "its machine does not run, and nothing answers at its address",
            ),
            (Unplugged, _, _) => (
                Is::False,
                "NetworkCut",
                "its machine runs, its port is down, and nothing answers at its address",
            ),
            (Running, No, No) => (
                Is::False,
                "NetworkCut",
                "its machine runs, and nothing answers at its address, neither IP nor ARP",
            ),
            (NotKnown, No, No) => (
                Is::False,
                "NoAnswer",
                "nothing answers at its address, neither IP nor ARP: its power is off or its network is cut",
            ),
            (_, No, Yes) => (
                Is::Unknown,
                "Silent",
                "it answers ARP and drops everything else: a firewall, or it is wedged",
            ),
            (_, No, NotAsked) | (_, NotAsked, _) => (
                Is::Unknown,
                "Silent",
                "nothing answers at its address; a firewall would look the same",
            ),
        };
        Verdict {
            status,
            reason,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answer::{No, NotAsked, Yes};
    use ConditionStatus as Is;

    fn judged(machine: Machine, kernel: Answer, neighbour: Answer) -> (ConditionStatus, &'static str) {
        let signs = Signs {
            kernel,
            neighbour,
            machine,
        };
        let verdict = signs.verdict();
        (verdict.status, verdict.reason)
    }

    #[test]
    fn one_sign_is_silence_and_two_are_a_loss() {
        let table = [
            (Machine::Off, No, No, Is::False, "PowerLost"),
            (Machine::Off, No, NotAsked, Is::False, "PowerLost"),
            (Machine::Unplugged, No, NotAsked, Is::False, "NetworkCut"),
            (Machine::Running, No, No, Is::False, "NetworkCut"),
            (Machine::NotKnown, No, No, Is::False, "NoAnswer"),
            // A firewall that drops everything, on a machine that runs.
            (Machine::Running, No, Yes, Is::Unknown, "Silent"),
            (Machine::NotKnown, No, Yes, Is::Unknown, "Silent"),
            (Machine::Running, No, NotAsked, Is::Unknown, "Silent"),
            (Machine::NotKnown, No, NotAsked, Is::Unknown, "Silent"),
            (Machine::NotKnown, NotAsked, NotAsked, Is::Unknown, "Silent"),
            (Machine::Running, Yes, Yes, Is::True, "KernelAnswers"),
            (Machine::NotKnown, Yes, NotAsked, Is::True, "KernelAnswers"),
            (Machine::Frozen, Yes, Yes, Is::False, "Frozen"),
        ];
        for (machine, kernel, neighbour, status, reason) in table {
            assert_eq!(
                judged(machine, kernel, neighbour),
                (status, reason),
                "{machine:?} {kernel:?} {neighbour:?}"
            );
        }
    }

    #[test]
    fn whoever_answers_is_never_called_without_power() {
        for machine in [
            Machine::Running,
            Machine::Off,
            Machine::Unplugged,
            Machine::NotKnown,
        ] {
            for neighbour in [Yes, No, NotAsked] {
                assert_eq!(judged(machine, Yes, neighbour).0, Is::True, "{machine:?}");
            }
        }
    }
}
