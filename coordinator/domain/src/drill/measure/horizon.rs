//! The survival horizon: how long each dependency may be away before anyone is harmed, the shortest first.

use super::quantity::Quantity;
use super::span::Span;
use crate::drill::report::parts::{Bounds, Horizon};

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// `app1 metrics`, `app2 secrets` ...
    pub name: String,
    /// What happens first.
    pub harm: String,
    /// Seconds of absence until then; None: no harm in sight.
    pub survives: Option<Bounds>,
    /// Where the figure comes from.
    pub source: String,
}

/// The table, for an outage of this length; headroom is told also when nothing went wrong. What has no horizon comes last.
pub fn table(dependencies: Vec<Dependency>, outage: Span) -> Vec<Horizon> {
    let row = |d: Dependency| Horizon {
        headroom: d.survives.map(|s| s.low.minus(outage.seconds())),
        dependency: d.name,
        harm: d.harm,
        survives: d.survives,
        source: d.source,
    };
    let mut rows: Vec<Horizon> = dependencies.into_iter().map(row).collect();
    let key = |h: &Horizon| (h.survives.is_none(), h.survives.map_or(Quantity::ZERO, |s| s.low));
    rows.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.dependency.cmp(&b.dependency)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_leads_and_headroom_may_be_negative() {
        let dependency = |name: &str, survives: Option<u64>| Dependency {
            name: name.into(),
            harm: "harm".into(),
            survives: survives.map(|s| Bounds {
                low: Quantity::whole(s),
                high: Quantity::whole(2 * s),
            }),
            source: "test".into(),
        };
        let all = vec![
            dependency("dns", None),
            dependency("metrics", Some(300)),
            dependency("images", Some(60)),
            dependency("certificates", Some(300)),
        ];
        let rows = table(all, Span::from_secs(100));
        let found: Vec<_> = rows.iter().map(|r| (r.dependency.as_str(), r.headroom)).collect();
        let whole = Quantity::whole;
        assert_eq!(
            found,
            [
                ("images", Some(Quantity::ZERO.minus(whole(40)))),
                ("certificates", Some(whole(200))),
                ("metrics", Some(whole(200))),
                ("dns", None),
            ]
        );
    }
}
