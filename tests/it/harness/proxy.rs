//! The third actor: a whole Gatewright in this process, on real sockets, on port 0.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use gatewright::control::Source;
use gatewright::control::embed::Embedded;
use gatewright::wire::Address;

use super::PATIENCE;

/// A running proxy. Dropping it cuts it off.
pub struct Proxy {
    pub inner: Embedded,
}

impl Proxy {
    /// Starts from a whole configuration file's text, with two workers where it does not say how many.
    pub fn start(yaml: &str) -> Proxy {
        Proxy::try_start(yaml).unwrap_or_else(|refused| panic!("the proxy does not start:\n{refused}\n{yaml}"))
    }

    pub fn try_start(yaml: &str) -> Result<Proxy, String> {
        let workers = (!yaml.contains("workers:")).then_some(2);
        Ok(Proxy { inner: Embedded::start(text(yaml), workers, None)? })
    }

    /// Starts from a file, which is then watched.
    pub fn start_file(path: impl Into<PathBuf>) -> Proxy {
        let inner = Embedded::start(Source::File(path.into()), Some(2), None);
        Proxy { inner: inner.unwrap_or_else(|refused| panic!("the proxy does not start:\n{refused}")) }
    }

    /// Everything to one origin, over a listener called `web`.
    pub fn to(origin: &str) -> Proxy {
        Proxy::with(origin, "")
    }

    /// As [`Proxy::to`], with further lines (top-level keys) of configuration.
    pub fn with(origin: &str, more: &str) -> Proxy {
        Proxy::start(&plain(origin, more))
    }

    /// Where `web` listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr_of("web")
    }

    pub fn addr_of(&self, listener: &str) -> SocketAddr {
        match self.inner.address(listener) {
            Some(Address::Ip(address)) => address,
            other => panic!("listener {listener} has no address: {other:?}"),
        }
    }

    pub fn reload(&self, yaml: &str) -> Result<u64, String> {
        self.inner.reload(text(yaml))
    }

    /// A metric's value: the sum over the lines that begin with `name` and contain `part`.
    pub fn metric(&self, name: &str, part: &str) -> u64 {
        let text = self.inner.metrics();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(part));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Waits until a metric has this value: what ends an exchange for the log comes after its last byte.
    #[track_caller]
    pub fn wait_for_metric(&self, name: &str, part: &str, value: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.metric(name, part) != value {
            assert!(Instant::now() < deadline, "{name} {part} stays at {}, not {value}", self.metric(name, part));
            std::thread::yield_now();
        }
    }

    /// Waits until so many exchanges have failed for this reason.
    #[track_caller]
    pub fn wait_for_failures(&self, reason: &str, count: u64) {
        self.wait_for_metric("gatewright_failures_total", &format!("\"{reason}\""), count);
    }
}

/// The text of [`Proxy::with`].
pub fn plain(origin: &str, more: &str) -> String {
    format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ origin: {{ endpoints: [\"{origin}\"] }} }}\n\
         routes: [ {{ match: {{ path: \"/*\" }}, to: origin }} ]\n{more}\n"
    )
}

fn text(yaml: &str) -> Source {
    Source::Text { name: "gatewright.yaml".into(), text: yaml.into() }
}
