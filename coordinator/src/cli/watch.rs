//! `status --watch`: the dashboard on a terminal, plain lines elsewhere, one document per line with `--json`.

use super::client::{connect, no_daemon, refused, status_of};
use super::position::Position;
use super::{Context, block_on, events, output, status};
use crate::dashboard::{self, Latest, Model, Update};
use crate::exit::{Failure, Outcome};
use proto::v1::operator_client::OperatorClient;
use proto::v1::{SubscribeRequest, subscribe_response::Item};
use serde_json::Value;
use std::fmt::Arguments;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tonic::transport::Channel;

/// How often the status is asked for.
const EVERY: Duration = Duration::from_secs(1);

/// Events of the past that are shown at the start. Samples do not count: of a lab that idles there would be nothing else.
const PAST: u64 = 1000;

/// Entries that are looked through for them at most: six nodes make about as many samples in a day.
const LOOK_BACK: u64 = 100_000;

/// Updates that may wait for whoever shows them: as many as the dashboard is behind between two of its looks.
const WAITING: usize = 1024;

/// `wide` is for the plain form; the dashboard shows as much of a row as is opened.
pub(crate) fn run(context: &Context, wide: bool) -> Result<Outcome, Failure> {
    // The first answer comes before the screen is taken: whoever has no daemon sees the error and not an empty frame.
    let first = block_on(async {
        let mut client = connect(context).await.ok_or_else(no_daemon)?;
        status_of(&mut client).await
    })?;
    let (teller, updates) = Teller::new();
    let (lab, places) = (context.lab.clone(), context.places.clone());
    let json = context.json;
    let floor = first["revision"].as_u64().unwrap_or(0).saturating_sub(LOOK_BACK);
    teller.status(first);
    std::thread::Builder::new()
        .name("feed".into())
        .spawn(move || {
            let context = Context { lab, places, json };
            let _ = block_on(feed(&context, Place::Past { floor }, &teller));
        })
        .map_err(|e| Failure::from_error(Outcome::Internal, "DY-0100", &e, "try again"))?;
    if json || !io::stdout().is_terminal() {
        plain(&updates, json, wide);
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

/// Where the next stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// With what matters of the past, as far as it is behind this revision.
    Past { floor: u64 },
    /// Right behind what was told last.
    Behind(Position),
}

/// Where the feed tells what it hears. Whoever takes nothing, as a pager that waits for a key, holds the feed up and not more and
/// more memory: the coordinator then lets the feed go, and it goes on behind what it told last.
#[derive(Debug)]
struct Teller {
    updates: SyncSender<Update>,
    status: Latest,
}

impl Teller {
    fn new() -> (Self, Receiver<Update>) {
        let (updates, receiver) = sync_channel(WAITING);
        let status = Latest::default();
        (Self { updates, status }, receiver)
    }

    /// Waits for a place; false when nobody takes updates any more.
    fn tell(&self, update: Update) -> bool {
        self.updates.send(update).is_ok()
    }

    /// Tells a status in place of one that was not taken yet; false as with [`tell`](Self::tell).
    fn status(&self, status: Value) -> bool {
        !self.status.put(status) || self.tell(Update::Status(self.status.clone()))
    }
}

/// How listening ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nobody takes the updates any more.
    Unwanted,
    /// The stream ended.
    Over,
}

/// Asks and listens until nobody wants to know any more; goes on where it was when the daemon comes back.
async fn feed(context: &Context, mut place: Place, teller: &Teller) -> Result<(), Failure> {
    loop {
        if let Some(mut client) = connect(context).await {
            if !teller.tell(Update::Notice(String::new())) {
                return Ok(());
            }
            if let Ok(End::Unwanted) = listen(&mut client, &mut place, teller).await {
                return Ok(());
            }
        }
        let gone = "the coordinator does not answer; trying again".to_owned();
        if !teller.tell(Update::Notice(gone)) {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Events and statuses. A status may take seconds while a cluster is away; no event waits for it.
async fn listen(
    client: &mut OperatorClient<Channel>,
    place: &mut Place,
    teller: &Teller,
) -> Result<End, Failure> {
    let statuses = statuses(client.clone(), teller);
    tokio::select! {
        ended = follow(client, place, teller) => ended,
        ended = statuses => ended,
    }
}

/// What matters of the past, unless some of it is known, and everything from there on.
async fn follow(
    client: &mut OperatorClient<Channel>,
    place: &mut Place,
    teller: &Teller,
) -> Result<End, Failure> {
    let request = match place {
        Place::Behind(position) => position.request(),
        Place::Past { floor } => SubscribeRequest {
            after: *floor,
            tail: PAST,
            past_without_samples: true,
            follow: true,
            ..SubscribeRequest::default()
        },
    };
    let answer = client.subscribe(request).await.map_err(|s| refused(&s))?;
    let mut stream = answer.into_inner();
    while let Some(answer) = stream.message().await.map_err(|s| refused(&s))? {
        let Some(item) = answer.item else { continue };
        place.moved(&item);
        let event = match item {
            Item::Bookmark(_) => continue,
            Item::Entry(entry) => serde_json::from_slice(&entry.json).unwrap_or_default(),
            other => serde_json::from_str(&events::line(&other)).unwrap_or_default(),
        };
        if !teller.tell(Update::Event(event)) {
            return Ok(End::Unwanted);
        }
    }
    Ok(End::Over)
}

async fn statuses(mut client: OperatorClient<Channel>, teller: &Teller) -> Result<End, Failure> {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if !teller.status(status_of(&mut client).await?) {
            return Ok(End::Unwanted);
        }
    }
}

impl Place {
    /// Behind what the item delivers or declares; one that does neither leaves it where it was.
    fn moved(&mut self, item: &Item) {
        match self {
            Self::Behind(position) => position.moved(item),
            Self::Past { .. } if matches!(item, Item::TooSlow(_)) => {}
            Self::Past { .. } => {
                let mut position = Position::default();
                position.moved(item);
                *self = Self::Behind(position);
            }
        }
    }
}

/// Without a terminal: the status once, then events as they come and one line whenever the lab's state changes. Ends with the
/// updates, or when nobody reads what is written.
pub(super) fn plain(updates: &Receiver<Update>, json: bool, wide: bool) {
    plainly(updates, json, wide, output::write);
}

fn plainly(
    updates: &Receiver<Update>,
    json: bool,
    wide: bool,
    mut write: impl FnMut(Arguments<'_>) -> io::Result<()>,
) {
    let mut before = String::new();
    for update in updates {
        let written = match update {
            Update::Status(latest) => match latest.take() {
                None => Ok(()),
                Some(status) if json => write(format_args!("{status}\n")),
                Some(status) => write(format_args!("{}", news(&status, wide, &mut before))),
            },
            Update::Event(event) if !json => write(format_args!("{}\n", events::human_line(&event))),
            Update::Event(_) => Ok(()),
            Update::Notice(notice) => {
                if !notice.is_empty() {
                    eprintln!("{notice}");
                }
                Ok(())
            }
        };
        // A closed pipe (`| head`) is a normal end.
        if written.is_err() {
            return;
        }
    }
}

/// What a status says that the one before it did not; the first one says all.
fn news(status: &Value, wide: bool, before: &mut String) -> String {
    let mut text = String::new();
    if before.is_empty() {
        text = status::render(status, wide) + "\n";
    }
    let line = status::summary(status);
    if line != *before {
        text = text + &line + "\n";
        *before = line;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::harness::{self, FakeOperator};
    use proto::v1::{LogEntry, SubscribeResponse, TooSlow};

    fn entry(revision: u64) -> SubscribeResponse {
        let entry = LogEntry {
            revision,
            json: format!("{{\"revision\": {revision}}}").into(),
            ..LogEntry::default()
        };
        SubscribeResponse {
            item: Some(Item::Entry(entry)),
        }
    }

    /// Listens to an operator port that tells this and never answers with a status: the events in their order.
    async fn heard(script: Vec<SubscribeResponse>, place: &mut Place) -> Vec<u64> {
        let (mut client, server) = harness::dialled(FakeOperator {
            script: Some(script),
            ..FakeOperator::default()
        })
        .await;
        let (teller, updates) = Teller::new();
        let ended = listen(&mut client, place, &teller).await;
        assert!(matches!(ended, Ok(End::Over)), "the script came to its end");
        server.abort();
        let events = updates.try_iter().filter_map(|update| match update {
            Update::Event(event) => event["revision"].as_u64(),
            _ => None,
        });
        events.collect()
    }

    #[tokio::test]
    async fn no_event_waits_for_a_status_that_does_not_come_and_none_comes_twice() {
        let mut place = Place::Past { floor: 0 };
        let seen = heard((1..=50).map(entry).collect(), &mut place).await;
        assert_eq!(
            (seen, place.clone()),
            ((1..=50).collect(), Place::Behind(Position::behind(50)))
        );
        let seen = heard((1..=52).map(entry).collect(), &mut place).await;
        assert_eq!((seen, place), (vec![51, 52], Place::Behind(Position::behind(52))));
    }

    #[test]
    fn a_feed_that_was_told_nothing_begins_with_the_past_again() {
        let mut place = Place::Past { floor: 3 };
        place.moved(&Item::TooSlow(TooSlow { last: 3 }));
        assert_eq!(place, Place::Past { floor: 3 });
        place.moved(&entry(8).item.expect("an entry"));
        assert_eq!(place, Place::Behind(Position::behind(8)));
    }

    #[test]
    fn the_wide_form_has_what_is_well_too() {
        let well = serde_json::json!({"clusters": [{"name": "app1", "conditions": [
            {"type": "Healthy", "status": "true", "reason": "AllAnswer", "message": "all is well", "since": "t"}]}]});
        for (wide, told) in [(false, false), (true, true)] {
            let (teller, updates) = Teller::new();
            teller.status(well.clone());
            drop(teller);
            let mut text = String::new();
            plainly(&updates, false, wide, |line| {
                text += &line.to_string();
                Ok(())
            });
            assert_eq!(text.contains("AllAnswer"), told, "{text}");
        }
    }

    #[test]
    fn plain_lines_end_with_whoever_reads_them() {
        let (teller, updates) = Teller::new();
        for revision in 1..=3 {
            let event = serde_json::json!({"revision": revision, "phase": revision});
            teller.tell(Update::Event(event.clone()));
            teller.tell(Update::Status(event.into()));
        }
        drop(teller);
        for json in [true, false] {
            let mut lines = 0;
            plainly(&updates, json, false, |_| {
                lines += 1;
                Err(io::ErrorKind::BrokenPipe.into())
            });
            assert_eq!(lines, 1, "something was written for nobody");
        }
        assert_eq!(updates.try_iter().count(), 3, "what was left of six updates");
    }

    #[test]
    fn updates_that_nobody_takes_are_bounded_and_of_statuses_the_newest_waits() {
        let (teller, updates) = Teller::new();
        for revision in 0..10_000 {
            teller.status(serde_json::json!({ "revision": revision }));
        }
        let waiting: Vec<Update> = updates.try_iter().collect();
        assert!(
            matches!(waiting.as_slice(), [Update::Status(latest)] if latest.take().expect("a status")["revision"] == 9_999),
            "{waiting:?}"
        );
        assert!(teller.status(Value::Null), "the next one is told again");
        let event = || Update::Event(Value::Null);
        (1..WAITING).for_each(|_| assert!(teller.tell(event())));
        assert!(teller.updates.try_send(event()).is_err(), "more may wait");
        drop(updates);
        assert!(!teller.tell(event()), "nobody is there");
    }
}
