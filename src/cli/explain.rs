//! `gatewright explain`: what would become of a request, and why.

use std::io::{self, Write};

use super::exit::Exit;

/// A URL as far as a route looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub secure: bool,
    /// Lower case, without the port; an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
    /// Path and query, as it would stand in the request line.
    pub target: String,
}

/// What would become of a request.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// `GET http://shop.example.com/cart/7`
    pub request: String,
    /// Name and address; `None`: nobody listens at that port.
    pub listener: Option<(String, String)>,
    /// Name and place in the file; `None`: no route matches.
    pub route: Option<(String, String)>,
    pub parameters: Vec<(String, String)>,
    /// In the order in which they are asked on the way in.
    pub policies: Vec<Seat>,
    /// Name, weight and endpoints.
    pub upstreams: Vec<(String, u32, Vec<String>)>,
    /// Routes that did not win, with the reason.
    pub lost: Vec<(String, String)>,
    /// The request would be refused before routing, for this reason.
    pub refused: Option<String>,
}

/// A policy where it stands.
#[derive(Debug, Clone, Default)]
pub struct Seat {
    pub name: String,
    pub kind: String,
    /// Where its `use` stands: `file`, `listener web`, `route cart`, `upstream shop`.
    pub stands: String,
    pub hooks: Vec<String>,
    /// Why it would not run: its `when` does not hold, or it only observes.
    pub remark: Option<String>,
}

/// A method, as clap wants it.
pub fn method(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(token) {
        return Err("expected a method, like GET".into());
    }
    Ok(text.to_owned())
}

/// A field, as clap wants it.
pub fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if method(name).is_ok() => Ok((name.to_ascii_lowercase(), value.trim().to_owned())),
        _ => Err("expected `name: value`".into()),
    }
}

// === impl Url ===

impl Url {
    /// Reads `http://host[:port]/path?query`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (secure, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err("expected http://host/path or https://host/path".into()),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let slash = if target.starts_with('/') { "" } else { "/" };
        if authority.contains('@') {
            return Err("a user name has no place in a request".into());
        }
        let bracket = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority.rfind(':').filter(|colon| *colon > bracket) {
            Some(colon) => authority.split_at(colon),
            None => (authority, if secure { ":443" } else { ":80" }),
        };
        let port = port[1..].parse().map_err(|_| "the port must be a number from 0 to 65535".to_string())?;
        if host.is_empty() || text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err("expected a host, and no spaces".into());
        }
        Ok(Self { secure, host: host.to_ascii_lowercase(), port, target: format!("{slash}{target}") })
    }
}

/// Prints the explanation; a request that would find nothing is a failed check.
pub fn print(it: &Explanation, out: &mut dyn Write) -> io::Result<Exit> {
    let mut say = |key: &str, text: &str| writeln!(out, "{key:<10} {text}");
    say("request", &it.request)?;
    match &it.listener {
        Some((name, address)) => say("listener", &format!("{name} ({address})"))?,
        None => say("listener", "none: nobody listens at this port")?,
    }
    if let Some(why) = &it.refused {
        say("refused", why)?;
        return Ok(Exit::Invalid);
    }
    match &it.route {
        Some((name, place)) => say("route", &format!("{name} ({place})"))?,
        None => say("route", "none matches")?,
    }
    for (name, value) in &it.parameters {
        say("", &format!("{{path.{name}}} = {value}"))?;
    }
    for (index, seat) in it.policies.iter().enumerate() {
        let remark = seat.remark.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        let kind = if seat.kind == seat.name { String::new() } else { format!(" ({})", seat.kind) };
        let text =
            format!("{}. {}{kind}, from the {}: {}{remark}", index + 1, seat.name, seat.stands, seat.hooks.join(", "));
        say(if index == 0 { "policies" } else { "" }, &text)?;
    }
    let total: u32 = it.upstreams.iter().map(|(_, weight, _)| weight).sum();
    for (index, (name, weight, endpoints)) in it.upstreams.iter().enumerate() {
        let share = if it.upstreams.len() > 1 { format!(" {weight} of {total}") } else { String::new() };
        let text = format!("{name}{share}: {}", endpoints.join(", "));
        say(if index == 0 { "upstream" } else { "" }, &text)?;
    }
    for (index, (name, why)) in it.lost.iter().enumerate() {
        say(if index == 0 { "lost" } else { "" }, &format!("{name}: {why}"))?;
    }
    Ok(if it.route.is_some() && it.listener.is_some() { Exit::Ok } else { Exit::Invalid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parts = |text: &str| Url::parse(text).map(|url| (url.secure, url.host, url.port, url.target));
        assert_eq!(parts("http://Shop.test/a?b#c"), Ok((false, "shop.test".into(), 80, "/a?b".into())));
        assert_eq!(parts("https://a:8443"), Ok((true, "a".into(), 8443, "/".into())));
        assert_eq!(parts("http://[::1]:8080?x"), Ok((false, "[::1]".into(), 8080, "/?x".into())));
        assert_eq!(parts("https://[::1]/"), Ok((true, "[::1]".into(), 443, "/".into())));
        for wrong in ["shop.test/a", "http:///a", "http://a:b/", "http://u@a/", "http://a/b c", "http://a:/"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
        assert_eq!(field("X-A:  b: c "), Ok(("x-a".into(), "b: c".into())));
        assert!(field("no colon").is_err() && field(": x").is_err());
    }

    #[test]
    fn an_explanation_reads_like_a_report() {
        let seat = |name: &str, kind: &str| Seat {
            name: name.into(),
            kind: kind.into(),
            stands: "route cart".into(),
            hooks: vec!["request".into(), "response".into()],
            remark: None,
        };
        let it = Explanation {
            request: "GET http://shop.test/cart/7".into(),
            listener: Some(("web".into(), "0.0.0.0:80".into())),
            route: Some(("cart".into(), "gatewright.yaml:12".into())),
            parameters: vec![("id".into(), "7".into())],
            policies: vec![
                seat("headers", "headers"),
                Seat { remark: Some("its `when` does not hold".into()), ..seat("old", "redirect") },
            ],
            upstreams: vec![
                ("shop".into(), 95, vec!["10.0.0.1:80".into()]),
                ("next".into(), 5, vec!["10.0.0.2:80".into()]),
            ],
            lost: vec![("post".into(), "wants method POST".into())],
            refused: None,
        };
        let mut out = Vec::new();
        assert_eq!(print(&it, &mut out).unwrap(), Exit::Ok);
        let expected = "\
request    GET http://shop.test/cart/7
listener   web (0.0.0.0:80)
route      cart (gatewright.yaml:12)
           {path.id} = 7
policies   1. headers, from the route cart: request, response
           2. old (redirect), from the route cart: request, response; its `when` does not hold
upstream   shop 95 of 100: 10.0.0.1:80
           next 5 of 100: 10.0.0.2:80
lost       post: wants method POST
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        assert_eq!(print(&Explanation::default(), &mut out).unwrap(), Exit::Invalid);
        assert!(String::from_utf8(out).unwrap().contains("none matches"));
    }
}
