//! Against a page as Prometheus 2.42 in agent mode shows it.

use super::*;

const PAGE: &str = r#"
process_start_time_seconds 1.79558032424e+09
prometheus_agent_samples_appended_total{type="float"} 7135
prometheus_remote_storage_max_samples_per_send{remote_name="dda55d",url="http://127.0.0.1:19390/api/v1/write"} 5
prometheus_remote_storage_shard_capacity{remote_name="dda55d",url="http://127.0.0.1:19390/api/v1/write"} 10
prometheus_remote_storage_shards{remote_name="dda55d",url="http://127.0.0.1:19390/api/v1/write"} 1
prometheus_tsdb_wal_segment_current 3
prometheus_wal_watcher_current_segment{consumer="dda55d"} 1
"#;

#[test]
fn a_page_gives_the_senders_state() {
    let sender = Sender::read(&Exposition::parse(PAGE), "dda55d").expect("all there");
    let expected = Sender {
        writer: Segment(3),
        reader: Segment(1),
        started: Moment(1_795_580_324_240_000),
        appended: 7135,
        room: (10, 20),
    };
    assert_eq!(sender, expected);
    let error = Sender::read(&Exposition::parse(PAGE), "other").expect_err("no such queue");
    assert_eq!(error.metric, "prometheus_remote_storage_shards");
}

#[test]
fn a_queue_smaller_than_a_batch_still_buffers_one() {
    assert_eq!(room(1, 1, 500), (500, 1500));
    assert_eq!(room(2, 2500, 500), (2500, 7000));
    assert_eq!(room(0, 0, 0), (0, 0));
}

#[test]
fn the_reader_stops_when_the_queue_is_full() {
    let sender = Sender::read(&Exposition::parse(PAGE), "dda55d").expect("all there");
    let (reader, doubt) = stops(Moment(0), &sender, Quantity::whole(5)).expect("it fills");
    assert_eq!(
        reader,
        Reader::Following {
            until: Moment(3_000_000)
        }
    );
    assert_eq!(doubt, Span::from_secs(1));
    assert_eq!(stops(Moment(0), &sender, Quantity::ZERO), None);
}

#[test]
fn the_next_tick_follows_the_last_one_that_was_seen() {
    let listing = Listing::new([("00000004", 7, None)]).expect("a log");
    let pace = Pace::new(Span::from_secs(10), 1000, 0).expect("a pace");
    let at = |secs: i64| Moment(secs * 1_000_000);
    let next = |now, seen| live(at(now), &listing, pace, at(3), seen).next_tick;
    assert_eq!(next(25, None), at(33));
    assert_eq!(next(25, Some(at(24))), at(34));
    // A tick that is due and not in the listing is late.
    assert_eq!(next(36, Some(at(24))), at(36));
}

#[test]
fn the_pace_is_what_was_written() {
    let then = Listing::new([("00000001", 100, None)]).expect("a log");
    let now = Listing::new([("00000001", 400, None), ("00000002", 50, None)]).expect("a log");
    let found = pace(&then, &now, Span::from_secs(5), Span::from_secs(10), 1000);
    assert_eq!(found.expect("same log").expect("a pace").bytes_per_second(), 70);
    assert!(pace(&now, &then, Span::from_secs(5), Span::from_secs(10), 1000).is_none());
    assert!(pace(&then, &now, Span::ZERO, Span::from_secs(10), 1000).is_none());
}
