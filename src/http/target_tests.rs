//! Targets: the four forms, each defect of RFC 9112 section 3.2, and the normalisation.

use proptest::prelude::*;

use super::*;

const DEFAULT: Normalise =
    Normalise { dot_segments: true, unreserved: true, merge_slashes: false, encoded_slash: EncodedSlash::Keep };

#[track_caller]
fn get(target: &str) -> String {
    with(target, &DEFAULT)
}

#[track_caller]
fn with(target: &str, rules: &Normalise) -> String {
    let target = parse(b"GET", target.as_bytes(), rules).expect(target);
    String::from_utf8(target.path_and_query.into_owned()).unwrap()
}

#[track_caller]
fn refused(method: &str, target: &[u8]) {
    let outcome = parse(method.as_bytes(), target, &DEFAULT);
    assert_eq!(outcome, Err(Reason::BadTarget), "{method} {}", target.escape_ascii());
}

#[test]
fn plain_targets_are_borrowed() {
    for target in [
        "/",
        "/a/b.c?x=1&y=",
        "/.well-known/x",
        "/..a/...",
        "/a..",
        "//evil/x",
        "/a%20b%2F",
        "/%5C",
        "/a//b",
        "/a?/../b",
        "/a;p=1,2@:!$&'()*+=~_-",
        "/{a}|[b]^`",
        "/?q={[a|b]}^`",
        "/?a=%00&b=%c3",
        "/a??",
    ] {
        let parsed = parse(b"GET", target.as_bytes(), &DEFAULT).expect(target);
        assert_eq!(parsed.form, Form::Origin);
        assert!(matches!(parsed.path_and_query, Cow::Borrowed(bytes) if bytes == target.as_bytes()), "{target}");
        assert_eq!(parsed.path_len, target.find('?').unwrap_or(target.len()), "{target}");
    }
}

#[test]
fn forms() {
    let absolute = parse(b"GET", b"HTTP://Example.com:80/a/../b?q", &DEFAULT).unwrap();
    assert_eq!((absolute.form, absolute.scheme), (Form::Absolute, Some(&b"HTTP"[..])));
    assert_eq!(absolute.authority, Some(&b"Example.com:80"[..]));
    assert_eq!((&*absolute.path_and_query, absolute.path_len), (&b"/b?q"[..], 2));
    assert_eq!(get("https://[::1]"), "/");
    assert_eq!(get("http://a?q=1"), "/?q=1");
    assert_eq!(get("http://a//b"), "//b");

    let server = parse(b"OPTIONS", b"http://a", &DEFAULT).unwrap();
    assert_eq!((server.form, &*server.path_and_query), (Form::Absolute, &b"*"[..]));
    assert_eq!(&*parse(b"OPTIONS", b"http://a/", &DEFAULT).unwrap().path_and_query, b"/");
    assert_eq!(&*parse(b"OPTIONS", b"http://a?q", &DEFAULT).unwrap().path_and_query, b"/?q");
    assert_eq!(parse(b"OPTIONS", b"*", &DEFAULT).unwrap().form, Form::Asterisk);

    let tunnel = parse(b"CONNECT", b"a:443", &DEFAULT).unwrap();
    assert_eq!((tunnel.form, tunnel.authority, tunnel.path_len), (Form::Authority, Some(&b"a:443"[..]), 0));
}

#[test]
fn defect_target_form() {
    for target in [
        &b""[..],
        b"a",
        b"a/b",
        b"?q",
        b"a:443",
        b"*",
        b"**",
        b"ftp://a/",
        b"http:/a",
        b"http:a",
        b"http://",
        b"http:///a",
        b"http://u@a/",
        b"http://u:p@a/",
        b"http://a:b/",
        b"http://a:99999/",
        b"http://a b/",
        b"http://a\\b/",
        b"://a/",
        b"http://a,b/",
        b"file:///etc/passwd",
        b"javascript:1",
        b"http",
        b"http://a#f",
        b"\\\\a",
        b"http:\\\\a\\",
    ] {
        refused("GET", target);
    }
    refused("options", b"*");
    refused("OPTIONS", b"*?q");
    for target in [&b"a"[..], b"a:", b"/", b"*", b"http://a:443/", b"a:443/", b"u@a:443"] {
        refused("CONNECT", target);
    }
}

#[test]
fn defects_target_ctl_nonascii_fragment_char() {
    for byte in (0..=0x20).chain(0x7f..=0xff).chain(*b"\"<>\\#") {
        for target in
            [vec![b'/', byte], vec![b'/', b'a', byte, b'b'], vec![b'/', b'?', byte], vec![b'/', b'?', b'a', byte]]
        {
            refused("GET", &target);
        }
        refused("GET", &[b"http://a/", &[byte][..]].concat());
    }
}

#[test]
fn bad_escapes() {
    for target in
        ["/%", "/%4", "/%g1", "/%1g", "/%u0041", "/%%41", "/a%?41", "/%00", "/a%00b", "/?%", "/?a=%4", "/?%xx"]
    {
        refused("GET", target.as_bytes());
    }
}

#[test]
fn dot_segments() {
    for (given, expected) in [
        ("/a/b/c/./../../g", "/a/g"),
        ("/.", "/"),
        ("/..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/../", "/"),
        ("/a/..?q=/../x", "/?q=/../x"),
        ("/a//../b", "/a/b"),
        ("/a/..//evil", "//evil"),
        ("/%2e%2E/x", "/x"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/..%2fb", "/a/..%2Fb"),
        ("/a/.../b%2e", "/a/.../b."),
        ("/a/..;/b%7E", "/a/..;/b~"),
        ("/a/%252e%252e/b/.", "/a/%252e%252e/b/"),
    ] {
        assert_eq!(get(given), expected, "{given}");
    }
}

#[test]
fn escapes_are_decoded_or_upper_cased() {
    assert_eq!(get("/%61%2D%2e%5f%7e/%c3%bc%2f%5c%3a"), "/a-._~/%C3%BC%2F%5C%3A");
    assert_eq!(get("/%41?%41%c3"), "/A?%41%c3");
    assert_eq!(get("/%2541"), "/%2541");
}

#[test]
fn rules_may_be_relaxed_and_tightened() {
    let raw = Normalise { unreserved: false, ..DEFAULT };
    assert_eq!(with("/a/%2e%2e/%2E/.%2e/%61%2f/b%2ec", &raw), "/%61%2f/b%2ec");
    let literal = Normalise { dot_segments: false, ..DEFAULT };
    assert_eq!(with("/a/../%2e%2e/b", &literal), "/a/../../b");
    let off = Normalise { dot_segments: false, unreserved: false, ..DEFAULT };
    assert_eq!(with("/a/../%2e%2e/%61", &off), "/a/../%2e%2e/%61");
    let merged = Normalise { merge_slashes: true, ..DEFAULT };
    for (given, expected) in [
        ("//", "/"),
        ("//a///b//", "/a/b/"),
        ("/a//../b", "/b"),
        ("/a/.//b", "/a/b"),
        ("/a?//", "/a?//"),
        ("//..", "/"),
    ] {
        assert_eq!(with(given, &merged), expected, "{given}");
    }
    let strict = Normalise { encoded_slash: EncodedSlash::Refuse, ..DEFAULT };
    for target in ["/a%2fb", "/a%2Fb"] {
        assert_eq!(parse(b"GET", target.as_bytes(), &strict), Err(Reason::BadTarget));
    }
    assert_eq!(with("/a?b=%2f", &strict), "/a?b=%2f");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..64)) { fuzz_target(&data); }

    #[test]
    fn paths(flags in any::<u8>(), rest in "(/(\\.|%2[eEfF]|%[0-9a-fA-F]{2}|[ab?;\\\\])*){1,6}") {
        fuzz_target(&[&[flags], rest.as_bytes()].concat());
    }

    #[test]
    fn urls(flags in any::<u8>(), rest in "https?://[a:0-9@\\[\\]]{1,6}[/?](\\.|/|%2[eEfF]|[ab?])*") {
        fuzz_target(&[&[flags], rest.as_bytes()].concat());
    }
}
