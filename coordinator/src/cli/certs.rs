//! `certs`: one horizon over every certificate of the lab.

use super::args::Certs;
use super::output::{out, outln};
use super::{Context, block_on};
use crate::exit::{Failure, Outcome};
use crate::{certs, clock};
use model::moment::Moment;

pub(crate) fn run(context: &Context, options: &Certs) -> Result<Outcome, Failure> {
    let at = options
        .at
        .as_deref()
        .map(|text| moment(text).ok_or_else(|| no_date(text)))
        .transpose()?;
    let seen = block_on(async { Ok(certs::look(&context.lab, &context.places).await) })?;
    let horizon = domain::certs::horizon(seen.certificates, seen.unseen, clock::now(), at);
    if context.json {
        outln!("{}", serde_json::json!(horizon));
    } else {
        out!("{}", horizon.render());
    }
    Ok(Outcome::Done)
}

fn no_date(text: &str) -> Failure {
    Failure::new(
        Outcome::Usage,
        "DY-0135",
        format!("--at: {text:?} is no date"),
        "coordinator certs --at 2027-03-01, or 2027-03-01T12:00:00Z",
    )
}

/// `YYYY-MM-DD`, or with `THH:MM:SSZ`; UTC.
fn moment(text: &str) -> Option<Moment> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, clock.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = time::Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<u8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let at = date.with_hms(hour, minute, second).ok()?.assume_utc();
    at.unix_timestamp().checked_mul(1_000_000).map(Moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_strictly() {
        let text = |text: &str| moment(text).map(|m| m.to_string());
        assert_eq!(text("2027-03-01").as_deref(), Some("2027-03-01T00:00:00.000000Z"));
        assert_eq!(
            text("2027-03-01T12:30:05Z").as_deref(),
            Some("2027-03-01T12:30:05.000000Z")
        );
        for bad in [
            "",
            "tomorrow",
            "2027-13-01",
            "2027-02-30",
            "27-02-03",
            "2027-02-03T25:00:00Z",
            "2027-02-03T10:00",
        ] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }
}
