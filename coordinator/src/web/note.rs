//! `web.json` in the lab's home, mode 0600: where the page is, with its secret.
//!
//! The secret is kept over restarts, so that an open page finds its way back by itself; deleting the file before a start
//! makes a new one.

use super::access::Capability;
use crate::files::write_private;
use crate::places::Places;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// What the file holds.
#[derive(Clone, Serialize, Deserialize)]
pub struct Note {
    /// Port on loopback.
    pub port: u16,
    secret: String,
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Note")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Note {
    /// The page's address, with the secret in it: for the operator's eyes.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.secret)
    }

    /// The note of the lab's last daemon.
    pub fn read(places: &Places) -> Option<Self> {
        let text = std::fs::read(path(places)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(super) fn new(port: u16, capability: &Capability) -> Self {
        let secret = capability.expose().to_owned();
        Self { port, secret }
    }

    pub(super) fn write(&self, places: &Places) -> io::Result<()> {
        write_private(&path(places), &serde_json::to_vec(self)?)
    }

    /// The secret, when it is one.
    pub(super) fn capability(&self) -> Option<Capability> {
        Capability::parse(&self.secret)
    }
}

fn path(places: &Places) -> PathBuf {
    places.home.join("web.json")
}
