//! How far the nodes' clocks are off, as their agents last measured it; in memory only.

use model::ids::NodeName;
use model::moment::ClockOffset;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The latest measurement of each node. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ClockOffsets(Arc<Mutex<HashMap<NodeName, ClockOffset>>>);

impl ClockOffsets {
    /// Keeps a measurement.
    pub fn note(&self, node: &NodeName, offset: ClockOffset) {
        self.all().insert(node.clone(), offset);
    }

    /// The latest of `node`.
    pub fn of(&self, node: &NodeName) -> Option<ClockOffset> {
        self.all().get(node).copied()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<NodeName, ClockOffset>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
