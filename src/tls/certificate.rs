//! What a certificate says: names, dates, its key. `rustls` uses all of it and tells none of it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::{Digest, Mistake};

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// RFC 4514: `CN=shop,O=Example`.
    pub subject: Box<str>,
    /// The DNS names it covers, in lower case, `*.` included.
    pub names: Vec<Box<str>>,
    /// Every alternative name: `DNS:shop.example.com, IP:192.0.2.1`.
    pub alternatives: Box<str>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    pub key: Key,
    /// SHA-256 of the whole.
    pub fingerprint: Digest,
}

/// Which kind of key a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Rsa { bits: usize },
    Ecdsa,
    Other,
}

// === impl Certificate ===

impl Certificate {
    pub fn parse(der: &[u8]) -> Result<Self, Mistake> {
        let broken = |_| Mistake::new("its content is no X.509 certificate", "the file is damaged; copy it again");
        let (_, parsed) = X509Certificate::from_der(der).map_err(broken)?;
        let key = match parsed.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => Key::Rsa { bits: key.key_size() },
            Ok(PublicKey::EC(_)) => Key::Ecdsa,
            _ => Key::Other,
        };
        let (mut names, mut alternatives) = (Vec::new(), String::new());
        for name in parsed.iter_extensions().filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(list) => Some(&list.general_names),
            _ => None,
        }) {
            for name in name {
                if let GeneralName::DNSName(name) = name {
                    names.push(name.trim_end_matches('.').to_ascii_lowercase().into());
                }
                alternative(name, &mut alternatives);
            }
        }
        let validity = parsed.validity();
        Ok(Self {
            subject: name(parsed.subject()).into(),
            names,
            alternatives: alternatives.into(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            key,
            fingerprint: Digest::plain(der),
        })
    }
}

/// A date for people: `2027-01-31`.
#[must_use]
pub fn date(seconds: i64) -> String {
    let Ok(at) = jiff::Timestamp::from_second(seconds) else { return format!("second {seconds}") };
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

fn alternative(name: &GeneralName<'_>, out: &mut String) {
    let (kind, text): (&str, Cow<'_, str>) = match name {
        GeneralName::DNSName(name) => ("DNS", (*name).into()),
        GeneralName::URI(uri) => ("URI", (*uri).into()),
        GeneralName::RFC822Name(address) => ("email", (*address).into()),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => ("IP", IpAddr::from(four).to_string().into()),
            (_, Ok(sixteen)) => ("IP", IpAddr::from(sixteen).to_string().into()),
            _ => return,
        },
        _ => return,
    };
    if !out.is_empty() {
        out.push_str(", ");
    }
    let _never = write!(out, "{kind}:");
    escape(&text, out);
}

/// RFC 4514: the most specific part first, every separator inside a value escaped, so that a value cannot pass for two.
#[must_use]
pub fn name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> =
        name.iter_rdn().map(|set| set.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let mut out = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    }
    .to_owned();
    out.push('=');
    match attribute.as_str() {
        Ok(value) => escape(value, &mut out),
        Err(_) => {
            out.push('#');
            out.push_str(&super::hex(attribute.as_slice()));
        }
    }
    out
}

/// Separators get a backslash, control characters become `\0D`: nothing that a certificate says can begin a new line.
fn escape(value: &str, out: &mut String) {
    for (at, c) in value.char_indices() {
        let last = at + c.len_utf8() == value.len();
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => out.extend(['\\', c]),
            '#' if at == 0 => out.extend(['\\', c]),
            ' ' if at == 0 || last => out.extend(['\\', c]),
            c if c.is_control() => drop(write!(out, "\\{:02X}", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    #[test]
    fn what_it_says_is_told_and_cannot_pass_for_something_else() {
        let mut params = CertificateParams::new(vec!["Shop.example.com".into(), "192.0.2.1".into()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://a/b".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "eve,O=Root\r\nX: y");
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let told = Certificate::parse(der.der()).unwrap();
        assert_eq!(&*told.subject, "O=Example,CN=eve\\,O\\=Root\\0D\\0AX: y");
        assert_eq!(told.names, ["shop.example.com".into()]);
        assert_eq!(&*told.alternatives, "DNS:Shop.example.com, IP:192.0.2.1, URI:spiffe://a/b");
        assert_eq!(told.key, Key::Ecdsa);
        assert_eq!(told.fingerprint.hex().len(), 64);
        assert!(told.not_before < told.not_after);
        assert_eq!(date(0), "1970-01-01");
    }
}
