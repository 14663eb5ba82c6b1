use super::*;
use domain::drill::backlog::Reading;

const PAGE: &str = "\
process_start_time_seconds 1.795602106e+09
prometheus_remote_storage_shards{remote_name=\"receiver\",url=\"http://r\"} 2
prometheus_remote_storage_shard_capacity{remote_name=\"receiver\",url=\"http://r\"} 10000
prometheus_remote_storage_max_samples_per_send{remote_name=\"receiver\",url=\"http://r\"} 2000
prometheus_agent_active_series 700
prometheus_agent_samples_appended_total{type=\"float\"} 1121
prometheus_agent_samples_appended_total{type=\"histogram\"} 0
prometheus_tsdb_wal_segment_current 3
prometheus_wal_watcher_current_segment{consumer=\"receiver\"} 3
prometheus_agent_truncate_duration_seconds_sum 0.5
prometheus_agent_truncate_duration_seconds_count 2
";

fn listing() -> Listing {
    let at = |seconds: i64| Some(Moment(seconds * 1_000_000));
    Listing::new([("00000002", 32_768, None), ("00000003", 900, at(1_795_602_200))]).expect("a log")
}

#[test]
fn a_page_and_a_listing_make_a_reading() {
    let mut values = BTreeMap::from(
        [
            (names::PERIOD, 60.0),
            (names::MAX_TIME, 14_400.0),
            (names::SEGMENT, 134_217_728.0),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let started = metrics(&Exposition::parse(PAGE), &mut values).expect("a whole page");
    let facts = Facts {
        started,
        segment_bytes: values[names::SEGMENT],
        written: 500,
    };
    values.extend(facts.values(&listing()));
    let reading = Reading::of(Moment(1_795_602_260_000_000), &values).expect("everything");
    assert_eq!(reading.room, (10_000, 28_000));
    assert_eq!(reading.appended, 1121);
    assert_eq!((reading.first.0, reading.current.0, reading.reader.0), (2, 3, 3));
    assert_eq!(
        (reading.filled, reading.bytes, reading.written),
        (900, 33_668, 500)
    );
    assert_eq!(reading.last_tick, Some(Moment(1_795_602_200_000_000)));
    assert_eq!(values[names::TRUNCATION], 0.25);
    values.remove(names::FIRST);
    assert_eq!(Reading::of(Moment(0), &values), Err(names::FIRST));
}

#[test]
fn the_segment_that_a_process_begins_with_is_no_tick() {
    let facts = Facts {
        started: Moment(1_795_602_199_000_000),
        segment_bytes: 134_217_728.0,
        written: 0,
    };
    let values = facts.values(&listing());
    assert_eq!(values.get(names::LAST_TICK), None);
    assert_eq!(values[names::BEGUN], 1_795_602_200.0);
}

#[test]
fn a_page_without_one_queue_is_told() {
    let two = format!("{PAGE}prometheus_remote_storage_shards{{remote_name=\"other\"}} 1\n");
    for (page, told) in [
        ("", "0 remote-write queues"),
        (two.as_str(), "2 remote-write queues"),
    ] {
        let error = metrics(&Exposition::parse(page), &mut BTreeMap::new()).expect_err(told);
        assert!(error.contains(told), "{error}");
    }
    let cut = PAGE.replace("prometheus_tsdb_wal_segment_current", "x");
    let error = metrics(&Exposition::parse(&cut), &mut BTreeMap::new()).expect_err("cut");
    assert!(error.contains("prometheus_tsdb_wal_segment_current"), "{error}");
}

#[test]
fn segments_are_found_among_the_links_of_a_file_server() {
    let html = "<!doctype html>\n<pre>\n<a href=\"00000002\">00000002</a>\n<a href=\"00000003\">00000003</a>\n\
                <a href=\"checkpoint.00000001/\">checkpoint.00000001/</a>\n</pre>\n";
    let found: Vec<u64> = links(html).filter_map(segment).collect();
    assert_eq!(found, [2, 3]);
}

#[test]
fn what_was_written_into_truncated_segments_stays_written() {
    let mut files = Files::default();
    let mut look = |listed: &[u64], closed: &[(u64, u64)], newest: (u64, u64)| {
        files.keep(listed);
        let close = |(segment, bytes): &(u64, u64)| (*segment, (*bytes, Moment(0)));
        files.closed.extend(closed.iter().map(close));
        files.written(newest)
    };
    assert_eq!(look(&[1, 2, 3], &[(1, 1000), (2, 1000)], (3, 400)), 0);
    assert_eq!(look(&[2, 3, 4], &[(3, 1000)], (4, 100)), 700);
    // The first look's own segment goes, and one that was closed before it, which never counted.
    assert_eq!(look(&[4, 5], &[(4, 1000)], (5, 50)), 1650);
    assert_eq!(look(&[5, 6], &[(5, 1000)], (6, 0)), 2600);
}
