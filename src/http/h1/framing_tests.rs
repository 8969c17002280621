//! Bodies: each defect of chunked coding, every split, and that what is written reads as what was meant.

use proptest::prelude::*;

use super::*;
use crate::limits::{TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX};

#[track_caller]
fn body(data: &[u8]) -> Vec<u8> {
    fuzz_chunked(data);
    match decode(data, data.len()) {
        Ok((body, _, true, 0)) => body,
        other => panic!("{}: {other:?}", data.escape_ascii()),
    }
}

#[track_caller]
fn refused(data: &[u8]) {
    fuzz_chunked(data);
    assert_eq!(decode(data, data.len().max(1)), Err(Reason::BadChunk), "{}", data.escape_ascii());
}

#[track_caller]
fn forwarded(trailers: &str) -> String {
    let data = format!("0\r\n{trailers}\r\n");
    fuzz_chunked(data.as_bytes());
    let (_, trailers, end, left) = decode(data.as_bytes(), data.len()).expect(&data);
    assert!(end && left == 0, "{data}");
    let mut out = Vec::new();
    last_chunk(trailers.as_ref(), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn framing_is_small() {
    assert!(size_of::<Framing>() <= 24, "{}", size_of::<Framing>());
}

#[test]
fn counted_bodies() {
    let mut framing = Framing::length(5);
    assert_eq!(framing.advance(&mut []), Ok(Progress::default()));
    assert_eq!(framing.advance(b"abc".to_vec().as_mut()), Ok(Progress { data: 0..3, consumed: 3, end: false }));
    assert!(!framing.is_done());
    assert_eq!(framing.advance(b"deGET /".to_vec().as_mut()), Ok(Progress { data: 0..2, consumed: 2, end: true }));
    assert!(framing.is_done());
    assert_eq!(framing.advance(b"GET /".to_vec().as_mut()), Ok(Progress { end: true, ..Progress::default() }));
    assert!(Framing::length(0).is_done() && Framing::None.is_done());
    assert!(Framing::length(u64::MAX).advance(&mut [0; 9]).is_ok_and(|progress| progress.data == (0..9)));
}

#[test]
fn only_close_may_end_with_the_connection() {
    assert_eq!(Framing::Close.advance(&mut [0; 4]), Ok(Progress { data: 0..4, consumed: 4, end: false }));
    for (mut framing, ending) in [
        (Framing::None, Ending::Complete),
        (Framing::Close, Ending::Complete),
        (Framing::length(0), Ending::Complete),
        (Framing::length(1), Ending::Truncated),
        (Framing::chunked(), Ending::Truncated),
    ] {
        assert_eq!(framing.finish(), ending, "{framing:?}");
        assert!(framing.is_done());
    }
    let mut framing = Framing::chunked();
    framing.advance(b"1\r\na\r\n0\r\n\r".to_vec().as_mut()).unwrap();
    assert_eq!(framing.finish(), Ending::Truncated);
    let mut framing = Framing::chunked();
    framing.advance(b"0\r\n\r\n".to_vec().as_mut()).unwrap();
    assert_eq!(framing.finish(), Ending::Complete);
}

#[test]
fn chunks_are_merged_in_place() {
    let mut bytes = b"3\r\nabc\r\n2;x=1\r\nde\r\n4\r\nfg".to_vec();
    let mut framing = Framing::chunked();
    let progress = framing.advance(&mut bytes).unwrap();
    assert_eq!(progress, Progress { data: 3..10, consumed: bytes.len(), end: false });
    assert_eq!(&bytes[progress.data], b"abcdefg");
    let mut bytes = b"hi\r\n0\r\n\r\nGET / HTTP/1.1\r\n".to_vec();
    let progress = framing.advance(&mut bytes).unwrap();
    assert_eq!((&bytes[progress.data], progress.consumed, progress.end), (&b"hi"[..], 9, true));
    assert_eq!(&bytes[9..], b"GET / HTTP/1.1\r\n");
}

#[test]
fn chunks_that_pass() {
    assert_eq!(body(b"0\r\n\r\n"), b"");
    assert_eq!(body(b"000\r\n\r\n"), b"");
    assert_eq!(body(b"A\r\n0123456789\r\n0000000000000001\r\n\n\r\n0\r\n\r\n"), b"0123456789\n");
    assert_eq!(body(b"1;a;b=c;d=\"e;\\\"\r\n\t\"\r\nx\r\n0;last\r\n\r\n".replace_crlf()), b"x");
}

trait ReplaceCrlf {
    fn replace_crlf(&self) -> &'static [u8];
}

impl ReplaceCrlf for [u8] {
    fn replace_crlf(&self) -> &'static [u8] {
        b"1;a;b=c;d=\"e;\\\" \t\xe9\"\r\nx\r\n0;last\r\n\r\n"
    }
}
