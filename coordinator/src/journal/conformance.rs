//! One suite for every store, and what only a store on disk can get wrong: damage, kills, two writers.

use super::*;
use model::moment::Moment;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const ID: LogId = LogId([7; 16]);

fn entry(n: u64) -> Entry {
    Entry::new(Moment(i64::try_from(n).expect("small")), format!("{{\"n\":{n}}}"))
}

fn entries(numbers: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    numbers.map(entry).collect()
}

fn numbered(numbers: std::ops::RangeInclusive<u64>) -> Vec<(Revision, Entry)> {
    numbers.map(|n| (Revision(n), entry(n))).collect()
}

/// Runs one test against every store; `reopen` is a restart of the process.
fn each_store(test: impl Fn(&mut dyn FnMut() -> Box<dyn Journal>)) {
    let mut kept: Option<MemoryJournal> = None;
    let shared = MemoryJournal::new(ID);
    test(&mut || {
        let journal = match kept.take() {
            Some(journal) => journal.reopen(),
            None => shared.twin(),
        };
        kept = Some(journal.twin());
        Box::new(journal)
    });
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    test(&mut || Box::new(RedbJournal::open(&path, ID).expect("opens")));
}

#[test]
fn revisions_are_dense_and_reads_are_windows() {
    each_store(|open| {
        let mut log = open();
        assert_eq!(
            (log.log_id(), log.head(), log.oldest(), log.epoch()),
            (ID, Revision(0), Revision(1), Epoch(1))
        );
        assert_eq!(log.read(Revision(0), 10).expect("empty"), vec![]);
        assert_eq!(log.append(&entries(1..=3)).expect("appended"), Revision(3));
        assert_eq!(log.append(&[]).expect("nothing"), Revision(3));
        assert_eq!(log.append(&entries(4..=10)).expect("appended"), Revision(10));
        assert_eq!(log.read(Revision(0), 100).expect("all"), numbered(1..=10));
        assert_eq!(log.read(Revision(3), 2).expect("two"), numbered(4..=5));
        assert_eq!(log.read(Revision(10), 5).expect("none"), vec![]);
        assert_eq!(log.read(Revision(99), 5).expect("beyond"), vec![]);
    });
}

#[test]
fn a_restart_keeps_entries_and_name_and_raises_the_epoch() {
    each_store(|open| {
        let mut log = open();
        log.append(&entries(1..=5)).expect("appended");
        drop(log);
        for epoch in 2..=4 {
            let log = open();
            assert_eq!(
                (log.epoch(), log.log_id(), log.head()),
                (Epoch(epoch), ID, Revision(5))
            );
            assert_eq!(log.read(Revision(0), 9).expect("all"), numbered(1..=5));
        }
    });
}

#[test]
fn a_checkpoint_is_the_base_of_the_next_fold_and_drops_nothing() {
    each_store(|open| {
        let mut log = open();
        assert_eq!(log.base().expect("read"), None);
        log.append(&entries(1..=5)).expect("appended");
        log.checkpoint(b"five").expect("left");
        log.append(&entries(6..=7)).expect("appended");
        log.checkpoint(b"seven").expect("left");
        log.append(&entries(8..=9)).expect("appended");
        drop(log);
        let log = open();
        assert_eq!(log.base().expect("read"), Some((Revision(7), b"seven".to_vec())));
        assert_eq!(log.read(Revision(0), 99).expect("all"), numbered(1..=9));
        assert_eq!(log.oldest(), Revision(1));
    });
}

#[test]
fn what_retention_took_is_said_and_the_rest_stays() {
    each_store(|open| {
        let mut log = open();
        log.append(&entries(1..=10)).expect("appended");
        assert_eq!(log.base().expect("read"), None);
        let whole = log.size();
        log.compact(Revision(5), b"what was known").expect("compacted");
        assert!(log.size() < whole, "{} is not less than {whole}", log.size());
        log.compact(Revision(3), b"nothing")
            .expect("going back is nothing");
        let base = log.base().expect("read");
        assert_eq!(base, Some((Revision(10), b"what was known".to_vec())));
        assert_eq!(log.oldest(), Revision(5));
        assert_eq!(log.read(Revision(4), 99).expect("the rest"), numbered(5..=10));
        for after in 0..4 {
            let refused = log.read(Revision(after), 99);
            assert!(
                matches!(refused, Err(JournalError::Compacted { oldest: Revision(5) })),
                "{refused:?}"
            );
        }
        log.compact(Revision(999), b"more").expect("compacted");
        let left = log.size();
        assert_eq!((log.oldest(), log.head()), (Revision(10), Revision(10)));
        drop(log);
        let mut log = open();
        assert_eq!((log.oldest(), log.head()), (Revision(10), Revision(10)));
        assert_eq!(log.size(), left, "a restart counts the same");
        assert_eq!(log.base().expect("read"), Some((Revision(10), b"more".to_vec())));
        assert_eq!(log.append(&[entry(11)]).expect("goes on"), Revision(11));
    });
}

#[test]
fn an_oversized_entry_is_refused_whole_and_harms_nothing() {
    each_store(|open| {
        let mut log = open();
        let huge = Entry::new(Moment(0), vec![b' '; MAX_ENTRY + 1]);
        assert!(matches!(
            log.append(&[entry(1), huge]),
            Err(JournalError::TooLarge { .. })
        ));
        assert_eq!(log.head(), Revision(0));
        assert_eq!(log.append(&[entry(1)]).expect("goes on"), Revision(1));
    });
}

#[test]
fn readers_are_woken_and_see_only_what_is_durable() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("runtime");
    each_store(|open| {
        runtime.block_on(async {
            let mut log = open();
            let mut reader = log.reader();
            assert_eq!(reader.log_id(), ID);
            let second = reader.clone();
            let follower = tokio::spawn(async move {
                let (mut reader, mut seen) = (second, Vec::new());
                while seen.len() < 50
                    && reader
                        .wait_beyond(Revision(seen.len().try_into().expect("small")))
                        .await
                {
                    let after = Revision(seen.len().try_into().expect("small"));
                    seen.extend(reader.read(after, 7).expect("read"));
                }
                seen
            });
            for n in 1..=50 {
                log.append(&[entry(n)]).expect("appended");
                tokio::task::yield_now().await;
            }
            let seen = tokio::time::timeout(Duration::from_secs(10), follower)
                .await
                .expect("in time");
            assert_eq!(seen.expect("joined"), numbered(1..=50));
            drop(log);
            assert!(!reader.wait_beyond(Revision(50)).await, "the writer is gone");
        });
    });
}

#[test]
fn a_second_writer_is_refused() {
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    let _first = RedbJournal::open(&path, ID).expect("opens");
    assert!(matches!(
        RedbJournal::open(&path, ID),
        Err(JournalError::Store { .. })
    ));
}

/// A log of a coordinator that left the mode to the umask is narrowed as well.
#[test]
fn only_its_owner_reads_the_log() {
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
    let mut log = RedbJournal::open(&path, ID).expect("opens");
    assert_eq!(mode(), 0o600);
    log.append(&entries(1..=3)).expect("appended");
    drop(log);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("as it was made once");
    let log = RedbJournal::open(&path, ID).expect("opens");
    assert_eq!((mode(), log.head()), (0o600, Revision(3)));
}

/// 200 places, each with a flip or a cut: the log opens with exactly what was written, or says that it is damaged; it
/// never panics and never gives something else. After quarantine a new log has another name.
#[test]
fn damage_is_declared_and_never_invents_or_hides_entries() {
    let home = tempfile::tempdir().expect("temp dir");
    let sound = home.path().join("sound.redb");
    let mut log = RedbJournal::open(&sound, ID).expect("opens");
    for n in 0..20 {
        log.append(&entries(n * 10 + 1..=n * 10 + 10)).expect("appended");
    }
    drop(log);
    let length = fs::metadata(&sound).expect("there").len();
    let (mut declared, mut harmless) = (0, 0);
    for round in 0..200_u64 {
        let path = home.path().join("damaged.redb");
        fs::copy(&sound, &path).expect("copied");
        let place = round * 7919 % 200 * (length / 200) + round % 61;
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("opens");
        if round % 10 == 9 {
            file.set_len(place).expect("cut");
        } else {
            let mut bytes = [0; 8];
            file.seek(SeekFrom::Start(place)).expect("seek");
            let count = file.read(&mut bytes).expect("read");
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
            file.seek(SeekFrom::Start(place)).expect("seek");
            file.write_all(&bytes[..count]).expect("written");
        }
        drop(file);
        match RedbJournal::open(&path, LogId([8; 16])) {
            Ok(log) => {
                // A cut to nothing is a new log, and its name says so.
                let expected = if log.log_id() == ID {
                    numbered(1..=200)
                } else {
                    vec![]
                };
                assert_eq!(
                    log.read(Revision(0), 999).expect("read"),
                    expected,
                    "round {round} at {place}"
                );
                harmless += 1;
            }
            Err(JournalError::Damaged { .. }) => declared += 1,
            Err(other) => panic!("round {round} at {place} of {length}: {other:?}"),
        }
        fs::remove_file(&path).expect("removed");
    }
    println!("{declared} declared, {harmless} harmless, {length} bytes");
    assert!(declared > 20, "{declared} declared, {harmless} harmless");
}

#[test]
fn quarantine_keeps_all_and_frees_the_name() {
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    for n in 1..=3_u8 {
        fs::write(&path, [n; 5000]).expect("rubbish");
        assert!(
            matches!(RedbJournal::open(&path, ID), Err(JournalError::Damaged { .. })),
            "rubbish {n}"
        );
        assert!(
            matches!(RedbJournal::check(&path), Err(JournalError::Damaged { .. })),
            "rubbish {n}"
        );
        quarantine(&path).expect("put aside");
        assert!(!path.exists());
    }
    for (n, byte) in [(1, 3), (2, 2), (3, 1)] {
        let aside = home.path().join(format!("log.redb.damaged-{n}"));
        assert_eq!(fs::read(aside).expect("kept")[0], byte, "number {n}");
    }
    let fresh = RedbJournal::open(&path, LogId([9; 16])).expect("a new one");
    assert_eq!((fresh.log_id(), fresh.epoch()), (LogId([9; 16]), Epoch(1)));
}

#[test]
fn a_check_takes_no_epoch_and_finds_what_an_opening_would() {
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    fs::write(&path, []).expect("an empty file");
    RedbJournal::check(&path).expect("nothing is damaged before a log was begun");
    let mut log = RedbJournal::open(&path, ID).expect("opens");
    log.append(&entries(1..=20)).expect("appended");
    log.compact(Revision(10), b"what was known").expect("compacted");
    assert!(
        matches!(RedbJournal::check(&path), Err(JournalError::Store { .. })),
        "somebody has it open"
    );
    drop(log);
    for _ in 0..3 {
        RedbJournal::check(&path).expect("whole");
    }
    let log = RedbJournal::open(&path, ID).expect("opens");
    assert_eq!((log.epoch(), log.head()), (Epoch(2), Revision(20)));
}

const CHILD: &str = "DRILLYARD_TEST_LOG_TO_KILL";

/// A process that appends for all it is worth is killed 25 times; whatever it said was appended is there, in order, and
/// each life has its own epoch.
#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("log.redb");
    let mut acknowledged = 0;
    for round in 1..=25_u64 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "journal::conformance::child_that_appends",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let wanted = acknowledged + 1 + round * 7 % 40;
        let mut said = 0;
        while said < wanted {
            let line = lines.next().expect("the child writes").expect("text");
            said = line
                .strip_prefix("acknowledged ")
                .map_or(said, |n| n.parse().expect("a number"));
        }
        child.kill().expect("killed");
        // What it still said before the kill reached it counts too.
        for line in lines.map_while(Result::ok) {
            said = line
                .strip_prefix("acknowledged ")
                .and_then(|n| n.parse().ok())
                .unwrap_or(said);
        }
        child.wait().expect("gone");
        acknowledged = said;
        let log = RedbJournal::open(&path, ID).expect("opens after a kill");
        assert!(
            log.head().0 >= acknowledged,
            "{} of {acknowledged} acknowledged",
            log.head()
        );
        assert_eq!(
            log.epoch(),
            Epoch(round * 2),
            "a life without an epoch of its own"
        );
        let all = log.read(Revision(0), usize::MAX).expect("read");
        assert_eq!(all, numbered(1..=log.head().0));
        acknowledged = log.head().0;
    }
}

#[test]
#[ignore = "run by a_killed_writer_loses_nothing_that_it_acknowledged in a process of its own"]
fn child_that_appends() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let mut log = RedbJournal::open(std::path::Path::new(&path), ID).expect("opens");
    loop {
        let head = log.head().0;
        let head = log
            .append(&entries(head + 1..=head + 1 + head % 3))
            .expect("appended");
        println!("acknowledged {head}");
    }
}
