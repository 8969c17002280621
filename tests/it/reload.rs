//! Reloads: what changes, what does not, and what a refused one leaves alone.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use gatewright::control::Event;

use crate::harness::{Client, Origin, Proxy, client, eventually, origin, proxy};

/// A configuration with a listener `web` and what else is given.
fn config(listeners: &str, upstreams: &str, routes: &str) -> String {
    format!(
        "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }}, {listeners} }}\n\
         upstreams: {{ {upstreams} }}\nroutes: [ {routes} ]\n"
    )
}

fn to(path: &str, upstream: &str) -> String {
    format!("{{ name: {upstream}, match: {{ path: \"{path}\" }}, to: {upstream} }}")
}

fn at(name: &str, origin: &Origin) -> String {
    format!("{name}: {{ endpoints: [\"{}\"] }}", origin.endpoint())
}

/// An origin that answers when it is told to.
fn gated(body: &'static str) -> (Origin, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let origin = Origin::start(move |_| {
        gate.lock().unwrap().recv().ok();
        origin::ok(body)
    });
    (origin, open)
}

fn upgraded() -> Origin {
    Origin::script(|conn| {
        while conn.read_request().is_some() {
            conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
            while let Some(bytes) = conn.read_some() {
                conn.send(bytes);
            }
        }
    })
}

fn tunnel(addr: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(addr);
    client.send_request("GET", path, &[("Connection", "upgrade"), ("Upgrade", "echo")], b"");
    assert_eq!(client.read_response().status, 101);
    client
}

fn echoes(tunnel: &mut Client, bytes: &str) {
    tunnel.send(bytes);
    assert_eq!(tunnel.read_exactly(bytes.len()), bytes.as_bytes());
}

fn floor(proxy: &Proxy) {
    eventually("only the running generations live", || proxy.inner.living_generations() == 2);
    assert_eq!(proxy.metric("gatewright_generations_alive ", ""), 2);
}

#[test]
fn new_requests_get_the_new_routes_and_those_in_flight_end_under_the_old() {
    let (old, open) = gated("old");
    let new = Origin::answering(origin::ok("new"));
    let proxy = Proxy::start(&config("", &at("old", &old), &to("/*", "old")));
    let mut in_flight = Client::connect(proxy.addr());
    in_flight.send_request("GET", "/", &[], b"");
    old.request(0);
    assert_eq!(proxy.reload(&config("", &at("new", &new), &to("/*", "new"))), Ok(2));
    assert_eq!(client::get(proxy.addr(), "/").text(), "new");
    assert!(proxy.inner.living_generations() > 2, "the exchange in flight stands on the old one");
    open.send(()).unwrap();
    assert_eq!(in_flight.read_response().text(), "old");
    in_flight.send_request("GET", "/", &[], b"");
    assert_eq!(in_flight.read_response().text(), "new", "the connection survives");
    floor(&proxy);
    assert_eq!(proxy.metric("gatewright_config_generation", ""), 2);
    assert_eq!(proxy.metric("gatewright_config_last_reload_successful", ""), 1);
    eventually("both are counted", || proxy.metric("gatewright_upstream_requests_total", "\"new\"") == 2);
}

#[test]
fn connections_on_both_sides_survive_a_hundred_reloads() {
    let origin = Origin::answering(origin::ok("x"));
    let configs = [
        config("", &at("a", &origin), &to("/*", "a")),
        config(
            "",
            &format!("{}, {}", at("a", &origin), at("b", &origin)),
            &format!("{}, {}", to("/*", "a"), to("/b", "b")),
        ),
    ];
    let proxy = Proxy::start(&configs[0]);
    let mut client = Client::connect(proxy.addr());
    for round in 1..=100 {
        proxy.reload(&configs[round % 2]).unwrap();
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().status, 200);
    }
    assert_eq!((origin.connections(), origin.request_count()), (1, 100));
    floor(&proxy);
}

#[test]
fn an_upstream_that_comes_back_finds_its_connections() {
    let origin = Origin::answering(origin::ok("x"));
    let configs = ["a", "b"].map(|name| config("", &at(name, &origin), &to("/*", name)));
    let proxy = Proxy::start(&configs[0]);
    let mut client = Client::connect(proxy.addr());
    for round in 1..=20 {
        proxy.reload(&configs[round % 2]).unwrap();
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().status, 200);
    }
    assert_eq!((origin.connections(), origin.request_count()), (2, 20));
}

#[test]
fn a_tunnel_survives_the_end_of_its_sibling_and_holds_no_generation() {
    let (origin, other) = (upgraded(), Origin::answering(origin::ok("x")));
    let upstreams = format!("{}, {}", at("a", &origin), at("b", &other));
    let proxy = Proxy::start(&config("", &upstreams, &format!("{}, {}", to("/ws", "a"), to("/b", "b"))));
    let mut tunnel = tunnel(proxy.addr(), "/ws");
    echoes(&mut tunnel, "before");
    proxy.reload(&config("", &at("a", &origin), &to("/ws", "a"))).unwrap();
    echoes(&mut tunnel, "after");
    assert_eq!(client::get(proxy.addr(), "/b").status, 404);
    floor(&proxy);
    proxy.reload(&config("", &at("b", &other), &to("/b", "b"))).unwrap();
    echoes(&mut tunnel, "its own route is gone too");
    floor(&proxy);
}

#[test]
fn listeners_come_and_go() {
    let origin = Origin::answering(origin::ok("x"));
    let one = config("", &at("a", &origin), &to("/*", "a"));
    let two = config("more: { bind: \"127.0.0.2:0\" }", &at("a", &origin), &to("/*", "a"));
    let proxy = Proxy::start(&one);
    let web = proxy.addr();
    for _ in 0..3 {
        proxy.reload(&two).unwrap();
        assert_eq!(proxy.addr(), web, "a listener that stays keeps its socket");
        let more = proxy.addr_of("more");
        assert_eq!(client::get(more, "/").status, 200);
        proxy.reload(&one).unwrap();
        assert!(!Client::is_listening(more));
        assert_eq!(proxy.inner.address("more"), None);
    }
    floor(&proxy);
}

#[test]
fn listeners_on_port_0_have_a_port_each_and_keep_it() {
    let (origin, other) = (Origin::answering(origin::ok("x")), Origin::answering(origin::ok("y")));
    let upstreams = format!("{}, {}", at("a", &origin), at("b", &other));
    let text = |more: &str| config(more, &upstreams, &to("/*", "a"));
    let answers = |body: &str| {
        format!("more: {{ bind: \"127.0.0.1:0\", use: [{{ policy: answer, with: {{ status: 200, body: {body} }} }}] }}")
    };
    let proxy = Proxy::start(&text(&answers("first")));
    let (web, more) = (proxy.addr(), proxy.addr_of("more"));
    assert_ne!(web, more);
    assert_eq!((client::get(web, "/").text(), client::get(more, "/").text()), ("x".into(), "first".into()));
    proxy.reload(&text(&answers("second"))).unwrap();
    assert_eq!((proxy.addr(), proxy.addr_of("more")), (web, more));
    assert_eq!((client::get(web, "/").text(), client::get(more, "/").text()), ("x".into(), "second".into()));
    proxy.reload(&text("")).unwrap();
    assert!(!Client::is_listening(more));
    assert_eq!(client::get(web, "/").text(), "x");
}

#[test]
fn a_listener_that_was_removed_can_be_added_again_at_once() {
    let origin = Origin::answering(origin::ok("x"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let one = config("", &at("a", &origin), &to("/*", "a"));
    let two = config(&format!("more: {{ bind: \"127.0.0.1:{port}\" }}"), &at("a", &origin), &to("/*", "a"));
    let proxy = Proxy::start(&two);
    for _ in 0..3 {
        proxy.reload(&one).unwrap();
        proxy.reload(&two).unwrap();
        assert_eq!(client::get(proxy.addr_of("more"), "/").status, 200);
    }
}

#[test]
fn a_listener_that_goes_finishes_what_it_has() {
    let (origin, open) = gated("late");
    let two = config("gone: { bind: \"127.0.0.2:0\" }", &at("a", &origin), &to("/*", "a"));
    let proxy = Proxy::start(&two);
    let gone = proxy.addr_of("gone");
    let (mut in_flight, mut idle) = (Client::connect(gone), Client::connect(gone));
    for client in [&mut idle, &mut in_flight] {
        open.send(()).unwrap();
        client.send_request("GET", "/", &[], b"");
        assert_eq!(client.read_response().field("connection"), None);
    }
    in_flight.send_request("GET", "/slow", &[], b"");
    origin.request(2);
    proxy.reload(&config("", &at("a", &origin), &to("/*", "a"))).unwrap();
    idle.send_request("GET", "/on-its-way", &[], b"");
    origin.request(3);
    open.send(()).and(open.send(())).unwrap();
    for client in [&mut idle, &mut in_flight] {
        let response = client.read_response();
        assert_eq!((response.status, response.field("connection")), (200, Some("close")));
        client.expect_closed();
    }
    assert!(!Client::is_listening(gone));
    floor(&proxy);
    eventually("no connection is left", || proxy.metric("gatewright_connections{", "gone") == 0);
}

#[test]
fn whoever_connects_while_a_listener_goes_is_served_or_refused() {
    let origin = Origin::answering(origin::ok("x"));
    let two = config("gone: { bind: \"127.0.0.2:0\" }", &at("a", &origin), &to("/*", "a"));
    let one = config("", &at("a", &origin), &to("/*", "a"));
    let proxy = Proxy::start(&two);
    for _ in 0..3 {
        proxy.reload(&two).unwrap();
        let gone = proxy.addr_of("gone");
        let served = Arc::new(Mutex::new(0));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let served = served.clone();
                std::thread::spawn(move || {
                    loop {
                        match TcpStream::connect(gone) {
                            Ok(socket) => drop(socket),
                            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                            Err(error) => panic!("{error}"),
                        }
                        let Ok(socket) = TcpStream::connect(gone) else { return };
                        let mut client = Client::over(socket);
                        client.send_request("GET", "/", &[], b"");
                        assert_eq!(client.read_response().status, 200);
                        *served.lock().unwrap() += 1;
                    }
                })
            })
            .collect();
        eventually("some are served", || *served.lock().unwrap() > 50);
        proxy.reload(&one).unwrap();
        clients.into_iter().for_each(|client| client.join().unwrap());
    }
}

#[test]
fn what_is_wrong_changes_nothing_and_is_said_with_its_place() {
    let origin = Origin::answering(origin::ok("x"));
    let proxy = Proxy::to(&origin.endpoint());
    let wrong = format!("{}shoes: 1\n", proxy::plain(&origin.endpoint(), ""));
    let refused = proxy.reload(&wrong).unwrap_err();
    assert!(refused.contains("gatewright.yaml:7") && refused.contains("shoes"), "{refused}");
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
    assert_eq!(proxy.metric("gatewright_config_generation", ""), 1);
    assert_eq!(proxy.metric("gatewright_config_last_reload_successful", ""), 0);
    assert_eq!(proxy.metric("gatewright_reloads_total", "failure"), 1);
    assert_eq!(proxy.inner.living_generations(), 2);
    assert_eq!(proxy.reload(&proxy::plain(&origin.endpoint(), "")), Ok(2));
    assert_eq!(proxy.metric("gatewright_config_last_reload_successful", ""), 1);
}

#[test]
fn a_taken_port_is_refused_and_taken_once_it_is_free() {
    let origin = Origin::answering(origin::ok("x"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    // A listener that can be bound comes before the one that cannot.
    let more = format!("fine: {{ bind: \"127.0.0.2:0\" }}, taken: {{ bind: \"127.0.0.1:{port}\" }}");
    let next = config(&more, &at("a", &origin), &to("/*", "a"));
    let proxy = Proxy::start(&config("", &at("a", &origin), &to("/*", "a")));
    for _ in 0..2 {
        let refused = proxy.reload(&next).unwrap_err();
        assert!(refused.contains(&port.to_string()) && refused.contains("held by"), "{refused}");
        assert_eq!(client::get(proxy.addr(), "/").status, 200);
        assert_eq!(proxy.inner.address("fine"), None);
    }
    let log = next.replace("access_log: off", "access_log: { file: /nowhere/at/all.log }");
    drop(taken);
    assert!(proxy.reload(&log).unwrap_err().contains("access log"));
    proxy.reload(&next).unwrap();
    for listener in ["web", "fine", "taken"] {
        assert_eq!(client::get(proxy.addr_of(listener), "/").status, 200, "{listener}");
    }
    floor(&proxy);
}

#[test]
fn a_changed_file_is_loaded_however_it_changes() {
    let text = |word: &str| {
        format!(
            "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
             policies: {{ say: {{ answer: {{ body: {word} }} }} }}\nroutes: [ {{ match: {{ path: /* }}, use: [say] }} ]\n"
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (version, word) in [("..1", "one"), ("..2", "four")] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("gatewright.yaml"), text(word)).unwrap();
    }
    symlink("..1", path("..data")).unwrap();
    symlink("..data/gatewright.yaml", path("gatewright.yaml")).unwrap();
    let proxy = Proxy::start_file(path("gatewright.yaml"));
    let says = |word: &str| {
        eventually(word, || client::get(proxy.addr(), "/").text() == word);
    };
    says("one");
    let main = path("..1/gatewright.yaml");
    fs::write(&main, text("two")).unwrap();
    says("two");
    rename_over(&main, &text("three"));
    says("three");
    symlink("..2", path("..tmp")).unwrap();
    fs::rename(path("..tmp"), path("..data")).unwrap();
    says("four");
    fs::write(path("..2/gatewright.yaml"), "version: [").unwrap();
    eventually("the mistake is seen", || proxy.metric("gatewright_reloads_total", "failure") == 1);
    says("four");
    fs::write(path("..2/gatewright.yaml"), text("five")).unwrap();
    says("five");
}

#[test]
fn what_a_refused_file_names_is_watched_too() {
    let dir = tempfile::tempdir().unwrap();
    let (main, page) = (dir.path().join("gatewright.yaml"), dir.path().join("pages/404.html"));
    let text = |more: &str| {
        format!(
            "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
             policies: {{ say: {{ answer: {{ body: x }} }} }}\nroutes: [ {{ match: {{ path: /x }}, use: [say] }} ]\n{more}\n"
        )
    };
    fs::write(&main, text("")).unwrap();
    let proxy = Proxy::start_file(&main);
    fs::write(&main, text("failure_pages: { 404: pages/404.html }")).unwrap();
    eventually("it is refused", || proxy.metric("gatewright_reloads_total", "failure") == 1);
    fs::create_dir(dir.path().join("pages")).unwrap();
    fs::write(&page, "<p>ours</p>").unwrap();
    eventually("the page is there", || proxy.metric("gatewright_config_generation", "") == 2);
}

#[test]
fn a_hang_up_reloads() {
    let origin = Origin::answering(origin::ok("x"));
    let proxy = Proxy::to(&origin.endpoint());
    proxy.inner.send(Event::HangUp);
    eventually("generation 2", || proxy.metric("gatewright_config_generation", "") == 2);
    assert_eq!(client::get(proxy.addr(), "/").status, 200);
}

#[test]
fn an_upstream_that_goes_stays_for_requests_that_have_begun() {
    let (held, open) = gated("held");
    let other = Origin::answering(origin::ok("other"));
    let proxy = Proxy::start(&config("", &at("a", &held), &to("/*", "a")));
    let mut client = Client::connect(proxy.addr());
    client.send_request("POST", "/", &[("Content-Length", "4")], b"");
    client.send("ab");
    held.head(0);
    proxy.reload(&config("", &at("b", &other), &to("/*", "b"))).unwrap();
    client.send("cd");
    open.send(()).unwrap();
    assert_eq!(client.read_response().text(), "held");
    floor(&proxy);
    eventually("nobody speaks of it any more", || proxy.metric("gatewright_upstream_in_flight", "\"a\"") == 0);
}

#[test]
fn limits_and_names_of_a_listener_that_stays_are_the_new_ones() {
    let origin = Origin::answering(origin::ok("x"));
    // A port of its own: what is bound to port 0 is known by its name.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = proxy::plain(&origin.endpoint(), "").replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let proxy = Proxy::start(&text);
    let addr = proxy.addr();
    let narrow = text.replace("web: {", "renamed: { limits: { connections: 1 },");
    let mut first = Client::connect(addr);
    first.send_request("GET", "/", &[], b"");
    assert_eq!(first.read_response().status, 200);
    proxy.reload(&narrow).unwrap();
    Client::connect(addr).expect_closed();
    first.send_request("GET", "/", &[], b"");
    assert_eq!(first.read_response().status, 200);
    drop(first);
    eventually("none is open", || proxy.metric("gatewright_connections{", "") == 0);
    assert_eq!(client::get(addr, "/").status, 200);
    assert_eq!(proxy.metric("gatewright_connections_accepted_total", "renamed"), 1);
}

#[test]
fn no_line_of_the_access_log_is_lost_when_it_moves() {
    let origin = Origin::answering(origin::ok("x"));
    let dir = tempfile::tempdir().unwrap();
    let text = |name: &str| {
        let log = format!("access_log: {{ file: {} }}", dir.path().join(name).display());
        proxy::plain(&origin.endpoint(), "").replace("access_log: off", &log)
    };
    let proxy = Proxy::start(&text("0"));
    let done = AtomicBool::new(false);
    let mut sent = 0;
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let mut client = Client::connect(proxy.addr());
            let mut sent = 0;
            while !done.load(Ordering::Relaxed) {
                client.send_request("GET", "/", &[], b"");
                client.read_response();
                sent += 1;
            }
            sent
        });
        for n in 1..20 {
            proxy.reload(&text(&n.to_string())).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        sent = requests.join().unwrap();
    });
    assert_eq!(proxy.metric("gatewright_log_dropped_total", ""), 0);
    proxy.inner.stop();
    let lines = |n: usize| fs::read_to_string(dir.path().join(n.to_string())).unwrap().lines().count();
    assert_eq!((0..20).map(lines).sum::<usize>(), sent);
}

fn rename_over(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, path).unwrap();
}

#[test]
fn a_listener_moves_between_one_address_and_all_of_them() {
    let origin = Origin::answering(origin::ok("x"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = |host: &str| {
        format!(
            "version: 1\naccess_log: off\nlisteners: {{ web: {{ bind: \"{host}:{port}\" }} }}\n\
             upstreams: {{ {} }}\nroutes: [ {{ to: a }} ]\n",
            at("a", &origin)
        )
    };
    let (one, other) = (SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 2], port)));
    let proxy = Proxy::start(&text("127.0.0.1"));
    let mut kept = Client::connect(one);
    for (host, everywhere) in [("0.0.0.0", true), ("127.0.0.1", false), ("[::]", true), ("0.0.0.0", true)] {
        proxy.reload(&text(host)).unwrap_or_else(|refused| panic!("{host}: {refused}"));
        assert_eq!(client::get(one, "/").status, 200, "{host}");
        assert_eq!(TcpStream::connect(other).is_ok(), everywhere, "{host}");
    }
    kept.send_request("GET", "/", &[], b"");
    assert_eq!(kept.read_response().status, 200, "who was in is served");
}
