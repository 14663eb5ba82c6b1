//! Secrets that are looked for by value, in every spelling in which a program of ours might carry them out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Bytes by which a spelling is found first. Shorter ones could be met by chance.
const HEAD: usize = 12;

type Head = [u8; HEAD];

/// Everything that must not be seen, by its name.
#[derive(Default)]
pub(crate) struct Secrets {
    names: Vec<String>,
    /// Spellings with the number of the secret's name, by how they begin.
    spellings: HashMap<Head, Vec<(Vec<u8>, usize)>>,
    /// The first two bytes of all of them, so that most positions cost one look.
    begins: HashSet<[u8; 2]>,
}

impl Secrets {
    /// Adds a secret of one or more values, any of which gives it away.
    pub(crate) fn add(&mut self, name: &str, values: &[&str]) {
        let number = self.names.len();
        self.names.push(name.to_owned());
        for spelling in values.iter().flat_map(|value| spellings(value)) {
            let head: Head = *spelling.first_chunk().expect("long enough to be no chance");
            self.begins.insert([head[0], head[1]]);
            self.spellings.entry(head).or_default().push((spelling, number));
        }
    }

    /// Adds the private keys of a file, by the lines that carry them; a file without any adds nothing.
    pub(crate) fn add_keys(&mut self, name: &str, text: &str) {
        let lines = key_lines(text);
        if !lines.is_empty() {
            self.add(name, &lines);
        }
    }

    /// Names of the secrets that are in `bytes`, in the order in which they were added.
    pub(crate) fn within(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = BTreeSet::new();
        let mut at = 0;
        while let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk::<HEAD>()) {
            if self.begins.contains(&[head[0], head[1]])
                && let Some(candidates) = self.spellings.get(head)
            {
                let whole = candidates.iter().filter(|(s, _)| bytes[at..].starts_with(s));
                found.extend(whole.map(|(_, number)| *number));
            }
            at += 1;
        }
        found.iter().map(|number| self.names[*number].as_str()).collect()
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// The lines of private keys; what is shorter than 20 characters could be found by chance.
pub(crate) fn key_lines(text: &str) -> Vec<&str> {
    let private = text
        .split("-----BEGIN ")
        .filter(|block| block.starts_with("PRIVATE KEY"));
    private
        .flat_map(|block| {
            block
                .lines()
                .skip(1)
                .take_while(|line| !line.starts_with("-----"))
        })
        .filter(|line| line.len() >= 20)
        .collect()
}

fn spellings(value: &str) -> BTreeSet<Vec<u8>> {
    let bytes = value.as_bytes();
    let json = serde_json::to_string(value).expect("text");
    let json = &json[1..json.len() - 1];
    let hex = hex::encode(bytes);
    let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut all = BTreeSet::from([
        value.to_owned(),
        json.to_owned(),
        json.replace('/', "\\/"),
        // A JSON text in a JSON text.
        json.replace('\\', "\\\\").replace('"', "\\\""),
        percent(bytes, |b| format!("%{b:02X}")),
        percent(bytes, |b| format!("%{b:02x}")),
        percent(bytes, |b| {
            if b == b' ' {
                "+".into()
            } else {
                format!("%{b:02X}")
            }
        }),
        hex.to_uppercase(),
        hex,
        // Bytes as Rust's `Debug` and JSON show them.
        decimal.join(", "),
        decimal.join(","),
    ]);
    // In a longer text the secret may begin at any of three places of base64's groups; what it shares with its neighbours
    // is left out.
    for before in 0..3 {
        let shifted = [&[0; 2][..before], bytes].concat();
        let from = if before == 0 { 0 } else { before + 1 };
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            let to = text.len() - usize::from(!shifted.len().is_multiple_of(3));
            all.insert(text[from..to].to_owned());
        }
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// A URL's spelling; `other` writes what may not stand in one.
fn percent(bytes: &[u8], other: impl Fn(u8) -> String) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    bytes
        .iter()
        .map(|b| {
            if plain(*b) {
                char::from(*b).to_string()
            } else {
                other(*b)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    const VALUE: &str = "a secret/with \"quotes\" + ümlaut";

    fn found(bytes: &[u8]) -> bool {
        let mut secrets = Secrets::default();
        secrets.add("another", &["nobody would write this"]);
        secrets.add("it", &[VALUE]);
        secrets.within(bytes) == ["it"]
    }

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let url = "a%20secret%2Fwith%20%22quotes%22%20%2B%20%C3%BCmlaut";
        let json = serde_json::json!({ "a": VALUE }).to_string();
        let spelled = [
            VALUE.to_owned(),
            format!("{VALUE:?}"),
            json.clone(),
            json.replace('/', "\\/"),
            serde_json::json!({ "b": json }).to_string(),
            hex::encode(VALUE),
            hex::encode_upper(VALUE),
            url.to_owned(),
            url.to_lowercase(),
            url.replace("%20", "+"),
            format!("{:?}", VALUE.as_bytes()),
            serde_json::to_string(VALUE.as_bytes()).expect("JSON"),
        ];
        for text in spelled {
            assert!(found(text.as_bytes()), "{text}");
            assert!(found(format!("before {text} after").as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_secret_is_found_at_every_place_of_a_base64_text() {
        for (before, after) in [
            ("", ""),
            ("x", "y"),
            ("xy", "yz"),
            ("xyz", "abc"),
            ("user:", "@host\n"),
        ] {
            let text = format!("{before}{VALUE}{after}");
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                let encoded = engine.encode(&text);
                assert!(found(encoded.as_bytes()), "{before:?} {after:?} {encoded}");
            }
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let half = &VALUE[..VALUE.len() / 2];
        for text in ["", "short", half, &STANDARD.encode(half), &hex::encode(half)] {
            assert!(!found(text.as_bytes()), "{text}");
        }
    }
}
