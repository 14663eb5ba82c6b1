//! Output of programs before it may enter a journal: no secrets, no control characters, bounded.

/// Most bytes of output that an outcome carries.
pub const OUTCOME_BYTES: usize = 4096;
const GONE: &str = "[redacted]";

/// The last [`OUTCOME_BYTES`] of `text`, cleaned.
pub fn tail(text: &str) -> String {
    let clean = clean(text);
    let mut start = clean.len().saturating_sub(OUTCOME_BYTES);
    while !clean.is_char_boundary(start) {
        start += 1;
    }
    clean[start..].to_owned()
}

/// `text` without control characters other than line ends, bootstrap tokens, 64-digit keys, PEM blocks and long base64.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_pem = false;
    for line in text.lines() {
        let line = printable(line);
        if line.contains("-----BEGIN ") {
            in_pem = true;
            out.push_str(GONE);
            out.push('\n');
        }
        if !in_pem {
            push_words(&mut out, &line);
            out.push('\n');
        }
        if line.contains("-----END ") {
            in_pem = false;
        }
    }
    out
}

/// [`clean`] for a text whose begin may have been cut off: the rest of a PEM block that began before it goes too.
pub fn clean_cut(text: &str) -> String {
    let begin = text.find("-----BEGIN ").unwrap_or(usize::MAX);
    let end = text.find("-----END ").filter(|end| *end < begin);
    let Some(end) = end else { return clean(text) };
    let rest = text.get(end..).unwrap_or_default();
    let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    format!("{GONE}\n{}", clean(rest))
}

/// The line without control characters; colour sequences go as a whole.
fn printable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            while chars.next_if(|c| matches!(c, '0'..='?')).is_some() {}
            chars.next_if(|c| matches!(c, '@'..='~'));
        } else if c == '\t' {
            out.push(' ');
        } else if !c.is_control() {
            out.push(c);
        }
    }
    out
}

fn push_words(out: &mut String, line: &str) {
    let mut word = String::new();
    for c in line.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '/' | '=' | '-' | '_') {
            word.push(c);
        } else {
            push_word(out, &word);
            word.clear();
            out.push(c);
        }
    }
    push_word(out, &word);
}

fn push_word(out: &mut String, word: &str) {
    // `--token=abc` is one word here: each side of an equals sign is judged for itself.
    for (at, part) in word.split('=').enumerate() {
        if at > 0 {
            out.push('=');
        }
        out.push_str(if is_secret(part) { GONE } else { part });
    }
}

fn is_secret(word: &str) -> bool {
    is_bootstrap_token(word) || is_key(word) || is_long_base64(word)
}

fn is_bootstrap_token(word: &str) -> bool {
    let lower = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    word.split_once('.')
        .is_some_and(|(id, secret)| id.len() == 6 && secret.len() == 16 && lower(id) && lower(secret))
}

fn is_key(word: &str) -> bool {
    word.len() >= 64 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_long_base64(word: &str) -> bool {
    // Paths are long and made of the same letters; no path of ours has 80 characters without a dot or a hyphen.
    word.len() >= 80
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let key = "0f".repeat(32);
        let blob = "QUJD".repeat(30);
        let text = format!(
            "join --token=abcdef.0123456789abcdef ok\nkey {key}\n-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\ndata: {blob}==\n[ERROR Port-6443]: Port 6443 is in use"
        );
        let clean = clean(&text);
        for secret in ["0123456789abcdef", &key, "AAAA", &blob] {
            assert!(!clean.contains(secret), "{secret} left in {clean}");
        }
        assert!(
            clean.contains("[ERROR Port-6443]: Port 6443 is in use"),
            "{clean}"
        );
        assert!(clean.contains("join --token=[redacted] ok"), "{clean}");
    }

    #[test]
    fn terminal_escapes_do_not_pass() {
        assert_eq!(clean("a\u{1b}[0;31mb\u{7}\u{1b}]c"), "ab]c\n");
    }

    #[test]
    fn the_rest_of_a_key_goes_whose_begin_was_cut_off() {
        let text = "MIGHAgEAMBMGByqGSM49\nAAAA\n-----END PRIVATE KEY-----\nafter\n";
        assert_eq!(clean_cut(text), "[redacted]\nafter\n");
        let whole = "before\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(clean_cut(whole), "before\n[redacted]\n");
        assert_eq!(clean_cut("AAAA\n-----END PRIVATE KEY-----"), "[redacted]\n");
    }

    #[test]
    fn the_tail_is_bounded_and_valid() {
        let text = "ä".repeat(OUTCOME_BYTES);
        assert!(tail(&text).len() <= OUTCOME_BYTES);
    }
}
