//! The last guard before an archive leaves the host: every secret of the lab's home, by its value, whatever file it may have
//! got into. Secrets do not reach the log or the events in the first place; this makes a mistake there harmless.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_norway::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// What stands for a secret.
const GONE: &[u8] = b"[redacted]";

/// Shorter values are no secrets of ours, and would blot out ordinary text.
const SHORTEST: usize = 12;

/// Keys of a kubeconfig whose values are secrets.
const KUBECONFIG: [&str; 3] = ["client-key-data", "token", "password"];

/// The secrets to look for.
#[derive(Default)]
pub struct Scrubber(BTreeSet<Vec<u8>>);

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} values)", self.0.len())
    }
}

impl Scrubber {
    /// Reads all secrets of the lab below `home`: private keys, join tokens, components' secrets, keys of Vault, kubeconfigs' credentials, the web
    /// page's secret.
    pub fn of(home: &Path) -> Self {
        let mut scrubber = Self::default();
        for folder in ["pki", "secrets", "sealing", "kubeconfig"] {
            for entry in walkdir::WalkDir::new(home.join(folder)).into_iter().flatten() {
                if !entry.file_type().is_file() {
                    continue;
                }
                let Ok(bytes) = std::fs::read(entry.path()) else {
                    continue;
                };
                if folder == "sealing" {
                    scrubber.raw(&bytes);
                }
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                scrubber.keys(&text);
                match folder {
                    "secrets" if !text.contains("-----BEGIN") => scrubber.words(&text),
                    "kubeconfig" => scrubber.kubeconfig(&text),
                    _ => {}
                }
            }
        }
        // The web page's address holds its secret.
        let note = std::fs::read(home.join("web.json")).ok();
        let note = note.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        if let Some(secret) = note.as_ref().and_then(|note| note["secret"].as_str()) {
            scrubber.add(secret);
        }
        scrubber
    }

    /// Adds a value, also as base64 carries it.
    pub fn add(&mut self, value: &str) {
        let value = value.trim();
        if value.len() >= SHORTEST {
            self.0.insert(STANDARD.encode(value).into_bytes());
            self.0.insert(value.into());
        }
    }

    /// A key of plain bytes, in every spelling that could carry it.
    fn raw(&mut self, bytes: &[u8]) {
        if bytes.len() >= SHORTEST {
            let spellings = [
                bytes.to_vec(),
                hex::encode(bytes).into(),
                STANDARD.encode(bytes).into(),
            ];
            self.0.extend(spellings);
        }
    }

    /// Lines of private keys; certificates are public.
    fn keys(&mut self, text: &str) {
        let mut within = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("-----") {
                within = line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY");
            } else if within {
                self.add(line);
            }
        }
    }

    /// A file that is a secret: all of it, and each value in it.
    fn words(&mut self, text: &str) {
        self.add(text);
        for word in text.split(|c: char| c.is_whitespace() || "\"',:=".contains(c)) {
            self.add(word);
        }
    }

    fn kubeconfig(&mut self, text: &str) {
        let document: Value = serde_norway::from_str(text).unwrap_or_default();
        let users = document["users"].as_sequence().cloned().unwrap_or_default();
        for value in users
            .iter()
            .flat_map(|user| KUBECONFIG.map(|key| &user["user"][key]))
        {
            let Some(value) = value.as_str() else { continue };
            self.add(value);
            let decoded = STANDARD
                .decode(value)
                .ok()
                .and_then(|pem| String::from_utf8(pem).ok());
            self.keys(&decoded.unwrap_or_default());
        }
    }

    /// Takes every secret out of `content` in one pass; how many there were.
    pub fn scrub(&self, content: &mut Vec<u8>) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        // The longest of those that begin at one place: a value may be part of another one.
        let searcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&self.0);
        let Ok(searcher) = searcher else {
            // More values than can be searched for: rather nothing of the file than a secret in it.
            *content = GONE.to_vec();
            return 1;
        };
        let mut found = 0;
        let mut kept = Vec::with_capacity(content.len());
        let mut from = 0;
        for hit in searcher.find_iter(&content) {
            kept.extend_from_slice(content.get(from..hit.start()).unwrap_or_default());
            kept.extend_from_slice(GONE);
            from = hit.end();
            found += 1;
        }
        kept.extend_from_slice(content.get(from..).unwrap_or_default());
        *content = kept;
        found
    }
}
