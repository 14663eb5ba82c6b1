//! Settings of Prometheus as its own API tells them, in seconds and bytes.

use super::units::{bytes, duration};
use domain::drill::backlog::names;
use domain::drill::measure::quantity::Quantity;
use model::ids::ClusterName;
use model::moment::Moment;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// By the names of the forecast's inputs.
pub(super) type Settings = BTreeMap<String, f64>;

/// What the agent takes where a flag says nothing.
const FREQUENCY: f64 = 2.0 * 3600.0;
const MIN_TIME: f64 = 5.0 * 60.0;
const MAX_TIME: f64 = 4.0 * 3600.0;
const SEGMENT: f64 = 128.0 * 1024.0 * 1024.0;

/// From the answer of `/api/v1/status/flags`, as the agent itself raises what contradicts.
pub(super) fn of_agent(answer: &str) -> Result<Settings, String> {
    let answer: Value = serde_json::from_str(answer).map_err(|e| e.to_string())?;
    let flags = &answer["data"];
    if flags["agent"] != "true" {
        return Err("it is no Prometheus in agent mode".into());
    }
    let read = |flag: &str, parse: fn(&str) -> Option<f64>, unset: f64| {
        let text = flags[flag].as_str().unwrap_or_default();
        match text {
            "" => Ok(unset),
            text => match parse(text) {
                Some(0.0) => Ok(unset),
                Some(value) => Ok(value),
                None => Err(format!("{flag} is {text:?}, which is not understood")),
            },
        }
    };
    let frequency = read("storage.agent.wal-truncate-frequency", duration, FREQUENCY)?;
    let least = read("storage.agent.retention.min-time", duration, MIN_TIME)?;
    let most = read("storage.agent.retention.max-time", duration, MAX_TIME)?;
    let segment = read("storage.agent.wal-segment-size", bytes, SEGMENT)?;
    Ok(BTreeMap::from([
        (names::PERIOD.to_owned(), frequency),
        (names::MIN_TIME.to_owned(), least),
        (names::MAX_TIME.to_owned(), most.max(least).max(frequency)),
        (names::SEGMENT.to_owned(), segment),
    ]))
}

/// What the receiver is asked to tell whether anything but this cluster's agent feeds it: targets of others, and its own.
pub(super) fn others(cluster: &ClusterName) -> String {
    format!("count(up{{cluster!=\"{cluster}\"}})")
}

/// From the answer of `/api/v1/status/config`, and from what it says of [`others`].
pub(super) fn of_receiver(answer: &str, others: &str) -> Result<Settings, String> {
    let answer: Value = serde_json::from_str(answer).map_err(|e| e.to_string())?;
    let yaml = answer["data"]["yaml"].as_str().unwrap_or_default();
    let config: Value = serde_norway::from_str(yaml).map_err(|e| e.to_string())?;
    let window = config["storage"]["tsdb"]["out_of_order_time_window"].as_str();
    let window = window.map_or(Some(0.0), duration);
    let window = window.ok_or("out_of_order_time_window of the receiver is not understood")?;
    let scrapes = config["scrape_configs"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    let others: Value = serde_json::from_str(others).map_err(|e| e.to_string())?;
    let others = others["data"]["result"].as_array();
    let others = others.ok_or("the receiver does not tell who else sends to it")?;
    Ok(BTreeMap::from([
        (names::OUT_OF_ORDER.to_owned(), window),
        (
            names::FRESH.to_owned(),
            if scrapes || !others.is_empty() { 1.0 } else { 0.0 },
        ),
    ]))
}

/// The time of an HTTP header, `Wed, 25 Nov 2026 13:00:00 GMT`.
pub(super) fn http_date(text: &str) -> Option<Moment> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Moment)
}

/// A figure as a sample holds it.
pub(super) fn seconds(quantity: Quantity) -> f64 {
    Duration::from_micros(u64::try_from(quantity.micros()).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unset_flags_are_prometheus_own_and_max_time_is_raised() {
        let flags = |frequency: &str, most: &str| {
            json!({"status": "success", "data": {"agent": "true", "storage.agent.wal-truncate-frequency": frequency,
                "storage.agent.retention.min-time": "5m", "storage.agent.retention.max-time": most,
                "storage.agent.wal-segment-size": "0B"}})
            .to_string()
        };
        let of = |frequency: &str, most: &str| {
            let settings = of_agent(&flags(frequency, most)).expect("flags");
            [names::PERIOD, names::MAX_TIME, names::SEGMENT].map(|name| settings[name])
        };
        assert_eq!(of("0s", "4h"), [7200.0, 14_400.0, SEGMENT]);
        assert_eq!(of("8h", "4h"), [28_800.0, 28_800.0, SEGMENT]);
        assert_eq!(of("20s", "1m"), [20.0, 300.0, SEGMENT]);
        assert!(of_agent(&flags("often", "4h")).is_err_and(|e| e.contains("wal-truncate-frequency")));
        assert!(of_agent(r#"{"data": {"agent": "false"}}"#).is_err());
    }

    #[test]
    fn the_receiver_says_how_far_back_it_takes() {
        let of = |yaml: &str, others: &[Value]| {
            let config = json!({"data": {"yaml": yaml}}).to_string();
            let others = json!({"data": {"resultType": "vector", "result": others}}).to_string();
            of_receiver(&config, &others).expect("config")
        };
        let scrapes = "storage: {tsdb: {out_of_order_time_window: 6h}}\nscrape_configs: [{job_name: a}]\n";
        let with = of(scrapes, &[]);
        assert_eq!((with[names::OUT_OF_ORDER], with[names::FRESH]), (21_600.0, 1.0));
        let plain = "global: {scrape_interval: 15s}\n";
        let without = of(plain, &[]);
        assert_eq!((without[names::OUT_OF_ORDER], without[names::FRESH]), (0.0, 0.0));
        // The agent of another cluster may catch up first.
        let another = json!({"metric": {}, "value": [1_795_595_602.1, "2"]});
        assert_eq!(of(plain, &[another])[names::FRESH], 1.0);
        assert!(of_receiver(r#"{"data": {"yaml": ""}}"#, r#"{"status": "error"}"#).is_err());
    }

    #[test]
    fn times_of_headers_are_read() {
        assert_eq!(
            http_date("Thu, 01 Jan 1970 00:00:01 GMT"),
            Some(Moment(1_000_000))
        );
        assert_eq!(http_date("yesterday"), None);
    }
}
