//! TLS with clients: which certificate, which version, who may go on with which ticket, and how handshakes fail.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::Folder;
use crate::harness::tls::{Authority, TLS12, TLS13, Wishes};
use crate::harness::wire::Cut;
use crate::harness::{Client, Origin, Proxy, eventually, h2, origin};

/// Listeners with their `tls:`, everything to one origin.
fn config(origin: &Origin, listeners: &[(&str, &str)]) -> String {
    let mut text = "version: 1\naccess_log: off\nlisteners:\n".to_owned();
    for (at, (name, tls)) in (1..).zip(listeners) {
        // Each has an address of its own: two with port 0 at one address are one to a reload.
        writeln!(text, "  {name}: {{ bind: \"127.0.0.{at}:0\", tls: {{ {tls} }} }}").unwrap();
    }
    let endpoint = origin.endpoint();
    write!(text, "upstreams: {{ origin: {{ endpoints: [\"{endpoint}\"] }} }}\nroutes: [{{ to: origin }}]\n").unwrap();
    text
}

fn start(origin: &Origin, tls: &str) -> Proxy {
    Proxy::start(&config(origin, &[("web", tls)]))
}

fn gets(client: &mut Client, host: &str) -> u16 {
    client.send_request("GET", "/", &[("Host", host)], b"");
    client.read_response().status
}

#[test]
fn a_name_gets_its_certificate() {
    let folder = Folder::new();
    let (first, exact, wildcard) =
        (folder.ca.issue(&["first.test"]), folder.ca.issue(&["a.shop.test"]), folder.ca.issue(&["*.shop.test", "any"]));
    let pairs =
        [("first", &first), ("wildcard", &wildcard), ("exact", &exact)].map(|(name, one)| folder.put(name, one));
    let origin = Origin::echo();
    let proxy = start(&origin, &format!("certificates: [{}]", pairs.join(", ")));
    let trusting = folder.ca.trusting();
    for (name, shown) in [("first.test", &first), ("a.shop.test", &exact), ("b.shop.test", &wildcard)] {
        let mut client = Client::tls(proxy.addr(), &trusting, name);
        assert_eq!(client.settled().shown(), shown.der().first().cloned(), "{name}");
        client.send_request("GET", "/", &[("Host", name)], b"");
        let told = client.read_response().text().to_lowercase();
        assert!(told.contains("x-forwarded-proto: https"), "{told}");
        assert_eq!(client.settled().group(), "X25519MLKEM768");
    }
    // Nobody covers these names, so the first one is shown, and a client that cares goes away.
    for name in ["shop.test", "x.y.shop.test", "127.0.0.1"] {
        let refused = Client::try_tls(proxy.addr(), &trusting, name).err().unwrap();
        assert!(refused.contains("not valid for name"), "{name}: {refused}");
    }
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "refused_by_client", 3);
    assert_eq!(proxy.metric("gatewright_tls_handshakes_total", "TLS_AES_128_GCM_SHA256"), 3);
}

#[test]
fn ecdsa_and_rsa_stand_beside_each_other() {
    let folder = Folder::new();
    let (rsa, ecdsa) = (folder.ca.issue_rsa(&["both.test"]), folder.ca.issue(&["both.test"]));
    let pairs = [("rsa", &rsa), ("ecdsa", &ecdsa)].map(|(name, one)| folder.put(name, one));
    let origin = Origin::echo();
    let proxy = start(&origin, &format!("certificates: [{}]", pairs.join(", ")));
    for version in [&TLS12, &TLS13] {
        let modern = folder.ca.trusting_with(&Wishes { versions: Some(version), ..Wishes::default() });
        let mut client = Client::tls(proxy.addr(), &modern, "both.test");
        assert_eq!(client.settled().shown(), ecdsa.der().first().cloned());
    }
    let old = folder.ca.trusting_with(&Wishes { rsa_only: true, ..Wishes::default() });
    let mut client = Client::tls(proxy.addr(), &old, "both.test");
    assert_eq!(client.settled().shown(), rsa.der().first().cloned());
}

#[test]
fn the_lowest_version_is_kept_and_protocols_are_agreed() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let origin = Origin::echo();
    let both = format!("certificates: [{pair}]");
    let strict = format!("certificates: [{pair}], min_version: 1.3");
    let proxy = Proxy::start(&config(&origin, &[("web", &both), ("strict", &strict)]));
    let wishes = |version, protocols| Wishes { versions: Some(version), protocols, ..Wishes::default() };
    let old = folder.ca.trusting_with(&wishes(&TLS12, &[]));
    assert_eq!(gets(&mut Client::tls(proxy.addr(), &old, "a.test"), "a.test"), 200);
    assert!(Client::try_tls(proxy.addr_of("strict"), &old, "a.test").is_err());
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "incompatible", 1);
    let new = folder.ca.trusting_with(&wishes(&TLS13, &["http/1.1"]));
    let mut client = Client::tls(proxy.addr_of("strict"), &new, "a.test");
    assert_eq!(client.settled().agreed().as_deref(), Some("http/1.1"));
    assert_eq!(gets(&mut client, "a.test"), 200);
    let strange = folder.ca.trusting_with(&wishes(&TLS13, &["spdy/3"]));
    assert!(Client::try_tls(proxy.addr(), &strange, "a.test").is_err());
    assert_eq!(proxy.metric("gatewright_tls_handshakes_total", "version=\"TLSv1.2\""), 1);
}

/// Whether a second connection goes on with what a first one settled, each with a request.
fn goes_on(folder: &Folder, first: (&Proxy, &str), second: (&Proxy, &str), wishes: &Wishes<'_>) -> bool {
    let config = folder.ca.trusting_with(wishes);
    let mut one = Client::tls(first.0.addr_of(first.1), &config, "a.test");
    assert_eq!(gets(&mut one, "a.test"), 200);
    let mut other = Client::tls(second.0.addr_of(second.1), &config, "a.test");
    assert_eq!(gets(&mut other, "a.test"), 200);
    other.settled().resumed()
}

#[test]
fn tickets_are_taken_only_where_certificates_and_rules_are_the_same() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let renewed = folder.put("b", &folder.ca.issue(&["a.test"]));
    let (ca, other_ca) = (folder.write("ca.pem", &folder.ca.pem()), folder.write("o.pem", &Authority::new("o").pem()));
    let origin = Origin::answering(origin::ok("x"));
    let open = format!("certificates: [{pair}]");
    let asking = |mode: &str, ca: &str| format!("{open}, client_certificate: {{ mode: {mode}, ca: {ca} }}");
    let listeners = [
        ("web", open.clone()),
        ("same", open.clone()),
        ("other", format!("certificates: [{renewed}]")),
        ("optional", asking("optional", &ca)),
        ("elsewhere", asking("optional", &other_ca)),
        ("strict", format!("{open}, min_version: \"1.3\"")),
    ];
    let listeners: Vec<_> = listeners.iter().map(|(name, tls)| (*name, tls.as_str())).collect();
    let text = config(&origin, &listeners);
    let proxy = Proxy::start(&text);
    let again = |first: &str, second: &str, version| {
        let wishes = Wishes { versions: Some(version), ..Wishes::default() };
        goes_on(&folder, (&proxy, first), (&proxy, second), &wishes)
    };
    for version in [&TLS12, &TLS13] {
        assert!(again("web", "web", version), "{version:?}");
        assert!(again("web", "same", version), "{version:?}");
        assert!(again("optional", "optional", version), "{version:?}");
        for (first, second) in [("web", "other"), ("web", "optional"), ("optional", "web"), ("optional", "elsewhere")] {
            assert!(!again(first, second, version), "{first} {second} {version:?}");
        }
    }
    assert!(!again("web", "strict", &TLS13));
    assert!(proxy.metric("gatewright_tls_handshakes_total", "resumed=\"true\"") >= 6);
    // Across a reload that changes something else; and the worker that answers is another one as often as not.
    let config = folder.ca.trusting();
    let mut one = Client::tls(proxy.addr(), &config, "a.test");
    assert_eq!(gets(&mut one, "a.test"), 200);
    assert_eq!(proxy.reload(&text.replace("access_log: off", "access_log: { file: /dev/null }")), Ok(2));
    for _ in 0..8 {
        let mut next = Client::tls(proxy.addr(), &config, "a.test");
        assert_eq!(gets(&mut next, "a.test"), 200);
        assert!(next.settled().resumed());
    }
}

#[test]
fn clients_prove_who_they_are() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let clients = Authority::new("clients");
    let ca = folder.write("clients.pem", &clients.pem());
    let origin = Origin::echo();
    let asking = |mode: &str, more: &str| {
        format!("certificates: [{pair}], client_certificate: {{ mode: {mode}, ca: {ca}{more} }}")
    };
    let (required, optional) = (asking("required", ", headers: true"), asking("optional", ""));
    let proxy = Proxy::start(&config(&origin, &[("web", &required), ("optional", &optional)]));
    let (alice, stranger) = (clients.client("alice"), Authority::new("strangers").client("alice"));
    let shows = |shown| folder.ca.trusting_with(&Wishes { shown, ..Wishes::default() });
    let claims = [
        ("Host", "a.test"),
        ("Client-Cert", ":YQ==:"),
        ("client-cert-chain", ":YQ==:"),
        ("X-Client-Certificate-Subject", "CN=root"),
        ("x-client-certificate-names", "DNS:root"),
        ("X-Client-Certificate-Fingerprint", "00"),
    ];
    let told = |listener: &str, shown| {
        let mut client = Client::try_tls(proxy.addr_of(listener), &shows(shown), "a.test").ok()?;
        client.send_request("GET", "/", &claims, b"");
        let response = client.try_read_response_to("GET").ok()?;
        Some(response.text().lines().filter(|line| line.to_lowercase().contains("cert")).map(str::to_owned).collect())
    };
    let lines: Vec<String> = told("web", Some(&alice)).unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, alice.der()[0].as_ref());
    assert!(lines.iter().any(|line| line == &format!("client-cert: :{encoded}:")), "{lines:?}");
    assert!(lines.iter().any(|line| line == "x-client-certificate-subject: CN=alice"), "{lines:?}");
    assert!(lines.iter().any(|line| line == "x-client-certificate-names: URI:spiffe://test/alice"), "{lines:?}");
    assert_eq!(told("web", None), None);
    assert_eq!(told("web", Some(&stranger)), None);
    assert_eq!(told("optional", Some(&alice)), Some(Vec::new()));
    assert_eq!(told("optional", None), Some(Vec::new()));
    assert_eq!(told("optional", Some(&stranger)), None);
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "no_certificate", 1);
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "bad_certificate", 2);
}

#[test]
fn a_request_for_a_host_of_another_certificate_is_sent_away() {
    let folder = Folder::new();
    let (a, b) = (folder.ca.issue(&["a.test", "also.test"]), folder.ca.issue(&["b.test"]));
    let pairs = [("a", &a), ("b", &b)].map(|(name, one)| folder.put(name, one));
    let origin = Origin::answering(origin::ok("x"));
    let proxy = start(&origin, &format!("certificates: [{}]", pairs.join(", ")));
    let trusting = folder.ca.trusting();
    let mut client = Client::tls(proxy.addr(), &trusting, "a.test");
    assert_eq!(gets(&mut client, "also.test:8443"), 200);
    assert_eq!(gets(&mut client, "b.test"), 421);
    assert_eq!(gets(&mut client, "A.test"), 200, "the connection goes on");
    assert_eq!(gets(&mut Client::tls(proxy.addr(), &trusting, "b.test"), "unknown.test"), 421);
    proxy.wait_for_failures("misdirected", 2);
}

#[test]
fn who_does_not_speak_tls_is_told_and_nobody_else_notices() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let origin = Origin::answering(origin::ok("x"));
    let proxy = start(&origin, &format!("certificates: [{pair}]"));
    let trusting = folder.ca.trusting();
    let mut good = Client::tls(proxy.addr(), &trusting, "a.test");
    let mut plain = Client::connect(proxy.addr());
    plain.send_request("GET", "/", &[], b"");
    let told = plain.read_response();
    assert_eq!((told.status, told.field("connection")), (400, Some("close")));
    assert!(told.text().contains("https://"), "{}", told.text());
    plain.expect_closed();
    let mut garbage = Client::connect(proxy.addr());
    garbage.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff");
    let (alert, _) = garbage.read_to_end();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    drop(Client::connect(proxy.addr()));
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "not_tls", 1);
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "malformed", 1);
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "closed", 1);
    assert_eq!(gets(&mut good, "a.test"), 200);
    assert_eq!(proxy.metric("gatewright_failures_total", ""), 0);
}

#[test]
fn handshakes_that_stall_end_and_hold_nobody_up() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let origin = Origin::answering(origin::ok("x"));
    let text = config(&origin, &[("web", &format!("certificates: [{pair}]"))])
        .replace("\"127.0.0.1:0\",", "\"127.0.0.1:0\", timeouts: { head: 300ms },");
    let proxy = Proxy::start(&text);
    let mut stalled: Vec<Client> = (0..20).map(|_| Client::connect(proxy.addr())).collect();
    stalled.iter_mut().for_each(|client| client.send(b"\x16\x03\x01\x02\x00\x01"));
    let trusting = folder.ca.trusting();
    assert_eq!(gets(&mut Client::tls(proxy.addr(), &trusting, "a.test"), "a.test"), 200);
    for client in &mut stalled {
        client.wait_for(Duration::from_secs(5));
        assert_ne!(client.read_to_end().1, Cut::Stalled);
    }
    proxy.wait_for_metric("gatewright_tls_handshake_failures_total", "timeout", 20);
    proxy.wait_for_metric("gatewright_connections{", "web", 0);
}

#[test]
fn a_renewed_certificate_is_noticed_and_a_broken_one_is_refused() {
    let folder = Folder::new();
    let (old, new) = (folder.ca.issue(&["a.test"]), folder.ca.issue(&["a.test"]));
    let pair = folder.put("a", &old);
    let origin = Origin::answering(origin::ok("x"));
    let file = folder.write("gatewright.yaml", &config(&origin, &[("web", &format!("certificates: [{pair}]"))]));
    let proxy = Proxy::start_file(file);
    let trusting = folder.ca.trusting();
    let shown = || Client::tls(proxy.addr(), &trusting, "a.test").settled().shown();
    let mut living = Client::tls(proxy.addr(), &trusting, "a.test");
    assert_eq!(gets(&mut living, "a.test"), 200);
    folder.write("a.pem", "-----BEGIN CERTIFICATE-----\nhalf of it");
    proxy.wait_for_metric("gatewright_reloads_total", "\"failure\"", 1);
    assert_eq!(shown(), old.der().first().cloned());
    folder.write("a.key", &new.key);
    folder.write("a.pem", &new.chain);
    eventually("the new certificate is shown", || shown() == new.der().first().cloned());
    assert_eq!(gets(&mut living, "a.test"), 200);
}

#[test]
fn http2_is_agreed_by_alpn() {
    let folder = Folder::new();
    let (a, b) = (folder.put("a", &folder.ca.issue(&["a.test"])), folder.put("b", &folder.ca.issue(&["b.test"])));
    let origin = Origin::echo();
    let proxy = start(&origin, &format!("certificates: [{a}, {b}]"));
    let both = folder.ca.trusting_with(&Wishes { protocols: &["http/1.1", "h2"], ..Wishes::default() });
    let client = h2::Client::tls(proxy.addr(), both, "a.test");
    let told = client.get("https://a.test/");
    let text = String::from_utf8_lossy(&told.body).to_lowercase();
    assert!(told.status == 200 && text.contains("x-forwarded-proto: https"), "{text}");
    assert_eq!(client.get("https://b.test/").status, 421);
    let body = vec![b'x'; 3_000_000];
    let post = http::Request::post("https://a.test/").body(()).unwrap();
    assert!(client.send(post, &body).unwrap().body.len() > body.len());
    let one = folder.ca.trusting_with(&Wishes { protocols: &["http/1.1"], ..Wishes::default() });
    assert_eq!(Client::tls(proxy.addr(), &one, "a.test").settled().agreed().as_deref(), Some("http/1.1"));
    // Where HTTP/2 is off, nobody is offered it.
    let off = config(&origin, &[("web", &format!("certificates: [{a}]"))]).replace("bind:", "http2: false, bind:");
    let proxy = Proxy::start(&off);
    let both = folder.ca.trusting_with(&Wishes { protocols: &["h2", "http/1.1"], ..Wishes::default() });
    assert_eq!(Client::tls(proxy.addr(), &both, "a.test").settled().agreed().as_deref(), Some("http/1.1"));
}

#[test]
fn the_log_and_placeholders_tell_what_was_settled() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let clients = Authority::new("clients");
    let ca = folder.write("clients.pem", &clients.pem());
    let origin = Origin::echo();
    let log = folder.path().join("access.log");
    let text = config(&origin, &[("web", &format!("certificates: [{pair}], client_certificate: {{ ca: {ca} }}"))])
        .replace("access_log: off", &format!("access_log: {{ file: {} }}", log.display()))
        .replace(
            "{ to: origin }",
            "{ to: origin, use: [{ policy: headers, with: { request: { set: { x-test-who: \
             \"{client.certificate.subject} {tls.version} {tls.server_name}\" } } } }] }",
        );
    let proxy = Proxy::start(&text);
    let alice = clients.client("alice");
    let shows = folder.ca.trusting_with(&Wishes { shown: Some(&alice), ..Wishes::default() });
    for _ in 0..2 {
        let mut client = Client::tls(proxy.addr(), &shows, "a.test");
        client.send_request("GET", "/", &[("Host", "a.test")], b"");
        let told = client.read_response().text();
        // A ticket brings the certificate along.
        assert!(told.contains("x-test-who: CN=alice TLSv1.3 a.test"), "{told}");
    }
    proxy.inner.stop();
    let lines = std::fs::read_to_string(log).unwrap();
    let settled =
        r#""tls.protocol.version":"1.3","tls.cipher":"TLS_AES_128_GCM_SHA256","tls.client.server_name":"a.test""#;
    assert_eq!(lines.lines().filter(|line| line.contains(settled)).count(), 2, "{lines}");
    for resumed in ["\"tls.resumed\":false", "\"tls.resumed\":true"] {
        assert_eq!(lines.matches(resumed).count(), 1, "{lines}");
    }
}

/// Believes everybody, and keeps what was stapled.
#[derive(Debug)]
struct Keeps(Mutex<Vec<u8>>);

impl ServerCertVerifier for Keeps {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = stapled.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[test]
fn an_ocsp_response_is_stapled_and_its_renewal_keeps_tickets() {
    let folder = Folder::new();
    let issued = folder.ca.issue(&["a.test"]).put(folder.path(), "a");
    let staple = |serial: u8| [0x30, 4, 0x0a, 1, 0, serial];
    let file = folder.path().join("a.ocsp");
    std::fs::write(&file, staple(1)).unwrap();
    let origin = Origin::answering(origin::ok("x"));
    let tls = format!("certificates: [{{ {issued}, ocsp: {} }}]", file.display());
    let text = folder.write("gatewright.yaml", &config(&origin, &[("web", &tls)]));
    let proxy = Proxy::start_file(text);
    let keeps = Arc::new(Keeps(Mutex::default()));
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(keeps.clone());
    let config = Arc::new(config.with_no_client_auth());
    assert_eq!(gets(&mut Client::tls(proxy.addr(), &config, "a.test"), "a.test"), 200);
    assert_eq!(*keeps.0.lock().unwrap(), staple(1));
    std::fs::write(&file, staple(2)).unwrap();
    proxy.wait_for_metric("gatewright_reloads_total", "\"success\"", 1);
    let mut again = Client::tls(proxy.addr(), &config, "a.test");
    assert_eq!(gets(&mut again, "a.test"), 200);
    assert!(again.settled().resumed());
    let fresh = ClientConfig::builder().dangerous().with_custom_certificate_verifier(keeps.clone());
    Client::tls(proxy.addr(), &Arc::new(fresh.with_no_client_auth()), "a.test");
    assert_eq!(*keeps.0.lock().unwrap(), staple(2));
}

#[test]
fn a_proxy_header_and_the_connection_hook_come_before_the_handshake() {
    let folder = Folder::new();
    let pair = folder.put("a", &folder.ca.issue(&["a.test"]));
    let origin = Origin::echo();
    let text = config(&origin, &[("web", &format!("certificates: [{pair}]"))]).replace(
        "tls: {",
        "trusted: [127.0.0.1], proxy_protocol: true, use: [{ policy: addresses, with: { deny: [192.0.2.66] } }], tls: {",
    );
    let proxy = Proxy::start(&text);
    let trusting = folder.ca.trusting();
    let comes = |from: &str| {
        let header = format!("PROXY TCP4 {from} 198.51.100.1 4711 443\r\n");
        Client::try_tls_after(header.as_bytes(), proxy.addr(), &trusting, "a.test")
    };
    let mut client = comes("192.0.2.9").unwrap();
    client.send_request("GET", "/", &[("Host", "a.test")], b"");
    let told = client.read_response().text();
    assert!(told.contains("x-forwarded-for: 192.0.2.9") && told.contains("x-forwarded-proto: https"), "{told}");
    assert!(comes("192.0.2.66").is_err());
    assert_eq!(proxy.metric("gatewright_tls_handshake_failures_total", ""), 0, "no handshake began");
    assert_eq!(proxy.metric("gatewright_connections_refused_total", "policy_refused"), 1);
}
