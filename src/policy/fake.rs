//! An exchange that is not one: what the unit tests of policies are asked about.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Build, Secrets};
use crate::config::plan::Secret;
use crate::failure::Failure;
use crate::hook::{
    Answer, ClientCertificate, ClientFacts, Edit, Endpoint, Endpoints, Hook, Outcome, Peer, Plain, Policy, Refused,
    RouteFacts, RouteId, Row, Side, Step, TlsFacts, UpstreamId, Verdict, View,
};
use crate::http::head::Head;
use crate::http::name::{FieldName, Known};
use crate::wire::Address;

pub(super) struct Fake {
    pub request: Head,
    pub response: Option<Head>,
    pub upstream: Option<UpstreamId>,
    pub may_retry: bool,
    client: ClientFacts,
    route: RouteFacts,
    endpoints: Endpoints,
    values: HashMap<String, Plain>,
}

/// The policy that options make.
pub(super) fn policy<O: Build>(options: serde_json::Value) -> O::Built {
    serde_json::from_value::<O>(options).unwrap().build(&secrets()).unwrap_or_else(|found| panic!("{found:?}"))
}

/// Everything that is wrong with options, a line each.
pub(super) fn complaint<O: Build>(options: serde_json::Value) -> String {
    let Err(found) = serde_json::from_value::<O>(options).unwrap().build(&secrets()) else { return String::new() };
    found.iter().map(|one| format!("{} ({})\n", one.message, one.help)).collect()
}

pub(super) fn secrets() -> Secrets {
    Secrets::new([("api-key".to_owned(), Secret(Arc::from(&b"s3cret\n"[..])))].into())
}

// === impl Fake ===

impl Fake {
    pub(super) fn get(target: &str) -> Self {
        let mut request = Head::request("GET", target);
        request.add_known(Known::Host, b"Shop.example.com:8443");
        request.add(&FieldName::new("user-agent").unwrap(), b"test");
        request.add(&FieldName::new("x-name").unwrap(), b"a b\"");
        let client = ClientFacts {
            address_text: "".into(),
            peer: Peer::Ip("192.0.2.7:4000".parse().unwrap()),
            trusted: false,
            secure: false,
            local: None,
            listener: "web".into(),
            tls: Some(Box::new(TlsFacts {
                version: "TLSv1.3",
                cipher: "TLS_AES_128_GCM_SHA256",
                server_name: Some("shop.example.com".into()),
                resumed: false,
                certificate: Some(Arc::new(ClientCertificate {
                    subject: "CN=alice,O=a\\,b".into(),
                    names: "DNS:alice.test".into(),
                    fingerprint: "00ff".into(),
                    encoded: "AP8=".into(),
                })),
                told: false,
                names: Arc::default(),
            })),
        };
        let route = RouteFacts { id: RouteId(0), name: "shop".into(), params: Vec::new(), to: Arc::new([]) };
        let endpoints = Endpoints { upstream: UpstreamId(0), version: 1, list: Arc::new([]), tried: 0 };
        let (response, upstream, may_retry, values) = (None, None, false, HashMap::new());
        Self { request, response, upstream, may_retry, client, route, endpoints, values }
    }

    pub(super) fn balancing(weights: &[u32]) -> Self {
        let mut fake = Self::get("/");
        let endpoint = |weight: &u32| {
            let address = Address::Ip("127.0.0.1:80".parse().unwrap());
            Arc::new(Endpoint::new(address, None, *weight))
        };
        fake.endpoints.list = weights.iter().map(endpoint).collect();
        fake
    }

    pub(super) fn to(&mut self, to: &[(UpstreamId, u32)]) {
        self.route.to = to.into();
    }

    pub(super) fn param(&mut self, name: &str, value: &str) {
        self.route.params.push((name.into(), value.to_owned()));
    }

    pub(super) fn tried(&mut self, bits: u64) {
        self.endpoints.tried = bits;
    }

    pub(super) fn version(&mut self, version: u64) {
        self.endpoints.version = version;
    }

    pub(super) fn in_flight(&self, counts: &[u32]) {
        for (endpoint, count) in self.endpoints.list.iter().zip(counts) {
            endpoint.in_flight.store(*count, Ordering::Relaxed);
        }
    }

    pub(super) fn call(&mut self, policy: &dyn Policy, hook: Hook) -> Outcome {
        assert!(policy.hooks().has(hook));
        match policy.call(hook, self) {
            Step::Now(outcome) => outcome,
            Step::Later(_) => panic!("no built-in policy waits"),
        }
    }

    pub(super) fn answer_of(&mut self, policy: &dyn Policy, hook: Hook) -> Answer {
        match self.call(policy, hook).unwrap() {
            Verdict::Answer(answer) => *answer,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn endpoint_of(&mut self, policy: &dyn Policy) -> Result<usize, Failure> {
        match self.call(policy, Hook::Balance)? {
            Verdict::Endpoint(id) => Ok(id.0 as usize),
            other => panic!("{other:?}"),
        }
    }

    /// Every line of a request field.
    pub(super) fn field(&self, name: &str) -> String {
        let name = FieldName::new(name).unwrap();
        let lines: Vec<_> = self.request.all(&name).map(String::from_utf8_lossy).collect();
        lines.join(", ")
    }
}

impl View for Fake {
    fn enter(&mut self, _: &'static Row, _: u16) {}

    fn client(&self) -> Result<&ClientFacts, Refused> {
        Ok(&self.client)
    }

    fn request(&self) -> Result<&Head, Refused> {
        Ok(&self.request)
    }

    fn response(&self) -> Result<&Head, Refused> {
        self.response.as_ref().ok_or(Refused::NotHere(crate::hook::table::may::RESPONSE))
    }

    fn edit(&mut self, side: Side, edit: Edit<'_>) -> Result<(), Refused> {
        let head = match side {
            Side::Request => &mut self.request,
            Side::Response => self.response.as_mut().ok_or(Refused::NotHere(crate::hook::table::may::RESPONSE))?,
        };
        match edit {
            Edit::Set(name, value) => head.set(name, value),
            Edit::Add(name, value) => head.add(name, value),
            Edit::Remove(name) => drop(head.remove(name)),
            Edit::Target(target) => head.set_target(target),
            Edit::Host(host) => head.set(&Known::Host.into(), host.as_bytes()),
            Edit::Method(method) => head.set_method(method),
            Edit::Status(status) => head.set_status(status),
            Edit::Reason(reason) => head.set_reason(reason),
        }
        Ok(())
    }

    fn request_id(&self) -> &str {
        "0123456789abcdef0123456789abcdef"
    }

    fn route(&self) -> Result<Option<&RouteFacts>, Refused> {
        Ok(Some(&self.route))
    }

    fn upstream(&self) -> Result<Option<UpstreamId>, Refused> {
        Ok(self.upstream)
    }

    fn upstream_name(&self) -> &str {
        "origin"
    }

    fn choose_upstream(&mut self, id: UpstreamId, _: bool) -> Result<(), Refused> {
        self.upstream = Some(id);
        Ok(())
    }

    fn endpoints(&self) -> Result<&Endpoints, Refused> {
        Ok(&self.endpoints)
    }

    fn may_retry(&self) -> bool {
        self.may_retry
    }

    fn value(&self, key: &str) -> Result<Option<&Plain>, Refused> {
        Ok(self.values.get(key))
    }

    fn set_value(&mut self, key: &str, value: Plain) -> Result<(), Refused> {
        self.values.insert(key.to_owned(), value);
        Ok(())
    }
}
