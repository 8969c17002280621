//! Where a connection comes from or goes to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// An address as written in the configuration: something to bind or to dial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    Ip(SocketAddr),
    /// A DNS name, re-resolved by its time to live.
    Name {
        host: Arc<str>,
        port: u16,
    },
    /// `unix:/path`
    Unix(PathBuf),
    /// `memory:name`: a listener of this process, met without a socket.
    Memory(Arc<str>),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(pub &'static str);

impl Address {
    /// Reads `host:port`, `1.2.3.4:80`, `[::1]:80`, `unix:/path`, `memory:name`.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(BadAddress("a unix address needs an absolute path, like unix:/run/app.sock"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Some(name) = text.strip_prefix("memory:") {
            if name.is_empty() {
                return Err(BadAddress("an in-memory address needs a name, like memory:origin"));
            }
            return Ok(Self::Memory(name.into()));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Ip(address));
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(BadAddress("the port is missing, like 127.0.0.1:8080 or [::1]:8080"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(BadAddress("the port is missing, like app.example.com:8080"));
        };
        let port = port.parse::<u16>().map_err(|_| BadAddress("the port must be a number from 1 to 65535"))?;
        if port == 0 {
            return Err(BadAddress("the port must be a number from 1 to 65535"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(plain) {
            return Err(BadAddress("expected an IP address, a DNS name, unix:/path or memory:name"));
        }
        Ok(Self::Name { host: host.to_ascii_lowercase().into(), port })
    }

    /// Whether one connection could arrive at both, so that only one of them can be listened on: `0.0.0.0` takes the
    /// port of every IPv4 address, `[::]` that of every address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(one), Self::Ip(other)) if one.port() == other.port() => {
                one == other || takes(one.ip(), other.ip()) || takes(other.ip(), one.ip())
            }
            _ => self == other,
        }
    }
}

fn takes(wide: IpAddr, narrow: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_is_what_the_kernel_says_it_is() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let all = ["0.0.0.0", "127.0.0.1", "127.0.0.2", "[::]", "[::1]"];
        for (one, other) in all.iter().flat_map(|one| all.map(|other| (*one, other))) {
            let at = |host: &str| format!("{host}:{port}").parse::<SocketAddr>().unwrap();
            let Ok(_held) = std::net::TcpListener::bind(at(one)) else { return }; // no IPv6 here, or the port was taken
            let refused = std::net::TcpListener::bind(at(other)).is_err();
            assert_eq!(Address::Ip(at(one)).overlaps(&Address::Ip(at(other))), refused, "{one} {other}");
        }
        let unix = |path: &str| Address::Unix(path.into());
        assert!(unix("/a").overlaps(&unix("/a")) && !unix("/a").overlaps(&unix("/b")));
    }
}
