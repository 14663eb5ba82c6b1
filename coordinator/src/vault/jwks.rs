//! The public keys that a cluster signs service accounts' tokens with: from the API server's JSON to PEM.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// DER of the algorithm identifier `rsaEncryption` with its NULL parameters.
const RSA: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// DER of the algorithm identifier `ecPublicKey` on the curve P-256.
const P256: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
/// Bytes of a coordinate on P-256.
const COORDINATE: usize = 32;
/// First byte of a point that is written with both coordinates.
const UNCOMPRESSED: u8 = 4;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// The keys of a JSON web key set, as PEM; None where one is neither RSA nor on P-256, the two that kubeadm is told to make.
pub(super) fn public_keys(set: &Value) -> Option<Vec<String>> {
    let keys = set["keys"].as_array().filter(|keys| !keys.is_empty())?;
    keys.iter().map(public_key).collect()
}

fn public_key(key: &Value) -> Option<String> {
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str()?).ok();
    let (algorithm, bits) = match (key["kty"].as_str()?, key["crv"].as_str()) {
        ("RSA", _) => {
            let numbers = [unsigned(&number("n")?), unsigned(&number("e")?)].concat();
            (RSA.to_vec(), tagged(SEQUENCE, &numbers))
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (number("x")?, number("y")?);
            if x.len() != COORDINATE || y.len() != COORDINATE {
                return None;
            }
            (P256.to_vec(), [vec![UNCOMPRESSED], x, y].concat())
        }
        _ => return None,
    };
    // No bit of the last byte is unused.
    let bits = [vec![0], bits].concat();
    let der = tagged(SEQUENCE, &[algorithm, tagged(BIT_STRING, &bits)].concat());
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    Some(format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    ))
}

/// A positive integer: a leading one bit would make it negative.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut body: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    if body.first().is_none_or(|b| b & 0x80 != 0) {
        body.insert(0, 0);
    }
    tagged(INTEGER, &body)
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
    let mut out = vec![tag];
    match (length.len(), length.first()) {
        (0, _) => out.push(0),
        (1, Some(short)) if *short < 0x80 => out.push(*short),
        (bytes, _) => {
            out.push(0x80 | u8::try_from(bytes).unwrap_or(8));
            out.extend(&length);
        }
    }
    out.extend(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

    /// 64 bytes whose first bit is set, so that the encoding must put a zero before them.
    const MODULUS: &str =
        "yZ0-qhfO1iBqXlX7WVzK0VXkq5yN8wxbiJtK0Y8Yw2mJx9m1h4gk7m3Q6e0b2p5cUeVg1lJmQhX8y3o0rT7s5Q";

    #[test]
    fn a_key_set_becomes_pem_that_an_x509_parser_reads() {
        let set = json!({"keys": [{"kty": "RSA", "alg": "RS256", "n": MODULUS, "e": "AQAB"}]});
        let keys = public_keys(&set).expect("RSA");
        let body: String = keys[0].lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).expect("base64");
        let (rest, info) = SubjectPublicKeyInfo::from_der(&der).expect("a public key");
        assert!(rest.is_empty());
        let x509_parser::public_key::PublicKey::RSA(rsa) = info.parsed().expect("a key") else {
            panic!("not RSA");
        };
        assert_eq!(rsa.try_exponent().expect("small"), 65537);
        let modulus = URL_SAFE_NO_PAD.decode(MODULUS).expect("base64");
        assert_eq!(
            rsa.modulus
                .iter()
                .copied()
                .skip_while(|b| *b == 0)
                .collect::<Vec<u8>>(),
            modulus
        );
    }

    #[test]
    fn a_point_becomes_pem_too() {
        let (x, y) = (
            "4JLzNGkVjID3L1rTwpY46Qf5TZ4M_n_zCqREZ7K76S4",
            "q3JQGcjZ8vrtqAyT7oFwgqAm84UF-dJz-C-WIFefpcg",
        );
        let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "x": x, "y": y}]});
        let keys = public_keys(&set).expect("P-256");
        let body: String = keys[0].lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).expect("base64");
        let (rest, info) = SubjectPublicKeyInfo::from_der(&der).expect("a public key");
        assert!(rest.is_empty());
        let x509_parser::public_key::PublicKey::EC(point) = info.parsed().expect("a key") else {
            panic!("not EC");
        };
        let coordinates = [x, y]
            .map(|text| URL_SAFE_NO_PAD.decode(text).expect("base64"))
            .concat();
        assert_eq!(point.data(), [vec![UNCOMPRESSED], coordinates].concat());
    }

    #[test]
    fn other_kinds_and_nothing_are_refused() {
        for set in [
            json!({"keys": []}),
            json!({}),
            json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "YQ", "y": "Yg"}]}),
            json!({"keys": [{"kty": "EC", "crv": "P-521", "x": "YQ", "y": "Yg"}]}),
            json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "YQ"}]}),
            json!({"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}),
        ] {
            assert!(public_keys(&set).is_none(), "{set}");
        }
    }
}
