//! Upstreams: endpoints, weights, who balances.

use super::super::codes;
use super::super::diagnostic::Diagnostic;
use super::super::document::{self, Protocol, ProxyVersion};
use super::super::plan;
use super::super::shapes::{Balance, Endpoint, UpstreamTls};
use super::super::spanned::Spanned;
use super::chain::Place;
use super::{Check, clamp};
use crate::config::similar::nearest;
use crate::limits;
use crate::wire::Address;
use crate::wire::proxy_header::Version;

const BALANCES: [&str; 2] = ["round_robin", "least_request"];
/// Designed, not built.
const BALANCES_LATER: [&str; 4] = ["peak_ewma", "maglev", "sticky", "priority"];

// === impl Check ===

impl Check<'_> {
    pub(super) fn upstreams(&mut self) {
        for (name, upstream) in &self.document.upstreams.0 {
            self.later("health", upstream.health.as_ref());
            let endpoints = self.endpoints(&name.value, &upstream.endpoints);
            let tls = upstream.tls.as_ref().and_then(|tls| self.upstream_tls(tls, &endpoints));
            let mut protocol = self.protocol(upstream.protocol.as_ref(), upstream.tls.as_ref());
            if let Some(version) = &upstream.proxy_protocol {
                if protocol == plan::Protocol::Http2 {
                    let shared = "a PROXY header names one client, and a connection by HTTP/2 serves many";
                    self.bad_value(&version.span, shared, "leave one of `proxy_protocol` and `protocol` out");
                }
                protocol = plan::Protocol::Http1;
            }
            let balance = self.balance(upstream.balance.as_ref());
            let chain = self.chain(&upstream.uses, Place::Upstream).uses;
            let seats = chain.len() + usize::from(matches!(balance, plan::Balance::Policy(_)));
            self.seats(seats, &name.span, &format!("the upstream `{}`", name.value));
            let limits = upstream.limits.as_ref();
            let timeouts = self.timeouts(upstream.timeouts.as_ref());
            self.plan.upstreams.push(plan::Upstream {
                name: name.value.clone(),
                span: name.span.clone(),
                endpoints,
                balance,
                chain,
                timeouts,
                proxy_protocol: upstream.proxy_protocol.as_ref().map(|version| match version.value {
                    ProxyVersion::V1 => Version::V1,
                    ProxyVersion::V2 => Version::V2,
                }),
                connections_max: limits.and_then(|limits| limits.connections).map(|max| clamp(max.0)),
                requests_max: limits.and_then(|limits| limits.requests).map(|max| clamp(max.0)),
                tls,
                protocol,
            });
        }
    }

    fn protocol(&mut self, written: Option<&Spanned<Protocol>>, tls: Option<&Spanned<UpstreamTls>>) -> plan::Protocol {
        let Some(written) = written else { return plan::Protocol::Http1 };
        let tls = tls.filter(|tls| !matches!(tls.value, UpstreamTls::On(false)));
        match (written.value, tls) {
            (Protocol::Http1, _) | (Protocol::Auto, None) => plan::Protocol::Http1,
            (Protocol::Auto, Some(_)) => plan::Protocol::Auto,
            (Protocol::H2c, None) | (Protocol::H2, Some(_)) => plan::Protocol::Http2,
            (Protocol::H2c, Some(_)) => {
                self.bad_value(&written.span, "`h2c` is HTTP/2 without TLS", "with TLS write `protocol: h2`");
                plan::Protocol::Http2
            }
            (Protocol::H2, None) => {
                self.bad_value(&written.span, "`h2` is HTTP/2 by TLS", "add `tls: true`, or write `protocol: h2c`");
                plan::Protocol::Http2
            }
        }
    }

    fn endpoints(&mut self, name: &str, written: &Spanned<Vec<Spanned<Endpoint>>>) -> Vec<plan::Endpoint> {
        if written.value.is_empty() {
            let none = format!("the upstream `{name}` has no endpoint");
            let help = "add at least one: `endpoints: [\"10.0.0.1:8080\"]`";
            self.report(Diagnostic::error(codes::NO_ENDPOINT, none).at(&written.span, "").help(help));
        }
        if written.value.len() > limits::ENDPOINTS_MAX {
            self.bad_value(
                &written.span,
                format!("more than {} endpoints", limits::ENDPOINTS_MAX),
                "split the upstream",
            );
        }
        let mut endpoints: Vec<plan::Endpoint> = Vec::new();
        let mut seen: std::collections::HashMap<Address, _> = std::collections::HashMap::new();
        for endpoint in &written.value {
            let (address, weight) = match &endpoint.value {
                Endpoint::Address(address) => (address, 1),
                Endpoint::Table(table) => (&table.address, table.weight.map_or(1, |weight| weight.0)),
            };
            match Address::parse(address) {
                Ok(Address::Ip(address)) if address.port() == 0 => {
                    self.bad_value(
                        &endpoint.span,
                        "port 0 cannot be dialled",
                        "give the port that the endpoint listens on",
                    );
                }
                Ok(address) => {
                    if let Some(first) = seen.insert(address.clone(), &endpoint.span) {
                        let twice =
                            Diagnostic::error(codes::DEFINED_TWICE, format!("the endpoint `{address}` stands twice"));
                        self.report(
                            twice
                                .at(&endpoint.span, "second time")
                                .at(first, "first time")
                                .help("use `weight` to give it more"),
                        );
                    }
                    endpoints.push(plan::Endpoint { address, weight: u32::try_from(weight).unwrap_or(u32::MAX) });
                }
                Err(why) => {
                    let bad = Diagnostic::error(codes::BAD_VALUE, "this is not an address that can be dialled");
                    self.report(bad.at(&endpoint.span, why.to_string()));
                }
            }
        }
        if !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.weight == 0) {
            let none = format!("every endpoint of `{name}` has weight 0, so none could be chosen");
            self.report(
                Diagnostic::error(codes::NO_ENDPOINT, none).at(&written.span, "").help("give one of them a weight"),
            );
        }
        endpoints
    }

    fn balance(&mut self, written: Option<&Spanned<Balance>>) -> plan::Balance {
        let Some(written) = written else { return plan::Balance::RoundRobin };
        match &written.value {
            Balance::Name(name) => match name.as_str() {
                "round_robin" => return plan::Balance::RoundRobin,
                "least_request" => return plan::Balance::LeastRequest,
                name if BALANCES_LATER.contains(&name) => {
                    let message = format!("`{name}` is not built yet in this version");
                    let later = Diagnostic::error(codes::NOT_BUILT, message);
                    self.report(later.at(&written.span, "use `round_robin` or `least_request` for now"));
                }
                name => {
                    let label =
                        nearest(name, BALANCES).map_or_else(String::new, |near| format!("did you mean `{near}`?"));
                    let unknown = Diagnostic::error(codes::BAD_VALUE, format!("there is no balancing called `{name}`"));
                    let help = "known: round_robin, least_request; for a policy write `balance: { policy: name }`";
                    self.report(unknown.at(&written.span, label).help(help));
                }
            },
            Balance::Table(table) => {
                if let Some(one) = self.use_table(table, &written.span, Place::Balance) {
                    return plan::Balance::Policy(Box::new(one.0));
                }
            }
        }
        plan::Balance::RoundRobin
    }

    pub(super) fn timeouts(&mut self, written: Option<&document::Timeouts>) -> plan::Timeouts {
        let Some(written) = written else { return plan::Timeouts::default() };
        plan::Timeouts {
            connect: self.period(written.connect.as_ref()),
            first_byte: self.period(written.first_byte.as_ref()),
            idle: self.period(written.idle.as_ref()),
            total: self.period(written.total.as_ref()),
        }
    }
}
