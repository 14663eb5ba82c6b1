//! The lab's events as they happen, from `events --follow --json`: tests act at a named moment instead of after a time.

use crate::lab::TestLab;
use crate::prey;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads events until it is dropped. Each has the time at which it came in `arrived`, microseconds since 1970.
#[derive(Debug)]
pub struct Witness {
    reader: Child,
    lines: Receiver<Value>,
}

impl Witness {
    /// Begins at the log's first entry, once a daemon serves the lab: after the bundle was built, where it has to be.
    pub fn new(lab: &TestLab) -> Result<Self, String> {
        crate::patience::until("a coordinator", Duration::from_secs(900), || {
            prey::daemon(lab).map(|_| ()).ok_or_else(|| "none".into())
        })?;
        let mut reader = lab
            .command(&["--json", "events", "--follow"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let stdout = reader.stdout.take().ok_or("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(mut value) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                value["arrived"] = now_micros().into();
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self { reader, lines })
    }

    /// Everything that has come until now and was not looked at.
    pub fn so_far(&self) -> Vec<Value> {
        self.lines.try_iter().collect()
    }

    /// The next event of that kind on `node` whose message begins with `what`.
    pub fn sees(&self, node: &str, kind: &str, what: &str, limit: Duration) -> Result<Value, String> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(event)
                    if event["node"] == node
                        && event["kind"] == kind
                        && event["message"].as_str().is_some_and(|m| m.starts_with(what)) =>
                {
                    return Ok(event);
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "no {kind} of {what} on {node} within {} s",
                        limit.as_secs()
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return Err("the events ended".into()),
            }
        }
    }
}

/// The wall clock, microseconds since 1970.
pub fn now_micros() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.reader.kill();
        let _ = self.reader.wait();
    }
}
