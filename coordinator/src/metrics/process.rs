//! What Prometheus clients tell of their own process, under the names that dashboards know. Linux only: elsewhere there is
//! no `/proc` and these are absent.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fs;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector;

/// One look at this process.
#[derive(Debug, PartialEq)]
struct Look {
    cpu_seconds: f64,
    resident_bytes: u64,
    threads: u64,
    open_fds: u64,
    max_fds: u64,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(look) = look() else { return Ok(()) };
        let cpu = ConstCounter::new(look.cpu_seconds);
        let help = "User and system CPU time";
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            help,
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        let bytes = Some(&Unit::Bytes);
        for (name, help, unit, value) in [
            (
                "process_resident_memory",
                "Resident memory",
                bytes,
                look.resident_bytes,
            ),
            ("process_threads", "Threads", None, look.threads),
            ("process_open_fds", "Open file descriptors", None, look.open_fds),
            (
                "process_max_fds",
                "Most file descriptors that may be open",
                None,
                look.max_fds,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

fn look() -> Option<Look> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    let (max_fds, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok()?;
    let open_fds = u64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()?;
    let (cpu_ticks, threads, pages) = parse(&stat)?;
    Some(Look {
        cpu_seconds: f64::from(u32::try_from(cpu_ticks).ok()?) / f64::from(u32::try_from(ticks).ok()?),
        resident_bytes: pages.saturating_mul(u64::try_from(page).ok()?),
        threads,
        open_fds,
        max_fds,
    })
}

/// Fields 14 and 15, 20 and 24 of `stat`, counted from behind the name, which may hold anything.
fn parse(stat: &str) -> Option<(u64, u64, u64)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
    Some((number(14)? + number(15)?, number(20)?, number(24)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_line_is_read_whatever_the_name() {
        let line =
            "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 120 30 0 0 20 0 5 0 99 1000 250 18446744073709551615";
        assert_eq!(super::parse(line), Some((150, 5, 250)));
        assert_eq!(super::parse("7 (cut S 1"), None);
    }
}
