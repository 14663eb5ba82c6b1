//! `status --watch`: the dashboard on a terminal, plain lines elsewhere, one document per line with `--json`.

use super::client::{connect, no_daemon, refused};
use super::output::outln;
use super::{Context, block_on, events, status};
use crate::dashboard::{self, Model, Update};
use crate::exit::{Failure, Outcome};
use proto::v1::operator_client::OperatorClient;
use proto::v1::{GetStatusRequest, SubscribeRequest, subscribe_response::Item};
use serde_json::Value;
use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tonic::transport::Channel;

/// How often the status is asked for.
const EVERY: Duration = Duration::from_secs(1);

/// Events of the past that are shown at the start.
const PAST: u64 = 1000;

pub(crate) fn run(context: &Context) -> Result<Outcome, Failure> {
    // The first answer comes before the screen is taken: whoever has no daemon sees the error and not an empty frame.
    let first = block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        ask(&mut client).await
    })?;
    let (sender, updates) = channel();
    let (lab, places) = (context.lab.clone(), context.places.clone());
    let json = context.json;
    let after = first["revision"].as_u64().unwrap_or(0).saturating_sub(PAST);
    let _ = sender.send(Update::Status(first));
    std::thread::Builder::new()
        .name("feed".into())
        .spawn(move || {
            let context = Context { lab, places, json };
            let _ = block_on(feed(&context, after, &sender));
        })
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0100", &e, "try again"))?;
    if json || !std::io::stdout().is_terminal() {
        plain(&updates, json);
        return Ok(Outcome::Done);
    }
    let model = Model {
        source: "live".into(),
        ..Model::default()
    };
    dashboard::run(model, &updates).map_err(|e| {
        Failure::from_error(
            Outcome::Internal,
            "DY-0137",
            &e,
            "coordinator status --watch | cat",
        )
    })?;
    Ok(Outcome::Done)
}

async fn ask(client: &mut OperatorClient<Channel>) -> Result<Value, Failure> {
    let answer = client
        .get_status(GetStatusRequest {})
        .await
        .map_err(|s| refused(&s))?;
    serde_json::from_slice(&answer.into_inner().status_json)
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0114", &e, "coordinator down, then up"))
}

/// Asks and listens until nobody wants to know any more; goes on where it was when the daemon comes back.
async fn feed(context: &Context, mut after: u64, sender: &Sender<Update>) -> Result<(), Failure> {
    loop {
        if let Some(mut client) = connect(context).await {
            if sender.send(Update::Notice(String::new())).is_err() {
                return Ok(());
            }
            if let Ok(true) = listen(&mut client, &mut after, sender).await {
                return Ok(());
            }
        }
        let gone = "the coordinator does not answer; trying again".to_owned();
        if sender.send(Update::Notice(gone)).is_err() {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// True when the reader of the updates is gone, false when the stream ended.
async fn listen(
    client: &mut OperatorClient<Channel>,
    after: &mut u64,
    sender: &Sender<Update>,
) -> Result<bool, Failure> {
    let request = SubscribeRequest {
        after: *after,
        follow: true,
        ..SubscribeRequest::default()
    };
    let mut stream = client
        .subscribe(request)
        .await
        .map_err(|s| refused(&s))?
        .into_inner();
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let update = tokio::select! {
            answer = stream.message() => {
                let Some(answer) = answer.map_err(|s| refused(&s))? else { return Ok(false) };
                let Some(item) = answer.item else { continue };
                *after = going_on(*after, &item);
                match item {
                    Item::Bookmark(_) => continue,
                    Item::Entry(entry) => {
                        Update::Event(serde_json::from_slice(&entry.json).unwrap_or_default())
                    }
                    other => Update::Event(serde_json::from_str(&events::line(&other)).unwrap_or_default()),
                }
            }
            _ = interval.tick() => Update::Status(ask(client).await?),
        };
        if sender.send(update).is_err() {
            return Ok(true);
        }
    }
}

/// Where the next stream begins after this item: behind what it delivers or declares, so that nothing comes twice and what
/// is gone is not asked for again.
fn going_on(after: u64, item: &Item) -> u64 {
    match item {
        Item::Entry(entry) => entry.revision,
        Item::Gap(gap) => gap.revision,
        Item::Bookmark(bookmark) => bookmark.revision,
        Item::Compacted(compacted) => compacted.oldest.saturating_sub(1),
        Item::TooSlow(_) => after,
        Item::LogReset(_) => 0,
    }
}

/// Without a terminal: the status once, then events as they come and one line whenever the lab's state changes.
pub(super) fn plain(updates: &Receiver<Update>, json: bool) {
    let mut before = String::new();
    for update in updates {
        match update {
            Update::Status(status) if json => outln!("{status}"),
            Update::Status(status) => {
                if before.is_empty() {
                    outln!("{}", status::render(&status, false));
                }
                let line = status::summary(&status);
                if line != before {
                    outln!("{line}");
                    before = line;
                }
            }
            Update::Event(event) if !json => outln!("{}", events::human_line(&event)),
            Update::Event(_) => {}
            Update::Notice(notice) => {
                if !notice.is_empty() {
                    eprintln!("{notice}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Bookmark, Compacted, Gap, LogEntry, LogReset, TooSlow};

    #[test]
    fn a_feed_goes_on_behind_whatever_it_was_told() {
        let entry = LogEntry {
            revision: 8,
            ..LogEntry::default()
        };
        let gap = Gap {
            revision: 9,
            ..Gap::default()
        };
        let bookmark = Bookmark {
            revision: 12,
            ..Bookmark::default()
        };
        for (item, next) in [
            (Item::Entry(entry), 8),
            (Item::Gap(gap), 9),
            (Item::Bookmark(bookmark), 12),
            (Item::Compacted(Compacted { oldest: 100 }), 99),
            (Item::TooSlow(TooSlow { last: 5 }), 7),
            (Item::LogReset(LogReset::default()), 0),
        ] {
            assert_eq!(going_on(7, &item), next, "{item:?}");
        }
    }
}
