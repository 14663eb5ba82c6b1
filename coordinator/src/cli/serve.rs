//! `serve`: the daemon in the foreground.

use super::Context;
use super::args::Serve;
use crate::exit::{Failure, Outcome};

pub(crate) fn run(context: &Context, options: &Serve) -> Result<Outcome, Failure> {
    crate::daemon::serve(
        context.lab.clone(),
        context.places.clone(),
        context.json,
        options.web_port,
    )
}
