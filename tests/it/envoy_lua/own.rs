//! What Envoy's scripts meet here beside what Envoy does: where they stand, what they may reach, what ends them.

use crate::harness::origin::ok;
use crate::harness::{Client, Origin, Proxy, Response};

/// A proxy whose policy `p` is this script, used where `{place}` says, and an origin that echoes.
fn proxy(script: &str, more: &str, at_route: bool) -> (Origin, Proxy) {
    let origin = Origin::echo();
    let (listener, route) = if at_route { ("", ", use: [p]") } else { (", use: [p]", "") };
    let script = script.replace('\n', "\n        ");
    let yaml = format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\"{listener} }} }}\n\
         upstreams: {{ shop: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ name: all, to: shop{route} }}]\n\
         policies:\n  p:\n    lua:\n      inline: |\n        {script}\n{more}\n",
        origin.endpoint()
    );
    (origin, Proxy::start(&yaml))
}

fn ask(proxy: &Proxy, method: &str, body: &[u8]) -> Response {
    let mut client = Client::connect(proxy.addr());
    client.send_request(method, "/x", &[], body);
    client.read_response_to(method)
}

const NAMES_ROUTE: &str =
    "function envoy_on_request(h)\n  h:headers():add('x-route', '<' .. h:streamInfo():routeName() .. '>')\nend";

#[test]
fn at_a_route_a_script_runs_once_and_knows_it() {
    let (_origin, at_route) = proxy(NAMES_ROUTE, "", true);
    assert!(ask(&at_route, "GET", b"").text().contains("x-route: <all>\n"));
    let (_origin, at_listener) = proxy(NAMES_ROUTE, "", false);
    let seen = ask(&at_listener, "GET", b"").text();
    assert!(seen.contains("x-route: <>\n") && seen.matches("x-route").count() == 1, "{seen}");
}

#[test]
fn a_script_that_fails_leaves_the_exchange_alone_unless_it_is_to_fail_closed() {
    let script = "function envoy_on_request(h)\n  h:headers():add('x-before', '1')\n  error('broken')\nend";
    let (_origin, open) = proxy(script, "", false);
    assert!(ask(&open, "GET", b"").text().contains("x-before: 1\n"));
    let (_origin, closed) = proxy(script, "    on_failure: closed", false);
    assert_eq!(ask(&closed, "GET", b"").status, 500);
}

#[test]
fn a_loop_and_too_many_calls_end_and_the_exchange_goes_on() {
    let looping = "function envoy_on_request(h)\n  h:headers():add('x-before', '1')\n  while true do end\nend";
    let (_origin, proxy_of_loop) = proxy(looping, "    limits: { cpu: 20ms }", false);
    assert!(ask(&proxy_of_loop, "GET", b"").text().contains("x-before: 1\n"));
    let calling = "function envoy_on_request(h)\n  for i = 1, 9 do\n    local r = h:httpCall('shop', { [':method'] = 'GET', \
                   [':path'] = '/call', [':authority'] = 'x' }, nil, 1000)\n    h:headers():add('x-call', i)\n  end\nend";
    let (_origin, granted) = proxy(calling, "    limits: { calls: 2 }\n    may: { upstreams: [shop] }", false);
    assert_eq!(ask(&granted, "GET", b"").text().matches("x-call").count(), 2);
    let (_origin, not_granted) = proxy(calling, "", false);
    assert_eq!(ask(&not_granted, "GET", b"").text().matches("x-call").count(), 0);
}

#[test]
fn a_body_beyond_the_limit_is_refused_and_not_cut() {
    let script = "function envoy_on_request(h)\n  h:headers():add('x-size', h:body():length())\nend\n\
                  function envoy_on_response(h)\n  if h:headers():get(':status') == '200' then local _ = h:body() end\nend";
    let (_origin, small) = proxy(script, "    limits: { body: 1KiB }", false);
    assert_eq!(ask(&small, "POST", &[b'x'; 2000]).status, 413);
    assert_eq!(ask(&small, "POST", &[b'x'; 10]).status, 200);
}

#[test]
fn what_cannot_exist_here_is_named() {
    let calls = [
        "io.open('/etc/passwd')",
        "os.getenv('HOME')",
        "loadstring('return 1')",
        "setfenv(1, {})",
        "h:stats():counter('x')",
        "h:streamInfo():drainConnectionUponCompletion()",
        "h:streamInfo():filterState():set('a', 'b', 'c')",
        "h:noSuchMethod()",
    ];
    let mut script =
        "function envoy_on_request(h)\n  local function try(f) local _, why = pcall(f, h) return why end\n".to_owned();
    for call in calls {
        script.push_str(&format!("  h:headers():add('x-why', try(function() return {call} end))\n"));
    }
    let (_origin, proxy) = proxy(&(script + "end"), "", false);
    let seen = ask(&proxy, "GET", b"").text();
    for named in [
        "`io.open`",
        "`os.getenv`",
        "`loadstring`",
        "`setfenv`",
        "stats()",
        "drainConnectionUponCompletion()",
        "filterState:set()",
        "`handle:noSuchMethod()`",
    ] {
        assert!(seen.lines().any(|line| line.starts_with("x-why: ") && line.contains(named)), "{named}: {seen}");
    }
}

#[test]
fn a_coded_body_streams_through_as_it_was_sent() {
    let script = "function envoy_on_response(h)\n  for chunk in h:bodyChunks() do local _ = chunk:length() end\nend";
    let origin = Origin::answering(
        [&b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n"[..], b"\x1f\x8b\x08\0"].concat(),
    );
    let yaml = format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\", use: [p] }} }}\n\
         upstreams: {{ shop: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ to: shop }}]\n\
         policies: {{ p: {{ lua: {{ inline: \"{}\" }} }} }}\n",
        origin.endpoint(),
        script.replace('\n', "\\n")
    );
    let seen = ask(&Proxy::start(&yaml), "GET", b"");
    assert_eq!((seen.field("content-encoding"), seen.body.as_slice()), (Some("gzip"), &b"\x1f\x8b\x08\0"[..]));
}

#[test]
fn metadata_is_values_that_our_own_scripts_read() {
    let origin = Origin::answering(ok("x"));
    let yaml = format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\", use: [theirs, ours] }} }}\n\
         upstreams: {{ shop: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ to: shop }}]\npolicies:\n\
         \x20 theirs: {{ lua: {{ inline: \"function envoy_on_request(h) h:streamInfo():dynamicMetadata():set('app', 'plan', 'gold') end\" }} }}\n\
         \x20 ours: {{ lua: {{ inline: \"function response(exchange) exchange.response.headers['x-plan'] = exchange.values['envoy.app.plan'] end\" }} }}\n",
        origin.endpoint()
    );
    assert_eq!(ask(&Proxy::start(&yaml), "GET", b"").field("x-plan"), Some("gold"));
}
