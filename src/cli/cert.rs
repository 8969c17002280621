//! `gatewright cert self-signed NAME…`: a certificate for development, and what to write into the file for it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};

use super::SelfSigned;
use super::exit::Exit;
use crate::clock;

/// Clocks of other machines may be behind ours.
const BEFORE: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a name for a certificate.
pub fn name(text: &str) -> Result<String, String> {
    let plain = text.strip_prefix("*.").unwrap_or(text);
    match crate::tls::client::server_name(plain) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a DNS name, `*.` before one, or an IP address".to_owned()),
    }
}

/// Makes the pair, writes it, and says what to do with it. An existing file is never overwritten.
pub fn self_signed(asked: &SelfSigned, out: &mut dyn Write, complaints: &mut dyn Write) -> io::Result<Exit> {
    let Some(first) = asked.names.first() else { return Ok(Exit::Usage) };
    let (chain, key) = match make(&asked.names, asked.days) {
        Ok(made) => made,
        Err(error) => {
            writeln!(complaints, "error: cannot make a certificate: {error}")?;
            return Ok(Exit::Invalid);
        }
    };
    let stem = first.replace('*', "any");
    let (chain_path, key_path) = (asked.out.join(format!("{stem}.pem")), asked.out.join(format!("{stem}.key")));
    for path in [&chain_path, &key_path] {
        if path.exists() {
            writeln!(complaints, "error: `{}` is there already; remove it, or choose another --out", path.display())?;
            return Ok(Exit::Invalid);
        }
    }
    // The key first, and for nobody else's eyes.
    for (path, content, mode) in [(&key_path, key, 0o600), (&chain_path, chain, 0o644)] {
        if let Err(error) = write(path, &content, mode) {
            writeln!(complaints, "error: cannot write `{}`: {error}", path.display())?;
            return Ok(Exit::Invalid);
        }
    }
    explain(asked, &chain_path, &key_path, out)?;
    Ok(Exit::Ok)
}

fn make(names: &[String], days: u16) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, names.first().map(String::as_str).unwrap_or_default());
    params.distinguished_name = subject;
    params.not_before = (clock::wall() - BEFORE).into();
    params.not_after = (clock::wall() + DAY * u32::from(days)).into();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn write(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content.as_bytes())
}

fn explain(asked: &SelfSigned, chain: &Path, key: &Path, out: &mut dyn Write) -> io::Result<()> {
    let (names, days) = (asked.names.join(", "), asked.days);
    let (chain, key) = (chain.display(), key.display());
    write!(
        out,
        "{chain} and {key}: for {names}, valid for {days} days, an ECDSA key (P-256).\n\n\
         In gatewright.yaml:\n\n\
         listeners:\n  web:\n    bind: 8443\n    tls: {{ certificates: [{{ certificate: {chain}, key: {key} }}] }}\n\n\
         Nobody vouches for it, so clients must be told to believe it: `curl --cacert {chain} …`.\n\
         It is for development: on the open Internet use a certificate of an authority.\n"
    )
}
