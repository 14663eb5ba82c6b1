//! `replay`: a support bundle in the dashboard of `status --watch`; no lab, no daemon and no checkout are needed.

use super::args::Replay;
use super::output::outln;
use super::watch;
use crate::dashboard::{self, Model, Update};
use crate::exit::{Failure, Outcome};
use crate::support;
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::sync::mpsc::channel;

pub(crate) fn run(options: &Replay, json: bool) -> Result<Outcome, Failure> {
    let failed = |message: String| {
        let message = format!("{}: {message}", options.file.display());
        let next = "copy it again, or let it be made again: coordinator support-bundle";
        Failure::new(Outcome::Usage, "DY-0181", message, next)
    };
    let file = File::open(&options.file).map_err(|e| failed(e.to_string()))?;
    let contents = support::read(BufReader::new(file)).map_err(|e| failed(crate::exit::chain(&e)))?;
    let read = |name: &str| contents.files.get(name).map(Vec::as_slice).unwrap_or_default();
    let status: Value = serde_json::from_slice(read("status.json")).unwrap_or_default();
    let events = read("events.jsonl").split(|b| *b == b'\n');
    let events = events.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    if json {
        outln!("{status}");
        events.for_each(|event| outln!("{event}"));
        return Ok(Outcome::Done);
    }
    for missing in &contents.manifest.missing {
        eprintln!("not in it: {}", missing.replace(char::is_control, " "));
    }
    let (sender, updates) = channel();
    let told = std::iter::once(Update::Status(status)).chain(events.map(Update::Event));
    // Nobody else holds the other end: it is there.
    told.for_each(|update| drop(sender.send(update)));
    drop(sender);
    if options.plain || !std::io::stdout().is_terminal() {
        watch::plain(&updates, false);
        return Ok(Outcome::Done);
    }
    let name = options.file.file_name().unwrap_or_default().to_string_lossy();
    let model = Model {
        source: name.into_owned(),
        now: contents.manifest.made,
        ..Model::default()
    };
    dashboard::run(model, &updates).map_err(|e| {
        let next = "coordinator replay FILE --plain";
        Failure::from_error(Outcome::Internal, "DY-0137", &e, next)
    })?;
    Ok(Outcome::Done)
}
