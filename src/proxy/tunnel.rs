//! Upgrades: once both sides have agreed to switch protocols, bytes go both ways until both have ended.

use super::Exchange;
use super::deliver::Ending;
use super::flow::{Event, ResponseFlow};
use crate::failure::{Failure, Reason};
use crate::http::h1::write::{Length, Persistence};
use crate::limits::TUNNEL_IDLE_MS;
use crate::relay::{self, End, Side};

/// Sends 101 and relays. The exchange lets go of its generation: a tunnel may live for days.
pub(super) async fn run(exchange: &mut Exchange) -> Ending {
    let flows = &mut exchange.flows;
    flows.client.http.send_response(&exchange.response, Length::None, Persistence::Upgrade);
    flows.response = ResponseFlow::Ended;
    loop {
        match flows.event(&mut exchange.response).await {
            Ok(Event::Flushed) => break,
            Ok(_) => {}
            Err(failure) => {
                exchange.record.fail(&failure);
                return Ending::Close;
            }
        }
    }
    exchange.generation = None;
    exchange.upstream = None;
    if !exchange.speaks(crate::hook::Hook::Log) {
        exchange.lane = None;
    }
    let flows = &mut exchange.flows;
    let Some(mut upstream) = flows.upstream.take() else { return Ending::Close };
    let client = &mut *flows.client;
    let (Some(first), Some(second)) = (client.http.tunnel(), upstream.http.tunnel()) else { return Ending::Close };
    let first = Side { wire: first.0, unread: first.1 };
    let second = Side { wire: second.0, unread: second.1 };
    let (end, moved) = relay::run(first, second, TUNNEL_IDLE_MS, &client.alarm, &client.guard).await;
    exchange.record.tunnelled = (moved.first_to_second, moved.second_to_first);
    match end {
        End::Complete => {}
        End::Idle => exchange.record.fail(&Failure::with(Reason::UpstreamIdleTimeout, "tunnel")),
        End::Cut => exchange.record.fail(&Failure::new(Reason::Draining)),
        End::First(error) => exchange.record.fail(&Failure::with(Reason::ClientClosed, error)),
        End::Second(error) => exchange.record.fail(&Failure::with(Reason::UpstreamTruncated, error)),
    }
    Ending::Close
}
