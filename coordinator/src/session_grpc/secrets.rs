//! Where secrets of steps come from and go to; given by whoever knows what is dispatched.

use model::ids::{Attempt, NodeName, StepId};
use model::step::SecretName;
use secrecy::SecretSlice;

/// Bytes that are wiped when dropped and do not print.
pub type SecretBytes = SecretSlice<u8>;

/// Why a yielded secret is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// No such attempt runs there, or what it yields is not what it should be: to try again changes nothing.
    #[error("no step that yields such a secret runs on this node")]
    Refused,
    /// It cannot be kept at the moment, for want of room for example: to try again is right.
    #[error("the secret cannot be kept at the moment")]
    NotKept,
}

/// Secrets of the steps that are dispatched now. `node` is the caller's own name, from its certificate; the implementor
/// answers only for an attempt that is dispatched to that node at this moment.
pub trait StepSecrets: Send + Sync {
    /// The secret that the attempt needs.
    fn fetch(&self, node: &NodeName, step: StepId, attempt: Attempt, name: SecretName)
    -> Option<SecretBytes>;

    /// Takes the secret that the attempt yields, durably.
    fn put(
        &self,
        node: &NodeName,
        step: StepId,
        attempt: Attempt,
        name: SecretName,
        value: SecretBytes,
    ) -> Result<(), NotTaken>;
}

/// For a coordinator that dispatches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl StepSecrets for NoSecrets {
    fn fetch(&self, _: &NodeName, _: StepId, _: Attempt, _: SecretName) -> Option<SecretBytes> {
        None
    }

    fn put(
        &self,
        _: &NodeName,
        _: StepId,
        _: Attempt,
        _: SecretName,
        _: SecretBytes,
    ) -> Result<(), NotTaken> {
        Err(NotTaken::Refused)
    }
}
