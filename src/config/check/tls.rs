//! TLS: certificates and keys that belong together, authorities, and dates.
//!
//! Files are read here, so that a plan that is good stays good: a renewed certificate is a changed input, and so a reload.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::{self, CertificateFiles, ListenerTls, UpstreamTlsTable};
use super::super::plan;
use super::super::shapes::UpstreamTls;
use super::super::spanned::Spanned;
use super::Check;
use crate::clock;
use crate::limits::{CERTIFICATE_BYTES_MAX, CERTIFICATE_SOON_S, CERTIFICATES_MAX};
use crate::tls::Pair;
use crate::tls::certificate::{Certificate, Key, date};
use crate::tls::client::server_name;
use crate::tls::pair::{Authorities, Part};
use crate::tls::server::Demand;
use crate::wire::Address;

/// Where Debian, Fedora, SUSE, RHEL and Alpine keep the authorities that the system believes.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

// === impl Check ===

impl Check<'_> {
    /// `None` where something is wrong: it was reported.
    pub(super) fn listener_tls(&mut self, written: &ListenerTls) -> Option<plan::Tls> {
        let list = &written.certificates;
        if list.value.is_empty() || list.value.len() > CERTIFICATES_MAX {
            let message =
                if list.value.is_empty() { "there is no certificate" } else { "there are too many certificates" };
            self.bad_value(&list.span, message, "as in `certificates: [{ certificate: site.pem, key: site.key }]`");
            return None;
        }
        let mut pairs = Vec::new();
        for files in &list.value {
            pairs.push((self.pair(&files.value.certificate, &files.value.key, files.value.ocsp.as_ref()), files));
        }
        let known: Vec<_> = pairs.iter().filter_map(|(pair, files)| Some((pair.clone()?, *files))).collect();
        self.clashes(&known);
        let clients = match &written.client_certificate {
            None => None,
            Some(asked) => Some(self.client_certificates(&asked.value)?),
        };
        let pairs: Vec<_> = pairs.into_iter().map(|(pair, _)| pair).collect::<Option<_>>()?;
        let files = list.value.iter().map(|files| files.value.certificate.value.clone()).collect();
        Some(plan::Tls { pairs, files, min_version: written.min_version.unwrap_or_default(), clients })
    }

    fn client_certificates(&mut self, written: &document::ClientCertificate) -> Option<plan::ClientCertificates> {
        let demand = match written.mode {
            Some(document::Demand::Optional) => Demand::Optional,
            _ => Demand::Required,
        };
        let authorities = self.authorities(&written.ca)?;
        Some(plan::ClientCertificates { demand, authorities, headers: written.headers.unwrap_or(false) })
    }

    /// How an upstream's endpoints are met; `None` in plain, or where something is wrong: it was reported.
    pub(super) fn upstream_tls(
        &mut self,
        written: &Spanned<UpstreamTls>,
        endpoints: &[plan::Endpoint],
    ) -> Option<plan::UpstreamTls> {
        let none = UpstreamTlsTable::default();
        let table = match &written.value {
            UpstreamTls::On(false) => return None,
            UpstreamTls::On(true) => &none,
            UpstreamTls::Table(table) => table,
        };
        if let Some(Err(mistake)) = table.name.as_ref().map(|name| server_name(&name.value)) {
            let span = table.name.as_ref().map_or(&written.span, |name| &name.span);
            self.bad_value(span, mistake.what, mistake.help);
        }
        let nameless = |endpoint: &&plan::Endpoint| matches!(endpoint.address, Address::Unix(_) | Address::Memory(_));
        if let (None, Some(endpoint)) = (&table.name, endpoints.iter().find(nameless)) {
            let message = format!("`{}` has no name that TLS could ask for", endpoint.address);
            self.bad_value(&written.span, message, "say which one: `tls: { name: app.example.com }`");
        }
        let authorities = match &table.insecure {
            Some(insecure) if insecure.value => {
                self.insecure(&insecure.span, table.ca.as_ref());
                None
            }
            _ => Some(match &table.ca {
                Some(file) => self.authorities(file)?,
                None => self.system(&written.span)?,
            }),
        };
        let pair = match (&table.certificate, &table.key) {
            (Some(certificate), Some(key)) => Some(self.pair(certificate, key, None)?),
            (None, None) => None,
            (Some(alone), None) | (None, Some(alone)) => {
                self.bad_value(&alone.span, "a certificate and its key go together", "write both, or neither");
                None
            }
        };
        Some(plan::UpstreamTls { name: table.name.as_ref().map(|name| name.value.clone()), authorities, pair })
    }

    fn insecure(&mut self, span: &Span, ca: Option<&Spanned<String>>) {
        let anybody = "whoever answers for these endpoints is believed, and can read and change everything";
        let found = Diagnostic::warning(codes::DOUBTFUL, anybody).at(span, "no certificate is verified");
        self.report(found.help("for a private authority write `ca: FILE` instead"));
        if let Some(ca) = ca {
            self.bad_value(
                &ca.span,
                "with `insecure: true` nobody is verified, by this file neither",
                "take one of the two",
            );
        }
    }

    /// The authorities that the system believes: SSL_CERT_FILE, or the bundle where distributions keep it.
    fn system(&mut self, span: &Span) -> Option<Authorities> {
        if self.system.is_none() {
            let named = self.sources.environment().get("SSL_CERT_FILE").map(PathBuf::from);
            let usual = || SYSTEM_BUNDLES.iter().map(PathBuf::from).find(|path| path.exists());
            let path = named.or_else(usual);
            let read = path.as_ref().map(|path| self.sources.reading().private(path, CERTIFICATE_BYTES_MAX));
            self.system = match read {
                Some(Ok(bundle)) => Authorities::new(&bundle, false).ok(),
                _ => None,
            };
            self.plan.inputs.extend(path);
        }
        if self.system.is_none() {
            let none =
                Diagnostic::error(codes::BAD_CERTIFICATE, "the system has no bundle of authorities to verify with");
            let help = "install ca-certificates, set SSL_CERT_FILE, or write `tls: { ca: FILE }`";
            self.report(none.at(span, "").help(help));
        }
        self.system.clone()
    }

    /// A certificate with its key, and what OCSP says of it.
    pub(super) fn pair(
        &mut self,
        certificate: &Spanned<String>,
        key: &Spanned<String>,
        ocsp: Option<&Spanned<String>>,
    ) -> Option<Arc<Pair>> {
        let chain = self.tls_file("certificate", certificate);
        let private = self.tls_file("key", key);
        let staple = ocsp.map(|file| self.tls_file("OCSP response", file));
        let staple = match staple {
            Some(read) => Some(read?),
            None => None,
        };
        let (chain, private) = (chain?, private?);
        let made = match Pair::new(&chain, &private, staple.clone()) {
            Err((Part::Both, mistake)) => self.renewed(certificate, &private, staple).ok_or((Part::Both, mistake)),
            Ok(pair) if pair.certificate.not_after <= unix_now() => {
                Ok(self.renewed(certificate, &private, staple).unwrap_or(pair))
            }
            made => made,
        };
        match made {
            Ok(pair) => {
                self.dates(&pair.certificate, certificate);
                Some(Arc::new(pair))
            }
            Err((part, mistake)) => {
                let (what, span) = match part {
                    Part::Certificate => ("certificate", &certificate.span),
                    Part::Key | Part::Both => ("key", &key.span),
                    Part::Ocsp => ("OCSP response", ocsp.map_or(&certificate.span, |file| &file.span)),
                };
                let message = match part {
                    Part::Both => "certificate and key do not belong together".to_owned(),
                    _ => format!("this {what} cannot be used"),
                };
                let mut wrong = Diagnostic::error(codes::BAD_CERTIFICATE, message).at(span, mistake.what);
                if part == Part::Both {
                    wrong = wrong.at(&certificate.span, "this certificate");
                }
                self.report(wrong.help(mistake.help));
                None
            }
        }
    }

    /// An earlier generation is loaded whose key was renewed since, or whose certificate has ended: the certificate that
    /// the disk has now is used, if it fits.
    fn renewed(&mut self, certificate: &Spanned<String>, key: &[u8], staple: Option<Vec<u8>>) -> Option<Pair> {
        let path = self.path(certificate);
        let chain = self.sources.reading().renewed(&path, CERTIFICATE_BYTES_MAX)?;
        let pair = Pair::new(&chain, key, staple).or_else(|_| Pair::new(&chain, key, None)).ok()?;
        let found = Diagnostic::warning(codes::DOUBTFUL, "this certificate was renewed since: the new one is used");
        self.report(found.at(&certificate.span, "not as it was kept"));
        Some(pair)
    }

    /// A bundle of authorities of the operator's own.
    pub(super) fn authorities(&mut self, file: &Spanned<String>) -> Option<Authorities> {
        let bundle = self.tls_file("CA bundle", file)?;
        match Authorities::new(&bundle, true) {
            Ok(authorities) => Some(authorities),
            Err(mistake) => {
                let wrong = Diagnostic::error(codes::BAD_CERTIFICATE, "this CA bundle cannot be used");
                self.report(wrong.at(&file.span, mistake.what).help(mistake.help));
                None
            }
        }
    }

    fn tls_file(&mut self, what: &str, file: &Spanned<String>) -> Option<Vec<u8>> {
        let path = self.path(file);
        self.plan.inputs.push(path.clone());
        let reading = self.sources.reading();
        let read = if what == "key" {
            reading.private(&path, CERTIFICATE_BYTES_MAX)
        } else {
            reading.bytes(&path, CERTIFICATE_BYTES_MAX)
        };
        match read {
            Ok(bytes) => Some(bytes),
            Err(why) => {
                let message = format!("cannot read the {what} `{}`: {why}", path.display());
                let help = "paths are relative to the file that names them";
                self.report(Diagnostic::error(codes::UNREADABLE, message).at(&file.span, "").help(help));
                None
            }
        }
    }

    fn dates(&mut self, certificate: &Certificate, file: &Spanned<String>) {
        if let Some(found) = judge_dates(certificate, unix_now(), &file.span) {
            self.report(found);
        }
    }

    /// Two certificates of one kind for one name: the second is never shown for it.
    fn clashes(&mut self, pairs: &[(Arc<Pair>, &Spanned<CertificateFiles>)]) {
        let mut seen: HashMap<(&str, bool), &Span> = HashMap::new();
        let mut found = Vec::new();
        for (pair, files) in pairs {
            let rsa = matches!(pair.certificate.key, Key::Rsa { .. });
            let span = &files.value.certificate.span;
            for name in &pair.certificate.names {
                if let Some(first) = seen.insert((name, rsa), span)
                    && first != span
                {
                    let kind = if rsa { "RSA " } else { "" };
                    let clash = format!("two {kind}certificates cover `{name}`, and the second is never shown for it");
                    let clash =
                        Diagnostic::warning(codes::DOUBTFUL, clash).at(span, "the second").at(first, "the first");
                    found.push(
                        clash.help("ECDSA and RSA may stand beside each other; of one kind, keep one for a name"),
                    );
                    // Where one name clashes, the others of the same certificate say nothing new.
                    break;
                }
            }
        }
        self.found.append(&mut found);
    }
}

fn unix_now() -> i64 {
    clock::wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

fn judge_dates(certificate: &Certificate, now: i64, span: &Span) -> Option<Diagnostic> {
    let renew = "renew it; a changed file is noticed and loaded";
    if certificate.not_after <= now {
        let ended = format!("it ended on {}", date(certificate.not_after));
        return Some(
            Diagnostic::error(codes::BAD_CERTIFICATE, "this certificate has expired").at(span, ended).help(renew),
        );
    }
    if certificate.not_before > now {
        let begins = format!("it begins on {}", date(certificate.not_before));
        let early = Diagnostic::warning(codes::EXPIRES, "this certificate is not valid yet").at(span, begins);
        return Some(early.help("clients refuse it until then; is the clock right?"));
    }
    // A certificate that was made for a few days is not near its end from the start.
    let life = certificate.not_after - certificate.not_before;
    if certificate.not_after - now < CERTIFICATE_SOON_S.min(life / 3) {
        let ends = format!("it ends on {}", date(certificate.not_after));
        return Some(Diagnostic::warning(codes::EXPIRES, "this certificate expires soon").at(span, ends).help(renew));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_judged() {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let mut certificate = Certificate::parse(made.cert.der()).unwrap();
        let day = 24 * 60 * 60;
        let mut judge = |not_before, not_after| {
            (certificate.not_before, certificate.not_after) = (not_before * day, not_after * day);
            judge_dates(&certificate, 1000 * day, &Span::default()).map(|found| (found.is_error(), found.message))
        };
        assert_eq!(judge(0, 1000), Some((true, "this certificate has expired".into())));
        assert_eq!(judge(1001, 2000), Some((false, "this certificate is not valid yet".into())));
        assert_eq!(judge(900, 1010), Some((false, "this certificate expires soon".into())));
        assert_eq!(judge(900, 1020), None);
        assert_eq!(judge(998, 1004), None, "made for six days");
    }
}
