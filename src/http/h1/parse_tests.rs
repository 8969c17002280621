//! Our tokens against httparse's: what we accept, it accepts and reads alike. It is laxer (lone LF, leading lines), so
//! the other direction is stated line by line.

use proptest::prelude::*;

use super::*;
use crate::limits::FIELDS_MAX;

type Message = (String, Vec<(String, Vec<u8>)>, usize);

fn ours(bytes: &[u8], is_request: bool) -> Result<Option<Message>, Reason> {
    let mut head = Head::new();
    let parse = if is_request { request } else { response };
    let Some(length) = parse(bytes, FIELDS_MAX, &mut head)? else { return Ok(None) };
    let start = if is_request {
        format!("{} {}", head.method(), String::from_utf8_lossy(head.target_bytes()))
    } else {
        format!("{} {}", head.status(), String::from_utf8_lossy(head.reason()))
    };
    let fields = head.fields().map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    Ok(Some((start, fields.collect(), length)))
}

fn theirs(bytes: &[u8], is_request: bool) -> Option<Message> {
    let mut table = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let (start, fields, length) = if is_request {
        let mut parsed = httparse::Request::new(&mut table);
        let httparse::Status::Complete(length) = parsed.parse(bytes).ok()? else { return None };
        (format!("{} {}", parsed.method?, parsed.path?), parsed.headers, length)
    } else {
        let mut parsed = httparse::Response::new(&mut table);
        let httparse::Status::Complete(length) = parsed.parse(bytes).ok()? else { return None };
        (format!("{} {}", parsed.code?, parsed.reason.unwrap_or("")), parsed.headers, length)
    };
    Some((start, fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect(), length))
}

fn check(bytes: &[u8], is_request: bool) {
    if let Ok(Some(mut message)) = ours(bytes, is_request) {
        let Some(known) = theirs(bytes, is_request) else { panic!("httparse refuses {}", bytes.escape_ascii()) };
        if !is_request && message.0.bytes().any(|byte| byte >= 0x80) {
            message.0.clone_from(&known.0); // it hides a reason phrase that is no ASCII
        }
        assert_eq!(message, known, "{}", bytes.escape_ascii());
    }
}

fn nasty(start: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-zA-Z-]{1,20}: [ -~]{0,40}\r\n".prop_map(String::into_bytes),
        1 => prop::sample::select(vec!["\r\n", "\n", "\r", ":", " ", "\t", "a:\tb \t\r\n", "\0", "x\r\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    (prop::collection::vec(piece, 0..8), any::<bool>()).prop_map(move |(pieces, ends)| {
        let mut bytes = start.as_bytes().to_vec();
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        if ends {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    })
}

proptest! {
    #[test]
    fn what_we_accept_httparse_reads_alike(bytes in nasty("GET /a?b HTTP/1.1\r\n")) {
        check(&bytes, true);
    }

    #[test]
    fn responses_too(bytes in nasty("HTTP/1.1 200 OK\r\n")) {
        check(&bytes, false);
    }

    #[test]
    fn anything_at_all_is_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes, true);
        check(&bytes, false);
    }

    #[test]
    fn a_part_of_a_head_is_never_a_defect(at in 1usize..60) {
        let head = b"POST /a/b?c=d HTTP/1.1\r\nHost: a.test\r\nx-y:\t z \r\nEmpty:\r\n\r\n";
        prop_assert_eq!(ours(&head[..at.min(head.len() - 1)], true), Ok(None));
        let head = b"HTTP/1.1 404 Not Found\r\nHost: a.test\r\nx-y:\t z \r\nEmpty:\r\n\r\n";
        prop_assert_eq!(ours(&head[..at.min(head.len() - 1)], false), Ok(None));
    }
}

#[test]
fn what_httparse_lets_pass_and_we_do_not() {
    for (bytes, reason) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", Reason::BareLineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", Reason::BareLineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", Reason::BareLineEnd),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Reason::BareLineEnd),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Reason::BadField),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", Reason::BadField),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Reason::FoldedField),
        ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", Reason::BadField),
        ("GET / HTTP/1.1\r\nnocolon\r\n\r\n", Reason::BadField),
        ("GET  / HTTP/1.1\r\n\r\n", Reason::BadRequestLine),
        ("GET /\r\n\r\n", Reason::BadRequestLine),
        ("GET / HTTP/2.0\r\n\r\n", Reason::VersionUnsupported),
        ("GET / HTTP/11\r\n\r\n", Reason::BadVersion),
        ("GET / http/1.1\r\n\r\n", Reason::BadVersion),
    ] {
        assert_eq!(ours(bytes.as_bytes(), true), Err(reason), "{}", bytes.escape_debug());
    }
}

#[test]
fn every_byte_is_judged_alike_wherever_it_stands_in_a_name() {
    for byte in 0..=255u8 {
        for at in 0..18 {
            for neighbour in [b'a', b'-', b'Z', b'9'] {
                let mut name = vec![neighbour; 18];
                name[at] = byte;
                let head = [b"GET / HTTP/1.1\r\n", name.as_slice(), b": v\r\n\r\n"].concat();
                let accepted = matches!(ours(&head, true), Ok(Some(_)));
                let colon = byte == b':' && at > 0;
                assert_eq!(accepted, crate::http::name::is_token(byte) || colon, "{}", head.escape_ascii());
                check(&head, true);
            }
        }
    }
}
