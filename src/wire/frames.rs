//! What HTTP/2 frames go by, read from their nine-byte heads alone (RFC 9113 section 4.1): floods, heads that never end, and
//! how far the other side says it will go. The h2 crate bounds what frames hold; this bounds how many there are.

use crate::limits::{H2_CONTROL_FRAMES_MAX, H2_FLOOD_WINDOW_MS, H2_RESETS_MAX};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
/// Bytes up to which a padded frame may hold nothing but padding.
const PADDING_MAX: usize = 256;

/// The frames that came by one connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes that are no frame: the client's preface.
    preface: usize,
    head: [u8; 9],
    head_len: usize,
    /// Bytes of the current frame's payload still to come.
    left: usize,
    goaway: Option<GoAway>,
    /// A header block is under way since then, in milliseconds of the clock.
    block_since: Option<u64>,
    /// Its last frame has begun.
    block_ends: bool,
    /// A client's connection begins with its settings.
    awaits_settings: bool,
    /// It did not.
    unsettled: bool,
    window_since: u64,
    control: u32,
    resets: u32,
    flooded: bool,
    /// The last stream that the other side will serve.
    last_stream: u32,
}

/// The first bytes of a GOAWAY frame's payload.
#[derive(Debug)]
struct GoAway {
    bytes: [u8; 4],
    len: usize,
}

// === impl Frames ===

impl Frames {
    /// Frames behind `preface` bytes of something else.
    #[must_use]
    pub(super) fn new(preface: usize) -> Self {
        Self {
            preface,
            head: [0; 9],
            head_len: 0,
            left: 0,
            goaway: None,
            block_since: None,
            block_ends: false,
            awaits_settings: preface > 0,
            unsettled: false,
            window_since: 0,
            control: 0,
            resets: 0,
            flooded: false,
            last_stream: u32::MAX,
        }
    }

    /// Whether more came than anybody needs who means well.
    #[must_use]
    pub(super) fn is_flooded(&self) -> bool {
        self.flooded
    }

    /// Whether the first frame was not the one that has to be.
    #[must_use]
    pub(super) fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// Since when a header block has been under way.
    #[must_use]
    pub(super) fn block_since(&self) -> Option<u64> {
        self.block_since
    }

    /// The last stream that the other side will serve, after a GOAWAY.
    #[must_use]
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// We have sent this much: whoever takes it may acknowledge it.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.control = self.control.saturating_sub((bytes / 1024) as u32);
    }

    /// Bytes have come.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: u64) {
        if now.saturating_sub(self.window_since) >= H2_FLOOD_WINDOW_MS {
            (self.window_since, self.control, self.resets) = (now, 0, 0);
        }
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        bytes = bytes.get(skipped..).unwrap_or_default();
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.payload(&bytes[..taken]);
                self.left -= taken;
                bytes = &bytes[taken..];
                self.end_block();
                continue;
            }
            let taken = (9 - self.head_len).min(bytes.len());
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes = &bytes[taken..];
            if self.head_len == 9 {
                self.head_len = 0;
                self.frame(now);
            }
        }
    }

    fn frame(&mut self, now: u64) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if std::mem::take(&mut self.awaits_settings) {
            //= rfc9113#section-3.4
            //# This sequence MUST be followed by a SETTINGS frame (Section 6.5), which MAY be empty.
            self.unsettled = kind != SETTINGS || flags & ACK != 0;
        }
        match kind {
            // What may be padding alone is counted as if it were empty.
            DATA if self.left > 0 && (flags & PADDED == 0 || self.left > PADDING_MAX) => {}
            HEADERS | CONTINUATION => {
                self.block_since.get_or_insert(now);
                self.block_ends = flags & END_HEADERS != 0;
                self.end_block();
                self.control += u32::from(kind == CONTINUATION);
            }
            RST_STREAM => self.resets += 1,
            GOAWAY => self.goaway = Some(GoAway { bytes: [0; 4], len: 0 }),
            _ => self.control += 1,
        }
        self.flooded |= self.control > H2_CONTROL_FRAMES_MAX || self.resets > H2_RESETS_MAX;
    }

    /// A block has come when its last frame has, to the last byte.
    fn end_block(&mut self) {
        if self.left == 0 && std::mem::take(&mut self.block_ends) {
            self.block_since = None;
        }
    }

    fn payload(&mut self, bytes: &[u8]) {
        let Some(goaway) = &mut self.goaway else { return };
        let taken = (4 - goaway.len).min(bytes.len());
        goaway.bytes[goaway.len..goaway.len + taken].copy_from_slice(&bytes[..taken]);
        goaway.len += taken;
        if goaway.len == 4 {
            self.last_stream = self.last_stream.min(u32::from_be_bytes(goaway.bytes) & 0x7fff_ffff);
            self.goaway = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_are_told_apart_wherever_reads_cut_them() {
        let goaway = frame(GOAWAY, 0, &[0x80, 0, 0, 5, 0, 0, 0, 0]);
        let bytes = [b"PRI".to_vec(), frame(HEADERS, 0, b"abc"), frame(DATA, 0, &[7; 40]), goaway].concat();
        for cut in 0..bytes.len() {
            let mut frames = Frames::new(3);
            frames.read(&bytes[..cut], 10);
            frames.read(&bytes[cut..], 20);
            assert_eq!(frames.last_stream(), 5);
            let since = frames.block_since().unwrap();
            assert!(since == 10 || since == 20);
        }
    }

    #[test]
    fn a_header_block_is_under_way_until_its_last_frame() {
        let mut frames = Frames::new(0);
        frames.read(&frame(HEADERS, 0, b"a"), 10);
        frames.read(&frame(CONTINUATION, 0, b"b"), 500);
        assert_eq!(frames.block_since(), Some(10));
        let last = frame(CONTINUATION, END_HEADERS, b"cd");
        frames.read(&last[..10], 600);
        assert_eq!(frames.block_since(), Some(10));
        frames.read(&last[10..], 700);
        assert_eq!(frames.block_since(), None);
        frames.read(&frame(HEADERS, END_HEADERS, b""), 800);
        assert_eq!(frames.block_since(), None);
    }

    #[test]
    fn a_client_begins_with_its_settings() {
        for (first, unsettled) in
            [(frame(SETTINGS, 0, b""), false), (frame(SETTINGS, ACK, b""), true), (frame(6, 0, b"12345678"), true)]
        {
            let mut frames = Frames::new(3);
            frames.read(b"PRI", 10);
            assert!(!frames.is_unsettled());
            frames.read(&first, 10);
            frames.read(&frame(6, 0, b"12345678"), 10);
            assert_eq!(frames.is_unsettled(), unsettled);
        }
    }

    #[test]
    fn floods_are_noticed_and_plenty_is_not_a_flood() {
        let (ping, reset) = (frame(6, 0, &[0; 8]), frame(RST_STREAM, 0, &[0; 4]));
        for flood in [
            &ping,
            &reset,
            &frame(4, 0, &[]),
            &frame(DATA, 0, &[]),
            &frame(DATA, PADDED, &[1, 0]),
            &frame(CONTINUATION, 0, &[]),
        ] {
            let mut frames = Frames::new(0);
            for _ in 0..H2_CONTROL_FRAMES_MAX.max(H2_RESETS_MAX) + 1 {
                frames.read(flood, 10);
            }
            assert!(frames.is_flooded());
        }
        let mut frames = Frames::new(0);
        for second in 0..100 {
            for _ in 0..H2_RESETS_MAX.min(H2_CONTROL_FRAMES_MAX) {
                frames.read(&ping, second * H2_FLOOD_WINDOW_MS);
            }
            for _ in 0..10_000 {
                frames.read(&frame(DATA, 0, &[1; 20]), second * H2_FLOOD_WINDOW_MS);
            }
        }
        assert!(!frames.is_flooded());
    }
}
