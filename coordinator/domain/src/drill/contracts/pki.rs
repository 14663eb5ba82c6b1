//! C5: at no look does the second phase of the PKI stand without the first, and Vault's own certificate is never out of Vault.

use super::{Case, evidence};
use crate::drill::history::Sample;
use crate::drill::report::model::Evidence;
use crate::drill::report::verdict::Verdict;

/// Figures of a `pki` sample, where the certificate could be read: when the self-signed authority's own one ends, seconds since 1970.
pub const AUTHORITY_ENDS: &str = "authority_ends";
/// The same of the certificate of Vault's listener.
pub const LISTENER_ENDS: &str = "listener_ends";

/// What a `pki` probe tells, 1 or 0 each. A figure that could not be had is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The self-signed authority issues.
    AuthorityReady,
    /// There is an issuer that signs through Vault.
    IssuerPresent,
    /// The self-signed authority was there before it; only where both are.
    AuthorityFirst,
    /// The certificate of Vault's listener is signed by the self-signed authority, with nobody between.
    ListenerByAuthority,
}

impl Figure {
    /// Its name in a sample.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthorityReady => "authority_ready",
            Self::IssuerPresent => "issuer_present",
            Self::AuthorityFirst => "authority_first",
            Self::ListenerByAuthority => "listener_by_authority",
        }
    }

    fn of(self, sample: &Sample) -> Option<bool> {
        sample.values.get(self.name()).map(|value| *value > 0.0)
    }
}

pub(super) fn check(case: &Case<'_>) -> Vec<Evidence> {
    let samples: Vec<&Sample> = case.watches.iter().flat_map(|w| &w.samples).copied().collect();
    vec![
        order(&samples),
        always(
            &samples,
            "first_phase",
            Figure::AuthorityReady,
            "the self-signed authority issues",
        ),
        always(
            &samples,
            "listener",
            Figure::ListenerByAuthority,
            "the certificate of Vault's listener is signed by the self-signed authority",
        ),
    ]
}

/// The issuer inside Vault came after the self-signed authority.
fn order(samples: &[&Sample]) -> Evidence {
    let present = |s: &&&Sample| Figure::IssuerPresent.of(s) == Some(true);
    let wrong = |s: &&&Sample| present(s) && Figure::AuthorityFirst.of(s) != Some(true);
    let seen = samples.iter().filter(present).count();
    match samples.iter().find(wrong) {
        Some(sample) => evidence(
            "order",
            Verdict::Fail,
            format!(
                "at {} Vault had an issuer without an earlier self-signed authority: {}",
                sample.due, sample.detail
            ),
        ),
        None if seen == 0 => evidence("order", Verdict::Inconclusive, "no issuer of Vault was ever seen"),
        None => evidence(
            "order",
            Verdict::Pass,
            format!("the self-signed authority is the older one at all of {seen} looks"),
        ),
    }
}

fn always(samples: &[&Sample], check: &str, figure: Figure, what: &str) -> Evidence {
    let known = samples.iter().filter(|s| figure.of(s).is_some()).count();
    match samples.iter().find(|s| figure.of(s) == Some(false)) {
        Some(sample) => evidence(
            check,
            Verdict::Fail,
            format!("not so at {}: {what}: {}", sample.due, sample.detail),
        ),
        None if known == 0 => evidence(check, Verdict::Inconclusive, "the API never told"),
        None => evidence(check, Verdict::Pass, format!("{what}, at all of {known} looks")),
    }
}
