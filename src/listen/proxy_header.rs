//! The PROXY header that a trusted neighbour sends before anything else: read to its last byte and no further, so that
//! TLS or HTTP begins where it should.

use std::future::poll_fn;

use super::h1::Settings;
use crate::failure::{Failure, Reason};
use crate::hook::{ClientFacts, Peer};
use crate::wire::Wire;
use crate::wire::proxy_header::{self, Header, Origin, Read};

/// Reads the header and tells of the client what it says. The caller minds the time.
pub(super) async fn receive(wire: &mut Wire, facts: ClientFacts, settings: &Settings) -> Result<ClientFacts, Failure> {
    let header = read(wire).await?;
    let mut facts = match header.origin {
        Origin::Unsaid => facts,
        Origin::Unix => super::accept::facts(Peer::Unix, settings),
        Origin::Ip { from, to } => {
            let mut announced = super::accept::facts(Peer::Ip(from), settings);
            announced.local = Some(to);
            announced
        }
    };
    facts.secure = header.secure;
    Ok(facts)
}

async fn read(wire: &mut Wire) -> Result<Header, Failure> {
    let (mut seen, mut end) = (Vec::new(), 0);
    loop {
        match proxy_header::read(&seen).map_err(|bad| Failure::with(Reason::BadProxyHeader, bad))? {
            Read::Whole(header) => return Ok(header),
            Read::Part(more) => seen.resize(end + more, 0),
        }
        let count = poll_fn(|cx| wire.poll_take(cx, seen.get_mut(end..).unwrap_or_default())).await.map_err(gone)?;
        if count == 0 {
            return Err(Failure::new(Reason::ClientClosed)); // a look whether somebody listens, most often
        }
        end += count;
        seen.truncate(end);
    }
}

fn gone(error: std::io::Error) -> Failure {
    Failure::with(Reason::ClientClosed, error)
}
