//! Addresses and networks: reading them, and finding the narrowest network that holds an address.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a text is no address or network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpError {
    #[error("`{0}` is not an IP address, as in `10.0.0.1` or `2001:db8::1`")]
    Address(String),
    #[error("`{0}` is not a network, as in `10.0.0.0/8`, or an IP address")]
    Network(String),
    #[error("`{0}` has bits beyond its prefix; did you mean `{1}`?")]
    HostBits(String, IpNet),
}

/// Networks with something for each. A look-up takes a binary search and at most as many steps as prefixes can be nested.
#[derive(Debug, Clone)]
pub struct Networks<T> {
    four: Vec<Entry<T>>,
    six: Vec<Entry<T>>,
}

/// Networks alone.
pub type Set = Networks<()>;

#[derive(Debug, Clone)]
struct Entry<T> {
    first: u128,
    last: u128,
    network: IpNet,
    /// The next wider network that holds this one; `NONE`: there is none.
    parent: u32,
    value: T,
}

const NONE: u32 = u32::MAX;

/// An address; one of IPv4 written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 one.
pub fn parse(text: &[u8]) -> Result<IpAddr, IpError> {
    let ip = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<IpAddr>().ok());
    ip.map(|ip| ip.to_canonical()).ok_or_else(|| IpError::Address(shown(text)))
}

/// A network, or an address, which is a network of one.
pub fn parse_network(text: &[u8]) -> Result<IpNet, IpError> {
    let written = std::str::from_utf8(text).map(str::trim).unwrap_or_default();
    if let Ok(address) = written.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let network: IpNet = written.parse().map_err(|_| IpError::Network(shown(text)))?;
    if network.trunc() == network {
        Ok(canonical(network))
    } else {
        Err(IpError::HostBits(shown(text), network.trunc()))
    }
}

/// A network of IPv4 addresses written as IPv6 ones is the IPv4 one.
fn canonical(network: IpNet) -> IpNet {
    let IpAddr::V4(address) = network.addr().to_canonical() else { return network };
    match network.prefix_len().checked_sub(96) {
        Some(length) if network.max_prefix_len() == 128 => IpNet::new(address.into(), length).unwrap_or(network),
        _ => network,
    }
}

/// Whether the network holds the address.
#[must_use]
pub fn is_in(address: IpAddr, network: IpNet) -> bool {
    network.contains(&address.to_canonical())
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(64).collect()
}

// === impl Networks ===

impl<T> Networks<T> {
    /// Of a network that stands twice the first is kept.
    pub fn new(networks: impl IntoIterator<Item = (IpNet, T)>) -> Self {
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for (network, value) in networks {
            let network = canonical(network.trunc());
            let (first, last) = (bits(network.network()), bits(network.broadcast()));
            let entry = Entry { first, last, network, parent: NONE, value };
            if network.max_prefix_len() == 32 { four.push(entry) } else { six.push(entry) }
        }
        nest(&mut four);
        nest(&mut six);
        Self { four, six }
    }

    /// The narrowest network that holds the address.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<(IpNet, &T)> {
        let address = address.to_canonical();
        let entries = if address.is_ipv4() { &self.four } else { &self.six };
        let address = bits(address);
        let mut at = entries.partition_point(|entry| entry.first <= address).checked_sub(1)?;
        loop {
            let entry = entries.get(at)?;
            if address <= entry.last {
                return Some((entry.network, &entry.value));
            }
            at = entry.parent as usize;
        }
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.find(address).is_some()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.four.len() + self.six.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Set {
    /// A set of networks and addresses as written.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, IpError> {
        let networks: Vec<_> =
            texts.into_iter().map(|text| Ok((parse_network(text)?, ()))).collect::<Result<_, _>>()?;
        Ok(Self::new(networks))
    }
}

/// Sorts them, wider ones first where they begin alike, and finds each one's parent.
fn nest<T>(entries: &mut Vec<Entry<T>>) {
    entries.sort_by(|one, other| (one.first, other.last).cmp(&(other.first, one.last)));
    entries.dedup_by(|later, earlier| later.first == earlier.first && later.last == earlier.last);
    let mut open: Vec<usize> = Vec::new();
    for at in 0..entries.len() {
        while open.last().is_some_and(|outer| entries[*outer].last < entries[at].first) {
            open.pop();
        }
        entries[at].parent = open.last().and_then(|outer| u32::try_from(*outer).ok()).unwrap_or(NONE);
        open.push(at);
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_narrowest_wins() {
        let texts =
            ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "0.0.0.0/0", "2001:db8::/32", "192.0.2.0/24"];
        let networks = Networks::new(texts.map(|text| (parse_network(text.as_bytes()).unwrap(), text)));
        for (address, found) in [
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.1.2.4", Some("10.1.2.0/24")),
            ("10.1.3.1", Some("10.1.0.0/16")),
            ("10.2.0.1", Some("10.0.0.0/8")),
            ("11.0.0.1", Some("0.0.0.0/0")),
            ("::ffff:10.1.2.3", Some("10.1.2.3")),
            ("2001:db8::1", Some("2001:db8::/32")),
            ("2001:db9::1", None),
        ] {
            assert_eq!(networks.find(ip(address)).map(|(_, text)| *text), found, "{address}");
        }
        assert_eq!(networks.len(), 7);
        assert!(Set::new([]).is_empty());
        assert!(is_in(ip("::ffff:10.9.9.9"), "10.0.0.0/8".parse().unwrap()));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("10.0.0.0/33", "`10.0.0.0/33` is not a network, as in `10.0.0.0/8`, or an IP address"),
            ("10.0.0.1/8", "`10.0.0.1/8` has bits beyond its prefix; did you mean `10.0.0.0/8`?"),
            ("host", "`host` is not a network, as in `10.0.0.0/8`, or an IP address"),
        ] {
            assert_eq!(parse_network(text.as_bytes()).unwrap_err().to_string(), told);
        }
        assert_eq!(parse_network(b" ::ffff:10.0.0.0/104 ").unwrap().to_string(), "10.0.0.0/8");
        assert!(parse(b"10.0.0.1/8").is_err() && parse(b"\xff").is_err());
        assert!(Set::parse([&b"10.0.0.0/8"[..], b"x"]).is_err());
    }

    proptest! {
        #[test]
        fn as_the_plainest_search_says(
            nets in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            asked in prop::collection::vec(any::<u32>(), 0..20),
        ) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(bits, length)| IpNet::new(IpAddr::V4((bits & 0x0f0f_0000).into()), length.min(16)).unwrap().trunc())
                .collect();
            let networks = Networks::new(nets.iter().map(|net| (*net, ())));
            for bits in asked.into_iter().map(|bits| bits & 0x0f0f_ffff).chain(nets.iter().map(|net| {
                let IpAddr::V4(first) = net.broadcast() else { return 0 };
                first.to_bits()
            })) {
                let address = IpAddr::V4(bits.into());
                let plain = nets.iter().filter(|net| net.contains(&address)).max_by_key(|net| net.prefix_len());
                prop_assert_eq!(networks.find(address).map(|(net, ())| net), plain.copied());
            }
        }
    }
}
