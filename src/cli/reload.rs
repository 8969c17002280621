//! `gatewright reload`: asks a running gatewright, by its admin socket, to load its configuration again.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::exit::Exit;
use crate::http::h1::parse;
use crate::http::head::Head;
use crate::limits::{FIELDS_MAX, RELOAD_ANSWER_BYTES, RELOAD_ANSWER_MS};

const REQUEST: &[u8] = b"POST /reload HTTP/1.1\r\nhost: gatewright\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Sends the request and prints the answer: to `out` if the reload took effect, else to `err`.
pub fn run<'a>(socket: &Path, out: &'a mut (dyn Write + 'a), err: &'a mut (dyn Write + 'a)) -> io::Result<Exit> {
    let answer = match ask(socket) {
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
        writeln!(to, "error: the reload was refused with status {status}")?;
    }
    to.write_all(body)?;
    if !body.is_empty() && !body.ends_with(b"\n") {
        to.write_all(b"\n")?;
    }
    Ok(exit)
}

fn ask(socket: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_millis(RELOAD_ANSWER_MS)))?;
    stream.set_write_timeout(Some(Duration::from_millis(RELOAD_ANSWER_MS)))?;
    stream.write_all(REQUEST)?;
    let mut answer = Vec::new();
    stream.take(RELOAD_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
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
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, REQUEST);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(&path, &mut out, &mut err).unwrap();
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
    fn a_missing_socket_is_said_with_its_path() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        assert_eq!(run(Path::new("/no/socket"), &mut out, &mut err).unwrap(), Exit::Unreachable);
        assert!(String::from_utf8(err).unwrap().contains("/no/socket"));
    }
}
