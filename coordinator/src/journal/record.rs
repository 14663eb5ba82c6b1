//! How one entry lies in a store: version, CRC32C, time, JSON. The CRC covers the revision, so that an intact entry at the
//! wrong place is damage too.

use super::Entry;
use model::ids::Revision;
use model::moment::Moment;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 8;

/// The bytes to store.
pub(super) fn encode(revision: Revision, entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + entry.json.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&entry.time.0.to_le_bytes());
    bytes.extend_from_slice(&entry.json);
    let sum = checksum(revision, &bytes).to_le_bytes();
    bytes[1..5].copy_from_slice(&sum);
    bytes
}

/// Bytes that an entry takes.
pub(super) fn size(entry: &Entry) -> u64 {
    u64::try_from(HEADER.saturating_add(entry.json.len())).unwrap_or(u64::MAX)
}

/// The entry, or what is wrong with the bytes.
pub(super) fn decode(revision: Revision, bytes: &[u8]) -> Result<Entry, String> {
    let time = check(revision, bytes)?;
    Ok(Entry::new(time, bytes[HEADER..].to_vec()))
}

/// The entry's time, or what is wrong with the bytes; copies nothing.
pub(super) fn check(revision: Revision, bytes: &[u8]) -> Result<Moment, String> {
    let (Some(time), Some(sum)) = (field::<8>(bytes, 5), field::<4>(bytes, 1)) else {
        return Err(format!("{} bytes are too few", bytes.len()));
    };
    if bytes[0] != VERSION {
        return Err(format!("version {} is unknown", bytes[0]));
    }
    if u32::from_le_bytes(sum) != checksum(revision, bytes) {
        return Err("the checksum does not match".to_owned());
    }
    Ok(Moment(i64::from_le_bytes(time)))
}

fn checksum(revision: Revision, bytes: &[u8]) -> u32 {
    let mut sum = crc32c::crc32c(&revision.0.to_le_bytes());
    sum = crc32c::crc32c_append(sum, &bytes[..1]);
    crc32c::crc32c_append(sum, &bytes[5..])
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_and_any_other_revision_is_noticed() {
        let entry = Entry::new(Moment(7), &b"{\"kind\":\"x\"}"[..]);
        let bytes = encode(Revision(3), &entry);
        assert_eq!(decode(Revision(3), &bytes), Ok(entry));
        assert!(decode(Revision(4), &bytes).is_err());
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(decode(Revision(3), &bad).is_err(), "bit {at} went unnoticed");
        }
        for cut in 0..bytes.len() {
            assert!(
                decode(Revision(3), &bytes[..cut]).is_err(),
                "cut at {cut} went unnoticed"
            );
        }
    }
}
