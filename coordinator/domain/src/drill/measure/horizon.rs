//! The survival horizon: how long each dependency may be away before anyone is harmed, the shortest first.

use super::quantity::Quantity;
use super::span::Span;
use crate::drill::report::parts::{Bounds, Horizon};

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// `app1 metrics`, `app2 secret demo/demo` ...
    pub name: String,
    /// What happens first.
    pub harm: String,
    /// When.
    pub sight: Sight,
    /// Where the figure comes from, or why there is none.
    pub source: String,
}

/// What can be said of the first harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It comes after so many seconds of absence.
    Harm(Bounds),
    /// It was looked for, and nothing says that it comes.
    NoneInSight,
    /// Nothing is known of it: it was not looked for, or what decides it is not recorded.
    NotComputed,
}

impl Sight {
    /// The time until harm, where there is one.
    pub fn survives(self) -> Option<Bounds> {
        match self {
            Self::Harm(bounds) => Some(bounds),
            Self::NoneInSight | Self::NotComputed => None,
        }
    }
}

/// The table, for an outage of this length; headroom is told also when nothing went wrong. What has no horizon comes last, and what was
/// not computed after that.
pub fn table(dependencies: Vec<Dependency>, outage: Span) -> Vec<Horizon> {
    let row = |d: Dependency| {
        let survives = d.sight.survives();
        Horizon {
            headroom: survives.map(|s| s.low.minus(outage.seconds())),
            dependency: d.name,
            harm: d.harm,
            survives,
            not_computed: d.sight == Sight::NotComputed,
            source: d.source,
        }
    };
    let mut rows: Vec<Horizon> = dependencies.into_iter().map(row).collect();
    let key = |h: &Horizon| {
        let low = h.survives.map_or(Quantity::ZERO, |s| s.low);
        (h.survives.is_none(), h.not_computed, low)
    };
    rows.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.dependency.cmp(&b.dependency)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_leads_and_headroom_may_be_negative() {
        let dependency = |name: &str, sight: Sight| Dependency {
            name: name.into(),
            harm: "harm".into(),
            sight,
            source: "test".into(),
        };
        let after = |s: u64| {
            Sight::Harm(Bounds {
                low: Quantity::whole(s),
                high: Quantity::whole(2 * s),
            })
        };
        let all = vec![
            dependency("app1 logs", Sight::NotComputed),
            dependency("web", Sight::NoneInSight),
            dependency("app1 metrics", after(300)),
            dependency("app1 secret demo/demo", after(60)),
            dependency("app1 certificate vault/vault-tls", after(300)),
        ];
        let rows = table(all, Span::from_secs(100));
        let found: Vec<_> = rows
            .iter()
            .map(|r| (r.dependency.as_str(), r.headroom, r.not_computed))
            .collect();
        let whole = Quantity::whole;
        assert_eq!(
            found,
            [
                (
                    "app1 secret demo/demo",
                    Some(Quantity::ZERO.minus(whole(40))),
                    false
                ),
                ("app1 certificate vault/vault-tls", Some(whole(200)), false),
                ("app1 metrics", Some(whole(200)), false),
                ("web", None, false),
                ("app1 logs", None, true),
            ]
        );
    }
}
