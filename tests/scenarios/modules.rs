//! Both node modules take the same inputs and give the same outputs, so that the root configuration may choose either.

use std::collections::BTreeMap;
use tests::lab::root;

/// Blocks of a kind with their text, by name. The modules are formatted by `terraform fmt`, so a block ends where a line is
/// just a brace.
fn blocks(module: &str, file: &str, kind: &str) -> BTreeMap<String, String> {
    let path = root().join("terraform/modules").join(module).join(file);
    let text = std::fs::read_to_string(&path).expect("the module's file");
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix(&format!("{kind} \"")) else {
            continue;
        };
        let name = rest.split('"').next().expect("a name").to_owned();
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "}").collect();
        found.insert(name, body.join("\n"));
    }
    found
}

#[test]
fn both_providers_modules_take_the_same_inputs() {
    let (nspawn, multipass) = (
        blocks("nspawn", "variables.tf", "variable"),
        blocks("multipass", "variables.tf", "variable"),
    );
    assert!(nspawn.len() > 3, "{nspawn:?}");
    assert_eq!(nspawn, multipass);
}

#[test]
fn both_providers_modules_give_the_same_outputs() {
    let names = |module| {
        blocks(module, "outputs.tf", "output")
            .into_keys()
            .collect::<Vec<_>>()
    };
    assert!(!names("nspawn").is_empty());
    assert_eq!(names("nspawn"), names("multipass"));
}
