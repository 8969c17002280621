//! `exchange.client` and `exchange.route`

use super::super::raw::{Frame, Hosted};
use super::{Bound, Noun, give, push_maybe};
use crate::hook::{ClientFacts, Peer, RouteFacts, TlsFacts};

pub(super) const MEMBERS: &[Bound] = &[
    Bound::field("address", |frame| {
        of_client(frame, "address", |client, frame| frame.push_text(client.address_text.as_bytes()))
    }),
    Bound::field("port", |frame| {
        of_client(frame, "port", |client, frame| match client.peer {
            Peer::Ip(address) => frame.push_number(f64::from(address.port())),
            Peer::Unix | Peer::Memory => frame.push_nil(),
        })
    }),
    Bound::field("trusted", |frame| of_client(frame, "trusted", |client, frame| frame.push_bool(client.trusted))),
    Bound::field("listener", |frame| {
        of_client(frame, "listener", |client, frame| frame.push_text(client.listener.as_bytes()))
    }),
    Bound::field("tls", |frame| {
        of_client(frame, "tls", |client, frame| match &client.tls {
            Some(tls) => push_tls(frame, tls),
            None => frame.push_nil(),
        })
    }),
];

pub(super) const ROUTE: &[Bound] = &[
    Bound::field("name", |frame| of_route(frame, "name", |route, frame| frame.push_text(route.name.as_bytes()))),
    Bound::field("params", |frame| {
        of_route(frame, "params", |route, frame| {
            frame.push_table(0, route.params.len());
            let table = frame.top();
            for (name, value) in &route.params {
                frame.push_text(value.as_bytes());
                frame.set_field(table, name.as_bytes());
            }
        })
    }),
    Bound::field("upstreams", |frame| {
        give(frame, Noun::Route, "upstreams", |view, frame| {
            let Some(route) = view.route()? else {
                frame.push_nil();
                return Ok(());
            };
            let names = |id| view.name_of_upstream(id);
            frame.push_table(route.to.len(), 0);
            let table = frame.top();
            for (index, (id, _)) in route.to.iter().enumerate() {
                push_maybe(frame, names(*id).as_deref().map(str::as_bytes));
                frame.set_item(table, index + 1);
            }
            Ok(())
        })
    }),
];

fn of_client(frame: &Frame<'_>, member: &str, look: impl FnOnce(&ClientFacts, &Frame<'_>)) -> Hosted {
    give(frame, Noun::Client, member, |view, frame| {
        look(view.client()?, frame);
        Ok(())
    })
}

fn of_route(frame: &Frame<'_>, member: &str, look: impl FnOnce(&RouteFacts, &Frame<'_>)) -> Hosted {
    give(frame, Noun::Route, member, |view, frame| {
        match view.route()? {
            Some(route) => look(route, frame),
            None => frame.push_nil(),
        }
        Ok(())
    })
}

fn push_tls(frame: &Frame<'_>, tls: &TlsFacts) {
    frame.push_table(0, 8);
    let table = frame.top();
    let certificate = tls.certificate.as_ref();
    let texts = [
        ("version", Some(tls.version)),
        ("cipher", Some(tls.cipher)),
        ("server_name", tls.server_name.as_deref()),
        ("subject", certificate.map(|one| &*one.subject)),
        ("names", certificate.map(|one| &*one.names)),
        ("fingerprint", certificate.map(|one| &*one.fingerprint)),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            frame.push_text(text.as_bytes());
            frame.set_field(table, name.as_bytes());
        }
    }
    frame.push_bool(tls.resumed);
    frame.set_field(table, b"resumed");
}
