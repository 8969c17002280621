//! `gatewright` with no arguments and no file: a listener on loopback, an origin in this process, and lines to try.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;

/// Ports that are tried, in order.
pub const PORTS: RangeInclusive<u16> = 8080..=8089;

/// The in-memory address at which the demo's origin answers: status 200, and a body that says what arrived.
pub const ORIGIN: &str = "memory:origin";

const TEXT: &str = "\
# The demo. `gatewright` without arguments runs it; save it as gatewright.yaml to change it.
version: 1

listeners:
  web: { bind: '127.0.0.1:PORT' }

upstreams:
  origin: { endpoints: ['memory:origin'] }

policies:
  greet:   { answer: { body: \"Hello, {path.name}!\\n\" } }
  old:     { redirect: { to: '/shop/{path.id}', status: 308 } }
  strip:   { rewrite: { strip_prefix: /api } }
  label:   { headers: { request: { set: { x-route: '{route.name}' } }, response: { set: { x-demo: gatewright } } } }

routes:
  - { name: greet, match: { path: '/hello/{name}' }, use: [greet] }
  - { name: old,   match: { path: '/old/{id}' }, use: [old] }
  - { name: api,   match: { path: '/api/*' }, use: [strip, label], to: origin }
  - { name: post,  match: { path: /form, method: POST }, to: origin }
  - { name: all,   match: { path: /* }, to: origin }
";

/// What to try: a remark and the arguments of curl.
const LINES: &[(&str, &str, &str)] = &[
    ("through the proxy to the origin in this process", "-i", "/"),
    ("a parameter of the path, answered by the proxy", "-i", "/hello/you"),
    ("a prefix taken away, headers set both ways", "-i", "/api/users?page=2"),
    ("a redirect", "-i", "/old/7"),
    ("a body, and a route that wants POST", "-i -d name=you", "/form"),
];

/// The configuration, for a port.
#[must_use]
pub fn text(port: u16) -> String {
    TEXT.replace("PORT", &port.to_string())
}

/// What to print once it runs.
#[must_use]
pub fn lines(port: u16) -> String {
    let mut out = format!("Gatewright's demo listens on http://127.0.0.1:{port}. Try:\n\n");
    for (remark, arguments, path) in LINES {
        out.push_str(&format!("  # {remark}\n  curl {arguments} 'http://127.0.0.1:{port}{path}'\n\n"));
    }
    out.push_str("Ctrl-C ends it. To begin your own: gatewright proxy --from :8080 --to HOST:PORT --print\n");
    out
}

/// The first port that is free; `None`: none of them is.
#[must_use]
pub fn free_port() -> Option<u16> {
    PORTS.into_iter().find(|port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_the_port_and_the_lines_fit_the_routes() {
        let text = text(8083);
        assert!(text.contains("'127.0.0.1:8083'") && !text.contains("PORT"), "{text}");
        assert!(text.contains(ORIGIN));
        assert_eq!(lines(8083).matches("curl ").count(), LINES.len());
        assert!(lines(8083).contains("curl -i 'http://127.0.0.1:8083/hello/you'"));
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let Some(first) = free_port() else { return };
        let _taken = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, first))).unwrap();
        assert_ne!(free_port(), Some(first));
    }
}
