//! What a hook may return: `answer(…)`, `retry()` and their like, and what becomes of it.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::raw::{Frame, Hosted, Kind, Raise, Returned};
use super::{Noun, as_text, function};
use crate::hook::{Answer, EndpointId, Hook, Verdict, View};
use crate::http::name::{FieldName, is_field_value};

/// A verdict until it is returned.
type Kept = RefCell<Option<Verdict>>;

/// Puts the functions into the globals, which are on top.
pub(super) fn install(frame: &Frame<'_>) {
    function(frame, c"answer", answer);
    function(frame, c"redirect", redirect);
    function(frame, c"retry", |frame: &Frame<'_>| keep(frame, Verdict::Retry));
    function(frame, c"fail", |frame: &Frame<'_>| keep(frame, Verdict::Fail));
    function(frame, c"allow", |frame: &Frame<'_>| keep(frame, Verdict::Allow));
    function(frame, c"close", |frame: &Frame<'_>| keep(frame, Verdict::Close));
}

fn keep(frame: &Frame<'_>, verdict: Verdict) -> Hosted {
    let kept: Rc<Kept> = Rc::new(RefCell::new(Some(verdict)));
    frame.push_thing(Noun::Verdict as u8, 0, Some(kept));
    Ok(Returned::Values(1))
}

fn answer(frame: &Frame<'_>) -> Hosted {
    let mut answer = Answer::default();
    if frame.kind(1) == Kind::Table {
        let field = |key: &[u8]| {
            frame.push_field(1, key);
            frame.top()
        };
        answer.status = status(frame, field(b"status"))?;
        headers(frame, field(b"headers"), &mut answer)?;
        answer.body = body(frame, field(b"body"))?;
        answer.why = as_text(frame, field(b"why")).map(|why| String::from_utf8_lossy(&why).into_owned());
    } else {
        answer.status = status(frame, 1)?;
        headers(frame, 2, &mut answer)?;
        answer.body = body(frame, 3)?;
        answer.why = as_text(frame, 4).map(|why| String::from_utf8_lossy(&why).into_owned());
    }
    keep(frame, Verdict::Answer(Box::new(answer)))
}

fn status(frame: &Frame<'_>, at: i32) -> Result<u16, Raise> {
    let status = frame.number(at).filter(|status| status.fract() == 0.0 && (200.0..=599.0).contains(status));
    let wrong = || Raise("the status of an answer is a number from 200 to 599".to_owned());
    status.map(|status| status as u16).ok_or_else(wrong)
}

fn body(frame: &Frame<'_>, at: i32) -> Result<Option<Vec<u8>>, Raise> {
    match frame.kind(at) {
        Kind::Nil => Ok(None),
        _ => match as_text(frame, at) {
            Some(body) => Ok(Some(body)),
            None => Err(Raise(format!("the body of an answer is a string, found {}", super::describe(frame, at)))),
        },
    }
}

fn headers(frame: &Frame<'_>, at: i32, answer: &mut Answer) -> Result<(), Raise> {
    match frame.kind(at) {
        Kind::Nil => return Ok(()),
        Kind::Table => {}
        _ => {
            return Err(Raise(
                "the headers of an answer are a table: { [\"content-type\"] = \"text/plain\" }".to_owned(),
            ));
        }
    }
    let mut place = 0;
    loop {
        place = frame.next(at, place);
        if place < 0 {
            return Ok(());
        }
        let (key, value) = (frame.top() - 1, frame.top());
        let name = frame.copy(key).ok_or_else(|| Raise("the names of headers are strings".to_owned()))?;
        if frame.kind(value) == Kind::Table {
            for item in 1..=frame.items(value) {
                frame.push_item(value, item);
                add(answer, &name, as_text(frame, frame.top()))?;
                frame.pop(1);
            }
        } else {
            add(answer, &name, as_text(frame, value))?;
        }
        frame.pop(2);
    }
}

fn add(answer: &mut Answer, name: &[u8], value: Option<Vec<u8>>) -> Result<(), Raise> {
    let shown = String::from_utf8_lossy(name).into_owned();
    let Ok(field) = FieldName::new(&shown) else { return Err(Raise(format!("`{shown}` is not a field name"))) };
    if field.known().is_framing() {
        return Err(Raise(format!("`{shown}`: framing and connection fields belong to the proxy")));
    }
    match value {
        Some(value) if is_field_value(&value) => answer.fields.push((shown, value)),
        Some(_) => return Err(Raise(format!("the value of `{shown}` holds control characters or spaces at its ends"))),
        None => return Err(Raise(format!("the value of `{shown}` is a string"))),
    }
    Ok(())
}

fn redirect(frame: &Frame<'_>) -> Hosted {
    let to = super::text_argument(frame, 1, "where to redirect to")?.to_vec();
    if !is_field_value(&to) || to.is_empty() {
        return Err(Raise(
            "a redirect goes to a URL or a path, without control characters or spaces at its ends".to_owned(),
        ));
    }
    let status = match frame.kind(2) {
        Kind::Nil => 302,
        _ => status(frame, 2)?,
    };
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Err(Raise("a redirect has the status 301, 302, 303, 307 or 308".to_owned()));
    }
    let fields = vec![("location".to_owned(), to)];
    keep(frame, Verdict::Answer(Box::new(Answer { status, fields, body: Some(Vec::new()), why: None })))
}

/// What a hook's first result says.
pub(in crate::lua) fn verdict(frame: &Frame<'_>, hook: Hook, view: &dyn View) -> Result<Verdict, Raise> {
    if let Some(thing) = frame.thing(1, Noun::Endpoint as u8) {
        return Ok(Verdict::Endpoint(EndpointId(thing.number)));
    }
    if let Some(thing) = frame.thing(1, Noun::Verdict as u8) {
        let kept = thing.held.as_ref().and_then(|held| held.downcast_ref::<Kept>());
        let once = || Raise("a verdict is returned once".to_owned());
        return kept.and_then(RefCell::take).ok_or_else(once);
    }
    match frame.kind(1) {
        Kind::Nil => Ok(Verdict::Pass),
        Kind::Text if hook == Hook::Route => {
            let name = frame.text(1).unwrap_or_default();
            let id = std::str::from_utf8(name).ok().and_then(|name| view.find_route(name));
            let wrong = || Raise(format!("there is no route `{}`", String::from_utf8_lossy(name)));
            id.map(Verdict::Route).ok_or_else(wrong)
        }
        _ => {
            let (found, name) = (super::describe(frame, 1), hook.name());
            Err(Raise(format!("`{name}` returned {found}; it may return {}", may_return(hook))))
        }
    }
}

fn may_return(hook: Hook) -> String {
    let words = hook.row().verdicts.iter().filter_map(|verdict| match *verdict {
        "Answer" => Some("`answer(…)`"),
        "Route" => Some("a route's name"),
        "Endpoint" => Some("an endpoint"),
        "Retry" => Some("`retry()`"),
        "Fail" => Some("`fail()`"),
        "Allow" => Some("`allow()`"),
        "Close" => Some("`close()`"),
        _ => None,
    });
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { format!("nothing, {}", words.join(", ")) }
}
