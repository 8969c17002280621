//! `ip`: addresses and networks.

use std::rc::Rc;

use super::super::{Bound, Noun, function};
use super::arguments::{bytes, table, texts};
use super::{give, nothing};
use crate::library::ip::{self, Set};
use crate::limits::NETWORKS_MAX;
use crate::lua::raw::{Frame, Hosted, Raise, Returned};

pub(in crate::lua::bind) const MEMBERS: &[Bound] = &[Bound::method("contains", contains), Bound::method("find", find)];

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"parse", parse);
    function(frame, c"in_network", in_network);
    function(frame, c"set", set);
}

/// The address as everybody writes it, and 4 or 6.
fn parse(frame: &Frame<'_>) -> Hosted {
    match ip::parse(bytes(frame, 1, "ip.parse", "a text")?) {
        Ok(address) => {
            frame.push_text(address.to_string().as_bytes());
            frame.push_number(if address.is_ipv4() { 4.0 } else { 6.0 });
            Ok(Returned::Values(2))
        }
        Err(why) => nothing(frame, why),
    }
}

/// `ip.in_network(address, network)`
fn in_network(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "ip.in_network";
    let network = ip::parse_network(bytes(frame, 2, OF, "a network after the address")?);
    let network = network.map_err(|why| Raise(format!("`{OF}`: {why}")))?;
    match ip::parse(bytes(frame, 1, OF, "an address")?) {
        Ok(address) => {
            frame.push_bool(ip::is_in(address, network));
            Ok(Returned::Values(1))
        }
        Err(why) => nothing(frame, why),
    }
}

/// `ip.set { "10.0.0.0/8", … }`
fn set(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "ip.set";
    let at = table(frame, 1, OF, "a list of networks")?;
    let texts = texts(frame, at, NETWORKS_MAX, OF, "a list of networks")?;
    let made = Set::parse(texts.iter().map(|text| &**text)).map_err(|why| Raise(format!("`{OF}`: {why}")))?;
    frame.push_thing(Noun::Networks as u8, 0, Some(Rc::new(made)));
    Ok(Returned::Values(1))
}

/// The narrowest network of the set that holds the address.
fn found(frame: &Frame<'_>, of: &str) -> Result<Result<Option<ipnet::IpNet>, ip::IpError>, Raise> {
    let held = frame.thing(1, Noun::Networks as u8).and_then(|thing| thing.held.as_ref());
    let set: Option<&Set> = held.and_then(|held| held.downcast_ref());
    let set = set.ok_or_else(|| Raise("no set of networks: call its methods by `:`".to_owned()))?;
    let address = ip::parse(bytes(frame, 2, of, "an address")?);
    Ok(address.map(|address| set.find(address).map(|(network, ())| network)))
}

fn contains(frame: &Frame<'_>) -> Hosted {
    match found(frame, "networks:contains")? {
        Ok(found) => {
            frame.push_bool(found.is_some());
            Ok(Returned::Values(1))
        }
        Err(why) => nothing(frame, why),
    }
}

fn find(frame: &Frame<'_>) -> Hosted {
    match found(frame, "networks:find")? {
        Ok(Some(network)) => give(frame, network.to_string()),
        Ok(None) => {
            frame.push_nil();
            Ok(Returned::Values(1))
        }
        Err(why) => nothing(frame, why),
    }
}
