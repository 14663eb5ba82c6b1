//! Who a peer is, as its certificate says: a URI in the subject alternative names, and nothing from any message.

use model::Invalid;
use model::ids::{ClusterName, LabName, NodeName, dns_label};
use rand::RngCore;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Serial number of a certificate that we issued: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial([u8; 16]);

/// Name of an operator: a DNS-1123 label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorName(String);

/// A node, as its certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// Counts how often the name was given out anew; older ones are dead.
    pub generation: u64,
    /// This certificate.
    pub serial: Serial,
}

/// Whoever holds a certificate of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A node's agent.
    Node(NodeIdentity),
    /// A person or program with operator rights.
    Operator(OperatorName),
}

impl Identity {
    /// Reads the one URI of the leaf; anything else than exactly one URI of this lab in one of our two forms is refused.
    pub fn from_certificate(lab: &LabName, leaf: &CertificateDer<'_>) -> Result<Self, Invalid> {
        let refuse = |found: &str, rule: &str| Invalid::new("certificate", found, rule);
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| refuse("", "cannot be parsed"))?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let mut uris = names
            .iter()
            .flat_map(|names| &names.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            });
        let (Some(uri), None) = (uris.next(), uris.next()) else {
            return Err(refuse("", "must carry exactly one URI"));
        };
        let serial = Serial::from_certificate(certificate.raw_serial());
        Self::parse(lab, uri, serial).ok_or_else(|| refuse(uri, "is not an identity of this lab"))
    }

    fn parse(lab: &LabName, uri: &str, serial: Option<Serial>) -> Option<Self> {
        let parts: Vec<&str> = uri
            .strip_prefix("spiffe://")?
            .strip_prefix(lab.as_str())?
            .split('/')
            .collect();
        match parts[..] {
            ["", cluster, "node", name, "gen", generation] => {
                let number: u64 = generation.parse().ok()?;
                // One spelling only: no sign, no leading zeros.
                (number.to_string() == generation).then_some(())?;
                Some(Self::Node(NodeIdentity {
                    cluster: ClusterName::new(cluster).ok()?,
                    name: NodeName::new(name).ok()?,
                    generation: number,
                    serial: serial?,
                }))
            }
            ["", "operator", name] => Some(Self::Operator(OperatorName::new(name).ok()?)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node/{}/gen/{}", node.name, node.generation),
            Self::Operator(name) => write!(f, "operator/{}", name.as_str()),
        }
    }
}

impl NodeIdentity {
    /// `spiffe://LAB/CLUSTER/node/NAME/gen/N`
    pub fn uri(&self, lab: &LabName) -> String {
        format!(
            "spiffe://{lab}/{}/node/{}/gen/{}",
            self.cluster, self.name, self.generation
        )
    }
}

impl OperatorName {
    /// Accepts a DNS-1123 label of at most 32 characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        dns_label("operator", &text, 32)?;
        Ok(Self(text))
    }

    /// The nearest valid name for a login name such as `Jane.Doe`; `operator` when nothing is left of it.
    pub fn from_login(login: &str) -> Self {
        let lower = login.to_lowercase();
        let mapped: String = lower
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(32)
            .collect();
        Self::new(mapped.trim_matches('-')).unwrap_or_else(|_| Self("operator".to_owned()))
    }

    /// The plain text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `spiffe://LAB/operator/NAME`
    pub fn uri(&self, lab: &LabName) -> String {
        format!("spiffe://{lab}/operator/{}", self.0)
    }
}

impl Serial {
    /// A new one. The first byte is kept within 0x40 to 0x7f, so DER adds no sign byte and drops no zero.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        rand::rng().fill_bytes(&mut bytes);
        bytes[0] = bytes[0] & 0x3f | 0x40;
        Self(bytes)
    }

    /// The bytes as they are in the certificate.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_certificate(raw: &[u8]) -> Option<Self> {
        raw.try_into().ok().map(Self)
    }
}

impl TryFrom<String> for Serial {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| Invalid::new("serial", &text, "is not 32 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> String {
        hex::encode(serial.0)
    }
}

impl std::fmt::Debug for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serial({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Option<String> {
        let lab = LabName::new("yard").expect("valid");
        Identity::parse(&lab, uri, Some(Serial::random())).map(|identity| identity.to_string())
    }

    #[test]
    fn exactly_two_forms_of_this_lab_are_identities() {
        assert_eq!(
            parse("spiffe://yard/app1/node/app1-cp/gen/3").as_deref(),
            Some("node/app1-cp/gen/3")
        );
        assert_eq!(
            parse("spiffe://yard/operator/jane").as_deref(),
            Some("operator/jane")
        );
        for bad in [
            "spiffe://yard2/operator/jane",
            "spiffe://yar/operator/jane",
            "http://yard/operator/jane",
            "spiffe://yard/operator/jane/",
            "spiffe://yard/operator/",
            "spiffe://yard/operator/jane?x",
            "spiffe://yard/app1/node/app1-cp/gen/03",
            "spiffe://yard/app1/node/app1-cp/gen/+3",
            "spiffe://yard/app1/node/../gen/3",
            "spiffe://yard/app1/node/app1-cp",
            "spiffe://yard",
            "",
        ] {
            assert_eq!(parse(bad), None, "{bad:?} was accepted");
        }
    }

    #[test]
    fn logins_become_labels() {
        assert_eq!(OperatorName::from_login("Jane.Doe").as_str(), "jane-doe");
        assert_eq!(OperatorName::from_login("__").as_str(), "operator");
    }
}
