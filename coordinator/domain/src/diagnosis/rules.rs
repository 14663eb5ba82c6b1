//! The table: which evidence speaks for which cause, and how much.
//!
//! Weights: what was looked up on the machine itself is nearly certain; a line that only this cause writes is strong; a line
//! that several causes write is weak; a symptom that follows from most causes is named only when there is nothing better.

use model::evidence::EvidenceSource::{self, *};

/// Looked up, not read from a log.
const FACT: u8 = 90;
/// Only this cause says so.
const OWN_WORDS: u8 = 80;
/// Several causes say so.
const SHARED_WORDS: u8 = 55;
/// Follows from most causes.
const SYMPTOM: u8 = 25;

/// One pattern.
pub(super) struct Rule {
    pub(super) code: &'static str,
    /// Where it must have been seen; anywhere when empty.
    sources: &'static [EvidenceSource],
    /// Parts that the text must have, in lower case.
    all: &'static [&'static str],
    pub(super) weight: u8,
}

impl Rule {
    /// Whether it fits a piece whose text is in lower case.
    pub(super) fn fits(&self, source: EvidenceSource, text: &str) -> bool {
        (self.sources.is_empty() || self.sources.contains(&source))
            && self.all.iter().all(|part| text.contains(part))
    }
}

/// A fact of that source, whatever its words.
const fn fact(code: &'static str, sources: &'static [EvidenceSource]) -> Rule {
    Rule {
        code,
        sources,
        all: &[],
        weight: FACT,
    }
}

const fn words(code: &'static str, all: &'static [&'static str], weight: u8) -> Rule {
    Rule {
        code,
        sources: &[],
        all,
        weight,
    }
}

const fn seen(
    code: &'static str,
    sources: &'static [EvidenceSource],
    all: &'static [&'static str],
    weight: u8,
) -> Rule {
    Rule {
        code,
        sources,
        all,
        weight,
    }
}

/// By code.
pub(super) const RULES: &[Rule] = &[
    // A port is taken.
    fact("DY-0601", &[Port]),
    words("DY-0601", &["bind: address already in use"], OWN_WORDS),
    words("DY-0601", &["[error port-", "is in use"], OWN_WORDS),
    words("DY-0601", &["port", "is in use"], SHARED_WORDS),
    // An image is missing.
    fact("DY-0602", &[Image]),
    words("DY-0602", &["imagepullbackoff"], OWN_WORDS),
    words("DY-0602", &["errimagepull"], OWN_WORDS),
    words("DY-0602", &["errimageneverpull"], OWN_WORDS),
    words("DY-0602", &["failed to pull image"], OWN_WORDS),
    words("DY-0602", &["failed to pull and unpack image"], OWN_WORDS),
    words("DY-0602", &["failed to get sandbox image"], OWN_WORDS),
    words("DY-0602", &["[error imagepull]"], OWN_WORDS),
    words("DY-0602", &["failed to get image from containerd"], OWN_WORDS),
    // Control group drivers.
    fact("DY-0603", &[Cgroup]),
    words("DY-0603", &["cgroup driver", "is different from"], OWN_WORDS),
    words("DY-0603", &["expected cgroupspath to be of format"], OWN_WORDS),
    words(
        "DY-0603",
        &["failed to get root cgroup", "not found"],
        SHARED_WORDS,
    ),
    // Swap.
    fact("DY-0604", &[Swap]),
    words("DY-0604", &["running with swap on is not supported"], OWN_WORDS),
    words("DY-0604", &["[error swap]"], OWN_WORDS),
    // A disk is full.
    fact("DY-0605", &[Disk]),
    words("DY-0605", &["no space left on device"], OWN_WORDS),
    words("DY-0605", &["mvcc: database space exceeded"], OWN_WORDS),
    words(
        "DY-0605",
        &["eviction manager", "ephemeral-storage"],
        SHARED_WORDS,
    ),
    words("DY-0605", &["had untolerated taint", "disk-pressure"], OWN_WORDS),
    // Memory.
    words("DY-0606", &["oomkilled"], OWN_WORDS),
    words("DY-0606", &["oom-kill"], OWN_WORDS),
    words("DY-0606", &["out of memory"], SHARED_WORDS),
    words("DY-0606", &["cannot allocate memory"], OWN_WORDS),
    words("DY-0606", &["insufficient memory"], SHARED_WORDS),
    // A webhook.
    words("DY-0607", &["failed calling webhook"], OWN_WORDS),
    words("DY-0607", &["failed to call webhook"], OWN_WORDS),
    words(
        "DY-0607",
        &["no endpoints available for service", "webhook"],
        OWN_WORDS,
    ),
    // The API server does not answer: mostly what the other causes lead to.
    seen("DY-0608", &[ApiServer], &[], SYMPTOM),
    words("DY-0608", &[":6443: connect: connection refused"], SYMPTOM),
    words("DY-0608", &[":6443", "i/o timeout"], SYMPTOM),
    // Certificates and time.
    fact("DY-0609", &[Certificate]),
    words(
        "DY-0609",
        &["certificate has expired or is not yet valid"],
        OWN_WORDS,
    ),
    words("DY-0609", &["certificate expired"], SHARED_WORDS),
    words("DY-0610", &["certificate signed by unknown authority"], OWN_WORDS),
    words("DY-0610", &["invalid peer certificate: unknownissuer"], OWN_WORDS),
    words("DY-0610", &["tls: bad certificate"], SHARED_WORDS),
    // Names.
    words("DY-0611", &["dial tcp: lookup ", "no such host"], SHARED_WORDS),
    words("DY-0611", &["dial tcp: lookup ", "i/o timeout"], OWN_WORDS),
    words("DY-0611", &["dial tcp: lookup ", "server misbehaving"], OWN_WORDS),
    // The container runtime.
    seen("DY-0612", &[Unit], &["containerd.service"], FACT),
    words("DY-0612", &["containerd.sock", "connection refused"], OWN_WORDS),
    words(
        "DY-0612",
        &["containerd.sock", "no such file or directory"],
        OWN_WORDS,
    ),
    words("DY-0612", &["container runtime is down"], OWN_WORDS),
    // Kubelet itself; why it ended is mostly told by a line that another rule knows.
    seen("DY-0613", &[Unit], &["kubelet.service"], SHARED_WORDS),
    words("DY-0613", &["failed to load kubelet config file"], OWN_WORDS),
    words("DY-0613", &["failed to parse kubelet flag"], OWN_WORDS),
    words(
        "DY-0613",
        &["failed to construct kubelet dependencies"],
        SHARED_WORDS,
    ),
    words(
        "DY-0613",
        &["failed to validate kubelet configuration"],
        OWN_WORDS,
    ),
    // A container that keeps ending.
    words("DY-0614", &["crashloopbackoff"], SHARED_WORDS),
    words(
        "DY-0614",
        &["back-off", "restarting failed container"],
        SHARED_WORDS,
    ),
    seen("DY-0614", &[Container], &["panic:"], SHARED_WORDS),
    seen("DY-0614", &[Container], &["\"level\":\"fatal\""], SHARED_WORDS),
    // No network for pods.
    words("DY-0615", &["cni plugin not initialized"], SYMPTOM),
    words("DY-0615", &["failed to find plugin", "cni"], OWN_WORDS),
    words("DY-0615", &["failed to setup network for sandbox"], OWN_WORDS),
    // No place for a pod.
    words("DY-0616", &["nodes are available", "insufficient cpu"], OWN_WORDS),
    words(
        "DY-0616",
        &["nodes are available", "insufficient memory"],
        OWN_WORDS,
    ),
    words(
        "DY-0616",
        &["nodes are available", "untolerated taint"],
        SHARED_WORDS,
    ),
    words(
        "DY-0616",
        &["unbound immediate persistentvolumeclaims"],
        OWN_WORDS,
    ),
    words("DY-0616", &["nodes are available"], SYMPTOM),
    // etcd.
    words("DY-0617", &["etcdserver: request timed out"], OWN_WORDS),
    words("DY-0617", &["etcdserver: leader changed"], SHARED_WORDS),
    words("DY-0617", &["apply request took too long"], SHARED_WORDS),
    words("DY-0617", &[":2379", "connection refused"], SYMPTOM),
    // Kernel limits.
    words("DY-0618", &["too many open files"], OWN_WORDS),
    words("DY-0618", &["inotify_add_watch", "no space left on device"], 85),
    words("DY-0618", &["failed to create fsnotify watcher"], OWN_WORDS),
    // A credential that is not accepted.
    seen("DY-0619", &[Journal, Output], &["unauthorized"], SHARED_WORDS),
    words("DY-0619", &["invalid bearer token"], OWN_WORDS),
    words(
        "DY-0619",
        &["token id", "is invalid for this cluster or it has expired"],
        OWN_WORDS,
    ),
    // Something that a pod refers to.
    words("DY-0620", &["createcontainerconfigerror"], OWN_WORDS),
    words("DY-0620", &["mountvolume.setup failed", "not found"], OWN_WORDS),
    words("DY-0620", &["couldn't find key"], OWN_WORDS),
];
