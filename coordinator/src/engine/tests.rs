use super::*;
use crate::journal::RedbJournal;
use domain::record::Record;
use futures_util::FutureExt;
use model::ids::{ClusterName, Epoch, LogId};
use std::path::Path;

const ID: LogId = LogId([7; 16]);

type Running = (EngineHandle, std::thread::JoinHandle<Result<(), EngineError>>);

fn start(path: &Path, retention: Retention) -> Running {
    let journal = RedbJournal::open(path, ID).expect("opens");
    let epoch = journal.epoch();
    let (engine, handle, effects) =
        Engine::open(Box::new(journal), Stamper::default(), |_| None).expect("folds");
    // Nobody performs anything here.
    drop(effects);
    handle.submit(Event::Started { epoch });
    let engine = engine.with_retention(retention);
    (handle, std::thread::spawn(move || engine.run()))
}

fn stop((handle, thread): Running) {
    drop(handle);
    thread.join().expect("no panic").expect("no failure");
}

fn served(name: &str) -> Event {
    Event::Logged(Record::ClusterServed {
        cluster: ClusterName::new(name).expect("valid"),
    })
}

fn audit(n: u64) -> Event {
    Event::Logged(Record::Audit {
        actor: "operator:jane".into(),
        action: "look".into(),
        target: n.to_string(),
        outcome: "allowed".into(),
    })
}

#[tokio::test]
async fn a_log_that_retention_shortened_starts_with_what_it_led_to() {
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    let small = Retention {
        age_ms: u64::MAX,
        bytes: 50_000,
    };
    let running = start(&path, small);
    let _ = running.0.submit_and_wait(served("app1")).await.expect("alive");
    let mut last = Revision(0);
    for n in 0..2 * RETAIN_EACH {
        running.0.submit(audit(n));
        if n % 512 == 0 {
            last = running
                .0
                .submit_and_wait(audit(n))
                .await
                .expect("alive")
                .expect("followed");
        }
    }
    let before = running.0.ask(|state| state.clone()).await.expect("alive");
    stop(running);
    assert!(last > Revision(2 * RETAIN_EACH - 600));

    let journal = RedbJournal::open(&path, ID).expect("opens");
    assert!(
        journal.oldest() > Revision(RETAIN_EACH / 2),
        "oldest is {}",
        journal.oldest()
    );
    assert!(journal.head() == before.revision, "nothing at the end went");
    let (based, _) = journal.base().expect("read").expect("there");
    assert!(based >= journal.oldest() && based <= journal.head());
    drop(journal);

    let running = start(&path, small);
    let after = running.0.ask(|state| state.clone()).await.expect("alive");
    assert_eq!(
        after.served, before.served,
        "the record that said so is long gone"
    );
    assert_eq!(
        (after.epoch, after.revision),
        (Epoch(before.epoch.0 + 2), before.revision.next())
    );
    stop(running);
}

#[test]
fn a_start_folds_what_came_after_the_last_checkpoint_and_every_entry_is_still_there() {
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    let open = || {
        let journal = RedbJournal::open(&path, ID).expect("opens");
        Engine::open(Box::new(journal), Stamper::default(), |_| None).expect("folds")
    };
    let (mut engine, handle, _effects) = open();
    handle.submit(Event::Started { epoch: Epoch(1) });
    handle.submit(served("app1"));
    for n in 0..CHECKPOINT_EACH + RETAIN_EACH {
        handle.submit(audit(n));
    }
    while engine.turn().expect("written") {}
    let state = engine.state.clone();
    drop(engine);
    let journal = RedbJournal::open(&path, ID).expect("whole, with the checkpoint in its chain");
    assert_eq!(journal.oldest(), Revision(1), "nothing was dropped");
    let (based, _) = journal.base().expect("read").expect("there");
    assert!(based.0 >= CHECKPOINT_EACH && based <= journal.head(), "{based}");
    drop(journal);
    let (engine, _handle, _effects) = open();
    assert_eq!(engine.state, state, "what was before it is known");
}

#[test]
fn a_log_without_beginning_and_base_is_refused() {
    let mut journal = crate::journal::MemoryJournal::new(ID);
    let json = serde_json::to_vec(&Record::EpochStarted { epoch: Epoch(1) }).expect("JSON");
    let entry = Entry::new(Moment(0), json);
    journal.append(&[entry.clone(), entry]).expect("appended");
    journal.compact(Revision(2), b"no snapshot").expect("compacted");
    let refused = Engine::open(Box::new(journal), Stamper::default(), |_| None);
    assert!(matches!(
        refused,
        Err(EngineError::Base(SnapshotError::Malformed(_)))
    ));
}

#[test]
fn events_of_agents_have_so_many_places_and_the_engine_frees_them() {
    let journal = Box::new(crate::journal::MemoryJournal::new(ID));
    let (mut engine, handle, _effects) = Engine::open(journal, Stamper::default(), |_| None).expect("folds");
    let mut room = handle.room(FROM_AGENTS).now_or_never().expect("all are free");
    for n in 0..10 {
        handle.submit_in(&mut room, audit(n));
    }
    assert!(handle.room(1).now_or_never().is_none(), "there is no other place");
    drop(room);
    let rest = handle.room(FROM_AGENTS - 10).now_or_never();
    assert!(rest.is_some(), "what was not used is free");
    assert!(handle.room(11).now_or_never().is_none(), "ten are not taken yet");
    handle.submit(audit(10));
    assert!(
        engine.turn().expect("written"),
        "the engine does not wait for agents"
    );
    assert!(handle.room(10).now_or_never().is_some(), "what was taken is free");
    handle.submit_in(&mut handle.room(1).now_or_never().expect("free"), audit(11));
    drop((rest, engine));
    let all = handle.room(FROM_AGENTS).now_or_never();
    assert!(all.is_some(), "nobody waits for an engine that has ended");
}
