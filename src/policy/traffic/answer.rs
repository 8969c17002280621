//! `answer { status, headers, body }`: answers by itself. What placeholders put into an HTML or JSON body is escaped for
//! it, so that a client cannot write markup.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::headers::{OneOrMore, field_name};
use crate::hook::{Answer, Hook, HookSet, Policy, Step, Verdict, View};
use crate::policy::template::{Escape, Template};
use crate::policy::{Build, Complaint, Secrets};

pub(in crate::policy) const HOOKS: HookSet = HookSet::of(&[Hook::Request]);

/// Answers by itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerOptions {
    /// 200 to 599; 200 by default.
    status: Option<u16>,
    /// Fields by name, with `{…}` placeholders. `content-type` is `text/plain` where there is a body and nothing is said.
    #[serde(default)]
    headers: BTreeMap<String, OneOrMore>,
    /// The body, with `{…}` placeholders; a brace itself is written `{{` or `}}`. Without one a status of 400 and above
    /// gets its failure page.
    body: Option<String>,
}

#[derive(Debug)]
pub struct Fixed {
    status: u16,
    /// Names in lower case.
    fields: Vec<(String, Template)>,
    body: Option<Template>,
    escape: Escape,
}

// === impl AnswerOptions ===

impl Build for AnswerOptions {
    type Built = Fixed;

    fn build(self, secrets: &Secrets) -> Result<Fixed, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let status = self.status.unwrap_or(200);
        if !(200..=599).contains(&status) {
            complaints.push(Complaint::new(format!("{status} is no status of an answer"), "200 to 599"));
        }
        if self.body.is_some() && matches!(status, 204 | 205 | 304) {
            complaints.push(Complaint::new(format!("an answer with status {status} has no body"), "leave `body` out"));
        }
        let mut fields = Vec::new();
        for (name, values) in &self.headers {
            match field_name(name) {
                Err(complaint) => complaints.push(complaint),
                Ok(name) => {
                    for value in values.all() {
                        match Template::field_value(value, secrets) {
                            Ok(value) => fields.push((name.as_str().to_owned(), value)),
                            Err(complaint) => complaints.push(complaint),
                        }
                    }
                }
            }
        }
        let kind = fields.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.source());
        let escape = escape_for(kind.unwrap_or_default());
        if kind.is_none() && self.body.is_some() {
            let plain = Template::field_value("text/plain; charset=utf-8", secrets);
            fields.extend(plain.map(|plain| ("content-type".to_owned(), plain)));
        }
        let body = self.body.as_deref().map(|body| Template::new(body, secrets)).transpose();
        match body {
            Ok(body) if complaints.is_empty() => Ok(Fixed { status, fields, body, escape }),
            Ok(_) => Err(complaints),
            Err(complaint) => Err(complaints.into_iter().chain([complaint]).collect()),
        }
    }
}

/// How values are escaped in a body of this media type.
fn escape_for(media_type: &str) -> Escape {
    let name = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "text/html" | "text/xml" | "application/xml" => Escape::Html,
        "application/json" => Escape::Json,
        other if other.ends_with("+json") => Escape::Json,
        other if other.ends_with("+xml") => Escape::Html,
        _ => Escape::Nothing,
    }
}

// === impl Fixed ===

impl Fixed {
    fn answer(&self, view: &dyn View) -> Answer {
        let fields = self.fields.iter().map(|(name, template)| {
            let mut value = Vec::new();
            template.render_value(view, &mut value);
            (name.clone(), value)
        });
        let body = self.body.as_ref().map(|template| {
            let mut body = Vec::new();
            template.render_for(self.escape, view, &mut body);
            body
        });
        Answer { status: self.status, fields: fields.collect(), body, why: None }
    }
}

impl Policy for Fixed {
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

    fn answer(options: serde_json::Value) -> Answer {
        let mut fake = Fake::get("/a?q=<b>");
        fake.answer_of(&policy::<AnswerOptions>(options), Hook::Request)
    }

    #[test]
    fn status_fields_and_body_are_filled_in() {
        let found = answer(serde_json::json!({
            "status": 418,
            "headers": { "X-Path": "{request.path}", "set-cookie": ["a=1", "b=2"] },
            "body": "no {request.method} <{query.q}> {{}}\n",
        }));
        assert_eq!(found.status, 418);
        assert_eq!(found.body.as_deref(), Some(&b"no GET <<b>> {}\n"[..]));
        let fields: Vec<_> = found.fields.iter().map(|(n, v)| (n.as_str(), std::str::from_utf8(v).unwrap())).collect();
        let plain = ("content-type", "text/plain; charset=utf-8");
        assert_eq!(fields, [("x-path", "/a"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), plain]);
    }

    #[test]
    fn an_empty_answer_is_a_plain_200() {
        let found = answer(serde_json::json!({}));
        assert_eq!((found.status, found.fields.len(), found.body), (200, 0, None));
    }

    #[test]
    fn markup_is_escaped_where_it_would_be_read() {
        let html = answer(serde_json::json!({ "headers": { "Content-Type": "text/html" }, "body": "<i>{query.q}" }));
        assert_eq!(html.body.unwrap(), b"<i>&lt;b&gt;");
        let json = serde_json::json!({ "content-type": "application/problem+json" });
        let json = answer(serde_json::json!({ "headers": json, "body": "{{\"q\":\"{header.x-name}\"}}" }));
        assert_eq!(json.body.unwrap(), br#"{"q":"a b\""}"#);
    }

    #[test]
    fn mistakes_are_named_together() {
        let found = complaint::<AnswerOptions>(serde_json::json!({
            "status": 204,
            "headers": { "content-length": "3", "b d": "x", "x": "a\nb", "y": "{nope}" },
            "body": "{oops",
        }));
        for part in
            ["204 has no body", "`content-length` belongs", "`b d`", "control character", "{nope}", "never closed"]
        {
            assert!(found.contains(part), "{part}: {found}");
        }
        assert!(complaint::<AnswerOptions>(serde_json::json!({ "status": 101 })).contains("101 is no status"));
    }
}
