//! What can be asked for.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Puts load on a real coordinator and says figures as a table.
///
/// Everything runs on loopback in temporary folders; neither root nor a lab is needed. Some 3 GB of disk are, for the cold start.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    version,
    after_help = "Examples:\n  \
        cargo build --release --bin coordinator\n  \
        cargo run --release -p tests --bin bench -- --etcd ~/.cache/drillyard/build/out/etcd --nats ~/go/bin/nats-server\n  \
        cargo run --release -p tests --bin bench -- --only storm,sustained --agents 50 --seconds 2"
)]
pub(crate) struct Args {
    /// Parts to run; all by default, etcd and NATS where they are given.
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    pub(crate) only: Vec<Part>,
    /// Simulated agents.
    #[arg(long, default_value_t = 1000, value_parser = count(1, 10_000))]
    pub(crate) agents: usize,
    /// Events per second of the sustained part.
    #[arg(long, default_value_t = 2000, value_parser = count(1, 1_000_000))]
    pub(crate) rate: usize,
    /// Events per second of the burst.
    #[arg(long, default_value_t = 10_000, value_parser = count(1, 1_000_000))]
    pub(crate) burst: usize,
    /// Events that an agent appends together in the burst and the second closed loop.
    #[arg(long, default_value_t = 10, value_parser = count(1, 64))]
    pub(crate) together: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10, value_parser = count(1, 3600))]
    pub(crate) seconds: usize,
    /// Writers of the closed loops, here and at what it is compared with.
    #[arg(long, default_value_t = 100, value_parser = count(1, 10_000))]
    pub(crate) writers: usize,
    /// Subscribers of the crowd.
    #[arg(long, default_value_t = 100, value_parser = count(1, 200))]
    pub(crate) subscribers: usize,
    /// How many of them stall.
    #[arg(long, default_value_t = 10, value_parser = count(0, 200))]
    pub(crate) stalled: usize,
    /// Events per second for the crowd.
    #[arg(long, default_value_t = 200, value_parser = count(1, 1_000_000))]
    pub(crate) crowd_rate: usize,
    /// MiB of entries in the log of the cold start.
    #[arg(long, default_value_t = 1024, value_parser = count(1, 1024))]
    pub(crate) log_mib: usize,
    /// The coordinator to measure; the one beside this program by default.
    #[arg(long, value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,
    /// The etcd to compare with; `coordinator bundle build` leaves one in the cache's `build/out`.
    #[arg(long, value_name = "PATH")]
    pub(crate) etcd: Option<PathBuf>,
    /// The nats-server to compare with; `go install github.com/nats-io/nats-server/v2@latest` makes one.
    #[arg(long, value_name = "PATH")]
    pub(crate) nats: Option<PathBuf>,
    /// One JSON object per row instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// All agents enrol and connect; the daemon is killed, and all come back at once.
    Storm,
    /// Events at the sustained pace.
    Sustained,
    /// Events at the pace of a burst.
    Burst,
    /// As many as acknowledgements allow, beside etcd with --etcd and NATS JetStream with --nats.
    Closed,
    /// Many subscribers of which some never read.
    Crowd,
    /// A start on a long log.
    Cold,
}

impl Args {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn count(least: u64, most: u64) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text: &str| match text.parse::<u64>() {
        Ok(found) if (least..=most).contains(&found) => usize::try_from(found).map_err(|e| e.to_string()),
        _ => Err(format!("must be a number within {least} to {most}")),
    }
}
