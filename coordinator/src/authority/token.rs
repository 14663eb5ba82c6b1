//! Enrolment tokens: `ID.SECRET`, both hexadecimal. The registry keeps the id and a hash; only the node gets the secret.

use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// How long a token lives, by the coordinator's clock: 15 minutes.
pub const TOKEN_LIFE_MS: u64 = 15 * 60 * 1000;

/// A single-use token. It prints as its id.
pub struct Token {
    id: String,
    text: SecretString,
}

impl Token {
    /// 8 random bytes of id and 32 of secret.
    pub(super) fn generate() -> Self {
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        rand::rng().fill_bytes(&mut id);
        rand::rng().fill_bytes(&mut secret);
        let id = hex::encode(id);
        let text = SecretString::from(format!("{id}.{}", hex::encode(secret)));
        Self { id, text }
    }

    /// The public half.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole, for the node's seed and nowhere else.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({})", self.id)
    }
}

/// Id and hash of the secret of a presented token; `None` when it does not even look like one.
pub(super) fn parse(text: &str) -> Option<(&str, String)> {
    let (id, secret) = text.trim().split_once('.')?;
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    (hex(id, 16) && hex(secret, 64)).then(|| (id, hex::encode(Sha256::digest(secret))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_parse_back_and_print_without_their_secret() {
        let token = Token::generate();
        let (id, _) = parse(token.expose()).expect("our own");
        assert_eq!(id, token.id());
        assert!(!format!("{token:?}").contains(&token.expose()[17..]));
        for bad in [
            "",
            ".",
            "a.b",
            &token.expose()[1..],
            &format!("{}0", token.expose()),
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}
