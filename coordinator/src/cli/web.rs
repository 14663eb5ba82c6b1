//! `web`: where the page of the running daemon is.

use super::Context;
use super::client::no_daemon;
use super::output::outln;
use crate::daemon_record::DaemonRecord;
use crate::exit::{Failure, Outcome};
use crate::web::Note;

pub(crate) const EXAMPLES: &str = "Examples:
  coordinator web                                   the address, for a browser on this host
  coordinator --json web                            the same for a script: url and port
  ssh -L 7446:127.0.0.1:7446 HOST coordinator web   the same for a lab on another host

The page only reads. Its address has a secret in it that is the operator's alone: whoever has it sees the lab. It
stays the same over restarts, so that an open page goes on; delete web.json in the lab's home for a new one.";

pub(crate) fn run(context: &Context) -> Result<Outcome, Failure> {
    let note = DaemonRecord::alive(&context.places)
        .and_then(|_| Note::read(&context.places))
        .ok_or_else(no_daemon)?;
    if context.json {
        outln!("{}", serde_json::json!({"url": note.url(), "port": note.port}));
    } else {
        outln!("{}", note.url());
    }
    Ok(Outcome::Done)
}
