//! `addresses { allow, deny }`: lets clients in, or keeps them out, by their address.
//!
//! The most specific network wins, whatever the order, as with routes; so an exception is written beside its rule, and
//! there is no line too many to be reached. Where it stands at the file or at a listener it speaks at `connection`
//! already, and at `request` again: a list that comes with a reload holds for connections that are open, too.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::network::network;
use crate::config::spanned::Spanned;
use crate::hook::{Answer, Hook, HookSet, Policy, Step, Verdict, View};
use crate::policy::{Build, Complaint, Secrets};

pub(in crate::policy) const HOOKS: HookSet = HookSet::of(&[Hook::Connection, Hook::Request]);

/// Lets clients in, or keeps them out, by their address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressesOptions {
    /// Addresses and networks that may come in. If there is one, nobody else may.
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    /// Addresses and networks that may not. Of two networks that hold an address, the smaller one decides.
    #[serde(default)]
    deny: Vec<Spanned<String>>,
}

#[derive(Debug)]
pub struct Addresses {
    four: Ranges,
    six: Ranges,
}

/// From which address on who is let in, in order.
#[derive(Debug)]
struct Ranges {
    begins: Vec<(u128, bool)>,
    otherwise: bool,
}

// === impl AddressesOptions ===

impl Build for AddressesOptions {
    type Built = Addresses;

    fn build(self, _: &Secrets) -> Result<Addresses, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut rules: Vec<(IpNet, bool)> = Vec::new();
        let all = self.allow.iter().map(|text| (text, true)).chain(self.deny.iter().map(|text| (text, false)));
        for (text, allow) in all {
            match network(&text.value) {
                Ok(net) if rules.contains(&(net, !allow)) => {
                    let message = format!("`{}` is both allowed and denied", text.value);
                    complaints.push(Complaint::new(message, "take it from one of the two lists").at(&text.span));
                }
                Ok(net) => rules.push((net, allow)),
                Err(bad) => complaints.push(Complaint::new(bad.message, bad.help).at(&text.span)),
            }
        }
        if self.allow.is_empty() && self.deny.is_empty() {
            let help = "as in `{ allow: [10.0.0.0/8] }` or `{ deny: [192.0.2.0/24] }`";
            complaints.push(Complaint::new("neither `allow` nor `deny` names anybody", help));
        }
        if complaints.is_empty() { Ok(Addresses::new(&rules)) } else { Err(complaints) }
    }
}

// === impl Addresses ===

impl Addresses {
    fn new(rules: &[(IpNet, bool)]) -> Self {
        let otherwise = !rules.iter().any(|(_, allow)| *allow);
        let of = |four: bool| Ranges::new(rules.iter().filter(|(net, _)| net.addr().is_ipv4() == four), otherwise);
        Self { four: of(true), six: of(false) }
    }

    fn allows(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.four.allow(address.to_bits().into()),
            IpAddr::V6(address) => self.six.allow(address.to_bits()),
        }
    }
}

impl Policy for Addresses {
    fn hooks(&self) -> HookSet {
        HOOKS
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, hook: Hook, view: &'a mut dyn View) -> Step<'a> {
        let address = match view.client() {
            Ok(client) => client.address(),
            Err(refused) => return Step::Now(Err(refused.into())),
        };
        Step::Now(Ok(match hook {
            _ if self.allows(address) => Verdict::Pass,
            Hook::Connection => Verdict::Close,
            _ => {
                let why = Some("this address may not come in".to_owned());
                Verdict::Answer(Box::new(Answer { status: 403, why, ..Answer::default() }))
            }
        }))
    }
}

// === impl Ranges ===

impl Ranges {
    /// Lays networks out side by side, inner ones over outer ones.
    fn new<'a>(rules: impl Iterator<Item = &'a (IpNet, bool)>, otherwise: bool) -> Self {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        let mut rules: Vec<(u128, u128, u8, bool)> =
            rules.map(|(net, allow)| (bits(net.network()), bits(net.broadcast()), net.prefix_len(), *allow)).collect();
        rules.sort_unstable_by_key(|(first, _, prefix, _)| (*first, *prefix));
        let mut ranges = Self { begins: Vec::new(), otherwise };
        // The networks that the one at hand lies in, outermost first.
        let mut around: Vec<(u128, bool)> = Vec::new();
        for (first, last, _, allow) in rules {
            ranges.leave(&mut around, Some(first));
            ranges.begin(first, allow);
            around.push((last, allow));
        }
        ranges.leave(&mut around, None);
        ranges
    }

    /// Leaves the networks that end before `next`; all of them if nothing comes next.
    fn leave(&mut self, around: &mut Vec<(u128, bool)>, next: Option<u128>) {
        while let Some((last, _)) = around.pop_if(|(last, _)| next.is_none_or(|next| *last < next)) {
            let outer = around.last().map_or(self.otherwise, |(_, allow)| *allow);
            if let Some(after) = last.checked_add(1) {
                self.begin(after, outer);
            }
        }
    }

    fn begin(&mut self, first: u128, allow: bool) {
        self.begins.pop_if(|(begun, _)| *begun == first);
        self.begins.push((first, allow));
    }

    fn allow(&self, address: u128) -> bool {
        let at = self.begins.partition_point(|(first, _)| *first <= address);
        at.checked_sub(1).and_then(|at| self.begins.get(at)).map_or(self.otherwise, |(_, allow)| *allow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::diagnostic::Span;
    use crate::policy::fake::Fake;

    fn options(allow: &[&str], deny: &[&str]) -> AddressesOptions {
        let each = |texts: &[&str]| {
            texts.iter().map(|text| Spanned { span: Span::default(), value: (*text).to_owned() }).collect()
        };
        AddressesOptions { allow: each(allow), deny: each(deny) }
    }

    fn built(allow: &[&str], deny: &[&str]) -> Addresses {
        options(allow, deny).build(&Secrets::default()).unwrap_or_else(|found| panic!("{found:?}"))
    }

    fn check(allow: &[&str], deny: &[&str], cases: &[(&str, bool)]) {
        let policy = built(allow, deny);
        for (address, expected) in cases {
            assert_eq!(policy.allows(address.parse().unwrap()), *expected, "{address} by {allow:?} {deny:?}");
        }
    }

    #[test]
    fn the_smaller_network_decides_and_an_allow_list_is_all_there_is() {
        check(&[], &["192.0.2.0/24"], &[("192.0.2.1", false), ("192.0.3.0", true), ("::1", true)]);
        check(&["10.0.0.0/8"], &[], &[("10.255.255.255", true), ("11.0.0.0", false), ("::1", false)]);
        check(
            &["10.0.0.0/8", "10.1.2.0/24"],
            &["10.1.0.0/16", "10.1.2.3"],
            &[("10.0.0.1", true), ("10.1.0.1", false), ("10.1.2.1", true), ("10.1.2.3", false), ("10.1.2.4", true)],
        );
        check(&["10.1.2.3", "0.0.0.0/0", "::/0"], &["10.0.0.0/8"], &[("10.1.2.3", true), ("10.1.2.4", false)]);
        check(&["10.1.2.3", "0.0.0.0/0"], &["10.0.0.0/8"], &[("192.0.2.1", true), ("::1", false)]);
        check(&[], &["::/0"], &[("::1", false), ("127.0.0.1", true), ("::ffff:127.0.0.1", true)]);
        check(&["2001:db8::/32"], &["2001:db8:1::/48"], &[("2001:db8::1", true), ("2001:db8:1::1", false)]);
        check(
            &[],
            &["255.255.255.255", "0.0.0.0"],
            &[("255.255.255.255", false), ("0.0.0.0", false), ("1.1.1.1", true)],
        );
        let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        check(&[last], &[], &[(last, true), ("::", false)]);
    }

    #[test]
    fn it_closes_connections_and_answers_requests() {
        let (mut fake, kept_out) = (Fake::get("/"), built(&["10.0.0.0/8"], &[]));
        let Step::Now(Ok(verdict)) = kept_out.call(Hook::Connection, &mut fake) else { panic!("no verdict") };
        assert!(matches!(verdict, Verdict::Close));
        let answer = fake.answer_of(&kept_out, Hook::Request);
        assert_eq!((answer.status, answer.body), (403, None));
        let let_in = built(&["192.0.2.7"], &[]);
        assert!(matches!(let_in.call(Hook::Connection, &mut fake), Step::Now(Ok(Verdict::Pass))));
    }

    #[test]
    fn mistakes_are_named_together() {
        let found = options(&["10.0.0.1/8", "10.0.0.0/8"], &["ten", "10.0.0.0/8"]).build(&Secrets::default());
        let found: Vec<String> = found.err().into_iter().flatten().map(|one| one.message).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(options(&[], &[]).build(&Secrets::default()).is_err());
    }

    proptest! {
        #[test]
        fn it_says_what_the_longest_prefix_says(
            nets in prop::collection::vec((any::<u32>(), 0_u8..=32, any::<bool>()), 1..40),
            addresses in prop::collection::vec(any::<u32>(), 1..20),
        ) {
            let mut rules: Vec<(IpNet, bool)> = Vec::new();
            for (bits, prefix, allow) in nets {
                // A small space, so that networks nest.
                let net = ipnet::Ipv4Net::new((bits & 0xff00_00ff).into(), prefix).unwrap().trunc();
                if !rules.iter().any(|(known, _)| *known == IpNet::V4(net)) {
                    rules.push((IpNet::V4(net), allow));
                }
            }
            let addresses_policy = Addresses::new(&rules);
            let edges = rules.iter().flat_map(|(net, _)| [net.network(), net.broadcast()]);
            let some = addresses.into_iter().map(|bits| IpAddr::V4((bits & 0xff00_00ff).into()));
            for address in some.chain(edges) {
                let longest = rules.iter().filter(|(net, _)| net.contains(&address)).max_by_key(|(net, _)| net.prefix_len());
                let expected = longest.map_or(!rules.iter().any(|(_, allow)| *allow), |(_, allow)| *allow);
                prop_assert_eq!(addresses_policy.allows(address), expected, "{} {:?}", address, rules);
            }
        }
    }
}
