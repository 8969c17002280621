//! Listeners: addresses, neighbours, rules.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::{self, EncodedSlash};
use super::super::network::network;
use super::super::plan;
use super::super::shapes::Via;
use super::super::spanned::Spanned;
use super::super::units::Size;
use super::chain::Place;
use super::{Check, clamp};
use crate::http::forwarded::Forwarded;
use crate::http::name::is_field_value;
use crate::http::{Rules, Server, target};
use crate::limits;
use crate::wire::Address;

// === impl Check ===

impl Check<'_> {
    pub(super) fn listeners(&mut self) {
        let document = self.document;
        let mut bound: Vec<(Address, &Span)> = Vec::new();
        if let (Some(admin), Some(address)) = (&document.admin, self.plan.admin.bind)
            && let Some(bind) = &admin.value.bind
        {
            bound.push((Address::Ip(address), &bind.span));
        }
        if let (Some(admin), Some(path)) = (&document.admin, &self.plan.admin.socket)
            && let Some(socket) = &admin.value.socket
        {
            bound.push((Address::Unix(path.clone()), &socket.span));
        }
        for (name, listener) in &document.listeners.0 {
            let bind = self.bind(&listener.bind.span, &listener.bind.value.0);
            if let Some(bind) = &bind {
                self.bound_once(bind, &listener.bind.span, &mut bound);
            }
            let rules = self.rules(listener);
            self.normalises.push(rules.normalise);
            let timeouts = self.listener_timeouts(listener.timeouts.as_ref());
            let trusted: Vec<IpNet> = listener.trusted.iter().filter_map(|net| self.network(net)).collect();
            if let (Some(wanted), []) = (listener.proxy_protocol.as_ref().filter(|wanted| wanted.value), &*trusted) {
                let nobody =
                    Diagnostic::error(codes::BAD_VALUE, "a PROXY header is believed of trusted neighbours only");
                let help = "name the balancers before this listener, as in `trusted: [10.0.0.0/8]`";
                self.report(nobody.at(&wanted.span, "and `trusted` names none").help(help));
            }
            let limits = listener_limits(listener.limits.as_ref());
            let buffer = self.buffer(listener.buffer.as_ref());
            let chain = self.chain(&listener.uses, Place::Listener).uses;
            let failure_pages = self.pages(&listener.failure_pages);
            let tls = listener.tls.as_ref().and_then(|tls| self.listener_tls(&tls.value));
            let Some(bind) = bind else { continue };
            self.plan.listeners.push(plan::Listener {
                name: name.value.clone(),
                span: name.span.clone(),
                bind,
                trusted,
                rules: Arc::new(rules),
                timeouts,
                http2: listener.http2.unwrap_or(true),
                proxy_protocol: listener.proxy_protocol.as_ref().is_some_and(|wanted| wanted.value),
                limits,
                buffer,
                chain,
                failure_pages,
                tls,
            });
        }
        let mut nodes = self.sources.files().iter().filter_map(|file| file.node.as_ref());
        if nodes.all(|node| node.is_table() && node.get("listeners").is_none_or(|entry| entry.value.is_empty())) {
            let file = self.sources.files().first().map(|file| Arc::clone(&file.name)).unwrap_or_default();
            let none = Diagnostic::error(codes::NO_LISTENER, "there is no listener, so nothing could ever arrive");
            self.report(none.at(&Span::new(&file, 0, 0), "").help("add one: `listeners: { web: { bind: 8080 } }`"));
        }
    }

    /// A port, or an address that can be bound.
    pub(super) fn bind(&mut self, span: &Span, text: &str) -> Option<Address> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let Ok(port) = text.parse::<u16>() else {
                self.bad_value(span, format!("there is no port {text}"), "ports are numbers from 1 to 65535");
                return None;
            };
            return Some(Address::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)));
        }
        match Address::parse(text) {
            Ok(Address::Name { host, port }) => {
                let message = format!("`{host}` is a name, and only addresses can be bound");
                let ip = if &*host == "localhost" { "127.0.0.1" } else { "0.0.0.0" };
                self.bad_value(span, message, &format!("write `\"{ip}:{port}\"`, or the port alone for all addresses"));
                None
            }
            Ok(address) => Some(address),
            Err(why) => {
                let bad = Diagnostic::error(codes::BAD_VALUE, "this is not an address that can be bound");
                self.report(
                    bad.at(span, why.to_string()).help("as in `8080`, `\"127.0.0.1:8080\"` or `unix:/run/web.sock`"),
                );
                None
            }
        }
    }

    fn bound_once<'a>(&mut self, bind: &Address, span: &'a Span, bound: &mut Vec<(Address, &'a Span)>) {
        // The system picks a port for 0: a new one each time.
        if matches!(bind, Address::Ip(address) if address.port() == 0) {
            return;
        }
        match bound.iter().find(|(known, _)| known.overlaps(bind)) {
            Some((known, first)) => {
                let message = if known == bind {
                    format!("`{bind}` is bound twice")
                } else {
                    format!("`{bind}` and `{known}` cannot both be bound: one takes connections of the other")
                };
                let twice = Diagnostic::error(codes::DEFINED_TWICE, message);
                self.report(
                    twice.at(span, "second time").at(first, "first time").help("give one of them another port"),
                );
            }
            None => bound.push((bind.clone(), span)),
        }
    }

    /// A network, or an address alone.
    fn network(&mut self, text: &Spanned<String>) -> Option<IpNet> {
        network(&text.value).map_err(|bad| self.bad_value(&text.span, bad.message, &bad.help)).ok()
    }

    fn rules(&mut self, listener: &document::Listener) -> Rules {
        let mut rules = Rules::default();
        if let Some(limits) = &listener.limits {
            if let Some(bytes) = &limits.head_bytes {
                let ceiling = limits::HEAD_BYTES_CEILING;
                rules.head_bytes_max = bytes.value.0;
                if !(limits::HEAD_BYTES_FLOOR..=ceiling).contains(&bytes.value.0) {
                    let message = format!("a head may have from {} to {ceiling} bytes", limits::HEAD_BYTES_FLOOR);
                    self.bad_value(&bytes.span, message, "leave the key out for the default");
                }
            }
            rules.fields_max = limits.fields.map_or(rules.fields_max, |max| clamp(max.0));
        }
        if let Some(written) = &listener.normalise {
            let default = target::Normalise::default();
            rules.normalise = target::Normalise {
                dot_segments: written.dot_segments.unwrap_or(default.dot_segments),
                unreserved: written.unreserved.unwrap_or(default.unreserved),
                merge_slashes: written.merge_slashes.unwrap_or(default.merge_slashes),
                encoded_slash: match written.encoded_slash {
                    Some(EncodedSlash::Refuse) => target::EncodedSlash::Refuse,
                    Some(EncodedSlash::Keep) => target::EncodedSlash::Keep,
                    None => default.encoded_slash,
                },
            };
        }
        rules.server = match listener.server.as_ref().map(|server| (&server.value, &server.span)) {
            None | Some((Via::On(true), _)) => Server::Pass,
            Some((Via::On(false), _)) => Server::Remove,
            Some((Via::Name(name), span)) => {
                if name.is_empty() || !is_field_value(name.as_bytes()) {
                    self.bad_value(
                        span,
                        "this cannot stand in a Server field",
                        "a name such as `web`, or false for none",
                    );
                }
                Server::Replace(name.clone())
            }
        };
        if let Some(written) = &listener.forwarded {
            let default = Forwarded::default();
            rules.forwarded = Forwarded {
                x_forwarded: written.x_forwarded.unwrap_or(default.x_forwarded),
                forwarded: written.forwarded.unwrap_or(default.forwarded),
                via: self.via(written.via.as_ref(), default.via),
                via_response: written.via_response.unwrap_or(default.via_response),
            };
        }
        rules
    }

    fn via(&mut self, via: Option<&Spanned<Via>>, default: Option<String>) -> Option<String> {
        let Some(via) = via else { return default };
        match &via.value {
            Via::On(true) => default,
            Via::On(false) => None,
            Via::Name(name) => {
                if !super::matching::token(name) {
                    self.bad_value(
                        &via.span,
                        "this cannot stand in a Via field",
                        "a name of letters, digits, `-`, `_` and `.`",
                    );
                }
                Some(name.clone())
            }
        }
    }

    fn listener_timeouts(&mut self, written: Option<&document::ListenerTimeouts>) -> plan::ListenerTimeouts {
        let head = self.period(written.and_then(|timeouts| timeouts.head.as_ref()));
        let idle = self.period(written.and_then(|timeouts| timeouts.idle.as_ref()));
        let body = self.period(written.and_then(|timeouts| timeouts.body.as_ref()));
        plan::ListenerTimeouts {
            head: head.unwrap_or(Duration::from_millis(limits::HEAD_TIMEOUT_MS)),
            idle: idle.unwrap_or(Duration::from_millis(limits::CLIENT_IDLE_TIMEOUT_MS)),
            body: body.unwrap_or(Duration::from_millis(limits::CLIENT_BODY_TIMEOUT_MS)),
        }
    }

    pub(super) fn buffer(&mut self, written: Option<&document::Buffer>) -> plan::Buffer {
        let Some(written) = written else { return plan::Buffer::default() };
        let mut bytes = |size: Option<&Spanned<Size>>| {
            let size = size?;
            let ceiling = limits::BODY_HELD_BYTES_CEILING;
            if size.value.0 > ceiling {
                let message = format!("at most {ceiling} bytes of a body are held");
                self.bad_value(&size.span, message, "what is longer than the buffer streams on");
            }
            Some(size.value.0 as u64)
        };
        plan::Buffer { request: bytes(written.request.as_ref()), response: bytes(written.response.as_ref()) }
    }
}

fn listener_limits(written: Option<&document::ListenerLimits>) -> plan::ListenerLimits {
    let default = plan::ListenerLimits::default();
    let Some(written) = written else { return default };
    let small = |max: u64| u32::try_from(max).unwrap_or(u32::MAX);
    plan::ListenerLimits {
        body: written.body.as_ref().map(|max| max.value.0 as u64),
        connections: written.connections.map(|max| clamp(max.0)),
        connections_per_address: written.connections_per_address.map(|max| small(max.0)),
        requests_per_second: written.requests_per_second.map(|max| small(max.0)),
        requests_per_connection: written.requests_per_connection.map(|max| small(max.0)),
        min_rate: written.min_rate.map_or(default.min_rate, |rate| rate.0),
    }
}
