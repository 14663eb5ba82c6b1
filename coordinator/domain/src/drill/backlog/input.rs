//! What a forecast is computed from: every input by its name in the samples, with its unit and where it is read.

/// Names of the inputs.
pub mod names {
    /// Seconds between truncations.
    pub const PERIOD: &str = "truncate_frequency";
    /// Seconds after which a checkpoint keeps nothing.
    pub const MAX_TIME: &str = "retention_max_time";
    /// Seconds that are kept in any case.
    pub const MIN_TIME: &str = "retention_min_time";
    /// Bytes of a full segment.
    pub const SEGMENT: &str = "segment_bytes";
    /// Parallel senders of the queue.
    pub const SHARDS: &str = "shards";
    /// Samples that each of them holds in memory.
    pub const CAPACITY: &str = "shard_capacity";
    /// Samples in one request.
    pub const PER_SEND: &str = "max_samples_per_send";
    /// Series that are alive.
    pub const SERIES: &str = "active_series";
    /// Begin of the process, seconds since 1970.
    pub const STARTED: &str = "process_started";
    /// Samples written since.
    pub const APPENDED: &str = "samples_appended";
    /// Mean seconds that a truncation took so far.
    pub const TRUNCATION: &str = "truncation_mean";
    /// Segment that is written.
    pub const WRITER: &str = "writer_segment";
    /// Segment that is read.
    pub const READER: &str = "reader_segment";
    /// Oldest segment file.
    pub const FIRST: &str = "first_segment";
    /// Newest segment file.
    pub const CURRENT: &str = "current_segment";
    /// Bytes in the newest.
    pub const FILLED: &str = "current_bytes";
    /// Bytes of all segment files.
    pub const BYTES: &str = "log_bytes";
    /// Bytes written since the first look.
    pub const WRITTEN: &str = "written_bytes";
    /// Last truncation, seconds since 1970.
    pub const LAST_TICK: &str = "last_tick";
    /// When the newest segment was begun, seconds since 1970.
    pub const BEGUN: &str = "current_begun";
    /// Bytes that are free on the node.
    pub const FREE: &str = "disk_free_bytes";
    /// Seconds that the receiver takes samples out of order; 0 is none.
    pub const OUT_OF_ORDER: &str = "receiver_out_of_order_window";
    /// 1 when the receiver has other samples beside this agent's: its own, or another agent's.
    pub const FRESH: &str = "receiver_scrapes";
}

/// One input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputKind {
    /// Its name in a sample.
    pub name: &'static str,
    /// `seconds`, `bytes`, `samples`, `count`, `time` (seconds since 1970)
    pub unit: &'static str,
    /// Where it is read.
    pub source: &'static str,
}

const fn kind(name: &'static str, unit: &'static str, source: &'static str) -> InputKind {
    InputKind { name, unit, source }
}

/// All inputs, in the order of the report.
pub const INPUTS: [InputKind; 23] = [
    kind(
        names::PERIOD,
        "seconds",
        "agent's flag storage.agent.wal-truncate-frequency; 2 h where unset",
    ),
    kind(
        names::MIN_TIME,
        "seconds",
        "agent's flag storage.agent.retention.min-time",
    ),
    kind(
        names::MAX_TIME,
        "seconds",
        "agent's flag storage.agent.retention.max-time, raised to the truncate frequency and to min-time as the agent does",
    ),
    kind(
        names::SEGMENT,
        "bytes",
        "agent's flag storage.agent.wal-segment-size; 128 MiB where unset",
    ),
    kind(names::SHARDS, "count", "metric prometheus_remote_storage_shards"),
    kind(
        names::CAPACITY,
        "samples",
        "metric prometheus_remote_storage_shard_capacity",
    ),
    kind(
        names::PER_SEND,
        "samples",
        "metric prometheus_remote_storage_max_samples_per_send",
    ),
    kind(names::SERIES, "count", "metric prometheus_agent_active_series"),
    kind(names::STARTED, "time", "metric process_start_time_seconds"),
    kind(
        names::APPENDED,
        "samples",
        "metric prometheus_agent_samples_appended_total",
    ),
    kind(
        names::TRUNCATION,
        "seconds",
        "metrics prometheus_agent_truncate_duration_seconds_sum and _count",
    ),
    kind(
        names::WRITER,
        "count",
        "metric prometheus_tsdb_wal_segment_current",
    ),
    kind(
        names::READER,
        "count",
        "metric prometheus_wal_watcher_current_segment of the queue",
    ),
    kind(names::FIRST, "count", "listing of the log's folder"),
    kind(names::CURRENT, "count", "listing of the log's folder"),
    kind(names::FILLED, "bytes", "length of the newest segment file"),
    kind(names::BYTES, "bytes", "lengths of all segment files"),
    kind(
        names::WRITTEN,
        "bytes",
        "lengths of segment files, added up since the first look",
    ),
    kind(
        names::LAST_TICK,
        "time",
        "last write to the newest segment that was closed before it was full",
    ),
    kind(
        names::BEGUN,
        "time",
        "last write to the segment before the newest, or the process' begin",
    ),
    kind(
        names::FREE,
        "bytes",
        "kubelet's stats of the file system of the agent's node",
    ),
    kind(
        names::OUT_OF_ORDER,
        "seconds",
        "receiver's configuration, storage.tsdb.out_of_order_time_window",
    ),
    kind(
        names::FRESH,
        "count",
        "receiver's configuration, whether it has scrape_configs, and its API, whether others send to it",
    ),
];
