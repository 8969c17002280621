//! `endpoints` at `balance`, and one of them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::raw::{Frame, Hosted, Raise, Returned};
use super::{Bound, Noun, give, metamethod, refusal, text_argument};
use crate::hook::{Endpoint, Endpoints, slot};

pub(super) const MEMBERS: &[Bound] = &[
    Bound::field("mean_in_flight", mean_in_flight),
    Bound::method("hash", hash),
    Bound::method("least_request", least_request),
    Bound::method("random", random),
];

pub(super) const ONE: &[Bound] = &[
    Bound::field("address", |frame| of_one(frame, |one, frame| frame.push_text(one.name.as_bytes()))),
    Bound::field("host", |frame| {
        of_one(frame, |one, frame| super::push_maybe(frame, one.host.as_deref().map(str::as_bytes)))
    }),
    Bound::field("weight", |frame| of_one(frame, |one, frame| frame.push_number(f64::from(one.weight)))),
    Bound::field("in_flight", |frame| {
        of_one(frame, |one, frame| frame.push_number(f64::from(one.in_flight.load(Ordering::Relaxed))))
    }),
];

pub(super) fn install(frame: &Frame<'_>) {
    metamethod(frame, c"__index", index);
    metamethod(frame, c"__namecall", |frame: &Frame<'_>| super::call(frame, Noun::Endpoints as u8));
    metamethod(frame, c"__len", length);
    metamethod(frame, c"__iter", walk);
}

fn of_one(frame: &Frame<'_>, look: impl FnOnce(&Endpoint, &Frame<'_>)) -> Hosted {
    let thing = frame.thing(1, Noun::Endpoint as u8).and_then(|thing| thing.held.clone());
    match thing.as_ref().and_then(|held| held.downcast_ref::<Arc<Endpoint>>()) {
        Some(endpoint) => look(endpoint, frame),
        None => return Err(Raise("no endpoint".to_owned())),
    }
    Ok(Returned::Values(1))
}

/// Those that this exchange has not tried.
fn untried(all: &Endpoints) -> impl Iterator<Item = (usize, &Arc<Endpoint>)> {
    all.list.iter().enumerate().filter(|(index, _)| !all.is_tried(*index))
}

fn push_one(frame: &Frame<'_>, index: usize, endpoint: &Arc<Endpoint>) {
    frame.push_thing(Noun::Endpoint as u8, index as u32, Some(Rc::new(endpoint.clone())));
}

fn of_all<'f>(
    frame: &Frame<'f>,
    member: &str,
    choose: impl FnOnce(&Endpoints) -> Option<(usize, &Arc<Endpoint>)>,
) -> Hosted {
    give(frame, Noun::Endpoints, member, |view, frame| {
        match choose(view.endpoints()?) {
            Some((index, endpoint)) => push_one(frame, index, endpoint),
            None => frame.push_nil(),
        }
        Ok(())
    })
}

fn index(frame: &Frame<'_>) -> Hosted {
    match frame.number(2) {
        Some(place) if place >= 1.0 => of_all(frame, "", |all| untried(all).nth(place as usize - 1)),
        Some(_) => {
            frame.push_nil();
            Ok(Returned::Values(1))
        }
        None => super::index(frame, Noun::Endpoints as u8),
    }
}

fn length(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Endpoints, "", |view, frame| {
        frame.push_number(untried(view.endpoints()?).count() as f64);
        Ok(())
    })
}

fn walk(frame: &Frame<'_>) -> Hosted {
    frame.push_host(c"next", step);
    frame.push_value(1);
    frame.push_number(0.0);
    Ok(Returned::Values(3))
}

fn step(frame: &Frame<'_>) -> Hosted {
    let place = frame.number(2).unwrap_or_default().max(0.0) as usize;
    let found = slot::with(|view| {
        let all = view.endpoints()?;
        Ok(untried(all).nth(place).map(|(index, endpoint)| (index, endpoint.clone())))
    });
    match found {
        Some(Ok(Some((index, endpoint)))) => {
            frame.push_number((place + 1) as f64);
            push_one(frame, index, &endpoint);
            Ok(Returned::Values(2))
        }
        Some(Err(refused)) => Err(refusal(Noun::Endpoints, "", &refused)),
        _ => {
            frame.push_nil();
            Ok(Returned::Values(1))
        }
    }
}

fn mean_in_flight(frame: &Frame<'_>) -> Hosted {
    give(frame, Noun::Endpoints, "mean_in_flight", |view, frame| {
        let all = view.endpoints()?;
        let sum: f64 = all.list.iter().map(|one| f64::from(one.in_flight.load(Ordering::Relaxed))).sum();
        frame.push_number(if all.list.is_empty() { 0.0 } else { sum / all.list.len() as f64 });
        Ok(())
    })
}

fn hash(frame: &Frame<'_>) -> Hosted {
    let key = text_argument(frame, 2, "a key to hash")?;
    of_all(frame, "hash", |all| {
        let score = |endpoint: &Endpoint| {
            let hash = digest(key, endpoint.name.as_bytes());
            // Rendezvous by weight: -w / ln(h), with h in (0, 1).
            let unit = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            f64::from(endpoint.weight.max(1)) / -unit.ln()
        };
        untried(all).max_by(|(_, one), (_, other)| score(one).total_cmp(&score(other)))
    })
}

/// FNV-1a over both, mixed: the same on every machine, so that several proxies choose alike.
fn digest(key: &[u8], name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key.iter().chain(&[0xff]).chain(name) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

fn least_request(frame: &Frame<'_>) -> Hosted {
    of_all(frame, "least_request", |all| {
        let load =
            |one: &Endpoint| (f64::from(one.in_flight.load(Ordering::Relaxed)) + 1.0) / f64::from(one.weight.max(1));
        untried(all).min_by(|(_, one), (_, other)| load(one).total_cmp(&load(other)))
    })
}

fn random(frame: &Frame<'_>) -> Hosted {
    of_all(frame, "random", |all| {
        let total: u64 = untried(all).map(|(_, one)| u64::from(one.weight)).sum();
        let mut left = fastrand::u64(..total.max(1));
        untried(all).find(|(_, one)| {
            let weight = u64::from(one.weight);
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        })
    })
}
