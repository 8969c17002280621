//! Requests that two parsers may read in two ways: refused, or forwarded in the one form that all of them read alike.
//!
//! The rows are those of the defect table of issue 3 (RFC 9110 and 9112 say refuse, repair or pass). The origin reads
//! strictly and fails the test for everything ambiguous; behind each refused request stands another one, which must never
//! be served: that would be a request smuggled in a body.

use crate::harness::{Client, Origin, Proxy, origin};

/// Behind every defect: whoever answers this has lost count of the bytes.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// What goes wrong, the status it must get, the bytes.
type Row = (&'static str, u16, &'static str);

/// Sends each row over a connection of its own: one refusal, then the end, and nothing of it at the origin.
fn refuse(rows: &[Row]) {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    for (defect, status, bytes) in rows {
        let mut client = Client::connect(proxy.addr());
        client.send([bytes.as_bytes(), SMUGGLED.as_bytes()].concat());
        let response = client.try_read_response_to("GET").unwrap_or_else(|cut| panic!("{defect}: {cut}"));
        assert_eq!(response.status, *status, "{defect}: {}", response.text());
        assert_eq!(response.field("connection"), Some("close"), "{defect}");
        let (more, _) = client.read_to_end();
        assert!(more.is_empty(), "{defect}: a second answer: {}", more.escape_ascii());
    }
    assert!(origin.requests().iter().all(|request| !request.complete), "{:?}", origin.requests());
}

/// Sends each row and compares what the origin got, as a dump, with what is expected to stand in it.
fn pass(rows: &[(&str, &[u8], &[&str])]) {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    for (form, bytes, expected) in rows {
        let mut client = Client::connect(proxy.addr());
        client.send(bytes);
        let response = client.try_read_response_to("GET").unwrap_or_else(|cut| panic!("{form}: {cut}"));
        assert_eq!(response.status, 200, "{form}: {}", response.text());
        let dump = format!("\n{}\n", response.text());
        for line in *expected {
            let found = dump.contains(line.trim_start_matches('!'));
            assert_eq!(found, !line.starts_with('!'), "{form}: {line} in {dump}");
        }
    }
    assert_eq!(origin.requests().len(), rows.len());
}

#[test]
fn line_ends_other_than_crlf_are_refused() {
    refuse(&[
        ("bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        ("bare LF after a field", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        ("bare LF between fields", 400, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        ("bare LF as the empty line", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ("only bare LF", 400, "GET / HTTP/1.1\nHost: a\n\n"),
        ("bare LF before the request", 400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bare CR before the request", 400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bare CR after the request line", 400, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        ("bare CR in the target", 400, "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bare CR in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
        ("bare CR ends a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n"),
        ("bare CR in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\rY: a\r\n\r\n"),
        ("CR between two lines", 400, "GET / HTTP/1.1\r\nHost: a\r\n\rX: a\r\n\r\n"),
        ("CR before CRLF CRLF", 400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    ]);
}

#[test]
fn white_space_out_of_place_is_refused() {
    refuse(&[
        ("folded value (space)", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
        ("folded value (tab)", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"),
        ("folded Host", 400, "GET / HTTP/1.1\r\nHost: a\r\n .example\r\n\r\n"),
        (
            "folded Transfer-Encoding",
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        ),
        ("white space before the first field", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        ("a line of white space", 400, "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n"),
        ("space before the colon", 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("tab before the colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n"),
        (
            "space before the colon of Content-Length",
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
        ),
        ("space in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX Y: a\r\n\r\n"),
        ("two spaces before the target", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("two spaces before the version", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("tab before the target", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("tab before the version", 400, "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        ("space before the method", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("space after the version", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        ("vertical tab in the request line", 400, "GET\x0b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("space in the target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

#[test]
fn control_bytes_are_refused() {
    refuse(&[
        ("NUL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
        ("NUL in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n"),
        ("NUL in the target", 400, "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("NUL in the method", 400, "GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("NUL in Host", 400, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
        ("CTL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n"),
        ("escape in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n"),
        ("DEL in a value", 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n"),
        ("CTL in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX\x01: a\r\n\r\n"),
        ("CTL in the target", 400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("DEL in the target", 400, "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("non-ASCII in the target", 400, "GET /ä HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("non-ASCII in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nXä: a\r\n\r\n"),
    ]);
}

#[test]
fn malformed_lines_are_refused() {
    refuse(&[
        ("no target", 400, "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("four parts", 400, "GET / x HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("method no token", 400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("empty method", 400, " / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("HTTP/0.9", 400, "GET /\r\n\r\n"),
        ("version of lower case", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
        ("version without a minor", 400, "GET / HTTP/1\r\nHost: a\r\n\r\n"),
        ("version with two digits", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
        ("version of another protocol", 400, "GET / ICAP/1.1\r\nHost: a\r\n\r\n"),
        ("version with a sign", 400, "GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
        ("HTTP/2.0", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        ("HTTP/3.1", 505, "GET / HTTP/3.1\r\nHost: a\r\n\r\n"),
        ("a field without a colon", 400, "GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n"),
        ("an empty name", 400, "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"),
        ("a name in quotes", 400, "GET / HTTP/1.1\r\nHost: a\r\n\"X\": a\r\n\r\n"),
        ("a name with a slash", 400, "GET / HTTP/1.1\r\nHost: a\r\nX/Y: a\r\n\r\n"),
        ("a TLS hello", 400, "\u{16}\u{3}\u{1}\u{2}abc\r\n\r\n"),
        ("an SSH banner", 400, "SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ]);
}

#[test]
fn targets_that_are_no_targets_are_refused() {
    refuse(&[
        ("no slash", 400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("asterisk with GET", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("authority form with GET", 400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("CONNECT", 405, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        ("TRACE", 405, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment", 400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("userinfo", 400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("absolute form without a host", 400, "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an encoded NUL", 400, "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("half an escape", 400, "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a backslash", 400, "GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a quote", 400, "GET /\" HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an angle bracket", 400, "GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

#[test]
fn hosts_that_are_no_hosts_are_refused() {
    refuse(&[
        ("no Host", 400, "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
        ("no Host in absolute form", 400, "GET http://a/ HTTP/1.1\r\n\r\n"),
        ("two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("the same Host twice", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ("two Hosts in HTTP/1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("two Hosts in absolute form", 400, "GET http://a/ HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
        ("an empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("a space in Host", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        ("a comma in Host", 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        ("a slash in Host", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        ("userinfo in Host", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        ("a port of letters", 400, "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n"),
        ("a port too large", 400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
        ("a port with a sign", 400, "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n"),
        ("half an IPv6 address", 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        ("an IPv6 zone", 400, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"),
        ("an escape in Host", 400, "GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n"),
        ("a bad Host beside a good absolute form", 400, "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ]);
}

#[test]
fn lengths_that_two_parsers_may_read_differently_are_refused() {
    const ROWS: &[(&str, u16, &str)] = &[
        ("two lengths", 400, "Content-Length: 3\r\nContent-Length: 4"),
        ("the same length twice", 400, "Content-Length: 3\r\nContent-Length: 3"),
        ("a list of lengths", 400, "Content-Length: 3, 3"),
        ("a signed length", 400, "Content-Length: +3"),
        ("a negative length", 400, "Content-Length: -3"),
        ("a hexadecimal length", 400, "Content-Length: 0x3"),
        ("a length with a letter", 400, "Content-Length: 3a"),
        ("a length with a space", 400, "Content-Length: 3 3"),
        ("a fraction", 400, "Content-Length: 3.0"),
        ("an empty length", 400, "Content-Length:"),
        ("a length beyond 63 bits", 400, "Content-Length: 9223372036854775808"),
        ("a length beyond 64 bits", 400, "Content-Length: 18446744073709551619"),
        ("a length of many digits", 400, "Content-Length: 00000000000000000000000003"),
        ("length and coding", 400, "Content-Length: 3\r\nTransfer-Encoding: chunked"),
        ("coding and length", 400, "Transfer-Encoding: chunked\r\nContent-Length: 3"),
        ("length and a coding we do not know", 400, "Content-Length: 3\r\nTransfer-Encoding: x"),
        ("length and identity", 400, "Content-Length: 3\r\nTransfer-Encoding: identity"),
        ("chunked not last", 400, "Transfer-Encoding: chunked, gzip"),
        ("chunked twice", 400, "Transfer-Encoding: chunked, chunked"),
        ("chunked in two lines", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("chunked, then identity", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("identity", 400, "Transfer-Encoding: identity"),
        ("a coding without chunked", 400, "Transfer-Encoding: gzip"),
        ("a coding before chunked", 501, "Transfer-Encoding: gzip, chunked"),
        ("xchunked", 400, "Transfer-Encoding: xchunked"),
        ("chunked in quotes", 400, "Transfer-Encoding: \"chunked\""),
        ("chunked with a parameter", 400, "Transfer-Encoding: chunked;q=1"),
        ("an empty element", 400, "Transfer-Encoding: ,chunked"),
        ("an empty element at the end", 400, "Transfer-Encoding: chunked,"),
        ("an empty coding", 400, "Transfer-Encoding:"),
        ("two words", 400, "Transfer-Encoding: chunked x"),
        ("an unknown expectation", 417, "Expect: 200-ok\r\nContent-Length: 3"),
    ];
    let heads: Vec<String> = ROWS
        .iter()
        .map(|(_, _, fields)| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
        .collect();
    let rows = ROWS.iter().zip(&heads).map(|((defect, status, _), head)| (*defect, *status, &*head.clone().leak()));
    refuse(&rows.collect::<Vec<Row>>());
    refuse(&[
        ("chunked in HTTP/1.0", 400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (
            "vertical tab before chunked",
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        ),
    ]);
}

#[test]
fn malformed_chunks_are_refused_and_what_follows_is_not_served() {
    const ROWS: &[(&str, &str)] = &[
        ("no size", "\r\nabc\r\n0\r\n\r\n"),
        ("a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a negative size", "-3\r\nabc\r\n0\r\n\r\n"),
        ("a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a size of other letters", "g\r\nabc\r\n0\r\n\r\n"),
        ("a size with an underscore", "0_3\r\nabc\r\n0\r\n\r\n"),
        ("white space before the size", " 3\r\nabc\r\n0\r\n\r\n"),
        ("white space after the size", "3 \r\nabc\r\n0\r\n\r\n"),
        ("a tab after the size", "3\t\r\nabc\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("a size of many zeros", "00000000000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("bare LF after the size", "3\nabc\r\n0\r\n\r\n"),
        ("bare CR after the size", "3\rabc\r\n0\r\n\r\n"),
        ("NUL after the size", "3\0\r\nabc\r\n0\r\n\r\n"),
        ("an extension without a name", "3;\r\nabc\r\n0\r\n\r\n"),
        ("an extension with a CTL", "3;a=\x01\r\nabc\r\n0\r\n\r\n"),
        ("an extension with a bare LF", "3;a\nabc\r\n0\r\n\r\n"),
        ("an extension with a bare CR", "3;a=\"\r\"\r\nabc\r\n0\r\n\r\n"),
        ("an extension with an open quote", "3;a=\"b\r\nabc\r\n0\r\n\r\n"),
        ("no CRLF after the data", "3\r\nabc0\r\n\r\n"),
        ("bare LF after the data", "3\r\nabc\n0\r\n\r\n"),
        ("more data than the size says", "3\r\nabcd\r\n0\r\n\r\n"),
        ("two other bytes after the data", "3\r\nabcXX0\r\n\r\n"),
        ("bare LF after the last size", "3\r\nabc\r\n0\n\r\n"),
        ("bare LF as the last line", "3\r\nabc\r\n0\r\n\n"),
        ("a trailer without a colon", "3\r\nabc\r\n0\r\nabc\r\n\r\n"),
        ("a trailer with a space before the colon", "3\r\nabc\r\n0\r\nX : a\r\n\r\n"),
        ("a trailer with NUL", "3\r\nabc\r\n0\r\nX: a\0\r\n\r\n"),
        ("a trailer with a bare LF", "3\r\nabc\r\n0\r\nX: a\n\r\n"),
        ("a folded trailer", "3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n"),
    ];
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let rows = ROWS.iter().map(|(defect, body)| (*defect, 400, &*format!("{head}{body}").leak()));
    refuse(&rows.collect::<Vec<Row>>());
}

#[test]
fn what_is_too_large_is_refused_by_its_own_status() {
    let long_target: &str = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(20_000)).leak();
    let long_value: &str = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(20_000)).leak();
    let endless: &str = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(40_000)).leak();
    let many_fields: &str = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(200)).leak();
    let trailers: &str = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n",
        "X-Long-Enough-To-Count: some value or other\r\n".repeat(1000)
    )
    .leak();
    refuse(&[
        ("a long target", 414, long_target),
        ("a long value", 431, long_value),
        ("a head without an end", 431, endless),
        ("too many fields", 431, many_fields),
        ("endless trailers", 400, trailers),
    ]);
}

#[test]
fn what_has_one_reading_passes_in_one_form() {
    pass(&[
        ("an empty line first", b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /a HTTP/1.1\n"]),
        ("two empty lines first", b"\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /a HTTP/1.1\n"]),
        ("HTTP/1.2", b"GET /a HTTP/1.2\r\nHost: a\r\n\r\n", &["GET /a HTTP/1.1\n"]),
        ("HTTP/1.0", b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n", &["GET /a HTTP/1.1\n", "Host: a\n"]),
        ("HTTP/1.0 without Host", b"GET /a HTTP/1.0\r\n\r\n", &["GET /a HTTP/1.1\n", "\nhost: 127.0.0.1"]),
        ("a method of lower case", b"get /a HTTP/1.1\r\nHost: a\r\n\r\n", &["\nget /a HTTP/1.1\n"]),
        ("a method of our own", b"M-SEARCH!#$ /a HTTP/1.1\r\nHost: a\r\n\r\n", &["\nM-SEARCH!#$ /a HTTP/1.1\n"]),
        ("absolute form", b"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /x?y HTTP/1.1\n", "ost: b:81\n", "!: a\n"]),
        ("absolute form without a path", b"GET http://b HTTP/1.1\r\nHost: b\r\n\r\n", &["GET / HTTP/1.1\n"]),
        ("absolute form, a query only", b"GET http://b?q HTTP/1.1\r\nHost: b\r\n\r\n", &["GET /?q HTTP/1.1\n"]),
        ("asterisk form", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS * HTTP/1.1\n"]),
        ("absolute form for the whole server", b"OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", &["OPTIONS * HTTP/1.1\n"]),
        ("characters of 3986", b"GET /-._~!$&'()*+,;=:@ HTTP/1.1\r\nHost: a\r\n\r\n", &["GET /-._~!$&'()*+,;=:@ HTTP/1.1\n"]),
        ("white space around a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A:  \t b\t \r\n\r\n", &["\nX-A: b\n"]),
        ("no space before a value", b"GET / HTTP/1.1\r\nHost:a\r\nX-A:b\r\n\r\n", &["\nX-A: b\n"]),
        ("an empty value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A:\r\n\r\n", &["\nX-A: \n"]),
        ("bytes above 0x7F in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \xe4\r\n\r\n", &["\nX-A: "]),
        ("a length with leading zeros", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc", &["\n\nabc"]),
        ("a coding of capitals", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", &["transfer-encoding: chunked\n", "!CHUNKED", "\n\nabc"]),
        ("a size of capitals", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", &["\n\n0123456789"]),
        ("a size with zeros", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n003\r\nabc\r\n00\r\n\r\n", &["\n\nabc"]),
        ("extensions", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\\\"\";c\r\nabc\r\n0;d\r\n\r\n", &["\n\nabc"]),
        ("forbidden trailers", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\nHost: b\r\nX-T: 1\r\n\r\n", &["X-T: 1", "!Host: b", "!Length: 5"]),
        ("IPv6 Host", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", &["Host: [::1]:80\n"]),
    ]);
}

#[test]
fn a_body_on_get_is_never_the_next_request() {
    let origin = Origin::echo();
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!("GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()));
    assert!(client.read_response().text().ends_with(hidden));
    client.send_request("GET", "/2", &[], b"");
    assert_eq!(client.read_response().status, 200);
    let targets: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/1", "/2"]);
}

#[test]
fn a_refusal_by_route_or_origin_leaves_no_body_to_be_served() {
    let origin = Origin::script(|conn| {
        while conn.read_head().is_some() {
            if !conn.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") {
                return;
            }
        }
    });
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    client.send_request("POST", "/1", &[("Content-Length", "1000000")], SMUGGLED.as_bytes());
    assert_eq!(client.read_response().status, 403);
    client.half_close();
    let (more, _) = client.read_to_end();
    assert!(more.is_empty(), "served: {}", more.escape_ascii());

    let nowhere = Proxy::start(
        "version: 1\naccess_log: off\nlisteners: { web: { bind: \"127.0.0.1:0\" } }\n\
         routes: [ { match: { path: /only }, use: [ { policy: answer, with: { body: x } } ] } ]\n",
    );
    let mut client = Client::connect(nowhere.addr());
    client.send_request("POST", "/none", &[("Content-Length", "1000000")], SMUGGLED.as_bytes());
    assert_eq!(client.read_response().status, 404);
    let (more, _) = client.read_to_end();
    assert!(more.is_empty(), "served: {}", more.escape_ascii());
}

#[test]
fn a_head_may_arrive_byte_by_byte() {
    let origin = Origin::answering(origin::ok("x"));
    let proxy = Proxy::to(&origin.endpoint());
    let mut client = Client::connect(proxy.addr());
    for byte in
        b"\r\n\r\nPOST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nA: b\r\n\r\n"
    {
        client.send([*byte]);
    }
    assert_eq!(client.read_response().status, 200);
    assert_eq!((origin.request(0).body, origin.request(0).trailers.len()), (b"ab".to_vec(), 1));
}
