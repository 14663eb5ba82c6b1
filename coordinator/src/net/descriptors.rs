//! File descriptors for as many connections as the listeners take.

use super::limits::Limits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// For the log, pipes of programs that run, and clients of the clusters.
const OTHERS: u64 = 1024;

/// Raises this process's soft limit to what all listeners together may hold, as far as the hard limit lets it: a login's usual 1,024
/// would end at a thousand agents. A host that refuses serves fewer, and says so once they come.
pub fn raise_limit() {
    let open = [Limits::NODES, Limits::NODES, Limits::OPERATORS].map(|limits| limits.open);
    let wanted = u64::try_from(open.iter().sum::<usize>())
        .unwrap_or(u64::MAX)
        .saturating_add(OTHERS);
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let to = wanted.min(hard).max(soft);
        setrlimit(Resource::RLIMIT_NOFILE, to, hard)
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_grows_up_to_the_hard_one() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("read");
        raise_limit();
        let (soft, same) = getrlimit(Resource::RLIMIT_NOFILE).expect("read");
        assert_eq!(same, hard);
        assert!(soft >= hard.min(9000), "{soft} of {hard}");
    }
}
