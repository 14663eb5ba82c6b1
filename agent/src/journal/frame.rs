//! One record as bytes: version, checksum, JSON. A record that does not verify is a gap, never a crash.

use super::JournalError;
use serde::{Serialize, de::DeserializeOwned};

const VERSION: u8 = 1;
const HEAD: usize = 5;
/// Largest record in bytes.
pub(super) const MAX: usize = 32 * 1024;

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, JournalError> {
    let body = serde_json::to_vec(value).map_err(|e| JournalError::Record(e.to_string()))?;
    if body.len() > MAX {
        return Err(JournalError::Record(format!(
            "{} bytes are more than {MAX}",
            body.len()
        )));
    }
    let mut frame = Vec::with_capacity(body.len() + HEAD);
    frame.push(VERSION);
    frame.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The value, or `None` for anything that is not exactly what was written.
pub(super) fn decode<T: DeserializeOwned>(frame: &[u8]) -> Option<T> {
    let (head, body) = frame.split_at_checked(HEAD)?;
    let sum = u32::from_be_bytes(head.get(1..HEAD)?.try_into().ok()?);
    (head[0] == VERSION && crc32c::crc32c(body) == sum).then(|| serde_json::from_slice(body).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(text in ".{0,60}", at in 0usize..64, bit in 0u8..8) {
            let mut frame = super::encode(&text).expect("encoded");
            prop_assert_eq!(super::decode::<String>(&frame), Some(text));
            let at = at % frame.len();
            frame[at] ^= 1 << bit;
            prop_assert_eq!(super::decode::<String>(&frame), None);
        }
    }

    #[test]
    fn too_large_records_are_refused() {
        assert!(super::encode(&"x".repeat(super::MAX)).is_err());
        assert_eq!(super::decode::<String>(&[]), None);
    }
}
