//! `tls:` as written, of listeners and of upstreams.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::Spanned;
use crate::tls::MinVersion;

/// `tls:` of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// Certificates with their keys. A client gets the one that covers the name it asks for (exactly, then by a wildcard),
    /// at last the first; of several that cover a name, an ECDSA one before RSA, if the client can verify it.
    pub certificates: Spanned<Vec<Spanned<CertificateFiles>>>,
    /// The lowest version that is spoken: `"1.2"` or `"1.3"`. Default: "1.2".
    pub min_version: Option<MinVersion>,
    /// Whether clients prove who they are. Default: they are not asked.
    pub client_certificate: Option<Spanned<ClientCertificate>>,
}

/// A certificate and its key. Each file is watched: when it changes, the configuration is loaded again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// PEM: the certificate, then those between it and its authority.
    pub certificate: Spanned<String>,
    /// PEM: its private key (PKCS#8, PKCS#1 or SEC1), not encrypted.
    pub key: Spanned<String>,
    /// DER: an OCSP response, stapled to the certificate.
    pub ocsp: Option<Spanned<String>>,
}

/// `client_certificate:` of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// PEM: the authorities that vouch for clients.
    pub ca: Spanned<String>,
    /// `required`: without one there is no connection. `optional`: it may be left out, but not be wrong. Default:
    /// required.
    pub mode: Option<Demand>,
    /// Tell origins who the client is, in Client-Cert (RFC 9440) and X-Client-Certificate-Subject, -Names and
    /// -Fingerprint. What a client sends under these names is removed in any case. Default: false.
    pub headers: Option<bool>,
}

/// Whether a certificate must be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Demand {
    Required,
    Optional,
}

/// `tls:` of an upstream.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTlsTable {
    /// The name to ask for (SNI) and to verify. Default: the endpoint's own: its DNS name, or its IP address.
    pub name: Option<Spanned<String>>,
    /// PEM: the authorities that vouch for the endpoints. Default: the system's bundle.
    pub ca: Option<Spanned<String>>,
    /// PEM: the certificate by which we prove who we are.
    pub certificate: Option<Spanned<String>>,
    /// PEM: its private key.
    pub key: Option<Spanned<String>>,
    /// Verify nobody: whoever answers is believed. For development. Default: false.
    pub insecure: Option<Spanned<bool>>,
}

struct VersionVisitor;

// === impl MinVersion ===

impl<'de> Deserialize<'de> for MinVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VersionVisitor)
    }
}

impl Visitor<'_> for VersionVisitor {
    type Value = MinVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`\"1.2\"` or `\"1.3\"`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<MinVersion, E> {
        match text {
            "1.2" => Ok(MinVersion::Tls12),
            "1.3" => Ok(MinVersion::Tls13),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    /// Without quotes it is a number to YAML.
    fn visit_f64<E: Error>(self, value: f64) -> Result<MinVersion, E> {
        match value.to_string().as_str() {
            "1.2" => Ok(MinVersion::Tls12),
            "1.3" => Ok(MinVersion::Tls13),
            _ => Err(E::invalid_value(serde::de::Unexpected::Float(value), &self)),
        }
    }
}

impl JsonSchema for MinVersion {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MinVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["1.2", "1.3", 1.2, 1.3] })
    }
}
