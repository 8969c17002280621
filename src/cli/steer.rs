//! The commands that steer a running gatewright by its admin socket: `reload`, `history`, `diff`, `rollback`, `unpin`,
//! `policy`. Each is one request.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::exit::Exit;
use super::{Diff, PolicyCommand};
use crate::http::h1::parse;
use crate::http::head::Head;
use crate::limits::{FIELDS_MAX, RELOAD_ANSWER_BYTES, RELOAD_ANSWER_MS};

/// What one of the commands asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: &'static str,
    target: String,
}

/// `gatewright reload`
#[must_use]
pub fn reload() -> Request {
    Request { method: "POST", target: "/reload".into() }
}

/// `gatewright history`
#[must_use]
pub fn history() -> Request {
    Request { method: "GET", target: "/history".into() }
}

/// `gatewright diff`
#[must_use]
pub fn diff(asked: &Diff) -> Request {
    let target = match (asked.from, asked.to) {
        _ if asked.disk => "/diff?to=disk".into(),
        (Some(from), Some(to)) => format!("/diff?from={from}&to={to}"),
        (Some(from), None) => format!("/diff?from={from}"),
        _ => "/diff".into(),
    };
    Request { method: "GET", target }
}

/// `gatewright rollback`
#[must_use]
pub fn rollback(to: Option<u64>) -> Request {
    let target = to.map_or_else(|| "/rollback".into(), |to| format!("/rollback?to={to}"));
    Request { method: "POST", target }
}

/// `gatewright unpin`
#[must_use]
pub fn unpin() -> Request {
    Request { method: "POST", target: "/unpin".into() }
}

/// `gatewright policy`
#[must_use]
pub fn policy(command: Option<&PolicyCommand>) -> Request {
    let (switch, name, lasting) = match command {
        None => return Request { method: "GET", target: "/policies".into() },
        Some(PolicyCommand::Off(to)) => ("off", &to.name, to.lasting),
        Some(PolicyCommand::Observe(to)) => ("observe", &to.name, to.lasting),
        Some(PolicyCommand::On { name }) => ("on", name, None),
    };
    let name: String = name.bytes().map(escaped).collect();
    let lasting = lasting.map(|lasting| format!("&for={}ms", lasting.0.as_millis())).unwrap_or_default();
    Request { method: "POST", target: format!("/policies?name={name}&switch={switch}{lasting}") }
}

/// A byte as it may stand in a query.
fn escaped(byte: u8) -> String {
    let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if plain { char::from(byte).into() } else { format!("%{byte:02X}") }
}

/// Sends the request and prints the answer: to `out` if it was done, else to `err`.
pub fn run<'a>(
    request: &Request,
    socket: &Path,
    out: &'a mut (dyn Write + 'a),
    err: &'a mut (dyn Write + 'a),
) -> io::Result<Exit> {
    let answer = match ask(request, socket) {
        Ok(answer) => answer,
        Err(why) => {
            writeln!(err, "error: the admin socket {} cannot be reached: {why}", socket.display())?;
            writeln!(
                err,
                "  = help: is gatewright running, with `admin: {{ socket: … }}`? Name it with --socket PATH"
            )?;
            return Ok(Exit::Unreachable);
        }
    };
    let Some((status, body)) = split(&answer) else {
        writeln!(err, "error: {} gave no HTTP answer; is it gatewright's socket?", socket.display())?;
        return Ok(Exit::Unreachable);
    };
    let (exit, to) = if (200..300).contains(&status) { (Exit::Ok, out) } else { (Exit::Invalid, err) };
    if body.is_empty() && exit == Exit::Invalid {
        writeln!(to, "error: it was refused with status {status}")?;
    }
    to.write_all(body)?;
    if !body.is_empty() && !body.ends_with(b"\n") {
        to.write_all(b"\n")?;
    }
    Ok(exit)
}

fn ask(request: &Request, socket: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_millis(RELOAD_ANSWER_MS)))?;
    stream.set_write_timeout(Some(Duration::from_millis(RELOAD_ANSWER_MS)))?;
    stream.write_all(&request.bytes())?;
    let mut answer = Vec::new();
    stream.take(RELOAD_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

// === impl Request ===

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let Self { method, target } = self;
        format!("{method} {target} HTTP/1.1\r\nhost: gatewright\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .into()
    }
}

/// Status and body of the final response; the connection's end ends it, or its length.
fn split(mut answer: &[u8]) -> Option<(u16, &[u8])> {
    loop {
        let mut head = Head::new();
        let end = parse::response(answer, FIELDS_MAX, &mut head).ok()??;
        let (status, body) = (head.status(), answer.get(end..)?);
        if status < 200 {
            answer = body;
            continue;
        }
        let length = head.find("content-length");
        let length = length.and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
        // Less than was announced is no whole answer.
        return Some((status, body.get(..length.unwrap_or(body.len()))?));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn answered(answer: &'static str) -> (Exit, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; reload().bytes().len()];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, reload().bytes());
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&reload(), &path, &mut out, &mut err).unwrap();
        server.join().unwrap();
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn the_answer_decides_the_exit_code() {
        let (exit, out, err) = answered("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\ngeneration 2");
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Ok, "generation 2\n", ""));
        let (exit, out, err) = answered("HTTP/1.1 422 Unprocessable\r\n\r\nerror[E0107]: …\n");
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Invalid, "", "error[E0107]: …\n"));
        let (exit, _, err) = answered("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
        assert!(exit == Exit::Invalid && err.contains("503"));
        for broken in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort"] {
            assert_eq!(answered(broken).0, Exit::Unreachable, "{broken:?}");
        }
    }

    #[test]
    fn each_command_is_one_request() {
        let compare = |from, to, disk| diff(&Diff { from, to, disk, socket: Default::default() }).target;
        assert_eq!(compare(None, None, false), "/diff");
        assert_eq!(compare(Some(2), Some(4), false), "/diff?from=2&to=4");
        assert_eq!(compare(None, None, true), "/diff?to=disk");
        assert_eq!(rollback(Some(7)).target, "/rollback?to=7");
        let off = PolicyCommand::Off(super::super::SwitchTo {
            name: "a b&c".into(),
            lasting: Some(crate::config::units::Period(Duration::from_secs(2))),
        });
        assert_eq!(policy(Some(&off)).target, "/policies?name=a%20b%26c&switch=off&for=2000ms");
        assert_eq!(policy(None), Request { method: "GET", target: "/policies".into() });
    }

    #[test]
    fn a_missing_socket_is_said_with_its_path() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(run(&unpin(), Path::new("/no/socket"), &mut out, &mut err).unwrap(), Exit::Unreachable);
        assert!(String::from_utf8(err).unwrap().contains("/no/socket"));
    }
}
