//! Results and progress lines are noticed by inotify: nobody polls.

use super::protocol::Push;
use super::server::Server;
use crate::fault::record;
use crate::paths::{Paths, parse_attempt};
use crate::step::StepResult;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::io;

/// Longest progress line in characters.
const LINE: usize = 200;

pub(super) struct Watch {
    inotify: Inotify,
    results: WatchDescriptor,
    leases: WatchDescriptor,
    paths: Paths,
}

impl Watch {
    pub(super) fn new(paths: &Paths) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        // A result appears by rename, whole; a progress line is overwritten in place.
        let results = inotify.add_watch(&paths.results(), AddWatchFlags::IN_MOVED_TO)?;
        let leases = inotify.add_watch(&paths.leases(), AddWatchFlags::IN_MOVED_TO)?;
        inotify.add_watch(&paths.progress(), AddWatchFlags::IN_CLOSE_WRITE)?;
        Ok(Self {
            inotify,
            results,
            leases,
            paths: paths.clone(),
        })
    }

    pub(super) fn run(&self, server: &Server) {
        loop {
            let Ok(events) = self.inotify.read_events() else {
                continue;
            };
            for event in events {
                let Some(name) = event.name.as_ref().and_then(|n| n.to_str()) else {
                    continue;
                };
                if event.wd == self.leases {
                    let record = record::parse(name).map(|lease| record::Record::read(&self.paths, lease));
                    if let Some(Ok(Some(record))) = record {
                        server.subscribers.tell(&Push::Lease {
                            status: record.status,
                        });
                    }
                    continue;
                }
                let Some((step, attempt)) = parse_attempt(name) else {
                    continue;
                };
                if event.wd == self.results {
                    if let Ok(Some(result)) = StepResult::read(&self.paths, step, attempt) {
                        server.ended(&result);
                    }
                    continue;
                }
                if let Ok(text) = std::fs::read_to_string(self.paths.progress().join(name)) {
                    let message = crate::redact::clean(&text).trim().chars().take(LINE).collect();
                    server.subscribers.tell(&Push::Progress {
                        step,
                        attempt,
                        message,
                    });
                }
            }
        }
    }
}
