//! One horizon over every certificate of the lab: what runs out first, what renews itself, and what a given date would find.

use model::moment::Moment;
use serde::Serialize;
use std::fmt::Write as _;

/// How long before its end a certificate that a person must renew is called out: 30 days.
const SOON_MS: u64 = 30 * DAY_MS;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// Who puts a new one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// The program that uses it, in time.
    Automatic,
    /// An operator.
    Manual,
}

/// One certificate as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// `drillyard`, or the cluster.
    pub scope: String,
    /// Which one: `operator identity`, `apiserver serving`, ...
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Where it was seen: a file, or `address:port` for one that a server showed.
    pub seen: String,
    /// Begin; None when only the end is on record.
    pub not_before: Option<Moment>,
    /// End.
    pub not_after: Moment,
    /// Who renews it.
    pub renewal: Renewal,
}

/// What a certificate is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// Its time has not come.
    NotYet,
    /// Good.
    Valid,
    /// Good, but a person must act within 30 days.
    Soon,
    /// Run out.
    Expired,
}

/// One line of the horizon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The certificate.
    #[serde(flatten)]
    pub certificate: Certificate,
    /// End, RFC 3339.
    pub expires: String,
    /// Milliseconds from the asked moment to the end; 0 when it is over.
    pub remaining_ms: u64,
    /// What it is at that moment.
    pub state: CertificateState,
}

/// All certificates, the one that runs out first on top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Horizon {
    /// The moment that is asked about, RFC 3339.
    pub at: String,
    /// Whether that is another moment than now.
    pub what_if: bool,
    /// Sorted by end.
    pub certificates: Vec<Line>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// Sorts and judges. `now` is the time of the look; `at` the moment that is asked about. What renews itself is judged as
/// it is today, since its successor is not there yet; only when its end lies before `now` is it lost.
pub fn horizon(
    mut certificates: Vec<Certificate>,
    mut unseen: Vec<String>,
    now: Moment,
    at: Option<Moment>,
) -> Horizon {
    let asked = at.unwrap_or(now);
    certificates.sort_by(|a, b| {
        (a.not_after, &a.scope, &a.name, &a.seen).cmp(&(b.not_after, &b.scope, &b.name, &b.seen))
    });
    unseen.sort();
    Horizon {
        at: asked.to_string(),
        what_if: at.is_some(),
        certificates: certificates
            .into_iter()
            .map(|certificate| Line {
                expires: certificate.not_after.to_string(),
                remaining_ms: certificate.not_after.millis_since(asked),
                state: state(&certificate, asked),
                certificate,
            })
            .collect(),
        unseen,
    }
}

fn state(certificate: &Certificate, at: Moment) -> CertificateState {
    if certificate.not_before.is_some_and(|begin| at < begin) {
        return CertificateState::NotYet;
    }
    if at >= certificate.not_after {
        return CertificateState::Expired;
    }
    let soon = certificate.renewal == Renewal::Manual && certificate.not_after.millis_since(at) < SOON_MS;
    if soon {
        CertificateState::Soon
    } else {
        CertificateState::Valid
    }
}

impl Horizon {
    /// The certificates that are over at the asked moment and that nobody renews by itself.
    pub fn lost(&self) -> impl Iterator<Item = &Line> {
        self.certificates.iter().filter(|line| {
            line.state == CertificateState::Expired && line.certificate.renewal == Renewal::Manual
        })
    }

    /// The table for people.
    pub fn render(&self) -> String {
        let mut out = String::new();
        let at = if self.what_if { "as of" } else { "now" };
        let _ = writeln!(out, "{at} {}", self.at);
        let width = |of: fn(&Certificate) -> &str, least: usize| {
            let lengths = self.certificates.iter().map(|line| of(&line.certificate).len());
            lengths.max().unwrap_or(0).max(least)
        };
        let (scope, name) = (width(|c| &c.scope, 5), width(|c| &c.name, 11));
        let _ = writeln!(
            out,
            "{:<20}  {:<8}  {:>9}  {:<9}  {:<scope$}  {:<name$}  seen at",
            "expires", "state", "left", "renewal", "scope", "certificate"
        );
        for line in &self.certificates {
            let c = &line.certificate;
            let _ = writeln!(
                out,
                "{:<20}  {:<8}  {:>9}  {:<9}  {:<scope$}  {:<name$}  {}",
                format!("{}Z", line.expires.get(..19).unwrap_or(&line.expires)),
                word(&line.state),
                left(line.remaining_ms),
                word(&c.renewal),
                c.scope,
                c.name,
                c.seen
            );
        }
        for unseen in &self.unseen {
            let _ = writeln!(out, "not seen: {unseen}");
        }
        let lost: Vec<String> = self
            .lost()
            .map(|line| format!("{} {}", line.certificate.scope, line.certificate.name))
            .collect();
        if !lost.is_empty() {
            let tense = if self.what_if { "will have" } else { "have" };
            let _ = writeln!(
                out,
                "{} of {} {tense} run out and do not renew themselves: {}",
                lost.len(),
                self.certificates.len(),
                lost.join(", ")
            );
        }
        out
    }
}

fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    word.and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn left(ms: u64) -> String {
    match (ms / DAY_MS, ms / 3_600_000, ms / 60_000) {
        (0, 0, 0) => "-".into(),
        (0, 0, minutes) => format!("{minutes} min"),
        (days, hours, _) if days < 3 => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn certificate(scope: &str, name: &str, days: i64, renewal: Renewal) -> Certificate {
        Certificate {
            scope: scope.into(),
            name: name.into(),
            subject: "CN=x".into(),
            seen: "192.168.64.10:6443".into(),
            not_before: Some(Moment(-DAY)),
            not_after: Moment(days * DAY),
            renewal,
        }
    }

    fn all() -> Vec<Certificate> {
        vec![
            certificate("mgmt", "apiserver serving", 365, Renewal::Manual),
            certificate("drillyard", "agent app1-cp", 3, Renewal::Automatic),
            certificate("drillyard", "root", 3650, Renewal::Manual),
        ]
    }

    #[test]
    fn the_first_to_run_out_stands_on_top_and_a_date_moves_the_view() {
        let states = |at: Option<i64>| {
            let horizon = horizon(all(), vec![], Moment(0), at.map(|days| Moment(days * DAY)));
            let states = horizon.certificates.iter().map(|l| l.state).collect::<Vec<_>>();
            (states, horizon.lost().count())
        };
        use CertificateState::{Expired, NotYet, Soon, Valid};
        assert_eq!(states(None), (vec![Valid, Valid, Valid], 0));
        assert_eq!(states(Some(340)), (vec![Expired, Soon, Valid], 0));
        assert_eq!(states(Some(365)), (vec![Expired, Expired, Valid], 1));
        assert_eq!(states(Some(4000)), (vec![Expired, Expired, Expired], 2));
        assert_eq!(states(Some(-2)), (vec![NotYet, NotYet, NotYet], 0));
    }

    #[test]
    fn the_table_is_stable() {
        let unseen = vec!["app2 apiserver at 192.168.64.30:6443: refused".to_owned()];
        let text = horizon(all(), unseen, Moment(0), Some(Moment(366 * DAY))).render();
        let expected = "\
as of 1971-01-02T00:00:00.000000Z
expires               state          left  renewal    scope      certificate        seen at
1970-01-04T00:00:00Z  expired           -  automatic  drillyard  agent app1-cp      192.168.64.10:6443
1971-01-01T00:00:00Z  expired           -  manual     mgmt       apiserver serving  192.168.64.10:6443
1979-12-30T00:00:00Z  valid        3284 d  manual     drillyard  root               192.168.64.10:6443
not seen: app2 apiserver at 192.168.64.30:6443: refused
1 of 3 will have run out and do not renew themselves: mgmt apiserver serving
";
        assert_eq!(text, expected, "\n{text}");
    }
}
