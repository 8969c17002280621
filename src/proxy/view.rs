//! What policies see of an exchange, and the only way in which they change it.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Exchange, attempt};
use crate::failure::Failure;
use crate::hook::table::{OnFailure, Wait, may};
use crate::hook::{
    Awaited, ClientFacts, Edit, Endpoint, Endpoints, Identity, Nowhere, Plain, Redeemed, Refused, RouteFacts, RouteId,
    Row, Side, Ticket, UpstreamId, View,
};
use crate::http::authority::check_host;
use crate::http::head::Head;
use crate::http::name::{FieldName, Known, is_field_value, is_token};
use crate::http::target;

impl View for Exchange {
    fn enter(&mut self, row: &'static Row, seat: u16) {
        self.row = row;
        self.seat = seat;
        self.observe_mark = None;
        self.observing = false;
    }

    fn observe(&mut self, observed: bool) {
        self.observing = observed;
    }

    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        self.parts.metrics.observed(policy, self.row.name, verdict);
    }

    fn undo(&mut self) {
        match self.observe_mark.take().as_deref() {
            Some((Side::Request, mark)) => self.request.restore(mark),
            Some((Side::Response, mark)) => self.response.restore(mark),
            None => {}
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
            self.reads(side.body())?;
        }
        self.rare_mut().tickets.start(awaited, &Nowhere)
    }

    fn poll_ticket(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<Redeemed, Failure>> {
        let polled = self.rare_mut().tickets.poll_alone(ticket, cx);
        if polled.is_ready() {
            return polled;
        }
        self.flows.poll_idle(cx).map(Err)
    }

    fn cancel(&mut self, ticket: Ticket) {
        if let Some(rare) = &mut self.rare {
            rare.tickets.cancel(ticket);
        }
    }
}

impl Exchange {
    fn reads(&self, what: crate::hook::table::Bits) -> Result<(), Refused> {
        Refused::unless_reads(self.row, what)
    }

    /// Before the first write of a policy whose edits may have to be undone.
    fn mark(&mut self, side: Side) {
        let undoable = self.row.on_failure == OnFailure::SendAsIs || self.observing;
        if undoable && self.observe_mark.is_none() {
            let head = if side == Side::Request { &self.request } else { &self.response };
            self.observe_mark = Some(Box::new((side, head.mark())));
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
        Edit::Status(_) => return Err(Refused::BadValue),
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
