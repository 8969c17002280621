//! `redirect { to, status }`: sends the client elsewhere. Nothing is kept by magic: a query follows only where `to` says
//! `{request.target}` or `?{request.query}`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::hook::{Answer, Hook, HookSet, Policy, Step, Verdict, View};
use crate::policy::template::{Escape, Template};
use crate::policy::{Build, Complaint, Secrets};

pub(in crate::policy) const HOOKS: HookSet = HookSet::of(&[Hook::Request]);

/// Sends the client elsewhere.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectOptions {
    /// Where to, with `{…}` placeholders: a URL, or a path on the same host. The query stays only where it is named:
    /// `https://{request.host}{request.target}`.
    to: String,
    /// 301, 302 (the default), 303, 307 or 308. Only 307 and 308 keep method and body.
    status: Option<u16>,
}

#[derive(Debug)]
pub struct Redirect {
    to: Template,
    status: u16,
}

// === impl RedirectOptions ===

impl Build for RedirectOptions {
    type Built = Redirect;

    fn build(self, secrets: &Secrets) -> Result<Redirect, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let status = self.status.unwrap_or(302);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            let help = "301 and 308 are for good, 302, 303 and 307 for now; 307 and 308 keep the method";
            complaints.push(Complaint::new(format!("{status} is no status of a redirect"), help));
        }
        match Template::field_value(&self.to, secrets) {
            Err(complaint) => complaints.push(complaint),
            Ok(to) if !leads_somewhere(&to) => {
                let message = format!("`{}` is no place to redirect to", self.to);
                complaints
                    .push(Complaint::new(message, "a path such as /new, or a URL such as https://{request.host}/"));
            }
            Ok(to) if complaints.is_empty() => return Ok(Redirect { to, status }),
            Ok(_) => {}
        }
        Err(complaints)
    }
}

/// Whether a redirect to it is one a browser follows: a path, a URL, or what a placeholder says.
fn leads_somewhere(to: &Template) -> bool {
    let start = to.start();
    let url = |scheme: &[u8]| start.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme));
    match start {
        b"" => !to.source().is_empty(),
        _ => start.starts_with(b"/") || start.starts_with(b"?") || url(b"https://") || url(b"http://"),
    }
}

// === impl Redirect ===

impl Redirect {
    fn answer(&self, view: &dyn View) -> Answer {
        let mut location = Vec::new();
        self.to.render_for(Escape::Url, view, &mut location);
        // `//host` names a host: only the operator may write that, never a value.
        if !self.to.start().starts_with(b"//") {
            let slashes = location.iter().take_while(|byte| **byte == b'/').count();
            location.drain(..slashes.saturating_sub(1));
        }
        Answer { status: self.status, fields: vec![("location".to_owned(), location)], body: None, why: None }
    }
}

impl Policy for Redirect {
    fn hooks(&self) -> HookSet {
        HOOKS
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(Ok(Verdict::Answer(Box::new(self.answer(view)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fake::{Fake, complaint, policy};

    fn location(to: &str, from: &str) -> String {
        let mut fake = Fake::get(from);
        let answer = fake.answer_of(&policy::<RedirectOptions>(serde_json::json!({ "to": to })), Hook::Request);
        assert_eq!((answer.status, answer.fields.len(), answer.body), (302, 1, None));
        String::from_utf8(answer.fields[0].1.clone()).unwrap()
    }

    #[test]
    fn the_place_is_filled_in() {
        for (to, from, expected) in [
            ("https://{request.host}{request.target}", "/a?b=c", "https://shop.example.com/a?b=c"),
            ("https://www.example.org{request.path}", "/a?b=c", "https://www.example.org/a"),
            ("/new", "/a?b=c", "/new"),
            ("{request.path}/", "//evil.example", "/evil.example/"),
            ("/{request.path}", "/evil.example", "/evil.example"),
            ("/x?{request.query}", "/a?b=c", "/x?b=c"),
            ("/{header.x-name}", "/", "/a%20b%22"),
        ] {
            assert_eq!(location(to, from), expected, "{to} {from}");
        }
    }

    #[test]
    fn mistakes_are_named_together() {
        let found = complaint::<RedirectOptions>(serde_json::json!({ "to": "/{nope}", "status": 304 }));
        assert!(found.contains("304 is no status of a redirect") && found.contains("{nope}"), "{found}");
        for to in ["", "www.example.com", "javascript:alert(1)"] {
            let found = complaint::<RedirectOptions>(serde_json::json!({ "to": to }));
            assert!(found.contains("no place to redirect to"), "{to}: {found}");
        }
        let found = complaint::<RedirectOptions>(serde_json::json!({ "to": "/a\r\nset-cookie: x=1" }));
        assert!(found.contains("control character"), "{found}");
    }
}
