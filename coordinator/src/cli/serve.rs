//! `serve`: the daemon in the foreground.

use super::Context;
use crate::exit::{Failure, Outcome};

pub(crate) fn run(context: &Context) -> Result<Outcome, Failure> {
    crate::daemon::serve(context.lab.clone(), context.places.clone(), context.json)
}
