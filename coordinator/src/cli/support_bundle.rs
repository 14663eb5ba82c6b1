//! `support-bundle`: one redacted archive of what is known of the lab.

use super::args::SupportBundle;
use super::output::outln;
use super::{Context, block_on};
use crate::daemon_record::DaemonRecord;
use crate::exit::{Failure, Outcome};
use crate::operator_auth::connect_operator;
use crate::support::{self, Scrubber};
use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

pub(crate) fn run(context: &Context, options: &SupportBundle) -> Result<Outcome, Failure> {
    let (lab, places) = (&context.lab, &context.places);
    let served = DaemonRecord::alive(places).is_some();
    let asked = block_on(async {
        Ok(match connect_operator(&places.home).await {
            Ok(channel) if served => Some(support::from_daemon(lab, places, channel).await),
            _ => None,
        })
    })?;
    let gathered = asked.unwrap_or_else(|| support::from_log(lab, places));
    let (manifest, files) = gathered.finish(lab, &Scrubber::of(&places.home));
    let path = options.output.clone().unwrap_or_else(|| {
        let stamp = manifest.made.to_string().replace([':', '.'], "-");
        PathBuf::from(format!("drillyard-{}-{stamp}.tar.gz", lab.name))
    });
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let message = format!("{}: {}", path.display(), crate::exit::chain(error));
        let next = "coordinator support-bundle -o FILE, with a file that does not exist yet";
        Failure::new(Outcome::Internal, "DY-0180", message, next)
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| failed(&e))?;
    let manifest = support::write(BufWriter::new(file), manifest, &files).map_err(|e| {
        // A part of an archive is worse than none.
        let _ = std::fs::remove_file(&path);
        failed(&e)
    })?;
    for missing in &manifest.missing {
        eprintln!("not in it: {missing}");
    }
    if context.json {
        let document = serde_json::json!({"file": path, "manifest": manifest});
        outln!("{document}");
    } else {
        outln!("{}", path.display());
    }
    Ok(Outcome::Done)
}
