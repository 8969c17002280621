//! The policies of `scripts/`: what each does to a client and an origin, and what it says of options that are wrong.

use gatewright::lab;

use crate::harness::origin::{Conn, ok};
use crate::harness::{Client, Origin, Proxy, Response};

/// A configuration in which every exchange passes the script `p` with these options, before the upstreams `a` and `b`.
fn configuration(script: &str, with: &str, a: &str, b: &str, more: &str) -> String {
    let file = format!("{}/scripts/{script}.lua", env!("CARGO_MANIFEST_DIR"));
    format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         upstreams: {{ a: {{ endpoints: [{a}] }}, b: {{ endpoints: [{b}] }} }}\n\
         policies:\n  p:\n    lua: {{ file: \"{file}\", with: {{ {with} }} }}\n\
         \x20   may: {{ upstreams: [a, b], dictionaries: [shared] }}\n\
         dictionaries: {{ shared: {{ size: 1MiB }} }}\n\
         routes: [ {{ match: {{ path: \"/*\" }}, use: [p], to: a }} ]\n{more}\n"
    )
}

/// The proxy before two origins that say who they are and what they got.
struct Set {
    a: Origin,
    b: Origin,
    proxy: Proxy,
}

fn set(script: &str, with: &str) -> Set {
    let (a, b) = (named("a"), named("b"));
    let proxy = Proxy::start(&configuration(script, with, &quoted(&a), &quoted(&b), ""));
    Set { a, b, proxy }
}

fn named(name: &'static str) -> Origin {
    Origin::start(move |request| ok([format!("upstream: {name}\n").into_bytes(), request.dump()].concat()))
}

fn quoted(origin: &Origin) -> String {
    format!("\"{}\"", origin.endpoint())
}

/// What the proxy says when it is to start with these options.
fn refusal(script: &str, with: &str) -> String {
    let text = configuration(script, with, "\"127.0.0.1:9\"", "\"127.0.0.1:9\"", "");
    match Proxy::try_start(&text) {
        Ok(_) => panic!("{script} is content with {with}"),
        Err(refusal) => refusal,
    }
}

#[track_caller]
fn assert_refused(script: &str, with: &str, why: &str) {
    let said = refusal(script, with);
    assert!(said.contains(why), "not `{why}`:\n{said}");
}

impl Set {
    fn ask(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        ask(&self.proxy, target, fields)
    }

    /// The upstream that answered.
    fn upstream(&self, target: &str, fields: &[(&str, &str)]) -> String {
        let text = self.ask(target, fields).text();
        text.lines().next().unwrap_or_default().trim_start_matches("upstream: ").to_owned()
    }
}

fn ask(proxy: &Proxy, target: &str, fields: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", target, fields, b"");
    client.read_response()
}

/// `x_test.lua` beside `x.lua`, on a thread of its own: they stop its clock.
#[test]
fn the_tests_beside_the_scripts_pass() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (tests, scripts): (Vec<_>, Vec<_>) = files.partition(|name| name.ends_with("_test.lua"));
    assert_eq!(tests.len(), scripts.len(), "each script has a test: {scripts:?} {tests:?}");
    let wanted = lab::Wanted { places: vec![folder], ..lab::Wanted::default() };
    let told = std::thread::spawn(move || {
        let mut told = String::new();
        let tested = lab::run(&wanted, |ran| told.push_str(&lab::report::file(ran))).unwrap();
        (lab::report::failures(&tested), told)
    });
    let (failures, told) = told.join().unwrap();
    assert_eq!(failures, 0, "{told}");
}

#[test]
fn maintenance_shows_its_page_to_all_but_those_let_through() {
    let closed = set("maintenance", "allow: [192.0.2.0/24], open: [/healthz], page: \"later\", retry_after: 60");
    let response = closed.ask("/", &[]);
    assert_eq!((response.status, response.text().as_str()), (503, "later"));
    assert_eq!(response.field("retry-after"), Some("60"));
    assert_eq!(closed.a.request_count(), 0);
    assert_eq!(closed.ask("/healthz", &[]).status, 200);
    assert_eq!(closed.ask("/healthz/../x", &[]).status, 503);
    assert_eq!(set("maintenance", "allow: [127.0.0.0/8]").ask("/", &[]).status, 200);
    assert_refused("maintenance", "allow: [elsewhere]", "elsewhere");
    assert_refused("maintenance", "alow: []", "did you mean `allow`?");
}

#[test]
fn a_canary_is_chosen_by_header_cookie_and_percentage() {
    let few = set("canary", "to: b");
    assert_eq!(few.upstream("/", &[]), "a");
    assert_eq!(few.upstream("/", &[("X-Canary", "always")]), "b");
    assert_eq!(few.upstream("/", &[("Cookie", "x=1; canary=always")]), "b");
    assert_eq!(few.upstream("/", &[("X-Canary", "never"), ("Cookie", "canary=always")]), "a");
    assert_eq!(few.upstream("/", &[("X-Canary", "perhaps")]), "a");
    let all = set("canary", "to: b, percent: 100");
    assert_eq!(all.upstream("/", &[]), "b");
    assert_eq!(all.upstream("/", &[("X-Canary", "never")]), "a");
    assert_refused("canary", "to: b, percent: 101", "percent is a number from 0 to 100, not 101");
    assert_refused("canary", "percent: 5", "the option `to` of `p` is missing");
}

#[test]
fn a_split_remembers_its_side() {
    let split = set("sticky_split", "shares: { a: 0, b: 1 }");
    let first = split.ask("/", &[]);
    assert!(first.text().starts_with("upstream: b"));
    let cookie = first.field("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.starts_with("side=b; ") && cookie.contains("Max-Age=2592000"), "{cookie}");
    let again = split.ask("/", &[("Cookie", "side=a")]);
    assert!(again.text().starts_with("upstream: a"), "who is on a side stays there");
    assert_eq!(again.field("set-cookie"), None);
    for wrong in ["side=c", "side=", "side=p", "side=\"b"] {
        let dealt = split.ask("/", &[("Cookie", wrong)]);
        assert!(dealt.text().starts_with("upstream: b") && dealt.field("set-cookie").is_some(), "{wrong}");
    }
    assert_refused("sticky_split", "shares: { a: 0 }", "no upstream has a share");
    assert_refused("sticky_split", "shares: { a: many }", "the share of a is a number");
}

#[test]
fn an_api_key_opens_and_does_not_travel_on() {
    assert_refused("api_keys", "keys: { s3same: ada }", "is no SHA-256");
    let digits = sha256("s3same");
    let keys = set("api_keys", &format!("keys: {{ \"{digits}\": ada }}, to: x-test-user"));
    let none = keys.ask("/", &[]);
    assert_eq!((none.status, none.field("www-authenticate")), (401, Some("ApiKey")));
    assert_eq!(keys.ask("/", &[("X-Api-Key", "guessed")]).status, 403);
    assert_eq!(keys.ask("/", &[("X-Api-Key", &digits)]).status, 403, "the digits are no key");
    assert_eq!(keys.a.request_count(), 0);
    let known = keys.ask("/", &[("X-Api-Key", "s3same"), ("X-Test-User", "root")]);
    assert_eq!(known.status, 200);
    let seen = keys.a.request(0);
    assert_eq!((seen.all("x-test-user"), seen.all("x-api-key")), (vec!["ada"], vec![]));
}

fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signed_url_is_served_until_it_expires() {
    let origin = named("a");
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("key"), "hush").unwrap();
    let more = format!("secrets: {{ key: {{ file: \"{}/key\" }} }}", home.path().display());
    let text = configuration("signed_urls", "key: { secret: key }", &quoted(&origin), &quoted(&origin), &more);
    let proxy = Proxy::start(&text);
    let sign = |target: &str| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"hush");
        let tag = aws_lc_rs::hmac::sign(&key, target.as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{target}&signature={digits}")
    };
    let good = sign("/a.zip?part=1&expires=4102444800");
    assert_eq!(ask(&proxy, &good, &[]).status, 200);
    assert_eq!(origin.request(0).target, "/a.zip?part=1&expires=4102444800");
    for bad in [
        "/a.zip".to_owned(),
        "/a.zip?expires=4102444800".to_owned(),
        good.replace("a.zip", "b.zip"),
        good.replace("part=1", "part=2"),
        format!("{good}&more=1"),
        format!("{good}00"),
        sign("/a.zip?expires=1000000000"),
        sign("/a.zip?part=1"),
        sign("/a.zip?expires=never"),
    ] {
        assert_eq!(ask(&proxy, &bad, &[]).status, 403, "{bad}");
    }
    assert_eq!(origin.request_count(), 1);
    assert_refused("signed_urls", "key: hush", "the option `key` is a secret");
}

#[test]
fn bots_and_scanners_are_turned_away() {
    let plain = set("block", "agents: [\"(?i)badbot\", \"^python-\"], status: 404");
    for (target, agent, status) in [
        ("/", "Mozilla/5.0", 200),
        ("/", "Mozilla/5.0 (BADBOT/1)", 404),
        ("/", "python-requests/2", 404),
        ("/", "not python-requests", 200),
        ("/.env", "Mozilla/5.0", 404),
        ("/a/%2egit/config", "Mozilla/5.0", 404),
        ("/wp-login", "Mozilla/5.0", 404),
        ("/blog/wp-login", "Mozilla/5.0", 200),
        ("/index.php", "Mozilla/5.0", 404),
    ] {
        assert_eq!(plain.ask(target, &[("User-Agent", agent)]).status, status, "{target} {agent}");
    }
    assert_eq!(plain.ask("/", &[]).status, 200);
    assert_eq!(set("block", "nameless: true").ask("/", &[]).status, 403);
    assert_refused("block", "agents: [\"(\"]", "block.lua");
}

#[test]
fn internal_fields_stay_inside() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Powered-By: rust\r\nX-Internal-Node: 7\r\nX-Frame-Options: DENY\r\n\r\n",
    );
    let options = "from_client: [\"X-Internal-*\", x-user], hsts: \"\"";
    let proxy = Proxy::start(&configuration("header_hygiene", options, &quoted(&origin), &quoted(&origin), ""));
    let fields = [("X-Internal-Role", "root"), ("x-internal-", "1"), ("X-User", "root"), ("X-Test-Internal-A", "1")];
    let response = ask(&proxy, "/", &fields);
    assert_eq!(origin.unexpected_fields(&[]), Vec::<String>::new());
    assert_eq!(origin.request(0).all("x-test-internal-a"), ["1"]);
    assert_eq!((response.field("x-powered-by"), response.field("x-internal-node")), (None, None));
    assert_eq!(response.all("x-frame-options"), ["DENY"], "what the origin says itself stays");
    assert_eq!(response.all("x-content-type-options"), ["nosniff"]);
    assert_eq!(response.field("strict-transport-security"), None);
    assert_refused("header_hygiene", "add: x", "the option `add` is a table");
}

#[test]
fn an_address_leads_to_its_region() {
    let options = "networks: { 127.0.0.0/8: far, 127.0.0.1: near, \"2001:DB8::/32\": far }, header: x-test-region";
    let near = set("geo", &format!("{options}, upstreams: {{ near: b }}"));
    assert_eq!(near.upstream("/", &[("X-Test-Region", "made up")]), "b", "the narrowest network");
    assert_eq!(near.b.request(0).all("x-test-region"), ["near"]);
    let refused = set("geo", &format!("{options}, refused: [near]"));
    assert_eq!(refused.ask("/", &[]).status, 451);
    let nowhere = set("geo", "networks: { 192.0.2.0/24: far }, upstreams: { far: b }, header: x-test-region");
    assert_eq!(nowhere.upstream("/", &[("X-Test-Region", "far")]), "a");
    assert_eq!(nowhere.a.request(0).all("x-test-region"), Vec::<&str>::new());
    assert_refused("geo", "networks: { 10.0.0.0/33: x }", "10.0.0.0/33");
}

#[test]
fn parts_of_several_upstreams_become_one_json() {
    let users = Origin::start(|request| match request.target.as_str() {
        "/users/a%2Fb" => ok(r#"{"name":"Ada"}"#),
        "/users/broken" => ok("no JSON"),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let orders = Origin::start(|request| match request.target.as_str() {
        "/orders?user=a%2Fb" => ok("[1,2]"),
        _ => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let parts = "parts: { user: { upstream: a, path: \"/users/{id}\" }, \
                 orders: { upstream: b, path: /orders, query: \"user={id}\", optional: true } }";
    let text = configuration("compose", parts, &quoted(&users), &quoted(&orders), "");
    let proxy = Proxy::start(&text.replace("path: \"/*\" }, use: [p], to: a", "path: \"/account/{id}\" }, use: [p]"));
    let whole = ask(&proxy, "/account/a%2Fb", &[("Authorization", "Bearer x"), ("X-Other", "y")]);
    assert_eq!((whole.status, whole.field("content-type")), (200, Some("application/json")));
    let json: serde_json::Value = serde_json::from_slice(&whole.body).unwrap();
    assert_eq!(json, serde_json::json!({ "user": { "name": "Ada" }, "orders": [1, 2] }));
    assert_eq!(users.request(0).all("authorization"), ["Bearer x"]);
    assert_eq!(users.request(0).all("x-other"), Vec::<&str>::new());
    assert_eq!(ask(&proxy, "/account/nobody", &[]).status, 404);
    assert_eq!(ask(&proxy, "/account/broken", &[]).status, 502);
    drop(orders);
    let without = ask(&proxy, "/account/a%2Fb", &[]);
    assert_eq!(without.text(), r#"{"orders":null,"user":{"name":"Ada"}}"#);
    assert_refused("compose", "parts: { user: { path: / } }", "parts.user needs an upstream and a path");
}

#[test]
fn texts_in_bodies_are_replaced() {
    let body = |media: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nETag: \"1\"\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let page = "see http://old.example/a and http://old.example.org";
    let long = "http://old.example ".repeat(100);
    let (html, image, long) =
        (body("text/html; charset=utf-8", page), body("image/png", page), body("text/html", &long));
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n\
                   9\r\nhttp://ol\r\n9\r\nd.example\r\n0\r\n\r\n";
    let origin = Origin::start(move |request| match request.target.as_str() {
        "/image" => image.clone().into_bytes(),
        "/long" => long.clone().into_bytes(),
        "/chunked" => chunked.into(),
        _ => html.clone().into_bytes(),
    });
    let options = "most: 1000, replace: { \"http://old.example\": \"//new\", \"http://old.example.org\": \"//org\" }";
    let proxy = Proxy::start(&configuration("rewrite_body", options, &quoted(&origin), &quoted(&origin), ""));
    let response = ask(&proxy, "/", &[]);
    assert_eq!(response.text(), "see //new/a and //org");
    assert_eq!((response.field("content-length"), response.field("etag")), (Some("21"), None));
    assert_eq!(ask(&proxy, "/chunked", &[]).text(), "//new", "it lay across two chunks");
    assert_eq!(ask(&proxy, "/image", &[]).text(), page);
    assert!(ask(&proxy, "/long", &[]).text().starts_with("http://old.example "));
    assert_refused("rewrite_body", "replace: { a: 1 }", "replace: texts");
}

#[test]
fn a_client_keeps_its_endpoint_and_a_bad_answer_is_tried_elsewhere() {
    let sick = |conn: &mut Conn| {
        while conn.read_request().is_some() {
            conn.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
        }
    };
    let (one, two, ill, gone) = (named("one"), named("two"), Origin::script(sick), Origin::absent());
    let set = |a: &str, with: &str| {
        let text = configuration("balance_and_retry", with, a, "\"127.0.0.1:9\"", "");
        let text = text
            .replace(&format!("a: {{ endpoints: [{a}]"), &format!("a: {{ endpoints: [{a}], balance: {{ policy: p }}"));
        Proxy::start(&text)
    };
    let healthy = set(&format!("{}, {}", quoted(&one), quoted(&two)), "key: x-test-user");
    let mut chosen = std::collections::BTreeSet::new();
    for user in 0..20 {
        let user = user.to_string();
        let first = ask(&healthy, "/", &[("X-Test-User", &user)]).text();
        chosen.insert(first.lines().next().unwrap().to_owned());
        let again = ask(&healthy, "/", &[("X-Test-User", &user)]).text();
        assert_eq!(first.lines().next(), again.lines().next(), "{user} moved");
    }
    assert_eq!(chosen.len(), 2, "everybody went to the same");
    let (a, more) = (format!("\"{}\", {}", gone.addr(), quoted(&ill)), "attempts: 3, key: x-test-user");
    let hurt = set(&format!("{a}, {}", quoted(&one)), more);
    for user in 0..10 {
        assert_eq!(ask(&hurt, "/", &[("X-Test-User", &user.to_string())]).status, 200);
    }
    assert!(ill.request_count() > 0);
    let alone = set(&quoted(&ill), "attempts: 1");
    let before = ill.request_count();
    assert_eq!(ask(&alone, "/", &[]).status, 503);
    assert_eq!(ill.request_count(), before + 1, "one attempt");
    assert_refused("balance_and_retry", "attempts: several", "the option `attempts` is a number");
}

#[test]
fn a_tenant_has_an_upstream_of_its_own() {
    let hosts = set("tenants", "tenants: { acme: a, globex: b }, suffix: .shop.example, tell: x-test-tenant");
    assert_eq!(hosts.upstream("/", &[("Host", "acme.shop.example")]), "a");
    assert_eq!(hosts.upstream("/", &[("Host", "GLOBEX.shop.example:8443"), ("X-Test-Tenant", "acme")]), "b");
    assert_eq!(hosts.b.request(0).all("x-test-tenant"), ["globex"]);
    for host in ["shop.example", "initech.shop.example", "acme.shop.example.org", ".shop.example"] {
        assert_eq!(hosts.ask("/", &[("Host", host)]).status, 404, "{host}");
    }
    let fields = set("tenants", "tenants: { acme: b }, header: x-test-key, otherwise: a, tell: x-test-tenant");
    assert_eq!(fields.upstream("/", &[("X-Test-Key", "acme")]), "b");
    assert_eq!(fields.upstream("/", &[("X-Test-Key", "other"), ("X-Test-Tenant", "acme")]), "a");
    assert_eq!(fields.a.request(0).all("x-test-tenant"), Vec::<&str>::new());
    assert_refused("tenants", "tenants: [acme]", "the option `tenants` is a table");
}
