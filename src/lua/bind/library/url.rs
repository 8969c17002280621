//! `url`: escaping, paths, queries, and a URL taken to pieces.

use super::super::{as_text, describe, function};
use super::arguments::{bytes, kind, table, wanted};
use super::{give, give_or_nothing, nothing};
use crate::library::url::{self, Url};
use crate::limits::QUERY_PAIRS_MAX;
use crate::lua::raw::{Frame, Hosted, Kind, Raise, Returned};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"encode", |frame: &Frame<'_>| {
        let made = url::encode(bytes(frame, 1, "url.encode", "a text")?);
        give(frame, made.map_err(|why| Raise(format!("`url.encode`: {why}")))?)
    });
    function(frame, c"decode", |frame: &Frame<'_>| {
        give_or_nothing(frame, url::decode(bytes(frame, 1, "url.decode", "a text")?))
    });
    function(frame, c"path", path);
    function(frame, c"query", query);
    function(frame, c"parse_query", parse_query);
    function(frame, c"pairs", pairs);
    function(frame, c"parse", parse);
}

/// `url.path("u", id)`; a segment that would lead out of the path is data from outside, so it gives nil and the reason.
fn path(frame: &Frame<'_>) -> Hosted {
    let mut segments = Vec::new();
    for at in 1..=frame.len() {
        segments.push(as_text(frame, at).ok_or_else(|| wanted(frame, at, "url.path", "texts and numbers"))?);
    }
    give_or_nothing(frame, url::path(segments.iter().map(Vec::as_slice)))
}

/// `url.query { a = "x", b = { "1", "2" } }`, sorted by name; or a list of pairs, in its order.
fn query(frame: &Frame<'_>) -> Hosted {
    let at = table(frame, 1, "url.query", "a table of names and values, or a list of pairs")?;
    let mut found = Pairs::new();
    if frame.items(at) > 0 {
        in_order(frame, at, &mut found)?
    } else {
        by_name(frame, at, &mut found)?
    }
    let made = url::query(found.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
    give(frame, made.map_err(|why| Raise(format!("`url.query`: {why}")))?)
}

fn in_order(frame: &Frame<'_>, at: i32, found: &mut Pairs) -> Result<(), Raise> {
    for place in 1..=frame.items(at) {
        frame.push_item(at, place);
        let pair = frame.top();
        frame.push_item(pair, 1);
        frame.push_item(pair, 2);
        let both = as_text(frame, pair + 1).zip(as_text(frame, pair + 2));
        frame.pop(3);
        add(found, both.ok_or_else(|| Raise(format!("`url.query` takes pairs of texts, not at {place}")))?)?;
    }
    Ok(())
}

fn by_name(frame: &Frame<'_>, at: i32, found: &mut Pairs) -> Result<(), Raise> {
    let mut place = 0;
    loop {
        place = frame.next(at, place);
        if place < 0 {
            // In order of the values only where they are a list, which keeps its order: the sort is stable.
            found.sort_by(|one, other| one.0.cmp(&other.0));
            return Ok(());
        }
        let (name, value) = (as_text(frame, frame.top() - 1), frame.top());
        let wrong = |found| Raise(format!("`url.query` takes texts and lists of them as values, found {found}"));
        let Some(name) = name else { return Err(wrong("another kind of name")) };
        match as_text(frame, value) {
            Some(value) => add(found, (name, value))?,
            None if frame.kind(value) == Kind::Table => {
                for item in 1..=frame.items(value) {
                    frame.push_item(value, item);
                    let text = as_text(frame, frame.top());
                    let text = text.ok_or_else(|| wrong(describe(frame, frame.top())))?;
                    frame.pop(1);
                    add(found, (name.clone(), text))?;
                }
            }
            None => return Err(wrong(describe(frame, value))),
        }
        frame.pop(2);
    }
}

fn add(found: &mut Pairs, pair: (Vec<u8>, Vec<u8>)) -> Result<(), Raise> {
    if found.len() >= QUERY_PAIRS_MAX {
        return Err(Raise(format!("`url.query`: more than {QUERY_PAIRS_MAX} parameters")));
    }
    found.push(pair);
    Ok(())
}

/// The query without its `?`; nil is one without parameters, as `exchange.request.query` says it.
fn read(frame: &Frame<'_>, of: &str) -> Result<Result<Pairs, url::UrlError>, Raise> {
    if kind(frame, 1) == Kind::Nil && frame.len() > 0 {
        return Ok(Ok(Vec::new()));
    }
    Ok(url::parse_query(bytes(frame, 1, of, "a query")?))
}

/// The first value of each name.
fn parse_query(frame: &Frame<'_>) -> Hosted {
    let found = match read(frame, "url.parse_query")? {
        Ok(found) => found,
        Err(why) => return nothing(frame, why),
    };
    frame.push_table(0, found.len());
    let made = frame.top();
    // From the last to the first, so that the first stays.
    for (name, value) in found.iter().rev() {
        frame.push_text(value);
        frame.set_field(made, name);
    }
    Ok(Returned::Values(1))
}

/// Every parameter in its order, as `{ name, value }`.
fn pairs(frame: &Frame<'_>) -> Hosted {
    let found = match read(frame, "url.pairs")? {
        Ok(found) => found,
        Err(why) => return nothing(frame, why),
    };
    frame.push_table(found.len(), 0);
    let made = frame.top();
    for (index, (name, value)) in found.iter().enumerate() {
        frame.push_table(2, 0);
        let pair = frame.top();
        for (place, text) in [(1, name), (2, value)] {
            frame.push_text(text);
            frame.set_item(pair, place);
        }
        frame.set_item(made, index + 1);
    }
    Ok(Returned::Values(1))
}

fn parse(frame: &Frame<'_>) -> Hosted {
    let url = match Url::parse(bytes(frame, 1, "url.parse", "a URL")?) {
        Ok(url) => url,
        Err(why) => return nothing(frame, why),
    };
    frame.push_table(0, 8);
    let made = frame.top();
    let scheme = Some(url.scheme).filter(|scheme| !scheme.is_empty());
    let parts: [(&[u8], Option<&[u8]>); 6] = [
        (b"scheme", scheme),
        (b"user", url.user),
        (b"host", url.host),
        (b"path", Some(url.path)),
        (b"query", url.query),
        (b"fragment", url.fragment),
    ];
    for (name, part) in parts {
        if let Some(part) = part {
            frame.push_text(part);
            frame.set_field(made, name);
        }
    }
    if let Some(port) = url.port {
        frame.push_number(f64::from(port));
        frame.set_field(made, b"port");
    }
    Ok(Returned::Values(1))
}
