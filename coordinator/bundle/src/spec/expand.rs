//! Fills `${NAME}` and `${NAME:FORM}` from the document's versions, so that each version is written once.

use std::collections::BTreeMap;

use super::{Spec, SpecError};

/// Replaces every version reference in the fields that may hold one.
pub(super) fn expand(spec: &mut Spec) -> Result<(), SpecError> {
    let versions = spec.versions.clone();
    let fill = |field: String, text: &mut String| -> Result<(), SpecError> {
        *text = filled(&versions, &field, text)?;
        Ok(())
    };
    for module in &mut spec.modules {
        let field = format!("modules.{}", module.name);
        fill(format!("{field}.version"), &mut module.version.is)?;
        for flag in &mut module.ldflags {
            fill(format!("{field}.ldflags"), flag)?;
        }
        for program in &mut module.programs {
            for flag in &mut program.ldflags {
                fill(format!("{field}.programs.{}.ldflags", program.name), flag)?;
            }
        }
    }
    for image in &mut spec.images {
        fill(format!("images.{}.reference", image.name), &mut image.reference)?;
    }
    for chart in &mut spec.charts {
        if let Some(version) = &mut chart.version {
            fill(format!("charts.{}.version", chart.name), version)?;
        }
    }
    Ok(())
}

fn filled(versions: &BTreeMap<String, String>, field: &str, text: &str) -> Result<String, SpecError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let unknown = |name: &str| SpecError::Version {
            field: field.to_owned(),
            name: name.to_owned(),
        };
        let (name, tail) = after.split_once('}').ok_or_else(|| unknown(after))?;
        out.push_str(before);
        out.push_str(value(versions, name).ok_or_else(|| unknown(name))?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The version that `NAME` or `NAME:FORM` stands for.
fn value<'a>(versions: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let (key, form) = name.split_once(':').unwrap_or((name, ""));
    let whole = versions.get(key)?;
    let bare = whole.strip_prefix('v').unwrap_or(whole);
    match form {
        "" => Some(whole),
        "bare" => Some(bare),
        "major" => bare.split('.').next(),
        "minor" => bare.split('.').nth(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_version() {
        let versions = BTreeMap::from([("k".to_owned(), "v1.35.4".to_owned())]);
        let fill = |text| filled(&versions, "f", text).map_err(|e| e.to_string());
        assert_eq!(
            fill("a:${k} ${k:bare} ${k:major}/${k:minor}!").unwrap(),
            "a:v1.35.4 1.35.4 1/35!"
        );
        assert_eq!(fill("none").unwrap(), "none");
        for bad in ["${x}", "${k:patch}", "${k"] {
            assert!(fill(bad).unwrap_err().starts_with("f: "), "{bad}");
        }
    }
}
