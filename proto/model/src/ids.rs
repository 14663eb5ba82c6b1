//! Identifiers as newtypes: a name or number of one kind cannot be passed for another.

use crate::Invalid;
use serde::{Deserialize, Serialize};

/// Checks a DNS-1123 label: lower-case letters, digits and hyphens, at most `max` characters, no hyphen at either end.
pub fn dns_label(field: &str, text: &str, max: usize) -> Result<(), Invalid> {
    let ok = !text.is_empty()
        && text.len() <= max
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if ok {
        Ok(())
    } else {
        Err(Invalid::new(
            field,
            text,
            format!("is not a DNS-1123 label of at most {max} characters"),
        ))
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Validates and wraps; the error names this type as its field.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                dns_label(stringify!($name), &text, $max)?;
                Ok(Self(text))
            }

            /// The plain text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label!(
    /// Name of a lab; part of every label on the host.
    LabName, 24
);
label!(
    /// Name of a Kubernetes cluster; 32 characters is Cilium's own limit.
    ClusterName, 32
);
label!(
    /// Name of a node, for example `mgmt-cp`; also its host name.
    NodeName, 48
);
label!(
    /// Name of a component folder under `values/components/`.
    ComponentName, 48
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The next higher number.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Counts the coordinator's starts on one log; a lower one is a stale coordinator.
    Epoch
);
number!(
    /// Position in the coordinator's durable log: dense, from 1.
    Revision
);
number!(
    /// Position in one agent's event stream: dense, from 1 within an incarnation.
    Seq
);
number!(
    /// Which try of a step this is, from 1.
    Attempt
);

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Reads lower- or upper-case hexadecimal of exactly the type's length.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let mut bytes = [0u8; $bytes];
                // The decoder alone would take a "0x" before them.
                if text.len() == 2 * $bytes && hex::decode_to_slice(text, &mut bytes).is_ok() {
                    return Ok(Self(bytes));
                }
                let digits = 2 * $bytes;
                Err(Invalid::new(stringify!($name), text, format!("is not {digits} hexadecimal digits")))
            }

            /// The first twelve digits, for people and unit names.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..6])
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                hex::encode(id.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(hex::Buffer::<$bytes>::new().format(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
    };
}

hex_id!(
    /// Idempotency key of a step: hash of lab, target, kind and parameters.
    StepId, 32
);
hex_id!(
    /// A SHA-256 digest of an artefact or a plan.
    Digest, 32
);
hex_id!(
    /// One `up`, `down` or drill.
    RunId, 16
);
hex_id!(
    /// One lease of one fault.
    LeaseId, 16
);
hex_id!(
    /// Random name of one durable log; another one means that the old log is gone.
    LogId, 16
);
hex_id!(
    /// Random name of one life of an agent's store.
    Incarnation, 16
);
hex_id!(
    /// The kernel's boot id of a node.
    BootId, 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_refuse_what_could_reach_a_shell_or_a_path() {
        for bad in ["", "-a", "a-", "A", "a b", "a;b", "../a", "a.b", &"a".repeat(49)] {
            assert!(NodeName::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(NodeName::new("mgmt-cp").is_ok());
    }

    #[test]
    fn hex_ids_round_trip_and_refuse_other_lengths() {
        let id = RunId::parse(&"ab".repeat(16)).expect("valid");
        assert_eq!(RunId::parse(&id.to_string()), Ok(id));
        for bad in ["abcd", &format!("0x{id}"), &format!("0x{}", "ab".repeat(15))] {
            assert!(RunId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
