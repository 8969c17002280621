//! `connection():ssl()` and `streamInfo():downstreamSslConnection()`: what TLS and the client's certificate say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::super::raw::{Frame, Hosted, Raise, Returned};
use super::{Method, Object, methods, push, view};
use crate::hook::TlsFacts;
use crate::tls::certificate;

pub(super) const CONNECTION: &[Method] = methods![
    c"ssl" => connection,
];

pub(super) const METHODS: &[Method] = methods![
    c"peerCertificatePresented" => |frame: &Frame<'_>| flag(frame, |tls| tls.certificate.is_some()),
    c"peerCertificateValidated" => |frame: &Frame<'_>| flag(frame, |tls| tls.certificate.is_some()),
    c"sha256PeerCertificateDigest" => |frame: &Frame<'_>| fact(frame, |tls| {
        tls.certificate.as_ref().map(|one| one.fingerprint.to_string()).unwrap_or_default()
    }),
    c"serialNumberPeerCertificate" => |frame: &Frame<'_>| peer(frame, |one| {
        one.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect()
    }),
    c"issuerPeerCertificate" => |frame: &Frame<'_>| peer(frame, |one| certificate::name(one.issuer())),
    c"subjectPeerCertificate" => |frame: &Frame<'_>| peer(frame, |one| certificate::name(one.subject())),
    c"parsedSubjectPeerCertificate" => parsed_subject,
    c"uriSanPeerCertificate" => |frame: &Frame<'_>| peers(frame, |one| alternatives(one, true)),
    c"dnsSansPeerCertificate" => |frame: &Frame<'_>| peers(frame, |one| alternatives(one, false)),
    c"oidsPeerCertificate" => |frame: &Frame<'_>| peers(frame, |one| {
        one.iter_extensions().map(|extension| extension.oid.to_id_string()).collect()
    }),
    c"validFromPeerCertificate" => |frame: &Frame<'_>| date(frame, |one| one.validity().not_before.timestamp()),
    c"expirationPeerCertificate" => |frame: &Frame<'_>| date(frame, |one| one.validity().not_after.timestamp()),
    c"urlEncodedPemEncodedPeerCertificate" => pem,
    c"ciphersuiteId" => |frame: &Frame<'_>| fact(frame, |tls| suite(tls.cipher).0.to_owned()),
    c"ciphersuiteString" => |frame: &Frame<'_>| fact(frame, |tls| suite(tls.cipher).1.to_owned()),
    c"tlsVersion" => |frame: &Frame<'_>| fact(frame, |tls| tls.version.to_owned()),
    c"urlEncodedPemEncodedPeerCertificateChain" => |_: &Frame<'_>| absent("urlEncodedPemEncodedPeerCertificateChain"),
    c"uriSanLocalCertificate" => |_: &Frame<'_>| absent("uriSanLocalCertificate"),
    c"dnsSansLocalCertificate" => |_: &Frame<'_>| absent("dnsSansLocalCertificate"),
    c"subjectLocalCertificate" => |_: &Frame<'_>| absent("subjectLocalCertificate"),
    c"oidsLocalCertificate" => |_: &Frame<'_>| absent("oidsLocalCertificate"),
    c"sessionId" => |_: &Frame<'_>| absent("sessionId"),
];

pub(super) const NAME: &[Method] = methods![
    c"commonName" => |frame: &Frame<'_>| peer(frame, |one| {
        let name = one.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        name.unwrap_or_default().to_owned()
    }),
    c"organizationName" => |frame: &Frame<'_>| peers(frame, |one| {
        one.subject().iter_organization().filter_map(|name| Some(name.as_str().ok()?.to_owned())).collect()
    }),
];

/// Cipher suites by their IANA names: number, and what OpenSSL calls them.
const SUITES: &[(&str, &str, &str)] = &[
    ("TLS_AES_128_GCM_SHA256", "0x1301", "TLS_AES_128_GCM_SHA256"),
    ("TLS_AES_256_GCM_SHA384", "0x1302", "TLS_AES_256_GCM_SHA384"),
    ("TLS_CHACHA20_POLY1305_SHA256", "0x1303", "TLS_CHACHA20_POLY1305_SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "0xc02b", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "0xc02c", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "0xc02f", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "0xc030", "ECDHE-RSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "0xcca8", "ECDHE-RSA-CHACHA20-POLY1305"),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "0xcca9", "ECDHE-ECDSA-CHACHA20-POLY1305"),
];

fn suite(name: &'static str) -> (&'static str, &'static str) {
    SUITES.iter().find(|(known, ..)| *known == name).map_or(("0xffff", name), |(_, number, openssl)| (number, openssl))
}

fn absent(method: &str) -> Hosted {
    Err(Raise(format!("`ssl:{method}()` does not exist here: the proxy does not keep it")))
}

/// Looks at what TLS has settled; of a connection without it there is no object.
fn look<R>(look: impl FnOnce(&TlsFacts) -> R) -> Result<Option<R>, Raise> {
    view("ssl", |view| Ok(view.client()?.tls.as_deref().map(look)))
}

/// `connection:ssl()`
pub(super) fn connection(frame: &Frame<'_>) -> Hosted {
    if look(|_| ())?.is_some() {
        return push(frame, Object::Ssl, 0);
    }
    frame.push_nil();
    Ok(Returned::Values(1))
}

fn flag(frame: &Frame<'_>, of: impl FnOnce(&TlsFacts) -> bool) -> Hosted {
    frame.push_bool(look(of)?.unwrap_or_default());
    Ok(Returned::Values(1))
}

fn fact(frame: &Frame<'_>, of: impl FnOnce(&TlsFacts) -> String) -> Hosted {
    frame.push_text(look(of)?.unwrap_or_default().as_bytes());
    Ok(Returned::Values(1))
}

/// The client's certificate as it was sent.
fn der() -> Result<Option<Vec<u8>>, Raise> {
    let encoded = look(|tls| tls.certificate.as_ref().map(|one| one.encoded.clone()))?.flatten();
    Ok(encoded.and_then(|encoded| STANDARD.decode(encoded.as_bytes()).ok()))
}

/// Reads the client's certificate; without one, what is empty.
fn parsed<R: Default>(read: impl FnOnce(&X509Certificate<'_>) -> R) -> Result<R, Raise> {
    let Some(der) = der()? else { return Ok(R::default()) };
    Ok(X509Certificate::from_der(&der).map(|(_, one)| read(&one)).unwrap_or_default())
}

fn peer(frame: &Frame<'_>, read: impl FnOnce(&X509Certificate<'_>) -> String) -> Hosted {
    frame.push_text(parsed(read)?.as_bytes());
    Ok(Returned::Values(1))
}

fn date(frame: &Frame<'_>, read: impl FnOnce(&X509Certificate<'_>) -> i64) -> Hosted {
    frame.push_number(parsed(read)? as f64);
    Ok(Returned::Values(1))
}

fn peers(frame: &Frame<'_>, read: impl FnOnce(&X509Certificate<'_>) -> Vec<String>) -> Hosted {
    let texts = parsed(read)?;
    frame.push_table(texts.len(), 0);
    let table = frame.top();
    for (index, text) in texts.iter().enumerate() {
        frame.push_text(text.as_bytes());
        frame.set_item(table, index + 1);
    }
    Ok(Returned::Values(1))
}

fn parsed_subject(frame: &Frame<'_>) -> Hosted {
    if der()?.is_some() {
        return push(frame, Object::ParsedName, 0);
    }
    frame.push_nil();
    Ok(Returned::Values(1))
}

fn alternatives(one: &X509Certificate<'_>, uris: bool) -> Vec<String> {
    let lists = one.iter_extensions().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(list) => Some(&list.general_names),
        _ => None,
    });
    let names = lists.flatten().filter_map(|name| match name {
        GeneralName::URI(text) if uris => Some((*text).to_owned()),
        GeneralName::DNSName(text) if !uris => Some((*text).to_owned()),
        _ => None,
    });
    names.collect()
}

/// The certificate as PEM, with `+`, `/`, `=`, spaces and line ends percent-coded, as Envoy does.
fn pem(frame: &Frame<'_>) -> Hosted {
    let mut coded = String::new();
    if let Some(der) = der()? {
        let encoded = STANDARD.encode(der);
        let mut lines = vec!["-----BEGIN CERTIFICATE-----"];
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            lines.push(line);
            rest = more;
        }
        lines.push("-----END CERTIFICATE-----\n");
        for letter in lines.join("\n").chars() {
            match letter {
                '\n' => coded.push_str("%0A"),
                ' ' => coded.push_str("%20"),
                '+' => coded.push_str("%2B"),
                '/' => coded.push_str("%2F"),
                '=' => coded.push_str("%3D"),
                letter => coded.push(letter),
            }
        }
    }
    frame.push_text(coded.as_bytes());
    Ok(Returned::Values(1))
}
