//! The admin listener: what it says, and what it does for whom.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use gatewright::admin::Doors;
use gatewright::control::embed::on_event_loop;
use gatewright::control::reload::Control;
use gatewright::control::{Ended, Event, Handle, Source, events, run};
use gatewright::drain::Drain;
use gatewright::wire::Address;

use crate::harness::{Client, Origin, Response, client, eventually, proxy};

/// A process as `gatewright run` makes one, in this one.
struct Process {
    addr: SocketAddr,
    socket: PathBuf,
    web: SocketAddr,
    handle: Handle,
    thread: JoinHandle<Ended>,
}

impl Process {
    fn start(dir: &Path, origin: &str) -> Process {
        let (file, socket) = (dir.join("gatewright.yaml"), dir.join("admin.sock"));
        let admin = format!("admin: {{ bind: \"127.0.0.1:0\", socket: {} }}", socket.display());
        std::fs::write(&file, proxy::plain(origin, &admin)).unwrap();
        let (told, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            on_event_loop(async move || {
                let (handle, events) = events();
                let mut control = Control::start(Source::File(file), Some(1), None).await.unwrap();
                let (drain, opened) = (Drain::new(), Rc::new(RefCell::new(Vec::new())));
                let list = opened.clone();
                control
                    .follow(Doors::new(handle.clone(), &drain, move |at| list.borrow_mut().push(at.clone())))
                    .unwrap();
                told.send((opened.take(), control.address("web").unwrap(), handle)).unwrap();
                run(control, events).await
            })
            .unwrap()
        });
        let (opened, web, handle) = started.recv().unwrap();
        let (Address::Ip(addr), Address::Ip(web)) = (&opened[0], web) else { panic!("{opened:?}") };
        Process { addr: *addr, socket, web, handle, thread }
    }

    fn ask(&self, method: &str, path: &str) -> Response {
        let mut client = Client::connect_unix(&self.socket);
        client.send_request(method, path, &[("Connection", "close")], b"");
        client.read_response()
    }

    fn send(&self, event: Event) {
        let handle = self.handle.clone();
        on_event_loop(async move || handle.send(event).await).unwrap();
    }
}

#[test]
fn it_says_how_things_are() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::echo();
    let process = Process::start(dir.path(), &origin.endpoint());
    assert_eq!(client::get(process.web, "/").status, 200);
    for (path, says) in [("/livez", "ok"), ("/readyz", "ready"), ("/version", "gatewright ")] {
        let response = client::get(process.addr, path);
        assert_eq!(response.status, 200);
        assert!(response.text().starts_with(says), "{path}");
    }
    let metrics = client::get(process.addr, "/metrics");
    assert!(metrics.field("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0"));
    let text = metrics.text();
    assert!(text.ends_with("# EOF\n") && text.contains("gatewright_connections_accepted_total{listener=\"web\"} 1\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok() && series.starts_with(|c: char| c.is_ascii_lowercase()), "{line}");
    }
    assert_eq!(client::get(process.addr, "/").status, 404);
    let mut head = Client::connect(process.addr);
    head.send_request("HEAD", "/livez", &[], b"");
    assert_eq!(head.read_response_to("HEAD").status, 200);
    process.send(Event::Stop);
    assert_eq!(process.thread.join().unwrap(), Ended::Clean);
}

#[test]
fn actions_go_by_the_socket_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::echo();
    let process = Process::start(dir.path(), &origin.endpoint());
    for path in ["/reload", "/drain"] {
        let refused =
            client::exchange(process.addr, format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(refused.status, 403);
        assert_eq!(process.ask("GET", path).status, 405);
    }
    assert_eq!(std::fs::metadata(&process.socket).unwrap().permissions().mode() & 0o077, 0, "others may not act");
    let done = process.ask("POST", "/reload");
    assert_eq!((done.status, done.text().as_str()), (200, "generation 2 serves\n"));
    let file = dir.path().join("gatewright.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("to: origin", "to: origim")).unwrap();
    let refused = process.ask("POST", "/reload");
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("gatewright.yaml:5") && refused.text().contains("origin"), "{}", refused.text());
    assert_eq!(client::get(process.web, "/").status, 200);
    assert_eq!(process.ask("POST", "/drain").status, 202);
    assert_eq!(process.thread.join().unwrap(), Ended::Clean);
}

#[test]
fn it_is_not_ready_while_it_drains() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::silent();
    let process = Process::start(dir.path(), &origin.endpoint());
    let mut client = Client::connect(process.web);
    client.send_request("GET", "/", &[], b"");
    origin.request(0);
    process.send(Event::Stop);
    eventually("503", || client::get(process.addr, "/readyz").status == 503);
    assert_eq!(client::get(process.addr, "/livez").status, 200);
    client.reset();
    assert_eq!(process.thread.join().unwrap(), Ended::Clean);
}

#[test]
fn a_reload_moves_adds_and_removes_it_and_finishes_what_it_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::echo();
    let process = Process::start(dir.path(), &origin.endpoint());
    let write = |admin: &str| {
        std::fs::write(dir.path().join("gatewright.yaml"), proxy::plain(&origin.endpoint(), admin)).unwrap();
    };
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let socket = process.socket.display();
    let (first, web) = (free(), process.web.port());

    // A scrape that has begun is finished by the door it came by.
    let mut begun = Client::connect(process.addr);
    begun.send("GET /livez HTTP/1.1\r\nHost: a\r\n");
    write(&format!("admin: {{ bind: \"127.0.0.1:{first}\", socket: {socket} }}"));
    assert_eq!(process.ask("POST", "/reload").status, 200);
    let moved = SocketAddr::from(([127, 0, 0, 1], first));
    assert_eq!(client::get(moved, "/livez").status, 200);
    assert!(TcpStream::connect(process.addr).is_err(), "the old door is closed");
    begun.send("\r\n");
    assert_eq!(begun.read_response().status, 200);

    // From loopback to everywhere, on the same port; and away from the socket that asks.
    write(&format!("admin: {{ bind: {first} }}"));
    assert_eq!(process.ask("POST", "/reload").text(), "generation 3 serves\n");
    assert_eq!(client::get(moved, "/livez").status, 200);
    assert_eq!(client::get(SocketAddr::from(([127, 0, 0, 2], first)), "/livez").status, 200);
    assert!(!process.socket.exists());

    // An address that cannot be had refuses the whole reload.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    write(&format!("admin: {{ bind: \"127.0.0.1:{port}\", socket: {socket} }}"));
    process.send(Event::HangUp);
    eventually("refused", || client::get(moved, "/metrics").text().contains("last_reload_successful 0\n"));
    assert!(!process.socket.exists() || std::os::unix::net::UnixStream::connect(&process.socket).is_err());
    assert_eq!(client::get(process.web, "/").status, 200);

    // The socket comes back, the port goes.
    write(&format!("admin: {{ socket: {socket} }}"));
    process.send(Event::HangUp);
    eventually("gone", || TcpStream::connect(moved).is_err());
    assert_eq!(process.ask("GET", "/livez").status, 200);
    assert_eq!(process.web.port(), web);
    process.send(Event::Stop);
    assert_eq!(process.thread.join().unwrap(), Ended::Clean);
}
