//! Whole bodies, for policies that ask for one at a hook of the head: read before anything goes on, decoded step by step,
//! perhaps replaced. What is not replaced goes on as it came.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::flow::{Event, ResponseFlow};
use super::gather::Gathered;
use super::{Exchange, Source, deliver};
use crate::failure::{Failure, Reason};
use crate::hook::{Body, Form, Side};
use crate::http::coding::{BadCoding, Coding, Decoder};
use crate::http::h1::write::Length;
use crate::http::head::Head;
use crate::http::name::{FieldName, Known};
use crate::limits::CODING_STEP_BYTES;

/// What policies know of the whole body of one side.
#[derive(Default)]
pub(super) struct Whole {
    /// As it came.
    sent: Option<Rc<[u8]>>,
    /// Without its coding.
    plain: Option<Body>,
    decoding: Option<Box<Decoding>>,
    /// What a policy has put in its place.
    pub(super) given: Option<Rc<[u8]>>,
}

/// A body whose coding is being undone.
struct Decoding {
    decoder: Decoder,
    input: Rc<[u8]>,
    at: usize,
    out: Vec<u8>,
}

/// Fields that describe the bytes of a body as they were, in either direction.
const OF_THE_BYTES: &[&str] =
    &["content-encoding", "content-md5", "content-digest", "repr-digest", "digest", "content-range"];

/// The same of a response: also what would let somebody take a part of other bytes, or none, for this.
const OF_THE_RESPONSE: &[&str] = &["etag", "last-modified", "accept-ranges"];

/// Takes away what no longer holds once a body is another one; its length is told by whoever sends it.
//= rfc9110#section-8.8.1
//# a strong validator might be changed for reasons other than a change to the representation data
/// `coded`: the new bytes are still in the coding of the old.
pub(super) fn mend(head: &mut Head, coded: bool) {
    head.remove_known(Known::ContentLength);
    let response = if head.is_request() { &[] } else { OF_THE_RESPONSE };
    for name in OF_THE_BYTES.iter().skip(usize::from(coded)).chain(response) {
        if let Ok(name) = FieldName::new(name) {
            head.remove(&name);
        }
    }
    if head.status() == 206 {
        head.set_status(200); // what stands there now is no part of anything
    }
}

/// Makes the body that a policy has given the request's.
pub(super) fn settle_request(exchange: &mut Exchange) {
    let Some(given) = exchange.rare.as_mut().and_then(|rare| rare.request.given.take()) else { return };
    let none = given.is_empty() && matches!(exchange.request.method(), "GET" | "HEAD" | "DELETE" | "OPTIONS");
    exchange.flows.request.gathered = Some(Box::new(Gathered::whole(&given)));
    exchange.flows.request.discarded = !exchange.flows.request.read;
    exchange.request.remove_known(Known::Expect);
    if let Some(admitted) = &mut exchange.admitted {
        admitted.length = if none { Length::None } else { Length::Exactly(given.len() as u64) };
    }
}

/// Makes the body that a policy has given the response's: what the upstream has sent, or sends, is nobody's.
pub(super) fn settle_response(exchange: &mut Exchange) {
    let Some(given) = exchange.rare.as_mut().and_then(|rare| rare.response.given.take()) else { return };
    deliver::give_back_upstream(exchange);
    exchange.flows.ahead = None;
    exchange.flows.response = ResponseFlow::Idle;
    exchange.source = Source::Own(given.to_vec());
}

// === impl Exchange ===

impl Exchange {
    /// The whole body, once it is there.
    pub(super) fn poll_body(
        &mut self,
        side: Side,
        bytes_max: usize,
        form: Form,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Body, Failure>> {
        if let Some(body) = self.known_body(side, form) {
            return Poll::Ready(within(body, side, bytes_max));
        }
        let sent = ready!(self.poll_sent(side, bytes_max, cx))?;
        let coding = match form {
            Form::AsSent => return Poll::Ready(Ok(self.as_sent(side, sent))),
            Form::Decoded => Coding::of(self.head(side)),
        };
        let whole = self.rare_mut().whole(side);
        if whole.decoding.is_none() {
            let Some(decoder) = coding.decoder() else {
                let body = Body { bytes: sent, coded: coding == Coding::Unknown };
                whole.plain = Some(body.clone());
                return Poll::Ready(Ok(body));
            };
            whole.decoding = Some(Box::new(Decoding { decoder, input: sent, at: 0, out: Vec::new() }));
        }
        let Some(decoding) = &mut whole.decoding else { return Poll::Ready(Err(Reason::Broken.into())) };
        let decoded = ready!(decoding.poll(cx, bytes_max));
        let out = std::mem::take(&mut decoding.out);
        whole.decoding = None;
        match decoded {
            Ok(true) => {
                let body = Body { bytes: out.into(), coded: false };
                whole.plain = Some(body.clone());
                Poll::Ready(Ok(body))
            }
            Ok(false) => Poll::Ready(Err(too_large(side, bytes_max))),
            Err(BadCoding) => Poll::Ready(Err(bad_coding(side))),
        }
    }

    /// The whole body, if it is there already, or is known to be none.
    pub(super) fn known_body(&self, side: Side, form: Form) -> Option<Body> {
        let whole = self.rare.as_ref().map(|rare| if side == Side::Request { &rare.request } else { &rare.response });
        if let Some(given) = whole.and_then(|whole| whole.given.clone()) {
            return Some(Body { bytes: given, coded: false });
        }
        if self.has_no_body(side) {
            return Some(Body { bytes: Rc::new([]), coded: false });
        }
        match form {
            Form::Decoded => whole?.plain.clone(),
            Form::AsSent => Some(self.as_sent(side, whole?.sent.clone()?)),
        }
    }

    pub(super) fn head(&self, side: Side) -> &Head {
        if side == Side::Request { &self.request } else { &self.response }
    }

    fn as_sent(&self, side: Side, bytes: Rc<[u8]>) -> Body {
        Body { bytes, coded: Coding::of(self.head(side)) != Coding::Identity }
    }

    fn has_no_body(&self, side: Side) -> bool {
        match (side, &self.source) {
            (Side::Request, _) => self.flows.request.read && self.flows.request.gathered.is_none(),
            (Side::Response, Source::Own(bytes)) => bytes.is_empty(),
            (Side::Response, Source::Upstream) => self.record.received.is_none_or(|(length, _)| length == Length::None),
            (Side::Response, Source::Nothing | Source::Tunnel) => true,
        }
    }

    fn poll_sent(&mut self, side: Side, max: usize, cx: &mut Context<'_>) -> Poll<Result<Rc<[u8]>, Failure>> {
        if let Some(sent) = self.rare_mut().whole(side).sent.clone() {
            return Poll::Ready(if sent.len() > max { Err(too_large(side, max)) } else { Ok(sent) });
        }
        let sent: Rc<[u8]> = match (side, &self.source) {
            (Side::Response, Source::Own(bytes)) => bytes.as_slice().into(),
            (Side::Response, _) => {
                let gathered = ready!(self.poll_gather_response(max, cx));
                self.flows.response = ResponseFlow::Held;
                gathered?;
                self.flows.ahead.as_ref().map(|ahead| ahead.to_vec().into()).unwrap_or_default()
            }
            (Side::Request, _) => {
                ready!(self.poll_gather_request(max, cx))?;
                self.flows.request.gathered.as_ref().map(|gathered| gathered.to_vec().into()).unwrap_or_default()
            }
        };
        self.rare_mut().whole(side).sent = Some(sent.clone());
        Poll::Ready(Ok(sent))
    }

    fn poll_gather_request(&mut self, max: usize, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let announced = self.admitted.as_ref().map(|admitted| admitted.length);
        if matches!(announced, Some(Length::Exactly(bytes)) if bytes > max as u64) {
            return Poll::Ready(Err(too_large(Side::Request, max)));
        }
        if self.flows.request.gathered.is_none() {
            deliver::say_continue(self);
            self.request.remove_known(Known::Expect); // it is met
            self.flows.request.gathered = Some(Box::new(Gathered::new(max as u64)));
            self.flows.begin_waiting();
        }
        while let Some(gathered) = &mut self.flows.request.gathered {
            gathered.raise(max as u64);
            if gathered.is_whole() {
                gathered.seal();
                if let (Some(bytes), Some(admitted)) = (gathered.plain_len(), &mut self.admitted) {
                    admitted.length = Length::Exactly(bytes);
                }
                break;
            }
            if !gathered.wants_more() {
                return Poll::Ready(Err(gathered.over(|| too_large(Side::Request, max))));
            }
            if let Event::RequestPiece(piece) = ready!(self.flows.poll_event(cx, &mut self.response))?
                && let Some(gathered) = &mut self.flows.request.gathered
            {
                gathered.push(piece);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_gather_response(&mut self, max: usize, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let announced = self.record.received.map(|(length, _)| length);
        if matches!(announced, Some(Length::Exactly(bytes)) if bytes > max as u64) {
            return Poll::Ready(Err(too_large(Side::Response, max)));
        }
        if self.flows.ahead.is_none() {
            self.flows.ahead = Some(Box::new(Gathered::new(max as u64)));
            self.flows.begin_waiting();
        }
        while let Some(ahead) = &mut self.flows.ahead {
            ahead.raise(max as u64);
            if ahead.is_whole() {
                ahead.seal();
                if let (Some(bytes), Some(received)) = (ahead.plain_len(), &mut self.record.received) {
                    received.0 = Length::Exactly(bytes);
                }
                break;
            }
            if !ahead.wants_more() {
                return Poll::Ready(Err(ahead.over(|| too_large(Side::Response, max))));
            }
            self.flows.response = ResponseFlow::Gathering;
            let event = ready!(self.flows.poll_event(cx, &mut self.response));
            match event? {
                Event::ResponsePiece(piece) => {
                    if let Some(ahead) = &mut self.flows.ahead {
                        ahead.push(piece);
                    }
                }
                Event::RequestPiece(piece) => self.flows.pass_up(piece),
                Event::ContinueDue => deliver::say_continue(self),
                Event::ResponseHead | Event::Flushed | Event::Room(_) => {}
            }
        }
        Poll::Ready(Ok(()))
    }
}

// === impl Decoding ===

impl Decoding {
    /// `false`: it is larger than that. Yields after each step's worth of bytes.
    fn poll(&mut self, cx: &Context<'_>, max: usize) -> Poll<Result<bool, BadCoding>> {
        let begun = self.out.len();
        loop {
            let before = self.out.len();
            let rest = self.input.get(self.at..).unwrap_or_default();
            let taken = self.decoder.step(rest, &mut self.out)?;
            self.at += taken;
            if self.out.len() > max {
                return Poll::Ready(Ok(false));
            }
            if self.out.len() == before && (taken == 0 || self.at == self.input.len()) {
                self.decoder.finish(&mut self.out)?;
                return Poll::Ready(Ok(self.out.len() <= max));
            }
            if self.out.len() - begun >= CODING_STEP_BYTES {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

fn within(body: Body, side: Side, max: usize) -> Result<Body, Failure> {
    if body.bytes.len() > max { Err(too_large(side, max)) } else { Ok(body) }
}

pub(super) fn too_large(side: Side, max: usize) -> Failure {
    let reason = if side == Side::Request { Reason::BodyTooLarge } else { Reason::ResponseTooLarge };
    Failure::with(reason, format_args!("a policy takes {max} bytes"))
}

pub(super) fn bad_coding(side: Side) -> Failure {
    match side {
        Side::Request => Failure::new(Reason::BadCoding),
        Side::Response => Failure::with(Reason::BadResponse, BadCoding),
    }
}
