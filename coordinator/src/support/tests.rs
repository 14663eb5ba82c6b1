//! The archive under damage, and secrets that must not get into it.

use super::*;
use crate::engine::Engine;
use crate::envelope::Stamper;
use crate::journal::RedbJournal;
use crate::places::Places;
use domain::event::Event;
use domain::record::Record;
use model::ids::LogId;
use model::lab::Lab;
use model::moment::Moment;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        made: Moment(1_700_000_000_000_000),
        lab: "yard".into(),
        version: "0.1.0".into(),
        source: "log".into(),
        missing: vec!["metrics.txt: no daemon".into()],
        redactions: 0,
        files: Vec::new(),
    }
}

fn packed() -> Vec<u8> {
    let events: String = (0..200).map(|n| format!("{{\"revision\":{n}}}\n")).collect();
    let files = BTreeMap::from([
        ("status.json".to_owned(), b"{}".to_vec()),
        ("events.jsonl".to_owned(), events.into_bytes()),
    ]);
    let mut out = Vec::new();
    write(&mut out, manifest(), &files).expect("written");
    out
}

#[test]
fn what_was_packed_is_read_back_and_the_same_content_gives_the_same_bytes() {
    let bytes = packed();
    assert_eq!(bytes, packed());
    let contents = read(bytes.as_slice()).expect("read");
    assert_eq!(contents.files["status.json"], b"{}");
    assert_eq!(contents.manifest.files.len(), 2);
    assert_eq!(contents.manifest.missing, manifest().missing);
}

/// Any change either shows as an error or leaves the content as it was (a bit in gzip's header); nothing panics.
#[test]
fn no_damage_panics_or_passes_for_the_truth() {
    let seed = rand::rng().random::<u64>();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let whole = packed();
    let truth = read(whole.as_slice()).expect("read");
    let mut refused = 0;
    for _ in 0..600 {
        let mut bytes = whole.clone();
        match dice.random_range(0..4) {
            0 => bytes.truncate(dice.random_range(0..whole.len())),
            1 => {
                let at = dice.random_range(0..whole.len());
                bytes[at] ^= 1 << dice.random_range(0..8);
            }
            2 => {
                let at = dice.random_range(0..whole.len());
                let end = (at + dice.random_range(1..64)).min(whole.len());
                dice.fill(&mut bytes[at..end]);
            }
            _ => {
                let at = dice.random_range(0..whole.len());
                bytes.drain(..at);
            }
        }
        match read(bytes.as_slice()) {
            Ok(contents) => assert!(contents == truth, "seed {seed}"),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(refused > 300, "only {refused} of 600 were noticed, seed {seed}");
}

/// The same below gzip, whose checksum would catch everything first.
#[test]
fn damage_that_is_packed_again_is_noticed_too() {
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed().as_slice()), &mut tar)
        .expect("gzip");
    let truth = read(packed().as_slice()).expect("read");
    let seed = rand::rng().random::<u64>();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    for _ in 0..400 {
        let mut bytes = tar.clone();
        for _ in 0..dice.random_range(1..4) {
            let at = dice.random_range(0..bytes.len());
            bytes[at] = dice.random();
        }
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zip, &bytes).expect("memory");
        let packed = zip.finish().expect("memory");
        if let Ok(contents) = read(packed.as_slice()) {
            // The manifest's own words may differ; no file may.
            assert!(contents.files == truth.files, "seed {seed}");
        }
    }
}

#[test]
fn what_does_not_fit_the_manifest_is_named() {
    let said = |bytes: &[u8]| read(bytes).expect_err("refused").to_string();
    assert!(said(b"").contains("no support bundle"), "{}", said(b""));
    let mut newer = manifest();
    newer.format = FORMAT + 1;
    let mut out = Vec::new();
    write(&mut out, newer, &BTreeMap::new()).expect("written");
    assert!(said(&out).contains("format 2"), "{}", said(&out));
}

/// A home with secrets of every kind, and a log into which one of them got by mistake.
#[test]
fn secrets_are_taken_out_whatever_file_they_got_into() {
    let dir = tempfile::tempdir().expect("temp");
    let home = dir.path().join("home");
    let places = Places {
        home: home.clone(),
        cache: dir.path().join("cache"),
        project: Path::new("/").into(),
        program: Path::new("/").into(),
    };
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0123456789abcdef";
    let token = "abcdef.0123456789abcdef";
    for (file, content) in [
        (
            "pki/root.key",
            format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"),
        ),
        ("secrets/join-app1", token.to_owned()),
        (
            "secrets/vault.json",
            r#"{"root_token":"hvs.CAESIJplantedvault"}"#.to_owned(),
        ),
        (
            "kubeconfig/app1",
            "users:\n- user:\n    client-key-data: UExBTlRFRC1LRVk=\n".to_owned(),
        ),
        (
            "coordinator.log",
            format!("oops abcdef.9999999999999999 and {key} and hvs.CAESIJplantedvault"),
        ),
    ] {
        crate::files::write_private(&home.join(file), content.as_bytes()).expect("written");
    }
    let lab = Lab::default();
    let journal = RedbJournal::open(&home.join("log.redb"), LogId([7; 16])).expect("opened");
    let (engine, handle, effects) =
        Engine::open(Box::new(journal), Stamper::default(), |_| None).expect("folds");
    drop(effects);
    let leak = Record::Audit {
        actor: "operator:jane".into(),
        action: "look".into(),
        target: "UExBTlRFRC1LRVk=".into(),
        outcome: "allowed".into(),
    };
    handle.submit(Event::Logged(leak));
    drop(handle);
    engine.run().expect("ran");
    let before = fs::read(home.join("log.redb")).expect("read");

    let (manifest, files) = from_log(&lab, &places).finish(&lab, &Scrubber::of(&home));
    assert_eq!(manifest.redactions, 3, "{manifest:?}");
    for (name, content) in &files {
        let text = String::from_utf8_lossy(content);
        for secret in [key, token, "hvs.CAESIJplantedvault", "UExBTlRFRC1LRVk="] {
            assert!(!text.contains(secret), "{secret} is in {name}");
        }
    }
    let events = String::from_utf8_lossy(&files["events.jsonl"]).into_owned();
    assert!(
        events.contains("\"kind\":\"audit\"") && events.contains("[redacted]"),
        "{events}"
    );
    let status: serde_json::Value = serde_json::from_slice(&files["status.json"]).expect("JSON");
    assert_eq!(
        (&status["lab"], &status["revision"]),
        (&"default".into(), &1.into()),
        "the state was folded"
    );
    // Without the scrubber the same secrets are found: this test can fail.
    let (_, raw) = from_log(&lab, &places).finish(&lab, &Scrubber::default());
    let raw = String::from_utf8_lossy(&raw["coordinator.log"]).into_owned();
    assert!(raw.contains(key) && raw.contains("hvs."), "{raw}");
    // What looks like a join token goes whoever made it.
    assert!(!raw.contains("9999999999999999"), "{raw}");
    assert_eq!(
        fs::read(home.join("log.redb")).expect("read"),
        before,
        "the log was touched"
    );
    let left: Vec<_> = fs::read_dir(&home)
        .expect("read")
        .flatten()
        .filter(|f| f.file_name().to_string_lossy().contains("support"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
