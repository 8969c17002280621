//! What a client is told when the answer is ours: in the form it accepts, with the request's id and without reasons.

use crate::harness::{Client, Origin, Proxy, Response};

fn ask(proxy: &Proxy, target: &str, accept: &str) -> Response {
    let mut client = Client::connect(proxy.addr());
    let fields = if accept.is_empty() { vec![] } else { vec![("Accept", accept)] };
    client.send_request("GET", target, &fields, b"");
    client.read_response()
}

#[test]
fn a_failure_is_told_in_the_form_that_is_accepted() {
    let absent = Origin::absent();
    let proxy = Proxy::to(&absent.addr().to_string());
    for (accept, media_type) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
        ("", "text/plain; charset=utf-8"),
        ("text/html;q=0.1, application/json", "application/problem+json"),
    ] {
        let response = ask(&proxy, "/", accept);
        assert_eq!((response.status, response.field("content-type")), (502, Some(media_type)), "{accept}");
        assert_eq!(response.field("cache-control"), Some("no-store"));
        assert!(!response.text().contains(&absent.addr().port().to_string()), "addresses stay in the log");
        assert!(
            !response.text().contains("refused") && !response.text().contains("connect_failed"),
            "{}",
            response.text()
        );
        let hex = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let text = response.text();
        assert_eq!(
            text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| hex(word)).count(),
            1,
            "the id: {text}"
        );
    }
}

#[test]
fn written_pages_stand_at_file_listener_and_route() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("<p>{name} {{response.status}} {{request.id}}</p>")).expect("a page");
        path.display().to_string()
    };
    let yaml = format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\", trusted: [127.0.0.1], failure_pages: {{ 404: \"{}\", 503: \"{}\" }} }} }}\n\
         failure_pages: {{ 4xx: \"{}\", 5xx: \"{}\" }}\nroutes:\n\
         - {{ match: {{ path: /own }}, failure_pages: {{ 503: \"{}\" }}, use: [ {{ policy: answer, with: {{ status: 503 }} }} ] }}\n\
         - {{ match: {{ path: /503 }}, use: [ {{ policy: answer, with: {{ status: 503 }} }} ] }}\n\
         - {{ match: {{ path: /500 }}, use: [ {{ policy: answer, with: {{ status: 500 }} }} ] }}\n\
         - {{ match: {{ path: /410 }}, use: [ {{ policy: answer, with: {{ status: 410 }} }} ] }}\n\
         - {{ match: {{ path: /body }}, use: [ {{ policy: answer, with: {{ status: 503, body: mine }} }} ] }}\n",
        page("listener-404"),
        page("listener-503"),
        page("file-4xx"),
        page("file-5xx"),
        page("route-503"),
    );
    let proxy = Proxy::start(&yaml);
    for (target, expected) in [
        ("/own", "<p>route-503 503 "),
        ("/503", "<p>listener-503 503 "),
        ("/500", "<p>file-5xx 500 "),
        ("/410", "<p>file-4xx 410 "),
        ("/none", "<p>listener-404 404 "),
        ("/body", "mine"),
    ] {
        let response = ask(&proxy, target, "text/html");
        assert!(response.text().starts_with(expected), "{target}: {}", response.text());
    }
    let json = ask(&proxy, "/503", "application/json");
    assert_eq!(json.field("content-type"), Some("application/problem+json"), "a program gets what it asked for");
    let mut client = Client::connect(proxy.addr());
    client.send_request("GET", "/503", &[("X-Request-Id", "id-of-a-neighbour")], b"");
    assert!(client.read_response().text().contains("id-of-a-neighbour"));
    let mut client = Client::connect(proxy.addr());
    client.send("GET / HTTP/1.1\r\nBad Name: a\r\n\r\n");
    assert!(client.read_response().text().starts_with("<p>file-4xx 400 "), "even where no head could be read");
}
