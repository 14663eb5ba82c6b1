//! `replay`: a support bundle in the dashboard of `status --watch`; no lab, no daemon and no checkout are needed.

use super::args::Replay;
use super::output::{out, outln};
use super::watch;
use crate::dashboard::{self, Model, NodeFile, Update};
use crate::exit::{Failure, Outcome};
use crate::support::{self, Files, Manifest};
use model::node_log::NodeLog;
use serde_json::{Value, json};
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
    if options.files {
        list(&contents.manifest, json);
        return Ok(Outcome::Done);
    }
    if let Some(name) = &options.print {
        let content = contents.files.get(name);
        let content = content.ok_or_else(|| no_file(name, &contents.manifest))?;
        print(name, &String::from_utf8_lossy(content), json);
        return Ok(Outcome::Done);
    }
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
    let told = std::iter::once(Update::Status(status.into())).chain(events.map(Update::Event));
    // Nobody else holds the other end: it is there.
    told.for_each(|update| drop(sender.send(update)));
    drop(sender);
    if options.plain || !std::io::stdout().is_terminal() {
        watch::plain(&updates, false, false);
        return Ok(Outcome::Done);
    }
    let name = options.file.file_name().unwrap_or_default().to_string_lossy();
    let model = Model {
        source: name.into_owned(),
        now: contents.manifest.made,
        logs: logs(&contents.files),
        ..Model::default()
    };
    dashboard::run(model, &updates).map_err(|e| {
        let next = "coordinator replay FILE --plain";
        Failure::from_error(Outcome::Internal, "DY-0137", &e, next)
    })?;
    Ok(Outcome::Done)
}

/// What the nodes handed over: the node's name, and each of its logs.
fn logs(files: &Files) -> Vec<NodeFile> {
    let split = |name: &str| {
        NodeLog::ALL.into_iter().find_map(|log| {
            let node = name.strip_suffix(&support::log_name("", log))?;
            Some((node.to_owned(), log))
        })
    };
    let found = files.iter().filter_map(|(name, content)| {
        let (node, log) = split(name)?;
        let text = String::from_utf8_lossy(content).into_owned();
        Some(NodeFile { node, log, text })
    });
    found.collect()
}

fn list(manifest: &Manifest, json: bool) {
    for file in &manifest.files {
        if json {
            outln!("{}", json!({"name": file.name, "bytes": file.bytes}));
        } else {
            outln!("{:>10}  {}", file.bytes, file.name.replace(char::is_control, " "));
        }
    }
}

/// Whoever made the archive may be a stranger: nothing of it steers the terminal.
fn print(name: &str, text: &str, json: bool) {
    if json {
        outln!("{}", json!({ "name": name, "text": text }));
        return;
    }
    let is_foul = |c: char| c.is_control() && c != '\n';
    out!("{}", text.replace(is_foul, " "));
}

fn no_file(name: &str, manifest: &Manifest) -> Failure {
    let why = manifest.missing.iter().find(|line| line.starts_with(name));
    let message = match why {
        Some(why) => format!("not in the archive: {why}"),
        None => format!("{name:?} is no file of the archive"),
    };
    Failure::new(
        Outcome::Usage,
        "DY-0181",
        message,
        "coordinator replay FILE --files",
    )
}
