//! A cheap origin: one thread, epoll, answers made before the first request. `--origin PORT` re-runs the bench as this.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

const HEAD_BYTES_MAX: usize = 8 * 1024;
const EVENTS_MAX: usize = 256;

struct Conn {
    socket: TcpStream,
    unread: Vec<u8>,
    /// Which answer is on its way, and how much of it has left.
    sending: Option<(usize, usize)>,
    last: bool,
    watches_write: bool,
}

struct Origin {
    epoll: OwnedFd,
    answers: Vec<(&'static [u8], Vec<u8>)>,
    /// By file descriptor.
    conns: Vec<Option<Conn>>,
}

/// Serves until killed.
pub fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let door = listener.as_raw_fd() as u64;
    epoll::add(&epoll, &listener, EventData::new_u64(door), EventFlags::IN)?;
    let answers = vec![
        (&b"/13 "[..], answer(13)),
        (b"/1k ", answer(1024)),
        (b"/16k ", answer(16 * 1024)),
        (b"/1m ", answer(1024 * 1024)),
    ];
    let mut origin = Origin { epoll, answers, conns: Vec::new() };
    let mut events = [MaybeUninit::<Event>::uninit(); EVENTS_MAX];
    loop {
        let (ready, _) = match epoll::wait(&origin.epoll, &mut events, None) {
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        for event in ready {
            match event.data.u64() {
                key if key == door => origin.accept(&listener)?,
                key => origin.turn(key as usize)?,
            }
        }
    }
}

fn answer(bytes: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: {bytes}\r\nCache-Control: max-age=3600\r\nETag: \"x{bytes}\"\r\n\r\n"
    );
    let body = (b'a'..=b'z').cycle().take(bytes);
    head.into_bytes().into_iter().chain(body).collect()
}

impl Origin {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let key = socket.as_raw_fd() as usize;
            epoll::add(&self.epoll, &socket, EventData::new_u64(key as u64), EventFlags::IN)?;
            if self.conns.len() <= key {
                self.conns.resize_with(key + 1, || None);
            }
            let conn = Conn { socket, unread: Vec::new(), sending: None, last: false, watches_write: false };
            self.conns[key] = Some(conn);
        }
    }

    fn turn(&mut self, key: usize) -> io::Result<()> {
        let Some(mut conn) = self.conns.get_mut(key).and_then(Option::take) else { return Ok(()) };
        if conn.turn(&self.answers).is_err() {
            return Ok(()); // dropped: closed, and with it out of the epoll set
        }
        let wants_write = conn.sending.is_some();
        if wants_write != conn.watches_write {
            let flags = if wants_write { EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &conn.socket, EventData::new_u64(key as u64), flags)?;
            conn.watches_write = wants_write;
        }
        self.conns[key] = Some(conn);
        Ok(())
    }
}

impl Conn {
    /// Reads and answers as far as the socket goes. An error ends the connection.
    fn turn(&mut self, answers: &[(&[u8], Vec<u8>)]) -> io::Result<()> {
        if self.sending.is_none() {
            let mut chunk = [0; 4096];
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.unread.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        loop {
            if !self.send(answers)? || !self.next_request(answers)? {
                return Ok(());
            }
        }
    }

    /// True when nothing is left to send.
    fn send(&mut self, answers: &[(&[u8], Vec<u8>)]) -> io::Result<bool> {
        while let Some((which, sent)) = self.sending {
            let rest = &answers[which].1[sent..];
            if rest.is_empty() {
                self.sending = None;
                if self.last {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                return Ok(true);
            }
            match self.socket.write(rest) {
                Ok(more) => self.sending = Some((which, sent + more)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// True when a whole head was taken, whose answer is now on its way.
    fn next_request(&mut self, answers: &[(&[u8], Vec<u8>)]) -> io::Result<bool> {
        let Some(end) = memchr::memmem::find(&self.unread, b"\r\n\r\n") else {
            let endless = self.unread.len() > HEAD_BYTES_MAX;
            return if endless { Err(io::ErrorKind::InvalidData.into()) } else { Ok(false) };
        };
        let head = &self.unread[..end];
        let target = head.strip_prefix(b"GET ").ok_or(io::ErrorKind::InvalidData)?;
        let which = answers.iter().position(|(path, _)| target.starts_with(path)).ok_or(io::ErrorKind::NotFound)?;
        self.last = memchr::memmem::find(head, b"onnection: close").is_some();
        self.unread.drain(..end + 4);
        self.sending = Some((which, 0));
        Ok(true)
    }
}
