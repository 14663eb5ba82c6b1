//! Many agents in one process, each with the moments at which its events were due.

use super::{Outcome, Yard};
use agent::front::simulated::Simulated;
use model::event::NodeEventKind;
use model::fact::{Condition, ConditionStatus};
use model::moment::Moment;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One agent.
#[derive(Debug)]
struct Member {
    name: String,
    agent: Simulated,
    /// When the event of each number was due; the first has number 1.
    due: Mutex<Vec<Instant>>,
}

/// All of them. Clones share them.
#[derive(Debug, Clone)]
pub struct Fleet {
    members: Arc<Vec<Member>>,
    by_name: Arc<HashMap<String, usize>>,
    /// A revision, and each agent's last number up to it: what a subscriber has seen and checked.
    checked: Arc<Mutex<(u64, Vec<u64>)>>,
}

impl Fleet {
    /// Starts an agent for every node of the yard; they enrol as soon as its daemon listens.
    pub fn start(yard: &Yard) -> Outcome<Self> {
        let folders = yard.seed()?;
        let mut members = Vec::new();
        for ((_, node), folder) in yard.lab.nodes().zip(folders) {
            members.push(Member {
                name: node.name.to_string(),
                agent: Simulated::start(folder, Some(IpAddr::V4(node.address)))?,
                due: Mutex::default(),
            });
        }
        let by_name = members.iter().enumerate().map(|(at, m)| (m.name.clone(), at));
        Ok(Self {
            by_name: Arc::new(by_name.collect()),
            checked: Arc::new(Mutex::new((0, vec![0; members.len()]))),
            members: Arc::new(members),
        })
    }

    /// How many.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// The place of an agent by its node's name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Waits until all are in a session.
    pub async fn connected(&self, limit: Duration) -> Outcome<()> {
        let all = async {
            for member in self.members.iter() {
                member.agent.connected().await;
            }
        };
        let done = tokio::time::timeout(limit, all).await;
        let there = self.members.iter().filter(|m| m.agent.is_connected()).count();
        done.map_err(|_| format!("{there} of {} agents were connected after {limit:?}", self.size()).into())
    }

    /// Waits until none is in a session any more.
    pub async fn cut_off(&self) {
        while self.members.iter().any(|member| member.agent.is_connected()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Appends `together` events at an agent, which were due at `due`.
    pub async fn append(&self, at: usize, together: usize, due: Instant) -> Outcome<()> {
        let member = self.members.get(at).ok_or("no such agent")?;
        member.due().extend(std::iter::repeat_n(due, together));
        member.agent.append(vec![event(); together]).await?;
        Ok(())
    }

    /// Waits until all that the agent ever appended is durable at the coordinator.
    pub async fn acknowledged(&self, at: usize) -> Outcome<()> {
        let member = self.members.get(at).ok_or("no such agent")?;
        let mut position = member.agent.position();
        let done = position.wait_for(|position| position.first_unacked > position.last);
        done.await.map_err(|_| "the agent's journal ended")?;
        Ok(())
    }

    /// How many events were appended so far, by all.
    pub fn appended(&self) -> usize {
        self.members.iter().map(|member| member.due().len()).sum()
    }

    /// How far the log was checked.
    pub(super) fn checked(&self) -> (u64, Vec<u64>) {
        self.checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A subscriber has checked the log up to here.
    pub(super) fn check(&self, revision: u64, numbers: Vec<u64>) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = (revision, numbers);
    }

    /// How long ago the event was due; None for a number that was never given.
    pub fn age(&self, at: usize, seq: u64) -> Option<Duration> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        let due = *self.members.get(at)?.due().get(index)?;
        Some(due.elapsed())
    }
}

impl Member {
    fn due(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What nodes tell most often beside the steps of a run: a condition, of a class that is never dropped.
pub(super) fn event() -> NodeEventKind {
    NodeEventKind::ConditionChanged {
        condition: Condition {
            kind: "KubeletRunning".into(),
            status: ConditionStatus::True,
            reason: "HealthzAnswers".into(),
            message: "kubelet answers on 127.0.0.1:10248 after 3 ms; 14 pods, 21 containers, none waits for an image"
                .into(),
            since: Moment(1_764_000_000_000_000),
        },
    }
}
