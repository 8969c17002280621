//! A client that writes any frame of HTTP/2, legal or not, and reads frames strictly.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wire::{Cut, Socket, Wire};
use super::{PATIENCE, hpack};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;

/// Codes of errors.
pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// SETTINGS_INITIAL_WINDOW_SIZE
pub const WINDOW: u16 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One connection.
pub struct Frames {
    wire: Wire,
    decoder: hpack::Decoder,
    /// Replies under way, by stream.
    replies: HashMap<u32, Reply>,
    /// Streams that have ended, and how.
    ended: HashMap<u32, Ended>,
    /// Code and last stream of the last GOAWAY.
    pub goaway: Option<(u32, u32)>,
    /// What the proxy's SETTINGS said.
    pub settings: HashMap<u16, u32>,
    /// Windows are opened again as DATA comes.
    pub generous: bool,
    /// Pings are answered.
    pub polite: bool,
    /// WINDOW_UPDATE that came, by stream.
    pub opened: HashMap<u32, u64>,
    pongs: u64,
}

#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What came on a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub interim: Vec<u16>,
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

/// How a stream, or the whole connection, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Whole(Reply),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code, then the end.
    GoneAway(u32),
    /// The end, without a word.
    Closed,
    Stalled,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The payload of SETTINGS.
pub fn settings(all: &[(u16, u32)]) -> Vec<u8> {
    all.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

/// The pseudo-header fields of a plain request.
pub fn plain<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
}

// === impl Frames ===

impl Frames {
    /// A connection on which nothing was said.
    pub fn raw(addr: SocketAddr) -> Frames {
        let socket = TcpStream::connect_timeout(&addr, PATIENCE).unwrap_or_else(|error| panic!("{addr}: {error}"));
        Frames {
            wire: Wire::new(Socket::Tcp(socket)),
            decoder: hpack::Decoder::new(),
            replies: HashMap::new(),
            ended: HashMap::new(),
            goaway: None,
            settings: HashMap::new(),
            generous: true,
            polite: true,
            opened: HashMap::new(),
            pongs: 0,
        }
    }

    /// A connection on which both sides have said their settings.
    pub fn connect(addr: SocketAddr) -> Frames {
        Frames::connect_with(addr, &[])
    }

    #[track_caller]
    pub fn connect_with(addr: SocketAddr, ours: &[(u16, u32)]) -> Frames {
        let mut frames = Frames::raw(addr);
        frames.send(PREFACE);
        frames.frame(SETTINGS, 0, 0, &settings(ours));
        frames.sync();
        frames
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes.as_ref()).expect("the proxy reads");
    }

    /// Sends bytes to a side that may have turned away; false when it had.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref()).is_ok()
    }

    #[track_caller]
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(frame(kind, flags, stream, payload));
    }

    /// A head of literal fields in one frame; `flags` beside END_HEADERS.
    #[track_caller]
    pub fn head<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, stream: u32, flags: u8, fields: &[(N, V)]) {
        self.frame(HEADERS, END_HEADERS | flags, stream, &hpack::block(fields));
    }

    /// A whole request without a body.
    #[track_caller]
    pub fn get(&mut self, stream: u32, path: &str) {
        self.head(stream, END_STREAM, &plain("GET", path));
    }

    /// Reads one frame and obeys it: SETTINGS and PING are answered, windows opened, replies gathered.
    pub fn read(&mut self) -> Result<Frame, Cut> {
        let head = self.wire.take(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= 16_384, "a frame of {length} bytes, more than we allow");
        let payload = self.wire.take(length).map_err(|cut| if cut == Cut::Closed { Cut::Short } else { cut })?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        assert!(stream & 0x8000_0000 == 0, "the reserved bit is set");
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        self.obey(&frame);
        Ok(frame)
    }

    /// Reads until a PING of ours is answered: all that was sent before has been seen by then.
    #[track_caller]
    pub fn sync(&mut self) {
        assert!(self.try_sync(), "the connection ended: {:?}", self.goaway);
    }

    pub fn try_sync(&mut self) -> bool {
        self.pongs += 1;
        let number = self.pongs.to_be_bytes();
        if !self.try_send(frame(PING, 0, 0, &number)) {
            return false;
        }
        loop {
            match self.read() {
                Ok(frame) if frame.kind == PING && frame.flags & ACK != 0 && frame.payload == number => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Reads until a stream has ended, or the connection has.
    pub fn outcome(&mut self, stream: u32) -> Ended {
        loop {
            if let Some(ended) = self.ended.remove(&stream) {
                return ended;
            }
            match self.read() {
                Ok(_) => {}
                Err(Cut::Stalled) => return Ended::Stalled,
                Err(_) => return self.goaway.map_or(Ended::Closed, |(code, _)| Ended::GoneAway(code)),
            }
        }
    }

    /// Whether a stream has ended by what was read so far, and how.
    pub fn so_far(&self, stream: u32) -> Option<&Ended> {
        self.ended.get(&stream)
    }

    /// What has come on a stream that has not ended.
    pub fn part(&self, stream: u32) -> Reply {
        self.replies.get(&stream).cloned().unwrap_or_default()
    }

    /// The same, to take something out of it.
    pub fn part_mut(&mut self, stream: u32) -> &mut Reply {
        self.replies.entry(stream).or_default()
    }

    /// Reads a whole response.
    #[track_caller]
    pub fn reply(&mut self, stream: u32) -> Reply {
        match self.outcome(stream) {
            Ended::Whole(reply) => reply,
            other => panic!("stream {stream} was to be answered, but: {other:?}"),
        }
    }

    /// Reads until so many bytes of a stream's body are there.
    #[track_caller]
    pub fn read_body(&mut self, stream: u32, bytes: usize) -> Vec<u8> {
        while self.part(stream).body.len() < bytes {
            assert!(!self.ended.contains_key(&stream), "stream {stream} ended early: {:?}", self.ended[&stream]);
            self.read().unwrap_or_else(|cut| panic!("{bytes} bytes were awaited on stream {stream}, but: {cut}"));
        }
        std::mem::take(&mut self.replies.get_mut(&stream).unwrap().body)
    }

    /// Reads until a final status is there.
    #[track_caller]
    pub fn read_status(&mut self, stream: u32) -> u16 {
        loop {
            match (self.part(stream).status, self.ended.get(&stream)) {
                (0, None) => {}
                (0, Some(Ended::Whole(reply))) => return reply.status,
                (0, Some(ended)) => panic!("stream {stream} was to be answered, but: {ended:?}"),
                (status, _) => return status,
            }
            self.read().unwrap_or_else(|cut| panic!("a status was awaited on stream {stream}, but: {cut}"));
        }
    }

    /// Reads until the connection ends; says how.
    pub fn end(&mut self) -> Ended {
        self.outcome(u32::MAX)
    }

    pub fn half_close(&self) {
        self.wire.half_close();
    }

    pub fn wait_for(&self, limit: Duration) {
        self.wire.wait_for(limit);
    }

    fn obey(&mut self, frame: &Frame) {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                for one in frame.payload.as_chunks::<6>().0 {
                    let value = u32::from_be_bytes([one[2], one[3], one[4], one[5]]);
                    self.settings.insert(u16::from_be_bytes([one[0], one[1]]), value);
                }
                self.try_send(self::frame(SETTINGS, ACK, 0, &[]));
            }
            PING if frame.flags & ACK == 0 && self.polite => {
                self.try_send(self::frame(PING, ACK, 0, &frame.payload));
            }
            GOAWAY => {
                let word = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
                self.goaway = Some((word(4), word(0)));
            }
            RST_STREAM => {
                let code = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                // After a whole response it only says that no more of the request is wanted.
                self.ended.entry(frame.stream).or_insert(Ended::Reset(code));
            }
            WINDOW_UPDATE => {
                let more = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                *self.opened.entry(frame.stream).or_default() += u64::from(more);
            }
            HEADERS => self.head_came(frame),
            DATA => self.data_came(frame),
            _ => {}
        }
    }

    fn head_came(&mut self, frame: &Frame) {
        let mut block = frame.payload.clone();
        assert_eq!(frame.flags & (PADDED | WITH_PRIORITY), 0, "plain heads are what we send");
        let mut flags = frame.flags;
        while flags & END_HEADERS == 0 {
            let more = self.read().expect("the rest of a head");
            assert_eq!((more.kind, more.stream), (CONTINUATION, frame.stream), "a head was torn");
            block.extend(&more.payload);
            flags = more.flags;
        }
        let fields = self.decoder.read(&block).unwrap_or_else(|why| panic!("a bad head: {why}"));
        let reply = self.replies.entry(frame.stream).or_default();
        for (at, (name, value)) in fields.iter().enumerate() {
            assert!(at == 0 || !name.starts_with(':'), "a pseudo-header field out of place: {fields:?}");
            assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "upper case: {name}");
            let bad = ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection", "te", "host"];
            assert!(!bad.contains(&name.as_str()), "{name} in HTTP/2: {fields:?}");
            assert!(!value.contains(['\r', '\n', '\0']) && value.trim() == value, "{name}: {value:?}");
        }
        let status = fields.first().filter(|(name, _)| name == ":status").map(|(_, value)| value.parse().unwrap());
        match status {
            Some(interim @ 100..200) => reply.interim.push(interim),
            Some(status) if reply.status == 0 => (reply.status, reply.fields) = (status, fields[1..].to_vec()),
            None if reply.status != 0 && frame.flags & END_STREAM != 0 => reply.trailers = fields,
            _ => panic!("a head out of place: {fields:?} after {reply:?}"),
        }
        self.end_of(frame);
    }

    fn data_came(&mut self, frame: &Frame) {
        assert_eq!(frame.flags & PADDED, 0, "plain data is what we send");
        let reply = self.replies.entry(frame.stream).or_default();
        assert!(reply.status != 0, "data before a head");
        reply.body.extend(&frame.payload);
        if self.generous && !frame.payload.is_empty() {
            let more = (frame.payload.len() as u32).to_be_bytes();
            self.try_send(self::frame(WINDOW_UPDATE, 0, 0, &more));
            if frame.flags & END_STREAM == 0 {
                self.try_send(self::frame(WINDOW_UPDATE, 0, frame.stream, &more));
            }
        }
        self.end_of(frame);
    }

    fn end_of(&mut self, frame: &Frame) {
        if frame.flags & END_STREAM != 0 {
            let reply = self.replies.remove(&frame.stream).unwrap_or_default();
            self.ended.insert(frame.stream, Ended::Whole(reply));
        }
    }
}

// === impl Reply ===

impl Reply {
    pub fn field(&self, name: &str) -> Option<&str> {
        super::single(&self.fields, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
