//! Making certificates. Of a request only the public key is used: everything else in a certificate is decided here.

use super::identity::Serial;
use model::moment::Moment;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKey, PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use sha2::{Digest, Sha256};
use std::time::Duration;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};
use x509_parser::prelude::{FromDer, X509CertificationRequest};

/// Life of every leaf: 72 hours.
pub const LEAF_LIFE_MS: u64 = 72 * 3600 * 1000;

/// Certificates start this much in the past, for clocks that run behind.
const BACKDATE_MS: i64 = 10 * 60 * 1000;

/// Largest request that is looked at, in bytes.
const MAX_CSR: usize = 4096;

/// Why a request is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Larger than 4 KiB.
    #[error("the request is larger than {MAX_CSR} bytes")]
    TooLarge,
    /// Not PKCS#10, or its self-signature is wrong.
    #[error("the request is malformed or not signed by its own key")]
    Malformed,
    /// Not a P-256 key.
    #[error("the request's key is not P-256")]
    NotP256,
}

/// Signing failed: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the certificate could not be made")]
pub struct SignError(#[from] rcgen::Error);

/// The public key of a request that proved possession of it.
pub(super) struct RequestKey(PublicKey);

impl RequestKey {
    /// SHA-256 of the subject public key info, hexadecimal.
    pub(super) fn spki_sha256(&self) -> String {
        hex::encode(Sha256::digest(self.0.subject_public_key_info()))
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.0
    }
}

/// A certificate and its end of validity.
pub(super) struct Leaf {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) not_after: Moment,
}

/// Checks size, key type and self-signature, in this order, and keeps the key only.
pub(super) fn check_csr(der: &[u8]) -> Result<RequestKey, CsrError> {
    if der.len() > MAX_CSR {
        return Err(CsrError::TooLarge);
    }
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrError::Malformed);
    }
    let algorithm = &request.certification_request_info.subject_pki.algorithm;
    let curve = algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.as_oid().ok());
    if algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve != Some(OID_EC_P256) {
        return Err(CsrError::NotP256);
    }
    CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der))
        .map(|request| RequestKey(request.public_key))
        .map_err(|_| CsrError::Malformed)
}

/// What a leaf is for; it may be used for nothing else.
pub(super) struct LeafKind {
    /// For people only; identity is in `names`.
    pub(super) common_name: String,
    pub(super) names: Vec<SanType>,
    pub(super) usage: ExtendedKeyUsagePurpose,
    pub(super) serial: Serial,
}

/// Signs a leaf with parameters of our own.
pub(super) fn sign_leaf(
    kind: LeafKind,
    key: &impl PublicKeyData,
    issuer: &Issuer<'static, KeyPair>,
    now: Moment,
) -> Result<Leaf, SignError> {
    let not_after = now.plus_millis(LEAF_LIFE_MS);
    let mut params = validity(Moment(now.0.saturating_sub(BACKDATE_MS * 1000)), not_after);
    params.distinguished_name = common_name(&kind.common_name);
    params.subject_alt_names = kind.names;
    params.serial_number = Some(SerialNumber::from_slice(kind.serial.as_bytes()));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![kind.usage];
    params.use_authority_key_identifier_extension = true;
    let signed = params.signed_by(key, issuer)?;
    Ok(Leaf {
        certificate: signed.der().clone(),
        pem: signed.pem(),
        not_after,
    })
}

/// Parameters with nothing but a validity; the library's default would last until the year 4096.
pub(super) fn validity(not_before: Moment, not_after: Moment) -> CertificateParams {
    let date = |moment: Moment| {
        date_time_ymd(1970, 1, 1) + Duration::from_micros(u64::try_from(moment.0).unwrap_or(0))
    };
    let mut params = CertificateParams::default();
    params.not_before = date(not_before);
    params.not_after = date(not_after);
    params
}

/// A subject with a common name only.
pub(super) fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}
