//! Client-Cert (RFC 9440) and X-Client-Certificate-*: who a client has proved to be, told to origins.

use super::head::Head;
use super::name::{FieldName, Known};

/// What origins are told of a certificate that was verified.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// Base64 of the whole.
    pub encoded: &'a str,
    pub subject: &'a str,
    pub names: &'a str,
    pub fingerprint: &'a str,
}

const FIELDS: [Known; 5] = [
    Known::ClientCert,
    Known::ClientCertChain,
    Known::XClientCertificateSubject,
    Known::XClientCertificateNames,
    Known::XClientCertificateFingerprint,
];

/// Writes the fields into a request's head. What the client says under their names is removed, unless it is a neighbour
/// that is `trusted` to have verified its own client, and we have nothing to say ourselves.
pub fn apply(head: &mut Head, proof: Option<&Proof<'_>>, trusted: bool) {
    if proof.is_some() || !trusted {
        FIELDS.into_iter().for_each(|known| head.remove_known(known));
    }
    let Some(proof) = proof else { return };
    let certificate = format!(":{}:", proof.encoded);
    let told = [certificate.as_str(), "", proof.subject, proof.names, proof.fingerprint];
    for (known, value) in FIELDS.into_iter().zip(told) {
        if !value.is_empty() && super::name::is_field_value(value.as_bytes()) {
            head.add(&FieldName::from(known), value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_claims_goes_and_what_it_proved_comes() {
        let claimed = || {
            let mut head = Head::request("GET", "/");
            for known in FIELDS {
                head.add(&FieldName::from(known), b"claimed");
            }
            head
        };
        let mut head = claimed();
        apply(&mut head, None, false);
        assert_eq!(head.fields().count(), 0);
        let mut head = claimed();
        apply(&mut head, None, true);
        assert_eq!(head.fields().count(), 5);
        let mut head = claimed();
        let proof = Proof { encoded: "AAAA", subject: "CN=a", names: "", fingerprint: "00" };
        apply(&mut head, Some(&proof), true);
        let fields: Vec<_> = head.fields().map(|(_, value)| value.to_vec()).collect();
        assert_eq!(fields, [b":AAAA:".as_slice(), b"CN=a", b"00"]);
    }
}
