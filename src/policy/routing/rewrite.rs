//! `rewrite { path, host, strip_prefix }`: what the upstream is asked for, where it differs from what the client asked.
//! The route is chosen by then and is not chosen again.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::failure::{Failure, Reason};
use crate::hook::{Edit, Hook, HookSet, Outcome, Policy, Side, Step, Verdict, View};
use crate::policy::template::{Escape, Template};
use crate::policy::{Build, Complaint, Secrets, query};

pub(in crate::policy) const HOOKS: HookSet = HookSet::of(&[Hook::Request]);

/// Changes the path or the host of the request that goes upstream.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewriteOptions {
    /// The new path, with `{…}` placeholders. A `?` in it begins a new query; without one the client's query stays.
    path: Option<String>,
    /// The new Host, with `{…}` placeholders.
    host: Option<String>,
    /// Leading segments to take away: `/api` makes `/users` of `/api/users` and leaves `/apis` alone.
    strip_prefix: Option<String>,
}

#[derive(Debug)]
pub struct Rewrite {
    path: Option<Template>,
    host: Option<Template>,
    /// Begins with a slash and does not end with one.
    strip_prefix: Option<Box<str>>,
}

// === impl RewriteOptions ===

impl Build for RewriteOptions {
    type Built = Rewrite;

    fn build(self, secrets: &Secrets) -> Result<Rewrite, Vec<Complaint>> {
        let mut complaints = Vec::new();
        if self.path.is_none() && self.host.is_none() && self.strip_prefix.is_none() {
            complaints.push(Complaint::new("this rewrites nothing", "give `path`, `host` or `strip_prefix`"));
        }
        if self.path.is_some() && self.strip_prefix.is_some() {
            let help = "keep one of them; `{request.path}` in `path` is the whole old path";
            complaints.push(Complaint::new("`path` and `strip_prefix` exclude each other", help));
        }
        let mut compile = |text: &Option<String>| {
            let template = Template::field_value(text.as_deref()?, secrets);
            template.map_err(|complaint| complaints.push(complaint)).ok()
        };
        let (path, host) = (compile(&self.path), compile(&self.host));
        if let Some(path) = &path
            && !path.start().starts_with(b"/")
            && !["{request.path}", "{request.target}"].iter().any(|start| path.source().starts_with(start))
        {
            let message = format!("the path `{}` does not begin with `/`", path.source());
            complaints.push(Complaint::new(message, "a path such as /v2{request.path}"));
        }
        let strip_prefix = self.strip_prefix.map(|prefix| {
            if !prefix.starts_with('/') || prefix.contains(['?', '#', '{', '*']) || prefix == "/" {
                let message = format!("`{prefix}` is no path prefix");
                complaints.push(Complaint::new(message, "whole segments such as /api or /api/v1, no placeholders"));
            }
            prefix.strip_suffix('/').unwrap_or(&prefix).into()
        });
        if complaints.is_empty() { Ok(Rewrite { path, host, strip_prefix }) } else { Err(complaints) }
    }
}

// === impl Rewrite ===

impl Rewrite {
    fn rewrite(&self, view: &mut dyn View) -> Outcome {
        // Both are made from the request as it came here.
        let host = self.host.as_ref().map(|template| {
            let mut host = Vec::new();
            template.render_value(view, &mut host);
            text(host)
        });
        let target = match (&self.path, &self.strip_prefix) {
            (Some(template), _) => Some(filled(template, view)?),
            (None, Some(prefix)) => stripped(prefix, view)?,
            (None, None) => None,
        };
        if let Some(target) = target {
            view.edit(Side::Request, Edit::Target(&target))?;
        }
        if let Some(host) = host {
            view.edit(Side::Request, Edit::Host(&host))?;
        }
        Ok(Verdict::Pass)
    }
}

impl Policy for Rewrite {
    fn hooks(&self) -> HookSet {
        HOOKS
    }

    fn waits(&self, _: Hook) -> bool {
        false
    }

    fn call<'a>(&'a self, _: Hook, view: &'a mut dyn View) -> Step<'a> {
        Step::Now(self.rewrite(view))
    }
}

/// The new path, and the old query unless there is a new one.
fn filled(template: &Template, view: &dyn View) -> Result<String, Failure> {
    let mut target = Vec::new();
    template.render_for(Escape::Path, view, &mut target);
    let mut target = text(target);
    let head = view.request()?;
    let path = target.split('?').next().unwrap_or_default();
    if has_dot_segment(path) && !has_dot_segment(head.path()) {
        return Err(Failure::with(Reason::BadTarget, format!("the rewritten path {path:?} would leave its place")));
    }
    let slashes = target.len() - target.trim_start_matches('/').len();
    if slashes > 1 {
        target.drain(..slashes - 1);
    }
    if !target.contains('?')
        && let Some(query) = head.query()
    {
        target.push('?');
        target.push_str(query);
    }
    Ok(target)
}

/// The target without its leading segments; `None`: it has others.
fn stripped(prefix: &str, view: &dyn View) -> Result<Option<String>, Failure> {
    let target = view.request()?.target();
    let rest = target.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    // One slash, whatever follows the prefix: `//x` could be read as an authority.
    Ok(rest.map(|rest| format!("/{}", rest.trim_start_matches('/'))))
}

/// Whether a segment is `.` or `..`, written plainly or percent-encoded.
fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| {
        let mut rest = segment.as_bytes();
        let mut dots = 0;
        while let Some((&first, behind)) = rest.split_first() {
            match first {
                b'.' => rest = behind,
                b'%' if query::escaped(behind) == Some(b'.') => rest = behind.get(2..).unwrap_or_default(),
                _ => return false,
            }
            dots += 1;
        }
        matches!(dots, 1 | 2)
    })
}

/// Requests are ASCII; what else a template was written with is refused by the view.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fake::{Fake, complaint, policy};

    fn target(options: serde_json::Value, from: &str) -> String {
        let mut fake = Fake::get(from);
        fake.param("id", "7");
        fake.call(&policy::<RewriteOptions>(options), Hook::Request).unwrap();
        fake.request.target().to_owned()
    }

    #[test]
    fn paths_are_filled_and_queries_stay() {
        for (path, from, to) in [
            ("/v2{request.path}", "/a?x=1", "/v2/a?x=1"),
            ("/v2/{path.id}", "/a", "/v2/7"),
            ("/new?id={path.id}", "/a?x=1", "/new?id=7"),
            ("/find/{query.q}", "/a?q=b/c", "/find/b%2Fc?q=b/c"),
            ("{request.path}/", "/a", "/a/"),
            ("/{request.path}", "/a", "/a"),
        ] {
            assert_eq!(target(serde_json::json!({ "path": path }), from), to, "{path} {from}");
        }
    }

    #[test]
    fn prefixes_are_whole_segments() {
        for (from, to) in [
            ("/api/users?a=1", "/users?a=1"),
            ("/api", "/"),
            ("/api?a=1", "/?a=1"),
            ("/api/", "/"),
            ("/api//evil", "/evil"),
            ("/apis/x", "/apis/x"),
            ("/x/api", "/x/api"),
        ] {
            assert_eq!(target(serde_json::json!({ "strip_prefix": "/api" }), from), to, "{from}");
            assert_eq!(target(serde_json::json!({ "strip_prefix": "/api/" }), from), to, "{from}");
        }
    }

    #[test]
    fn a_value_cannot_climb_out_of_its_place() {
        let options = serde_json::json!({ "path": "/files/{query.name}/x" });
        for name in ["..", "%2e%2e", ".%2E", "."] {
            let mut fake = Fake::get(&format!("/a?name={name}"));
            let failure = fake.call(&policy::<RewriteOptions>(options.clone()), Hook::Request).unwrap_err();
            assert_eq!(failure.reason(), Reason::BadTarget, "{name}");
        }
        assert_eq!(target(options, "/a?name=..."), "/files/.../x?name=...");
    }

    #[test]
    fn the_host_is_made_from_the_old_one() {
        let mut fake = Fake::get("/a");
        let options = serde_json::json!({ "host": "{request.host}.internal", "path": "/{request.host}" });
        fake.call(&policy::<RewriteOptions>(options), Hook::Request).unwrap();
        assert_eq!(fake.field("host"), "shop.example.com.internal");
        assert_eq!(fake.request.target(), "/shop.example.com");
    }

    #[test]
    fn mistakes_are_named() {
        for (options, message) in [
            (serde_json::json!({}), "this rewrites nothing"),
            (serde_json::json!({ "path": "/", "strip_prefix": "/a" }), "exclude each other"),
            (serde_json::json!({ "path": "x" }), "does not begin with `/`"),
            (serde_json::json!({ "path": "/{nope}" }), "unknown placeholder `{nope}`"),
            (serde_json::json!({ "strip_prefix": "api" }), "no path prefix"),
            (serde_json::json!({ "strip_prefix": "/" }), "no path prefix"),
        ] {
            let found = complaint::<RewriteOptions>(options.clone());
            assert!(found.contains(message), "{options}: {found}");
        }
    }
}
