//! What is said of drill files that are wrong.

use super::reached::fails;
use super::root;
use std::path::Path;
use std::process::Command;

/// Whoever writes a drill of their own learns which field is wrong, and still sees the others.
#[test]
fn a_wrong_drill_file_hides_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let (home, project) = (dir.path().join("home"), dir.path().join("project"));
    let drills = project.join("values/drills");
    std::fs::create_dir_all(&drills).expect("made");
    let good = std::fs::read_to_string(root().join("values/drills/worker-loss.yaml")).expect("shipped");
    let wrong =
        good.replacen("name: worker-loss", "name: mine", 1)
            .replacen("periodMs: 250", "periodMs: 1", 1);
    for (name, text) in [
        ("worker-loss", &good),
        ("mine", &wrong),
        ("other", &"nothing".into()),
    ] {
        std::fs::write(drills.join(format!("{name}.yaml")), text).expect("written");
    }
    let places: &[(&str, &Path)] = &[
        ("DRILLYARD_HOME", &home),
        ("DRILLYARD_CACHE", &home),
        ("DRILLYARD_PROJECT", &project),
    ];
    let ended = fails(&["drill", "mine"], places);
    ended.must_be("DY-0150", 2);
    for part in [
        "mine.yaml",
        "probes[0].periodMs",
        "coordinator drill show --schema",
    ] {
        assert!(ended.text.contains(part), "{part} is not in {}", ended.text);
    }
    let ended = fails(&["drill", "list"], places);
    ended.must_be("DY-0150", 2);
    assert!(
        ended.text.contains("mine.yaml") && ended.text.contains("other.yaml"),
        "{}",
        ended.text
    );
    let list = Command::new(&*super::PROGRAM)
        .args(["drill", "list"])
        .envs(places.iter().copied())
        .output();
    let shown = String::from_utf8(list.expect("runs").stdout).expect("text");
    // Behind an empty line stands what no drill looks at.
    assert!(
        shown.starts_with("worker-loss ") && shown.lines().take_while(|line| !line.is_empty()).count() == 1,
        "{shown}"
    );
    let nowhere = [
        places[0],
        places[1],
        ("DRILLYARD_PROJECT", Path::new("/nonexistent")),
    ];
    let ended = fails(&["drill", "list"], &nowhere);
    assert!(ended.text.contains("set DRILLYARD_PROJECT"), "{}", ended.text);
}
