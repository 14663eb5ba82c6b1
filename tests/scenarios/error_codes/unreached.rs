//! Codes that need a fault which no test makes.

/// At most so many may be on the list: it becomes shorter, and a new code comes with its test.
pub(super) const MOST: usize = 34;

/// Codes that no test reaches by name, each with what it would take.
pub(super) const UNREACHED: &[(&str, &str)] = &[
    ("DY-0100", "a host that refuses a thread or an event queue"),
    ("DY-0106", "a package that the host's package manager refuses"),
    (
        "DY-0110",
        "a daemon that dies while it starts: needs root and the lab's port taken",
    ),
    (
        "DY-0111",
        "a daemon that needs more than 30 s to its first answer",
    ),
    ("DY-0131", "a home that root cannot delete"),
    ("DY-0132", "a daemon that ignores its stop"),
    ("DY-0133", "a home that root cannot rename in"),
    ("DY-0137", "a terminal that refuses raw mode"),
    ("DY-0140", "a failing compiler"),
    ("DY-0152", "a home whose history root cannot read"),
    ("DY-0180", "a folder in which root cannot make a file"),
    ("DY-0210", "a failing Terraform in a real run"),
    ("DY-0211", "a damaged component folder in a real run"),
    ("DY-0212", "a plan that is older than its lab document"),
    ("DY-0215", "a lost kubeconfig in a real run"),
    ("DY-0216", "a component that never gets ready"),
    ("DY-0217", "manifests that an API server refuses in a real run"),
    ("DY-0506", "a node without its image archives"),
    ("DY-0523", "the model refuses such an order before it is made"),
    ("DY-0525", "the front asks until the helper answers"),
    ("DY-0301", "a run without root"),
    (
        "DY-0302",
        "the lab document's rules refuse such a node before the launcher sees it",
    ),
    ("DY-0305", "a host program that vanishes after the host check"),
    ("DY-0309", "a cache without a root file system in a real run"),
    ("DY-0310", "a damaged content store in a real run"),
    ("DY-0312", "a node whose init dies while it boots"),
    ("DY-0313", "a node that needs minutes to boot"),
    (
        "DY-0315",
        "a power change of a node in another state, on a real lab",
    ),
    ("DY-0316", "a mount that survives its removal"),
    ("DY-0321", "a host without Terraform after the host check"),
    ("DY-0322", "a home that root cannot write"),
    ("DY-0323", "a Terraform of another major version"),
    ("DY-0502", "a node whose disk refuses a write"),
    ("DY-0503", "a step beyond its ceiling of minutes"),
];
