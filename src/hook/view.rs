//! What a policy may touch of an exchange. Every access is checked against the row of the hook that runs.

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::table::{Row, may};
use super::{
    Awaited, Body, ClientFacts, Endpoint, Endpoints, Form, HelloFacts, Identity, Plain, RecordFacts, Redeemed, Refused,
    RouteFacts, RouteId, Ticket, UpstreamId,
};
use crate::failure::{Failure, Reason};
use crate::http::head::Head;
use crate::http::name::FieldName;

/// What a policy may touch. `Exchange` implements all of it; what has no request implements less, and the rest is "not
/// here".
pub trait View {
    /// Called before each policy: the row that holds from here on, and the policy's seat.
    fn enter(&mut self, row: &'static Row, seat: u16);

    /// The policy that runs was told to fail open: its edits must be undoable.
    fn keep(&mut self) {}

    /// Whether the policy that runs is only observed: its edits will be undone.
    fn observe(&mut self, observed: bool) {
        let _ = observed;
    }

    /// A policy that is only observed would have decided this, or failed: counted.
    fn would(&mut self, policy: &Arc<str>, verdict: &'static str) {
        let _ = (policy, verdict);
    }

    /// Puts the head back as it was before the policy that runs.
    fn undo(&mut self) {}

    fn client(&self) -> Result<&ClientFacts, Refused>;

    /// What the client announces before a certificate is chosen.
    fn hello(&self) -> Result<&HelloFacts, Refused> {
        Err(Refused::NotHere(may::HELLO))
    }

    /// The request's head, as the policies before have left it.
    fn request(&self) -> Result<&Head, Refused> {
        Err(Refused::NotHere(may::REQUEST))
    }

    fn response(&self) -> Result<&Head, Refused> {
        Err(Refused::NotHere(may::RESPONSE))
    }

    /// Changes a head. Framing and connection fields are refused.
    fn edit(&mut self, side: Side, edit: Edit<'_>) -> Result<(), Refused> {
        let _ = edit;
        Err(Refused::ReadOnly(side.head()))
    }

    /// The request's id: 32 hexadecimal digits, or what a trusted neighbour sent.
    fn request_id(&self) -> &str {
        ""
    }

    fn route(&self) -> Result<Option<&RouteFacts>, Refused> {
        Err(Refused::NotHere(may::ROUTE))
    }

    fn upstream(&self) -> Result<Option<UpstreamId>, Refused> {
        Err(Refused::NotHere(may::UPSTREAM))
    }

    /// The name of the upstream that was chosen; empty while none is.
    fn upstream_name(&self) -> &str {
        ""
    }

    /// An upstream of this name, whoever may reach it.
    fn find_upstream(&self, name: &str) -> Option<UpstreamId> {
        let _ = name;
        None
    }

    fn name_of_upstream(&self, id: UpstreamId) -> Option<Arc<str>> {
        let _ = id;
        None
    }

    fn find_route(&self, name: &str) -> Option<RouteId> {
        let _ = name;
        None
    }

    /// Chooses the upstream: one of the route's `to`, or one that the policy is `granted`.
    fn choose_upstream(&mut self, id: UpstreamId, granted: bool) -> Result<(), Refused> {
        let _ = (id, granted);
        Err(Refused::ReadOnly(may::UPSTREAM))
    }

    /// What there is to choose from in this attempt.
    fn endpoints(&self) -> Result<&Endpoints, Refused> {
        Err(Refused::NotHere(may::ENDPOINTS))
    }

    /// The endpoint of this attempt.
    fn endpoint(&self) -> Result<Option<&Arc<Endpoint>>, Refused> {
        Err(Refused::NotHere(may::ENDPOINT))
    }

    /// Why the attempt, or the exchange, failed.
    fn failure(&self) -> Result<Option<&Failure>, Refused> {
        Err(Refused::NotHere(may::FAILURE))
    }

    /// Whether repeating the request after this failure cannot do anything twice, and attempts are left.
    fn may_retry(&self) -> bool {
        false
    }

    /// A value on the exchange.
    fn value(&self, key: &str) -> Result<Option<&Plain>, Refused> {
        let _ = key;
        Err(Refused::NotHere(may::VALUES))
    }

    /// Sets a value, readable by every policy and placeholder; bounded in number, size and depth.
    fn set_value(&mut self, key: &str, value: Plain) -> Result<(), Refused> {
        let _ = (key, value);
        Err(Refused::ReadOnly(may::VALUES))
    }

    /// Who the client has proved to be, once a policy has said so.
    fn identity(&self) -> Result<Option<&Identity>, Refused> {
        Err(Refused::NotHere(may::IDENTITY))
    }

    fn set_identity(&mut self, identity: Option<Identity>) -> Result<(), Refused> {
        let _ = identity;
        Err(Refused::ReadOnly(may::IDENTITY))
    }

    /// A place of the seat's own that lives until after `log`; `None`: there is none here.
    fn mine(&mut self) -> Option<&mut Option<Box<dyn Any>>> {
        None
    }

    /// Begins to wait for something, where waiting is allowed.
    fn start(&mut self, awaited: Awaited) -> Result<Ticket, Refused> {
        let _ = awaited;
        Err(Refused::MayNotWait)
    }

    /// Redeems a ticket, once. While it is pending the client is watched: its reset is a failure, as a deadline is.
    fn poll_ticket(&mut self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<Redeemed, Failure>> {
        let _ = (ticket, cx);
        Poll::Ready(Err(Failure::new(Reason::MayNotWait)))
    }

    /// Waits no longer: what was begun is dropped.
    fn cancel(&mut self, ticket: Ticket) {
        let _ = ticket;
    }

    /// The whole body in this form, if it was read already or a policy has put another in its place. To have it read,
    /// wait for [`Awaited::Body`].
    fn body(&self, side: Side, form: Form) -> Result<Option<Body>, Refused> {
        let _ = form;
        Err(Refused::NotHere(side.body()))
    }

    /// Puts another body in the place of the whole. Length, coding, validators, digests and ranges are mended.
    fn set_body(&mut self, side: Side, bytes: Vec<u8>) -> Result<(), Refused> {
        let _ = bytes;
        Err(Refused::ReadOnly(side.body()))
    }

    /// At a body hook: the chunk at hand.
    fn chunk(&self, side: Side) -> Result<&[u8], Refused> {
        Err(Refused::NotHere(side.body()))
    }

    /// Whether the chunk at hand is the last; it may be empty.
    fn is_last(&self) -> bool {
        false
    }

    /// Puts other bytes in the place of the chunk at hand; none: nothing is passed on.
    fn set_chunk(&mut self, side: Side, bytes: Vec<u8>) -> Result<(), Refused> {
        let _ = bytes;
        Err(Refused::ReadOnly(side.body()))
    }

    /// The fields behind the body, with the last chunk.
    fn trailers(&self, side: Side) -> Result<Option<&Head>, Refused> {
        Err(Refused::NotHere(side.body()))
    }

    /// Changes them; what may not stand behind a body is refused.
    fn edit_trailers(&mut self, side: Side, edit: Edit<'_>) -> Result<(), Refused> {
        let _ = edit;
        Err(Refused::ReadOnly(side.body()))
    }

    /// At `log`: what became of the exchange.
    fn record(&self) -> Result<RecordFacts, Refused> {
        Err(Refused::NotHere(may::RECORD))
    }
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
}

/// One change of a head.
#[derive(Debug, Clone, Copy)]
pub enum Edit<'a> {
    Set(&'a FieldName, &'a [u8]),
    Add(&'a FieldName, &'a [u8]),
    Remove(&'a FieldName),
    /// Path and query; normalised again before they are used.
    Target(&'a str),
    Host(&'a str),
    Method(&'a str),
    Status(u16),
    /// What stands behind the status by HTTP/1; nowhere else.
    Reason(&'a str),
}

// === impl Side ===

impl Side {
    /// What its head is called in the table.
    #[must_use]
    pub fn head(self) -> super::table::Bits {
        if self == Self::Request { may::REQUEST } else { may::RESPONSE }
    }

    /// What its body is called in the table.
    #[must_use]
    pub fn body(self) -> super::table::Bits {
        if self == Self::Request { may::REQUEST_BODY } else { may::RESPONSE_BODY }
    }
}
