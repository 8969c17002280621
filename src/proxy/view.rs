//! What policies see of an exchange, and the only way in which they change it.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::fetch::Outbound;
use super::rare::Current;
use super::{Before, Exchange, attempt, body};
use crate::failure::Failure;
use crate::hook::table::{Wait, may};
use crate::hook::{
    Awaited, Body, ClientFacts, Due, Edit, Endpoint, Endpoints, Form, Identity, Nowhere, Plain, Redeemed, Refused,
    RouteFacts, RouteId, Row, Side, Ticket, UpstreamId, View,
};
use crate::http::authority::check_host;
use crate::http::h1::trailers::may_trail;
use crate::http::head::Head;
use crate::http::name::{FieldName, Known, is_field_value, is_token};
use crate::http::target;
use crate::wire::Chunk;

impl View for Exchange {
    fn enter(&mut self, row: &'static Row, seat: u16) {
        self.row = row;
        self.seat = seat;
        self.observe_mark = None;
        self.observing = false;
        self.keeping = false;
    }

    fn keep(&mut self) {
        self.keeping = true;
    }

    fn observe(&mut self, observed: bool) {
        self.observing = observed;
    }

    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        self.parts.metrics.observed(policy, self.row.name, verdict);
    }

    fn undo(&mut self) {
        let Some(before) = self.observe_mark.take() else { return };
        let Before { side, head, given } = *before;
        if side == Side::Request {
            self.request.restore(&head)
        } else {
            self.response.restore(&head)
        }
        if let Some(rare) = &mut self.rare {
            rare.whole(side).given = given;
        }
    }

    fn client(&self) -> Result<&ClientFacts, Refused> {
        self.reads(may::CLIENT)?;
        Ok(&self.flows.client.facts)
    }

    fn request(&self) -> Result<&Head, Refused> {
        self.reads(may::REQUEST)?;
        Ok(&self.request)
    }

    fn response(&self) -> Result<&Head, Refused> {
        self.reads(may::RESPONSE)?;
        Ok(&self.response)
    }

    fn edit(&mut self, side: Side, edit: Edit<'_>) -> Result<(), Refused> {
        Refused::unless_writes(self.row, side.head())?;
        if self.rare.as_ref().and_then(|rare| rare.current.as_ref()).is_some_and(|current| current.head_left) {
            return Err(Refused::Gone(side));
        }
        self.mark(side);
        let rules = self.settings.rules.normalise;
        let head = if side == Side::Request { &mut self.request } else { &mut self.response };
        apply(head, edit, &rules)
    }

    fn request_id(&self) -> &str {
        self.id.as_str()
    }

    fn route(&self) -> Result<Option<&RouteFacts>, Refused> {
        self.reads(may::ROUTE)?;
        let own = self.route_facts.as_deref();
        Ok(own.or_else(|| self.route.as_ref().map(|route| &route.facts)))
    }

    fn upstream(&self) -> Result<Option<UpstreamId>, Refused> {
        self.reads(may::UPSTREAM)?;
        Ok(self.upstream.as_ref().map(|upstream| upstream.id).or(self.chosen))
    }

    fn upstream_name(&self) -> &str {
        let chosen = || self.generation.as_ref()?.upstream(self.chosen?);
        self.upstream.as_ref().or_else(chosen).map_or("", |upstream| &*upstream.name)
    }

    fn find_upstream(&self, name: &str) -> Option<UpstreamId> {
        self.generation.as_ref()?.snapshot.find_upstream(name)
    }

    fn name_of_upstream(&self, id: UpstreamId) -> Option<Arc<str>> {
        Some(self.generation.as_ref()?.upstream(id)?.name.clone())
    }

    fn find_route(&self, name: &str) -> Option<RouteId> {
        self.generation.as_ref()?.snapshot.find_route(name)
    }

    fn choose_upstream(&mut self, id: UpstreamId, granted: bool) -> Result<(), Refused> {
        Refused::unless_writes(self.row, may::UPSTREAM)?;
        let listed = |route: &RouteFacts| route.to.iter().any(|(one, _)| *one == id);
        if !granted && self.route.as_ref().is_some_and(|route| !listed(&route.facts)) {
            return Err(Refused::NotGranted);
        }
        self.chosen = Some(id);
        Ok(())
    }

    fn endpoints(&self) -> Result<&Endpoints, Refused> {
        self.reads(may::ENDPOINTS)?;
        self.attempt.endpoints.as_ref().ok_or(Refused::NotHere(may::ENDPOINTS))
    }

    fn endpoint(&self) -> Result<Option<&Arc<Endpoint>>, Refused> {
        self.reads(may::ENDPOINT)?;
        Ok(self.attempt.endpoint())
    }

    fn failure(&self) -> Result<Option<&Failure>, Refused> {
        self.reads(may::FAILURE)?;
        Ok(self.failure.as_ref())
    }

    fn may_retry(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| attempt::may_retry(self, failure.reason()))
    }

    fn value(&self, key: &str) -> Result<Option<&Plain>, Refused> {
        self.reads(may::VALUES)?;
        Ok(self.rare.as_ref().and_then(|rare| rare.value(key)))
    }

    fn set_value(&mut self, key: &str, value: Plain) -> Result<(), Refused> {
        Refused::unless_writes(self.row, may::VALUES)?;
        self.rare_mut().set_value(key, value)
    }

    fn identity(&self) -> Result<Option<&Identity>, Refused> {
        self.reads(may::IDENTITY)?;
        Ok(self.rare.as_ref().and_then(|rare| rare.identity.as_ref()))
    }

    fn set_identity(&mut self, identity: Option<Identity>) -> Result<(), Refused> {
        Refused::unless_writes(self.row, may::IDENTITY)?;
        self.rare_mut().set_identity(identity)
    }

    fn mine(&mut self) -> Option<&mut Option<Box<dyn Any>>> {
        let seat = self.seat;
        self.rare_mut().mine(seat)
    }

    fn start(&mut self, awaited: Awaited) -> Result<Ticket, Refused> {
        if self.row.wait == Wait::No {
            return Err(Refused::MayNotWait);
        }
        if let Awaited::Body { side, .. } = &awaited {
            self.may_take(*side)?;
        }
        if matches!(awaited, Awaited::Fetch(_)) {
            let reach = Outbound::of(self);
            return self.rare_mut().tickets.start(awaited, &reach);
        }
        self.rare_mut().tickets.start(awaited, &Nowhere)
    }

    fn poll_ticket(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<Redeemed, Failure>> {
        match self.rare_mut().tickets.poll(ticket, cx) {
            Due::Polled(Poll::Pending) => self.flows.poll_idle(cx).map(Err),
            Due::Polled(ready) => ready,
            Due::Body { side, bytes_max, form } => {
                let body = std::task::ready!(self.poll_body(side, bytes_max, form, cx));
                self.cancel(ticket);
                Poll::Ready(body.map(Redeemed::Body))
            }
        }
    }

    fn cancel(&mut self, ticket: Ticket) {
        if let Some(rare) = &mut self.rare {
            rare.tickets.cancel(ticket);
        }
    }

    fn body(&self, side: Side, form: Form) -> Result<Option<Body>, Refused> {
        self.may_take(side)?;
        Ok(self.known_body(side, form))
    }

    fn set_body(&mut self, side: Side, bytes: Vec<u8>) -> Result<(), Refused> {
        if self.current(side).is_ok() {
            return self.set_chunk(side, bytes);
        }
        Refused::unless_writes(self.row, side.body())?;
        let bodiless = match side {
            Side::Request => self.admitted.as_ref().is_some_and(|admitted| admitted.upgrade),
            Side::Response => {
                let status = self.response.status();
                self.request.method() == "HEAD" || status < 200 || matches!(status, 204 | 304)
            }
        };
        if bodiless {
            return Err(Refused::NoBody(side));
        }
        self.mark(side);
        body::mend(if side == Side::Request { &mut self.request } else { &mut self.response }, false);
        self.rare_mut().whole(side).given = Some(bytes.into());
        Ok(())
    }

    fn chunk(&self, side: Side) -> Result<&[u8], Refused> {
        Ok(self.current(side)?.chunk.bytes())
    }

    fn is_last(&self) -> bool {
        self.rare.as_ref().and_then(|rare| rare.current.as_ref()).is_some_and(|current| current.last)
    }

    fn set_chunk(&mut self, side: Side, bytes: Vec<u8>) -> Result<(), Refused> {
        Refused::unless_writes(self.row, side.body())?;
        let observing = self.observing;
        let current = self.current_mut(side)?;
        if !observing {
            current.chunk = Chunk::from_vec(bytes);
        }
        Ok(())
    }

    fn trailers(&self, side: Side) -> Result<Option<&Head>, Refused> {
        Ok(self.current(side)?.trailers.as_ref())
    }

    fn edit_trailers(&mut self, side: Side, edit: Edit<'_>) -> Result<(), Refused> {
        Refused::unless_writes(self.row, side.body())?;
        let observing = self.observing;
        let current = self.current_mut(side)?;
        if !current.last {
            return Err(Refused::NotYet);
        }
        let (Edit::Set(name, _) | Edit::Add(name, _) | Edit::Remove(name)) = edit else {
            return Err(Refused::BadValue);
        };
        if name.known().is_framing() || !may_trail(name.as_str().as_bytes()) {
            return Err(Refused::Framing);
        }
        if observing {
            return Ok(());
        }
        let head = current.trailers.get_or_insert_with(|| Head::response(0));
        match edit {
            Edit::Set(name, value) => head.set(may_set(name, value)?, value),
            Edit::Add(name, value) => head.add(may_set(name, value)?, value),
            _ => drop(head.remove(name)),
        }
        current.trailers_edited = true;
        Ok(())
    }
}

impl Exchange {
    fn reads(&self, what: crate::hook::table::Bits) -> Result<(), Refused> {
        Refused::unless_reads(self.row, what)
    }

    /// Whether the policy that runs may have a side's body, whole.
    fn may_take(&self, side: Side) -> Result<(), Refused> {
        self.reads(side.body())?;
        if self.rare.as_ref().is_some_and(|rare| rare.current.is_some()) {
            return Err(Refused::Gone(side)); // it is on its way, chunk by chunk
        }
        // The response may wait for the rest of a request whose own hooks cannot run within this one.
        if side == Side::Response && self.is_filtered(Side::Request) && !self.flows.request.is_passed() {
            return Err(Refused::Overlap);
        }
        Ok(())
    }

    /// The chunk at hand.
    fn current(&self, side: Side) -> Result<&Current, Refused> {
        self.reads(side.body())?;
        let current = self.rare.as_ref().and_then(|rare| rare.current.as_ref());
        current.filter(|current| current.side == side).ok_or(Refused::NoChunk)
    }

    fn current_mut(&mut self, side: Side) -> Result<&mut Current, Refused> {
        let current = self.rare.as_mut().and_then(|rare| rare.current.as_mut());
        current.filter(|current| current.side == side).ok_or(Refused::NoChunk)
    }

    /// Before the first write of a policy whose edits may have to be undone.
    fn mark(&mut self, side: Side) {
        let undoable = self.keeping || self.observing;
        if undoable && self.observe_mark.is_none() {
            let head = self.head(side).mark();
            let given = self.rare.as_mut().and_then(|rare| rare.whole(side).given.clone());
            self.observe_mark = Some(Box::new(Before { side, head, given }));
        }
    }
}

fn apply(head: &mut Head, edit: Edit<'_>, rules: &target::Normalise) -> Result<(), Refused> {
    match edit {
        Edit::Set(name, value) => head.set(may_set(name, value)?, value),
        Edit::Add(name, value) => head.add(may_set(name, value)?, value),
        Edit::Remove(name) if name.known().is_framing() || name.known() == Known::Host => return Err(Refused::Framing),
        Edit::Remove(name) => drop(head.remove(name)),
        Edit::Target(text) => {
            let parsed = target::parse(b"GET", text.as_bytes(), rules).map_err(|_| Refused::BadTarget)?;
            if parsed.form != target::Form::Origin {
                return Err(Refused::BadTarget);
            }
            let normal: Cow<'_, [u8]> = parsed.path_and_query;
            head.set_target(std::str::from_utf8(&normal).map_err(|_| Refused::BadTarget)?);
        }
        Edit::Host(host) => {
            check_host(host.as_bytes()).map_err(|_| Refused::BadHost)?;
            head.set(&FieldName::from(Known::Host), host.as_bytes());
        }
        Edit::Method(method) => {
            if method.is_empty() || !method.bytes().all(is_token) || matches!(method, "CONNECT" | "TRACE") {
                return Err(Refused::BadValue);
            }
            head.set_method(method);
        }
        Edit::Status(status) if (200..=599).contains(&status) => head.set_status(status),
        Edit::Reason(reason) if is_field_value(reason.as_bytes()) => head.set_reason(reason),
        Edit::Status(_) | Edit::Reason(_) => return Err(Refused::BadValue),
    }
    Ok(())
}

fn may_set<'a>(name: &'a FieldName, value: &[u8]) -> Result<&'a FieldName, Refused> {
    if name.known().is_framing() {
        return Err(Refused::Framing);
    }
    if name.known() == Known::Host && check_host(value).is_err() {
        return Err(Refused::BadHost);
    }
    if is_field_value(value) { Ok(name) } else { Err(Refused::BadValue) }
}
