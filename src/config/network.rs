//! Networks as they are written: `10.0.0.0/8`, or an address alone.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a text is no network, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadNetwork {
    pub message: String,
    pub help: String,
}

/// Reads a network, or an address alone.
pub fn network(text: &str) -> Result<IpNet, BadNetwork> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    match text.parse::<IpNet>() {
        Ok(net) if net.trunc() == net => Ok(net),
        Ok(net) => Err(BadNetwork {
            message: format!("`{text}` is an address within a network"),
            help: format!("write `{}` for the network, or `{}` for the address", net.trunc(), net.addr()),
        }),
        Err(_) => Err(BadNetwork {
            message: "expected an address or a network".into(),
            help: "as in `10.0.0.0/8`, `192.0.2.7` or `fd00::/8`".into(),
        }),
    }
}
