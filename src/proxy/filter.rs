//! Bodies on their way through the policies that speak at body hooks: piece in, hooks in their order, piece out. One portion
//! at a time, so that a sink that is full stops its source here as everywhere.

use std::rc::Rc;

use super::flow::{Event, ResponseFlow};
use super::gather::Gathered;
use super::rare::Current;
use super::{Exchange, Source, body, deliver};
use crate::failure::{Failure, Reason};
use crate::hook::{Answer, Hook, Side, Taking, Verdict};
use crate::http::coding::{Coding, Decoder};
use crate::http::h1::trailers::Trailers;
use crate::http::h1::write::Length;
use crate::http::head::Head;
use crate::http::name::{FieldName, Known};
use crate::snapshot::Lane;
use crate::wire::Chunk;
use crate::wire::http1::Piece;

/// The policies that speak at one side's body hooks, and what of the body is on its way to them.
pub(super) struct Filter {
    side: Side,
    stages: Vec<Stage>,
    decoder: Option<Decoder>,
    /// Nobody wants it decoded.
    is_foreign: bool,
    /// What came last, and how much of it was used up.
    input: Option<(Chunk, usize)>,
    /// The end has come.
    end: Option<End>,
    /// Nothing of the head can be changed any more.
    head_left: bool,
}

/// One policy, where it speaks.
struct Stage {
    hook: Hook,
    lane: Rc<Lane>,
    /// The bit of its seat.
    seat: u64,
    holds: bool,
    whole: Option<Held>,
}

/// What a policy that wants a whole body has of it.
struct Held {
    bytes: Vec<u8>,
    max: usize,
}

/// The end of a body.
type End = Option<Box<Trailers>>;

/// What came out at the other side.
enum Out {
    /// A policy keeps it, or there was nothing.
    Nothing,
    Portion(Chunk, Option<End>),
    Answer(Box<Answer>),
}

/// Sets up the request's body hooks, and runs them as far as its head has to wait for them; says whether a policy has
/// answered.
pub(super) async fn open_request(exchange: &mut Exchange) -> Result<bool, Failure> {
    let length = exchange.admitted.as_ref().map_or(Length::None, |admitted| admitted.length);
    if length == Length::None || exchange.rare.as_ref().is_some_and(|rare| rare.up.is_some()) {
        return Ok(false);
    }
    let mut filter = Filter::new(exchange, Side::Request, &[Hook::RequestBody]);
    filter.check_announced(length)?;
    body::mend(&mut exchange.request, filter.is_foreign);
    if let Some(admitted) = &mut exchange.admitted {
        admitted.length = Length::Chunked;
    }
    let before = exchange.flows.request.gathered.take();
    if before.is_none() && !filter.holds_head() {
        filter.head_left = true;
        exchange.rare_mut().up = Some(filter);
        return Ok(false);
    }
    deliver::say_continue(exchange);
    exchange.request.remove_known(Known::Expect); // it is met
    let mut after = Box::new(Gathered::new(u64::MAX));
    if let Some(before) = before {
        for piece in before.into_pieces() {
            filter.feed(piece);
            if let Some(answer) = filter.drain(exchange, &mut after).await? {
                exchange.answer(*answer);
                return Ok(true);
            }
        }
    }
    while !after.is_whole() && filter.holds_still(&after) {
        exchange.flows.request.gathered = Some(after);
        let event = exchange.flows.event(&mut exchange.response).await?;
        after = exchange.flows.request.gathered.take().ok_or(Reason::Broken)?;
        if let Event::RequestPiece(piece) = event {
            filter.feed(piece);
            if let Some(answer) = filter.drain(exchange, &mut after).await? {
                exchange.answer(*answer);
                return Ok(true);
            }
        }
    }
    after.seal();
    let whole = after.is_whole();
    if let (Some(bytes), Some(admitted)) = (after.plain_len(), &mut exchange.admitted) {
        admitted.length = Length::Exactly(bytes);
    }
    exchange.flows.request.gathered = Some(after);
    if !whole {
        filter.head_left = true;
        exchange.rare_mut().up = Some(filter);
    }
    Ok(false)
}

/// The same for the response, once its head is what the hooks of the head have made of it.
pub(super) async fn open_response(exchange: &mut Exchange) -> Result<bool, Failure> {
    let (length, method) = (exchange.record.received.map(|(length, _)| length), exchange.request.method());
    let status = exchange.response.status();
    match exchange.source {
        Source::Own(_) if exchange.record.failed.is_some() || method == "HEAD" || matches!(status, 204 | 304) => {
            return Ok(false);
        }
        Source::Own(_) => return own_response(exchange).await,
        Source::Upstream if method == "HEAD" => {
            body::mend(&mut exchange.response, false); // as it would be for GET
            exchange.response.remove_known(Known::ContentLength);
            return Ok(false);
        }
        // A part of a body is nobody's to change; `Range` was not asked for.
        Source::Upstream if length.is_none_or(|length| length == Length::None) || status == 206 => return Ok(false),
        Source::Upstream => {}
        Source::Nothing | Source::Tunnel => return Ok(false),
    }
    let mut filter = Filter::new(exchange, Side::Response, &[Hook::UpstreamResponseBody, Hook::ResponseBody]);
    filter.check_announced(length.unwrap_or(Length::None))?;
    body::mend(&mut exchange.response, filter.is_foreign);
    if let Some(received) = &mut exchange.record.received {
        received.0 = Length::Chunked;
    }
    let before = exchange.flows.ahead.take();
    if before.is_none() && !filter.holds_head() {
        filter.head_left = true;
        exchange.rare_mut().down = Some(filter);
        return Ok(false);
    }
    let mut after = Box::new(Gathered::new(u64::MAX));
    if let Some(before) = before {
        for piece in before.into_pieces() {
            filter.feed(piece);
            if let Some(answer) = filter.drain(exchange, &mut after).await? {
                exchange.answer(*answer);
                return Ok(true);
            }
        }
    }
    exchange.flows.begin_waiting();
    while !after.is_whole() && filter.holds_still(&after) {
        exchange.flows.response = ResponseFlow::Gathering;
        match exchange.flows.event(&mut exchange.response).await? {
            Event::ResponsePiece(piece) => {
                filter.feed(piece);
                if let Some(answer) = filter.drain(exchange, &mut after).await? {
                    exchange.answer(*answer);
                    return Ok(true);
                }
            }
            event => late(exchange, event).await?,
        }
    }
    exchange.flows.response = ResponseFlow::Held;
    after.seal();
    if let (Some(bytes), Some(received)) = (after.plain_len(), &mut exchange.record.received) {
        received.0 = Length::Exactly(bytes);
    }
    if !after.is_whole() {
        filter.head_left = true;
        exchange.rare_mut().down = Some(filter);
    }
    exchange.flows.ahead = Some(after);
    Ok(false)
}

/// An answer of a policy's own passes those that speak at `response_body` too.
async fn own_response(exchange: &mut Exchange) -> Result<bool, Failure> {
    let Source::Own(bytes) = std::mem::replace(&mut exchange.source, Source::Own(Vec::new())) else { return Ok(false) };
    let mut filter = Filter::new(exchange, Side::Response, &[Hook::ResponseBody]);
    filter.decoder = None;
    let mut after = Gathered::new(u64::MAX);
    filter.feed(Piece::Chunk(Chunk::from_vec(bytes)));
    filter.feed(Piece::End(None));
    if let Some(answer) = filter.drain(exchange, &mut after).await? {
        exchange.answer(*answer);
        return Ok(true);
    }
    exchange.source = Source::Own(after.to_vec());
    Ok(false)
}

/// What of the other direction happens while a response is held, or delivered.
pub(super) async fn late(exchange: &mut Exchange, event: Event) -> Result<(), Failure> {
    match event {
        Event::RequestPiece(piece) if exchange.is_filtered(Side::Request) => {
            pass(exchange, Side::Request, Some(piece), false).await.map(drop)
        }
        Event::RequestPiece(piece) => {
            exchange.flows.pass_up(piece);
            Ok(())
        }
        Event::Room(side) => pass(exchange, side, None, false).await.map(drop),
        Event::ContinueDue => {
            deliver::say_continue(exchange);
            Ok(())
        }
        Event::ResponseHead | Event::ResponsePiece(_) | Event::Flushed => Ok(()),
    }
}

/// Takes a piece of a body, or what is left of the last one, through the policies, and queues what comes out; says whether
/// one has answered, where that may still be.
pub(super) async fn pass(
    exchange: &mut Exchange,
    side: Side,
    piece: Option<Piece>,
    may_answer: bool,
) -> Result<bool, Failure> {
    let Some(mut filter) = exchange.rare_mut().filter(side).take() else { return Ok(false) };
    if let Some(piece) = piece {
        filter.feed(piece);
    }
    let out = filter.advance(exchange).await?;
    exchange.flows.hold(side, filter.has_more());
    *exchange.rare_mut().filter(side) = Some(filter);
    match out {
        Out::Nothing => {}
        Out::Portion(chunk, end) => {
            if !chunk.bytes().is_empty() {
                exchange.flows.pass_on(side, Piece::Chunk(chunk));
            }
            if let Some(trailers) = end {
                exchange.flows.pass_on(side, Piece::End(trailers));
            }
        }
        Out::Answer(answer) if may_answer => {
            exchange.answer(*answer);
            return Ok(true);
        }
        Out::Answer(_) => {
            return Err(Failure::with(Reason::PolicyRefused, "an answer for which it was too late"));
        }
    }
    Ok(false)
}

// === impl Filter ===

impl Filter {
    fn new(exchange: &Exchange, side: Side, hooks: &[Hook]) -> Box<Self> {
        let lane = exchange.lane.as_ref().map(|lane| (lane, exchange.active));
        let upstream = exchange.upstream.as_ref().map(|upstream| (&upstream.lane, exchange.upstream_active));
        let places = if side == Side::Request { [lane, upstream] } else { [upstream, lane] };
        let (mut stages, mut decodes) = (Vec::new(), false);
        for hook in hooks {
            for (lane, active) in places.iter().flatten() {
                let mut seats: Vec<_> = lane.chain.speaking_at(*hook, *active).collect();
                if hook.row().outward {
                    seats.reverse();
                }
                for index in seats {
                    let Some(seat) = lane.chain.seats().get(index) else { continue };
                    let taking = seat.policy.taking(*hook);
                    let whole = match taking {
                        Taking::Whole { bytes_max } => Some(Held { bytes: Vec::new(), max: bytes_max }),
                        Taking::Chunks | Taking::Hold => None,
                    };
                    decodes |= !seat.policy.is_foreign();
                    let holds = taking == Taking::Hold;
                    stages.push(Stage { hook: *hook, lane: (*lane).clone(), seat: 1 << index, holds, whole });
                }
            }
        }
        let decoder = if decodes { Coding::of(exchange.head(side)).decoder() } else { None };
        Box::new(Self { side, stages, decoder, is_foreign: !decodes, input: None, end: None, head_left: false })
    }

    /// Whether the head waits for some of the body.
    fn holds_head(&self) -> bool {
        self.stages.iter().any(|stage| stage.holds || stage.whole.is_some())
    }

    /// Whether it still does, now that so much has come out.
    fn holds_still(&self, out: &Gathered) -> bool {
        self.stages.iter().any(|stage| stage.whole.is_some()) || (self.holds_head() && out.is_empty())
    }

    /// A body that is said to be longer than somebody takes it is not begun.
    fn check_announced(&self, length: Length) -> Result<(), Failure> {
        let Length::Exactly(bytes) = length else { return Ok(()) };
        let over = self.stages.iter().filter_map(|stage| stage.whole.as_ref()).find(|held| bytes > held.max as u64);
        over.map_or(Ok(()), |held| Err(body::too_large(self.side, held.max)))
    }

    fn feed(&mut self, piece: Piece) {
        match piece {
            Piece::Chunk(chunk) => self.input = Some((chunk, 0)),
            Piece::End(trailers) => self.end = Some(trailers),
        }
    }

    fn has_more(&self) -> bool {
        self.input.is_some() || self.end.is_some()
    }

    /// Runs all that was fed, others in between, into `after`.
    async fn drain(&mut self, exchange: &mut Exchange, after: &mut Gathered) -> Result<Option<Box<Answer>>, Failure> {
        while self.has_more() {
            match self.advance(exchange).await? {
                Out::Nothing => {}
                Out::Answer(answer) => return Ok(Some(answer)),
                Out::Portion(chunk, end) => {
                    after.push(Piece::Chunk(chunk));
                    if let Some(trailers) = end {
                        after.push(Piece::End(trailers));
                    }
                }
            }
            if !after.is_whole() && !after.wants_more() {
                return Err(after.over(|| body::too_large(self.side, usize::MAX)));
            }
            if self.decoder.is_some() && self.has_more() {
                tokio::task::yield_now().await;
            }
        }
        Ok(None)
    }

    /// One portion through all policies.
    async fn advance(&mut self, exchange: &mut Exchange) -> Result<Out, Failure> {
        let Some((mut chunk, mut end)) = self.portion()? else { return Ok(Out::Nothing) };
        for stage in &mut self.stages {
            if let Some(held) = &mut stage.whole {
                if held.bytes.len() + chunk.bytes().len() > held.max {
                    return Err(body::too_large(self.side, held.max));
                }
                held.bytes.extend_from_slice(chunk.bytes());
                chunk = Chunk::from_vec(if end.is_some() { std::mem::take(&mut held.bytes) } else { Vec::new() });
            }
            if chunk.bytes().is_empty() && end.is_none() {
                return Ok(Out::Nothing);
            }
            let trailers = end.as_ref().and_then(|end| end.as_deref()).map(to_head);
            let (side, last, head_left) = (self.side, end.is_some(), self.head_left);
            let current = Current { side, chunk, last, trailers, trailers_edited: false, head_left };
            exchange.rare_mut().current = Some(current);
            let said = stage.lane.chain.run(stage.hook, exchange, stage.seat).await;
            let current = exchange.rare_mut().current.take().ok_or(Reason::Broken)?;
            chunk = current.chunk;
            if last && current.trailers_edited {
                end = Some(current.trailers.as_ref().and_then(to_trailers));
            }
            let lane = stage.lane.clone();
            if let Verdict::Answer(answer) = exchange.note(&lane, said?) {
                return Ok(Out::Answer(answer));
            }
        }
        Ok(Out::Portion(chunk, end))
    }

    /// The next bytes for the policies, decoded if that is to be.
    fn portion(&mut self) -> Result<Option<(Chunk, Option<End>)>, Failure> {
        let bad = |_| body::bad_coding(self.side);
        while let Some((chunk, at)) = &mut self.input {
            let Some(decoder) = &mut self.decoder else { break };
            let mut out = Vec::new();
            let rest = chunk.bytes().get(*at..).unwrap_or_default();
            let taken = decoder.step(rest, &mut out).map_err(bad)?;
            *at += taken;
            let over = out.is_empty() && (taken == 0 || *at == chunk.bytes().len());
            if over {
                self.input = None;
            }
            if !out.is_empty() {
                return Ok(Some((Chunk::from_vec(out), None)));
            }
        }
        if let Some((chunk, _)) = self.input.take() {
            return Ok(Some((chunk, None)));
        }
        let Some(end) = self.end.take() else { return Ok(None) };
        let mut rest = Vec::new();
        if let Some(mut decoder) = self.decoder.take() {
            decoder.finish(&mut rest).map_err(bad)?;
        }
        Ok(Some((Chunk::from_vec(rest), Some(end))))
    }
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn is_filtered(&self, side: Side) -> bool {
        self.rare.as_ref().is_some_and(|rare| match side {
            Side::Request => rare.up.is_some(),
            Side::Response => rare.down.is_some(),
        })
    }
}

/// Trailers as policies read them.
fn to_head(trailers: &Trailers) -> Head {
    let mut head = Head::response(0);
    for (name, value) in trailers.iter() {
        if let Ok(name) = std::str::from_utf8(name).map_err(drop).and_then(|name| FieldName::new(name).map_err(drop)) {
            head.add(&name, value);
        }
    }
    head
}

fn to_trailers(head: &Head) -> Option<Box<Trailers>> {
    let mut trailers = Box::<Trailers>::default();
    let mut any = false;
    for (name, value) in head.fields() {
        any |= std::str::from_utf8(name).is_ok_and(|name| trailers.add(name, value).is_ok());
    }
    any.then_some(trailers)
}
