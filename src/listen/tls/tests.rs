//! `client_hello`: what policies are shown, and that they are obeyed.

use std::cell::RefCell;
use std::rc::Rc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;
use crate::drain::Drain;
use crate::failure::{Failure, Reason};
use crate::hook::Peer;
use crate::listen::reply;
use crate::tls::server::Wanted;
use crate::tls::{Kept, MinVersion, Pair};
use crate::wire::memory;

type Said = Result<Verdict, Failure>;

/// What a policy was shown.
type Shown = Rc<RefCell<Vec<(Option<Box<str>>, Vec<Box<[u8]>>, usize, String)>>>;

/// What came of a handshake: what the client was shown, and how it was counted.
type Outcome = (Result<CertificateDer<'static>, String>, Vec<Result<Shaken, Unshaken>>);

fn pairs() -> Vec<Arc<Pair>> {
    let make = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Pair::new(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes(), None).unwrap()
    };
    vec![Arc::new(make("a.test")), Arc::new(make("b.test"))]
}

fn client(pairs: &[Arc<Pair>]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    pairs.iter().for_each(|pair| roots.add(pair.chain()[0].clone()).unwrap());
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// A client asks for `a.test`, and the policies of the listener say something.
fn shake_hands(pairs: &[Arc<Pair>], say: impl Fn() -> Option<Said> + 'static) -> (Outcome, Shown) {
    let wanted =
        Wanted { pairs, min_version: MinVersion::default(), clients: None, headers: false, protocols: &[b"http/1.1"] };
    let terms = Terms::new(&wanted, &mut Kept::default()).unwrap();
    let (shown, counted) = (Shown::default(), Rc::new(RefCell::new(Vec::new())));
    let (seen, counts) = (shown.clone(), counted.clone());
    let mut door = reply::door("web", 1, Rc::new(|_, _| Box::pin(async { None })), Drain::new());
    door.ask = Rc::new(move |hook, facts, hello| {
        assert_eq!(hook, Hook::ClientHello);
        let said = say()?;
        let hello = hello();
        let covered = hello.certificates.len();
        seen.borrow_mut().push((hello.server_name, hello.protocols, covered, facts.address().to_string()));
        Some(Box::pin(async move { said }))
    });
    door.shaken = Rc::new(move |_, outcome| counts.borrow_mut().push(outcome));
    let facts = ClientFacts {
        peer: Peer::Ip("192.0.2.7:4000".parse().unwrap()),
        address_text: "192.0.2.7".into(),
        trusted: false,
        secure: false,
        local: None,
        listener: "web".into(),
        tls: None,
    };
    let connector = client(pairs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = tokio::task::LocalSet::new().block_on(&runtime, async move {
        let wire = Rc::new(RefCell::new(None));
        let accepted = wire.clone();
        memory::listen("hello".into(), move |end| *accepted.borrow_mut() = Some(Wire::Memory(end)));
        let there = Wire::Memory(memory::connect("hello").unwrap());
        let here = wire.take().unwrap();
        let asking = connector.connect(ServerName::try_from("a.test").unwrap(), there);
        let (stream, _entered) = tokio::join!(asking, shake(here, facts, &door, &terms));
        memory::close("hello");
        let stream = stream.map_err(|error| error.to_string())?;
        Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
    });
    let counted = counted.take();
    ((told, counted), shown)
}

#[test]
fn policies_are_shown_what_the_client_announces() {
    let pairs = pairs();
    let ((told, counted), shown) = shake_hands(&pairs, || Some(Ok(Verdict::Pass)));
    assert_eq!(told.unwrap(), pairs[0].chain()[0]);
    assert!(matches!(counted[..], [Ok(Shaken { resumed: false, .. })]));
    let protocols = vec![Box::from(b"h2".as_slice()), Box::from(b"http/1.1".as_slice())];
    assert_eq!(*shown.borrow(), [(Some("a.test".into()), protocols, 2, "192.0.2.7".to_owned())]);
    let ((told, _), shown) = shake_hands(&pairs, || None);
    assert!(told.is_ok() && shown.borrow().is_empty(), "nobody speaks, nothing is made");
}

#[test]
fn policies_choose_a_certificate_or_close() {
    let pairs = pairs();
    let ((told, _), _) = shake_hands(&pairs, || Some(Ok(Verdict::Certificate(CertificateId(1)))));
    let refused = told.unwrap_err();
    assert!(refused.contains("not valid for name"), "it was shown the other one: {refused}");
    for say in [
        || Some(Ok(Verdict::Close)),
        || Some(Ok(Verdict::Certificate(CertificateId(2)))),
        || Some(Err(Failure::new(Reason::PolicyFailed))),
    ] {
        let ((told, counted), _) = shake_hands(&pairs, say);
        assert!(told.is_err());
        assert_eq!(counted, [Err(Unshaken::RefusedByPolicy)]);
    }
}
