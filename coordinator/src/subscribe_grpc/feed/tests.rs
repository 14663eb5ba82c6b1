use super::*;
use crate::journal::{Entry, Journal, MemoryJournal};
use domain::record::Record;
use model::ids::{ClusterName, LogId};
use model::moment::Moment;

fn entries(record: Record, count: usize) -> Vec<Entry> {
    vec![Entry::sealed(Moment(0), record.into()).expect("sealed"); count]
}

fn served(count: usize) -> Vec<Entry> {
    let record = Record::ClusterServed {
        cluster: ClusterName::new("app1").expect("valid"),
    };
    entries(record, count)
}

fn log(count: usize) -> (MemoryJournal, Feed) {
    let mut log = MemoryJournal::new(LogId([7; 16]));
    log.append(&served(count)).expect("appended");
    let feed = Feed::new(log.reader(), &Lab::default());
    (log, feed)
}

/// All lines after `after`, without a hole.
async fn all(feed: &Feed, mut after: Revision) -> Vec<Arc<Line>> {
    let mut all = Vec::new();
    loop {
        let lines = feed.lines(after).await.expect("read");
        let Some(last) = lines.last() else { return all };
        for line in &lines {
            after = after.next();
            assert_eq!(line.revision(), after);
        }
        after = last.revision();
        all.extend(lines);
    }
}

fn kept(feed: &Feed) -> (u64, usize) {
    let recent = feed.0.recent();
    let first = recent.lines.front().map_or(0, |line| line.revision().0);
    (first, recent.lines.len())
}

#[tokio::test]
async fn whoever_keeps_up_shares_the_very_same_lines() {
    let (_log, feed) = log(700);
    let one = all(&feed, Revision(0)).await;
    let other = all(&feed, Revision(0)).await;
    assert_eq!(one.len(), 700);
    assert!(one.iter().zip(&other).all(|(one, other)| Arc::ptr_eq(one, other)));
    let rest = all(&feed, Revision(699)).await;
    assert!(Arc::ptr_eq(&rest[0], &one[699]), "and from the middle");
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_the_late_read_for_themselves() {
    let (_log, feed) = log(3 * RECENT);
    let all_of_them = all(&feed, Revision(0)).await;
    assert_eq!(all_of_them.len(), 3 * RECENT);
    let beyond = u64::try_from(2 * RECENT).expect("small") + 1;
    assert_eq!(kept(&feed), (beyond, RECENT));
    let late = feed.lines(Revision(5)).await.expect("read");
    assert!(!Arc::ptr_eq(&late[0], &all_of_them[5]), "read anew");
    assert_eq!(kept(&feed), (beyond, RECENT), "and not kept");
}

#[tokio::test]
async fn large_lines_are_bounded_by_their_bytes() {
    let mut log = MemoryJournal::new(LogId([7; 16]));
    let actor = "x".repeat(RECENT_BYTES / 4);
    let large = Record::Audit {
        actor,
        action: "enrol".into(),
        target: String::new(),
        outcome: "allowed".into(),
    };
    log.append(&entries(large, 20)).expect("appended");
    let feed = Feed::new(log.reader(), &Lab::default());
    assert_eq!(all(&feed, Revision(0)).await.len(), 20);
    let recent = feed.0.recent();
    assert!(recent.bytes <= RECENT_BYTES, "{} bytes", recent.bytes);
    assert!(recent.lines.len() < 5, "{} lines", recent.lines.len());
}

#[tokio::test]
async fn a_hundred_that_wait_for_the_same_lines_have_them_read_once() {
    let (mut log, feed) = log(1);
    assert_eq!(all(&feed, Revision(0)).await.len(), 1);
    log.append(&served(3)).expect("appended");
    let asked = (0..100).map(|_| {
        let feed = feed.clone();
        tokio::spawn(async move { feed.lines(Revision(1)).await.expect("read") })
    });
    let mut answers = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        answers.push(answer.await.expect("answered"));
    }
    for answer in &answers {
        assert_eq!(answer.len(), 3);
        assert!(Arc::ptr_eq(&answer[0], &answers[0][0]));
    }
}

#[tokio::test]
async fn what_retention_took_is_refused_although_it_is_still_kept() {
    let (mut log, feed) = log(100);
    assert_eq!(all(&feed, Revision(0)).await.len(), 100);
    log.compact(Revision(50), b"").expect("compacted");
    let refused = feed.lines(Revision(10)).await.expect_err("gone");
    assert!(
        matches!(&refused, FeedError::Journal(JournalError::Compacted { oldest }) if oldest.0 == 50),
        "{refused}"
    );
    assert_eq!(all(&feed, Revision(49)).await.len(), 51);
}

#[tokio::test]
async fn one_that_goes_away_while_it_reads_holds_nobody_up() {
    let (_log, feed) = log(10);
    let reading = tokio::spawn({
        let feed = feed.clone();
        async move { feed.lines(Revision(0)).await.map(|lines| lines.len()) }
    });
    reading.abort();
    assert_eq!(all(&feed, Revision(0)).await.len(), 10);
}
