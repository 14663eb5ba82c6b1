//! What this host can do, as far as charts must know.

use crate::host_steps::values::HostFacts;

/// CAP_SYS_RESOURCE's bit.
const SYS_RESOURCE: u32 = 24;

/// Looks at this process's bounding set: nodes cannot have what the host lacks. Where it cannot be told (Multipass on
/// macOS), nodes are machines of their own and have everything.
pub fn look() -> HostFacts {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = bounding.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    HostFacts {
        sys_resource: bits.is_none_or(|bits| bits >> SYS_RESOURCE & 1 == 1),
    }
}
