//! `explain`: the page of an error code.

use super::args::Explain;
use super::output::{out, outln};
use crate::exit::{Failure, Outcome};
use domain::catalogue;

pub(crate) fn run(options: &Explain, json: bool) -> Result<Outcome, Failure> {
    let Some(code) = &options.code else {
        if json {
            let all: Vec<_> = catalogue::all().collect();
            outln!("{}", serde_json::json!(all));
        } else {
            for entry in catalogue::all() {
                outln!("{}  {}", entry.code, entry.title);
            }
        }
        return Ok(Outcome::Done);
    };
    let entry = catalogue::find(code).ok_or_else(|| {
        Failure::new(
            Outcome::Usage,
            "DY-0134",
            format!("{code:?} is no error code of this release"),
            "coordinator explain",
        )
    })?;
    if json {
        outln!("{}", serde_json::json!(entry));
    } else {
        out!("{}", catalogue::page(entry));
    }
    Ok(Outcome::Done)
}
