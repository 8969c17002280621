//! X-Forwarded-*, Forwarded (RFC 7239) and Via (RFC 9110 section 7.6.3).

/// Which fields tell the origin about the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// X-Forwarded-For, -Proto and -Host.
    pub x_forwarded: bool,
    /// Forwarded, RFC 7239.
    pub forwarded: bool,
    /// Via on requests: the pseudonym; `None`: no Via.
    pub via: Option<String>,
    /// Via on responses too.
    pub via_response: bool,
}

impl Default for Forwarded {
    fn default() -> Self {
        Self { x_forwarded: true, forwarded: false, via: Some("gatewright".into()), via_response: false }
    }
}
