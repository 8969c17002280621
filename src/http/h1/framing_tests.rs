//! Bodies: each defect of chunked coding, every split, and that what is written reads as what was meant.

use proptest::prelude::*;

use super::*;
use crate::limits::TRAILER_FIELDS_MAX;

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
    assert_eq!(body(b"1;a;b=c;d=\"e;\\\" \t\xe9\"\r\nx\r\n0;last\r\n\r\n"), b"x");
    let longest = [b"1;".as_slice(), &[b'x'; 252], b"\r\nx\r\n0\r\n\r\n"].concat();
    assert_eq!(body(&longest), b"x");
}

#[test]
fn defect_chunk_size() {
    for size in
        ["", "g", "x1", "0x1", "-1", "+1", "1g", "1_", "1.", "1,1", "00000000000000001", "10000000000000000", "\u{661}"]
    {
        refused(format!("{size}\r\na\r\n0\r\n\r\n").as_bytes());
    }
    // Sixteen digits are counted right, not wrapped to something small.
    assert_eq!(decode(b"ffffffffffffffff\r\nabc", 99), Ok((b"abc".to_vec(), None, false, 0)));
}

#[test]
fn defect_chunk_ws() {
    for line in ["1 ", " 1", "\t1", "1\t", "1 ;a", "1; a", "1;a ", "1;a =b", "1;a= b", "1;a=\"b\" ", "1 1", "\r\n1"] {
        refused(format!("{line}\r\na\r\n0\r\n\r\n").as_bytes());
    }
}

#[test]
fn defects_chunk_ext_and_ctl() {
    for extension in [
        ";",
        ";;",
        ";=",
        ";=b",
        ";a=",
        ";a=b=c",
        ";a;",
        ";a=\"b",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";a\"b\"",
        ",a",
        ";a,b",
        ";a=(b)",
        ";a\0",
        ";a=\0",
        ";a=\"\0\"",
        ";a=\"\\\0\"",
        ";a=\"\r\"",
        ";a=\"\n\"",
        ";a=\"\r\n\"",
        ";a\r",
        ";a\n",
        ";\u{7f}",
        ";a=\"\u{7f}\"",
        ";a=\u{e9}",
    ] {
        refused(format!("1{extension}\r\na\r\n0\r\n\r\n").as_bytes());
    }
    refused(&[b"1;".as_slice(), &[b'x'; 253], b"\r\nx\r\n0\r\n\r\n"].concat());
}

#[test]
fn defects_chunk_lf_and_data() {
    for data in [
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\r\n0\n\r\n",
        "1\r\na\r\n0\r\n\n",
        "1\ra\r\n0\r\n\r\n",
        "1\r\rna\r\n",
        "1\r\na\r0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "1;a\na\r\n",
        "0\r\n\r\r",
        "0\r\na: b\n\r\n",
    ] {
        refused(data.as_bytes());
    }
}

#[test]
fn malformed_stays_malformed() {
    let mut framing = Framing::chunked();
    assert_eq!(framing.advance(b"zz".to_vec().as_mut()), Err(Reason::BadChunk));
    assert_eq!(framing.advance(b"0\r\n\r\n".to_vec().as_mut()), Err(Reason::BadChunk));
    assert_eq!((framing.is_done(), framing.finish()), (false, Ending::Truncated));
}

#[test]
fn extensions_must_be_paid_for() {
    let chunk = |extension: usize, data: usize| {
        let line = format!("{data:x};{}\r\n{}\r\n", "x".repeat(extension), "d".repeat(data));
        line.repeat(1000) + "0\r\n\r\n"
    };
    refused(chunk(200, 1).as_bytes());
    assert_eq!(body(chunk(200, 100).as_bytes()).len(), 100_000);
    let tiniest = "1\r\na\r\n".repeat(20_000) + "0\r\n\r\n";
    assert_eq!(body(tiniest.as_bytes()).len(), 20_000);
}

#[test]
fn trailers_are_forwarded_in_part() {
    assert_eq!(forwarded(""), "0\r\n\r\n");
    assert_eq!(forwarded("A:1\r\nb: \t2 \t\r\nc:\r\n"), "0\r\nA: 1\r\nb: 2\r\nc: \r\n\r\n");
    assert_eq!(
        forwarded("Digest: \u{e9}\r\ncontent-digest: x\r\n"),
        "0\r\nDigest: \u{e9}\r\ncontent-digest: x\r\n\r\n"
    );
    // trailer-forbidden
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Cache-Control",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Range",
        "Expect",
        "X-Forwarded-For",
        "Proxy-Connection",
        "Max-Forwards",
        "Location",
        "Vary",
        "content-x",
    ] {
        assert_eq!(forwarded(&format!("{name}: x\r\nok: 1\r\n")), "0\r\nok: 1\r\n\r\n", "{name}");
    }
    let mut framing = Framing::chunked();
    framing.advance(b"0\r\na: b\r\n".to_vec().as_mut()).unwrap();
    assert!(framing.take_trailers().is_none(), "not before the end");
    framing.advance(b"\r\n".to_vec().as_mut()).unwrap();
    assert_eq!(framing.take_trailers().unwrap().iter().collect::<Vec<_>>(), [(&b"a"[..], &b"b"[..])]);
}

#[test]
fn trailers_are_field_lines() {
    for line in [
        "a",
        ":",
        ": b",
        "a : b",
        "a\t: b",
        " a: b",
        "\ta: b",
        "a: b\r\n c",
        "a: \0",
        "a: \u{7f}",
        "a: b\rc",
        "a\u{e9}: b",
        "a(: b",
        "a b: c",
        "a: b\u{1}",
        "a: b\r",
    ] {
        refused(format!("0\r\n{line}\r\n\r\n").as_bytes());
    }
    let many = |fields: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(fields));
    refused(many(TRAILER_FIELDS_MAX + 1).as_bytes());
    assert_eq!(body(many(TRAILER_FIELDS_MAX).as_bytes()), b"");
    let long = |bytes: usize| format!("0\r\na:{}\r\n\r\n", "b".repeat(bytes - 4));
    refused(long(TRAILER_BYTES_MAX + 1).as_bytes());
    assert_eq!(body(long(TRAILER_BYTES_MAX).as_bytes()), b"");
}

#[test]
fn chunk_heads() {
    for size in [1, 9, 10, 15, 16, 255, 256, 4096, 65_535, 1 << 20, usize::MAX] {
        let mut out = Vec::new();
        chunk_head(size, &mut out);
        assert_eq!(out, format!("{size:x}\r\n").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..64)) { fuzz_chunked(&data); }

    #[test]
    fn near_misses(data in "([012];?(a=?(\"\\\\?.\")?)?\r?\n[a-c]{0,2}\r\n){0,4}0\r\n(a ?:b\r?\n)?\r\n.{0,3}") {
        fuzz_chunked(data.as_bytes());
    }

    #[test]
    fn every_split_reads_alike(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..6),
        cuts in proptest::collection::vec(1usize..200, 1..40),
        trailers in "(x-[a-z]{1,5}: [ -~]{0,9}z\r\n){0,3}",
    ) {
        let mut data = Vec::new();
        for chunk in &chunks {
            chunk_head(chunk.len(), &mut data);
            data.extend_from_slice(chunk);
            data.extend_from_slice(b"\r\n");
        }
        data.extend_from_slice(format!("0\r\n{trailers}\r\nnext").as_bytes());
        let whole = decode(&data, data.len()).unwrap();
        prop_assert_eq!(&whole.0, &chunks.concat());
        prop_assert_eq!((whole.2, whole.3), (true, 4));
        fuzz_chunked(&data);

        let (mut framing, mut body, mut rest) = (Framing::chunked(), Vec::new(), &data[..data.len() - 4]);
        for cut in cuts.iter().cycle() {
            let (part, later) = rest.split_at(*cut.min(&rest.len()));
            let mut part = part.to_vec();
            let progress = framing.advance(&mut part).unwrap();
            prop_assert_eq!(progress.consumed, part.len());
            body.extend_from_slice(&part[progress.data]);
            rest = later;
            if rest.is_empty() { break; }
        }
        prop_assert!(framing.is_done());
        prop_assert_eq!(body, whole.0);
        prop_assert_eq!(framing.take_trailers().map(|boxed| *boxed), whole.1);
    }
}
