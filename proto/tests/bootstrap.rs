//! The generated code is checked in; this test makes it anew and fails when it differs.
//!
//! After a change of the schema: `DRILLYARD_REGENERATE=1 cargo test -p proto --test bootstrap`.

use std::path::Path;

/// The schema for reflection: protobuf's own form of it, without comments.
#[test]
fn the_descriptors_are_current() {
    use prost::Message as _;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = protox::compile(["drillyard/v1/drillyard.proto"], [root]).expect("the schema compiles");
    for file in &mut files.file {
        file.source_code_info = None;
    }
    let fresh = files.encode_to_vec();
    let kept = root.join("src/gen/drillyard.v1.bin");
    if std::env::var_os("DRILLYARD_REGENERATE").is_some() {
        std::fs::write(&kept, &fresh).expect("write descriptors");
    }
    assert!(
        std::fs::read(&kept).is_ok_and(|bytes| bytes == fresh),
        "proto/src/gen is stale: set DRILLYARD_REGENERATE=1 and run this test again"
    );
}

#[test]
fn generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = tempfile::tempdir().expect("temporary directory");
    let files = protox::compile(["drillyard/v1/drillyard.proto"], [root]).expect("the schema compiles");
    tonic_prost_build::configure()
        .build_transport(true)
        .out_dir(made.path())
        // One text for all subscribers, not a copy for each.
        .bytes(".drillyard.v1.LogEntry.json")
        .skip_debug([
            "drillyard.v1.StepSecret",
            "drillyard.v1.EnrolRequest",
            "drillyard.v1.MintUserDataResponse",
        ])
        .compile_fds(files)
        .expect("code generation");
    let fresh = std::fs::read_to_string(made.path().join("drillyard.v1.rs")).expect("generated file");
    let kept = root.join("src/gen/drillyard.v1.rs");
    if std::env::var_os("DRILLYARD_REGENERATE").is_some() {
        std::fs::write(&kept, &fresh).expect("write generated file");
    }
    let current = std::fs::read_to_string(&kept).expect("checked-in file");
    assert!(
        fresh == current,
        "proto/src/gen is stale: set DRILLYARD_REGENERATE=1 and run this test again"
    );
}
