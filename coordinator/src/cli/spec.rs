//! `spec`: the lab document, its schema, its check.

use super::args::Spec;
use super::output::{out, outln};
use super::{lab_failure, load_lab};
use crate::exit::{Failure, Outcome};
use model::lab::{Lab, LabError};
use std::path::Path;

pub(crate) fn run(options: &Spec, lab: Option<&Path>, json: bool) -> Result<Outcome, Failure> {
    if options.schema {
        outln!("{:#}", Lab::schema());
        return Ok(Outcome::Done);
    }
    let Some(path) = &options.check else {
        let lab = load_lab(lab)?;
        if json {
            outln!("{}", serde_json::to_string_pretty(&lab).unwrap_or_default());
        } else {
            out!("{}", lab.to_yaml());
        }
        return Ok(Outcome::Done);
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        lab_failure(
            path,
            &LabError::Rules(vec![model::Invalid::new("file", "", error.to_string())]),
        )
    })?;
    match Lab::from_yaml(&text) {
        Ok(lab) if json => {
            outln!(
                "{}",
                serde_json::json!({"valid": true, "lab": lab.name, "nodes": lab.nodes().count()})
            );
        }
        Ok(lab) => outln!(
            "{}: valid, {} clusters, {} nodes",
            path.display(),
            lab.clusters.len(),
            lab.nodes().count()
        ),
        Err(error) => return Err(lab_failure(path, &error)),
    }
    Ok(Outcome::Done)
}
