//! What the receiver has of one twin, by its own query API.

use super::canary::SHARDS;
use super::http::{escape, get};
use crate::patience::until;
use domain::drill::measure::loss_cause::Evidence;
use domain::drill::measure::quantity::Quantity;
use domain::drill::measure::span::Span;
use model::moment::Moment;
use std::net::SocketAddr;
use std::time::Duration;

/// The samples of one twin at the receiver.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// Where it answers.
    pub receiver: SocketAddr,
    /// The twin's name, in the label `twin`.
    pub name: &'a str,
}

impl Arrived<'_> {
    /// The newest number of a shard; zero before the first.
    pub fn newest(self, shard: u64) -> Result<u64, String> {
        let result = self.query(&format!("last_over_time({}[3h])", self.sequence(shard)))?;
        Ok(result
            .first()
            .and_then(|series| number(&series["value"]))
            .unwrap_or(0))
    }

    /// The newest number of each shard, once a request that was under way when the agent ended has arrived too.
    pub fn at_rest(self) -> Result<Vec<u64>, String> {
        let mut before = Vec::new();
        until("the receiver is at rest", Duration::from_secs(10), || {
            let all = (0..SHARDS).map(|shard| self.newest(shard));
            let all: Vec<u64> = all.collect::<Result<_, _>>()?;
            let earlier = std::mem::replace(&mut before, all.clone());
            if all == earlier {
                Ok(all)
            } else {
                Err(format!("{earlier:?}, then {all:?}"))
            }
        })
    }

    /// All numbers of a shard.
    pub fn numbers(self, shard: u64) -> Result<Vec<u64>, String> {
        let values = self.values(&format!("{}[3h]", self.sequence(shard)))?;
        Ok(values.iter().filter_map(number).collect())
    }

    /// How many samples of a shard there are, as the receiver counts them.
    pub fn count(self, shard: u64) -> Result<u64, String> {
        let result = self.query(&format!("count_over_time({}[3h])", self.sequence(shard)))?;
        result
            .first()
            .and_then(|series| number(&series["value"]))
            .ok_or_else(|| "no count".into())
    }

    /// Times around scrapes that failed though the canary served them: on a busy host the answer came too late.
    pub fn failed_scrapes(self) -> Result<Evidence, String> {
        let values = self.values(&format!("up{{twin=\"{}\"}}[3h]", self.name))?;
        let failed = values.iter().filter(|value| number(value) == Some(0));
        let around = failed.filter_map(|value| {
            let at = Quantity::from_float(value[0].as_f64()?)?;
            let (at, near) = (Moment(at.micros()), Span::from_secs(2));
            Some((near.before(at), near.after(at)))
        });
        Ok(Evidence {
            not_scraped: around.collect(),
            ..Evidence::default()
        })
    }

    fn sequence(self, shard: u64) -> String {
        format!("canary_sequence{{twin=\"{}\",shard=\"{shard}\"}}", self.name)
    }

    /// The times and values of the one series that a range selects.
    fn values(self, range: &str) -> Result<Vec<serde_json::Value>, String> {
        let result = self.query(range)?;
        let series = result.first().and_then(|series| series["values"].as_array());
        series.cloned().ok_or_else(|| "no values".into())
    }

    fn query(self, query: &str) -> Result<Vec<serde_json::Value>, String> {
        let body = get(self.receiver, &format!("/api/v1/query?query={}", escape(query)))?;
        let answer: serde_json::Value = serde_json::from_str(&body).map_err(|e| e.to_string())?;
        answer["data"]["result"].as_array().cloned().ok_or(body)
    }
}

fn number(value: &serde_json::Value) -> Option<u64> {
    value[1].as_str()?.parse().ok()
}
