//! What of the events is shown: words that must all fit, each bare or as `key:value`.

use serde_json::Value;

/// A parsed filter; empty lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    key: Option<&'static str>,
    text: String,
}

/// Fields that a word may name, with the short forms that are understood.
const KEYS: [(&str, &str); 10] = [
    ("node", "node"),
    ("cluster", "cluster"),
    ("kind", "kind"),
    ("severity", "severity"),
    ("sev", "severity"),
    ("step", "step"),
    ("run", "run"),
    ("message", "message"),
    ("msg", "message"),
    ("code", "code"),
];

/// Fields that a bare word is looked for in.
const BARE: [&str; 6] = ["node", "cluster", "kind", "severity", "message", "code"];

impl Filter {
    /// Reads what the operator typed; an unknown key makes the whole word a bare one.
    pub fn parse(text: &str) -> Self {
        let word = |word: &str| {
            let keyed = word.split_once(':').and_then(|(key, value)| {
                let (_, field) = KEYS.iter().find(|(short, _)| short.eq_ignore_ascii_case(key))?;
                Some((*field, value))
            });
            match keyed {
                Some((key, value)) => Word {
                    key: Some(key),
                    text: value.to_lowercase(),
                },
                None => Word {
                    key: None,
                    text: word.to_lowercase(),
                },
            }
        };
        Self(text.split_whitespace().map(word).collect())
    }

    /// Whether the event is shown.
    pub fn fits(&self, event: &Value) -> bool {
        let holds = |field: &str, text: &str| {
            event[field]
                .as_str()
                .is_some_and(|v| v.to_lowercase().contains(text))
        };
        self.0.iter().all(|word| match word.key {
            Some(key) => holds(key, &word.text),
            None => BARE.iter().any(|field| holds(field, &word.text)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_words_must_fit_and_keys_bind_to_their_field() {
        let event = json!({"node": "app1-cp", "kind": "step_failed", "severity": "error", "message": "Port 6443 is in use"});
        for yes in [
            "",
            "APP1",
            "node:app1",
            "sev:err port",
            "kind:step_ 6443",
            "msg:port",
        ] {
            assert!(Filter::parse(yes).fits(&event), "{yes}");
        }
        for no in ["app2", "node:error", "sev:error app2", "kind:port", "x:y"] {
            assert!(!Filter::parse(no).fits(&event), "{no}");
        }
    }
}
