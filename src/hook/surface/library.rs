//! What needs no exchange: libraries, and the objects that they make.

use super::{Member, Noun};

pub(super) const NOUNS: &[&Noun] =
    &[&JSON, &BASE64, &HEX, &URL, &COOKIE, &HASH, &HMAC, &RANDOM, &TIME, &TEXT, &REGEX, &PATTERN, &IP, &NETWORKS, &JWT];

static JSON: Noun = Noun {
    name: "json",
    at: "json",
    about: "JSON to values and back, as cjson does it: a null is `json.null`, which is not nil and counts as \
                 true, and an object is a table. Arrays keep their order and their nulls. Bounded by `limits.body`, \
                 and by depth, keys and values.",
    members: &[
        Member::field("null", "any").about(
            "JSON's null. In plain data (dictionaries, claims, values) it stands for a nil inside of a table.",
            "local _ = json.decode('{\"a\":null}').a == json.null",
        ),
        Member::function("decode", "(text: string)", "(any, string?)").about(
            "What a text says; nil and the reason where it is no JSON. Of a key that comes twice the last \
                 counts.",
            "local _ = json.decode('[1, {\"a\": null}]')",
        ),
        Member::function("encode", "(value: any)", "string").about(
            "A value as text. A table with the keys 1, 2, 3 and so on is an array, any other an object, written \
                 by key; an empty one is `{}`, unless `json.array` or `json.decode` has made it. Functions, objects \
                 of the proxy, NaN and strings that are not UTF-8 are errors.",
            "local _ = json.encode({ 1, { a = json.null } })",
        ),
        Member::function("array", "(list: { any }?)", "{ any }").about(
            "The same list (or a new one), marked: it is written as `[]` when it is empty.",
            "local _ = json.encode(json.array({}))",
        ),
    ],
};

static BASE64: Noun = Noun {
    name: "base64",
    at: "base64",
    about: "Base64 (RFC 4648).",
    members: &[
        Member::function("encode", "(bytes: string)", "string")
            .about("With `+`, `/` and padding.", "local _ = base64.encode('a')"),
        Member::function("encode_url", "(bytes: string)", "string").about(
            "With `-` and `_` and without padding, as tokens and URLs want it.",
            "local _ = base64.encode_url('a')",
        ),
        Member::function("decode", "(text: string)", "(string?, string?)").about(
            "The bytes of either alphabet, padded or not; nil and the reason where it is none.",
            "local _ = base64.decode('YQ==')",
        ),
    ],
};

static HEX: Noun = Noun {
    name: "hex",
    at: "hex",
    about: "Hexadecimal digits.",
    members: &[
        Member::function("encode", "(bytes: string)", "string")
            .about("Two lower-case digits a byte.", "local _ = hex.encode(hash.sha256('a'))"),
        Member::function("decode", "(text: string)", "(string?, string?)")
            .about("The bytes; nil and the reason where it is none.", "local _ = hex.decode('6A')"),
    ],
};

static URL: Noun = Noun {
    name: "url",
    at: "url",
    about: "Parts of URLs (RFC 3986).",
    members: &[
        Member::function("encode", "(bytes: string)", "string").about(
            "Escapes all but letters, digits and `-._~`: fit for a segment, a name or a value.",
            "local _ = url.encode('a b/c')",
        ),
        Member::function("decode", "(text: string)", "(string?, string?)").about(
            "Undoes it; `+` stays a plus. Nil and the reason where an escape is malformed.",
            "local _ = url.decode('a%20b')",
        ),
        Member::function("path", "(...string)", "(string?, string?)").about(
            "`/u/a%2Fb` from `u` and `a/b`: a segment never becomes two. Nil and the reason where one is `.` or \
                 `..`.",
            "local _ = url.path('u', 'a/b')",
        ),
        Member::function("query", "(values: { [any]: any })", "string").about(
            "`a=1&b=x%20y` from a table of names with a value or a list of values, by name; or from a list of \
                 pairs, in its order.",
            "local _ = url.query({ a = 1, b = { 'x', 'y' } })",
        ),
        Member::function("parse_query", "(query: string?)", "({ [string]: string }?, string?)").about(
            "The first value of each name, decoded (`+` is a space); of nil an empty table.",
            "local _ = url.parse_query('a=1&b=x+y').b",
        ),
        Member::function("pairs", "(query: string?)", "({ { string } }?, string?)").about(
            "Every parameter in its order, as `{ name, value }`.",
            "for _, pair in url.pairs('a=1&a=2') do local _ = pair[2] end",
        ),
        Member::function("parse", "(text: string)", "(Url?, string?)").about(
            "`{ scheme, user, host, port, path, query, fragment }`, as written; what is not there is nil. Nil \
                 and the reason where it is no URL.",
            "local _ = url.parse('https://example.com:8443/a?b').port",
        ),
    ],
};

static COOKIE: Noun = Noun {
    name: "cookie",
    at: "cookie",
    about: "Cookies (RFC 6265).",
    members: &[
        Member::function("parse", "(field: string?)", "{ [string]: string }").about(
            "The first cookie of each name in a Cookie field; of nil an empty table.",
            "local _ = cookie.parse('a=1; b=2').b",
        ),
        Member::function("get", "(field: string?, name: string)", "string?")
            .about("The first cookie of a name.", "local _ = cookie.get('a=1; b=2', 'b')"),
        Member::function("set", "(name: string, value: string, options: CookieOptions?)", "string").about(
            "The value of a Set-Cookie field. `{ path, domain, max_age, expires, secure, http_only, same_site, \
                 partitioned }`: `max_age` in seconds, `expires` in seconds since 1970, `same_site` \"strict\", \
                 \"lax\" or \"none\". What browsers would drop is an error.",
            "local _ = cookie.set('a', '1', { path = '/', secure = true, same_site = 'lax' })",
        ),
    ],
};

static HASH: Noun = Noun {
    name: "hash",
    at: "hash",
    about: "Digests, as bytes (`hex.encode` makes digits of them), and numbers for shares.",
    members: &[
        Member::function("md5", "(bytes: string)", "string")
            .about("MD5; broken, for old formats alone.", "local _ = hex.encode(hash.md5('a'))"),
        Member::function("sha1", "(bytes: string)", "string")
            .about("SHA-1; broken for signatures.", "local _ = hex.encode(hash.sha1('a'))"),
        Member::function("sha256", "(bytes: string)", "string")
            .about("SHA-256.", "local _ = hex.encode(hash.sha256('a'))"),
        Member::function("sha384", "(bytes: string)", "string")
            .about("SHA-384.", "local _ = hex.encode(hash.sha384('a'))"),
        Member::function("sha512", "(bytes: string)", "string")
            .about("SHA-512.", "local _ = hex.encode(hash.sha512('a'))"),
        Member::function("crc32", "(bytes: string)", "number")
            .about("The checksum of zip and gzip.", "local _ = hash.crc32('a')"),
        Member::function("fast", "(bytes: string, seed: number?)", "number").about(
            "A whole number below 2^53, fast (XXH3), and the same in every process and version. Who chooses the \
                 bytes can choose the outcome.",
            "local _ = hash.fast('a') % 16",
        ),
        Member::function("share", "(bytes: string, seed: number?)", "number").about(
            "The same as a number from 0 up to 1: `hash.share(id) < 0.05` holds for five of a hundred, always \
                 the same ones. Another seed picks others.",
            "local _ = hash.share('user-1', 7) < 0.05",
        ),
    ],
};

static HMAC: Noun = Noun {
    name: "hmac",
    at: "hmac",
    about: "Keyed digests (RFC 2104), as bytes. The key is a text or a secret of the options. Compare them by \
                 `equal`.",
    members: &[
        Member::function("sha1", "(key: string | Secret, bytes: string)", "string")
            .about("HMAC with SHA-1.", "local _ = hex.encode(hmac.sha1('key', 'a'))"),
        Member::function("sha256", "(key: string | Secret, bytes: string)", "string")
            .about("HMAC with SHA-256.", "local _ = hex.encode(hmac.sha256('key', 'a'))"),
        Member::function("sha384", "(key: string | Secret, bytes: string)", "string")
            .about("HMAC with SHA-384.", "local _ = hex.encode(hmac.sha384('key', 'a'))"),
        Member::function("sha512", "(key: string | Secret, bytes: string)", "string")
            .about("HMAC with SHA-512.", "local _ = hex.encode(hmac.sha512('key', 'a'))"),
    ],
};

static RANDOM: Noun = Noun {
    name: "random",
    at: "random",
    about: "Randomness that nobody can foretell.",
    members: &[
        Member::function("bytes", "(count: number)", "string")
            .about("So many bytes, fit for keys.", "local _ = hex.encode(random.bytes(16))"),
        Member::function("number", "(low: number?, high: number?)", "number").about(
            "As `math.random`: from 0 up to 1, from 1 to a whole number, or from one to another, both included.",
            "local _ = random.number(1, 6)",
        ),
        Member::function("uuid", "()", "string").about("A UUID of version 4.", "local _ = random.uuid()"),
        Member::function("uuid7", "()", "string").about(
            "A UUID of version 7: it begins with the time, so later ones sort after earlier ones.",
            "local _ = random.uuid7()",
        ),
    ],
};

static TIME: Noun = Noun {
    name: "time",
    at: "time",
    about: "Times are seconds since 1970 with a fraction, in UTC.",
    members: &[
        Member::function("now", "()", "number").about("What time it is.", "local _ = time.now()"),
        Member::function("monotonic", "()", "number").about(
            "Seconds of a clock that never goes back, to measure with; it stands still within one turn of a \
                 worker.",
            "local _ = time.monotonic()",
        ),
        Member::function("http", "(at: number?)", "string")
            .about("`Sun, 06 Nov 1994 08:49:37 GMT`; now, unless told.", "local _ = time.http(784111777)"),
        Member::function("parse_http", "(text: string)", "(number?, string?)").about(
            "Reads it, in all three formats of RFC 9110.",
            "local _ = time.parse_http('Sun, 06 Nov 1994 08:49:37 GMT')",
        ),
        Member::function("rfc3339", "(at: number?)", "string")
            .about("`1994-11-06T08:49:37Z`; now, unless told.", "local _ = time.rfc3339(784111777)"),
        Member::function("parse_rfc3339", "(text: string)", "(number?, string?)")
            .about("Reads it, with any offset.", "local _ = time.parse_rfc3339('1994-11-06T08:49:37Z')"),
        Member::function("format", "(format: string, at: number?)", "string")
            .about("As `strftime` writes it; now, unless told.", "local _ = time.format('%Y-%m-%d', 784111777)"),
        Member::function("parse", "(format: string, text: string)", "(number?, string?)")
            .about("As `strptime` reads it.", "local _ = time.parse('%Y-%m-%d', '1994-11-06')"),
    ],
};

static TEXT: Noun = Noun {
    name: "text",
    at: "text",
    about: "Plain work on texts, without patterns; linear in what it is given.",
    members: &[
        Member::function("replace", "(text: string, old: string, new: string, times: number?)", "string")
            .about("Every `old` replaced, or the first so many.", "local _ = text.replace('a-b', '-', '+')"),
        Member::function("split", "(text: string, separator: string, most: number?)", "{ string }").about(
            "The parts between separators; of `most` parts the last holds the rest.",
            "local _ = text.split('a,b', ',')",
        ),
        Member::function("find", "(text: string, part: string, from: number?)", "number?")
            .about("Where a part begins, counted from 1.", "local _ = text.find('a-b', '-')"),
        Member::function("contains", "(text: string, part: string)", "boolean")
            .about("Whether a part stands anywhere in it.", "local _ = text.contains('a-b', '-')"),
        Member::function("trim", "(text: string)", "string")
            .about("Without white space around it.", "local _ = text.trim(' a ')"),
        Member::function("starts_with", "(text: string, prefix: string)", "boolean")
            .about("Whether it begins so.", "local _ = text.starts_with('/api/x', '/api/')"),
        Member::function("ends_with", "(text: string, suffix: string)", "boolean")
            .about("Whether it ends so.", "local _ = text.ends_with('a.png', '.png')"),
        Member::function("html_escape", "(text: string)", "string")
            .about("Harmless between tags and inside quoted attributes.", "local _ = text.html_escape('<b>')"),
    ],
};

static REGEX: Noun = Noun {
    name: "regex",
    at: "regex",
    about: "Regular expressions (Rust's syntax: no look-around, no back-references) in a time that is linear \
                 in the text. They speak of bytes; `(?u)` makes them speak of Unicode, `(?i)` ignores case.",
    members: &[
        Member::function("compile", "(pattern: string)", "Pattern").about(
            "A pattern; the same one costs nothing when it was compiled not long ago.",
            "local _ = regex.compile('^/api/([0-9]+)$')",
        ),
        Member::function("escape", "(text: string)", "string")
            .about("A text as a pattern that matches it alone.", "local _ = regex.compile(regex.escape('a.b'))"),
    ],
};

static PATTERN: Noun = Noun {
    name: "Pattern",
    at: "pattern",
    about: "A compiled regular expression.",
    members: &[
        Member::method("test", "(text: string)", "boolean")
            .about("Whether it is found anywhere.", "local _ = regex.compile('a+'):test('caat')"),
        Member::method("find", "(text: string, from: number?)", "(number?, number?)").about(
            "First and last byte of the first match, as `string.find`.",
            "local first, last = regex.compile('a+'):find('caat')",
        ),
        Member::method("match", "(text: string, from: number?)", "Match?").about(
            "The first match, as in `ngx.re.match`: the whole as `[0]`, groups by number and name; false for a \
                 group that took no part.",
            "local _ = regex.compile('(?<id>[0-9]+)'):match('u/17').id",
        ),
        Member::method("replace", "(text: string, with: string, times: number?)", "string").about(
            "Every match replaced, or the first so many. `$1`, `${1}` and `${name}` are groups, `$$` is a \
                 dollar.",
            "local _ = regex.compile('(a)(b)'):replace('ab', '$2$1')",
        ),
        Member::method("each", "(text: string)", "() -> Match?").about(
            "Every match in turn.",
            "for found in regex.compile('[a-z]+'):each('a b') do local _ = found[0] end",
        ),
    ],
};

static IP: Noun = Noun {
    name: "ip",
    at: "ip",
    about: "Addresses and networks. An IPv4 address written as IPv6 is the IPv4 one.",
    members: &[
        Member::function("parse", "(text: string)", "(string?, number | string)").about(
            "The address as it is usually written, and 4 or 6; nil and the reason where it is none.",
            "local address, version = ip.parse('::ffff:10.0.0.1')",
        ),
        Member::function("in_network", "(address: string, network: string)", "(boolean?, string?)").about(
            "Whether a network holds the address; nil and the reason where it is no address.",
            "local _ = ip.in_network('10.1.2.3', '10.0.0.0/8')",
        ),
        Member::function("set", "(networks: { string })", "Networks").about(
            "A set of networks and addresses: made once, at the top level, it is asked quickly. Many belong \
                 into a table (`lookup_table`).",
            "local _ = ip.set({ '10.0.0.0/8', '2001:db8::1' })",
        ),
    ],
};

static NETWORKS: Noun = Noun {
    name: "Networks",
    at: "networks",
    about: "A set of networks.",
    members: &[
        Member::method("contains", "(address: string)", "(boolean?, string?)").about(
            "Whether one of them holds the address; nil and the reason where it is no address.",
            "local _ = ip.set({ '10.0.0.0/8' }):contains('10.1.2.3')",
        ),
        Member::method("find", "(address: string)", "(string?, string?)").about(
            "The narrowest of them that holds the address.",
            "local _ = ip.set({ '10.0.0.0/8' }):find('10.1.2.3')",
        ),
    ],
};

static JWT: Noun = Noun {
    name: "jwt",
    at: "jwt",
    about: "Signed tokens (JWT). Which algorithms a token may claim follows from the key, never from the \
                 token. A key is a secret of the options or a text: PEM, a JWK or a set of them, a certificate; \
                 anything else is an HMAC secret. Prepared keys are kept.",
    members: &[
        Member::function(
            "verify",
            "(token: string?, key: string | Secret, options: JwtOptions?)",
            "(Claims?, Header | string)",
        )
        .about(
            "Claims and header of a good token; nil and the reason of any other, or of nil. `Bearer ` before it \
                 is skipped. `{ issuer, audience, leeway, algorithms, expires }`: issuer and audience a text or \
                 several, leeway in seconds (30), `expires = true` refuses tokens without `exp`.",
            "local claims, why = jwt.verify('a.b.c', options.key or 'secret', { issuer = 'me' })",
        ),
        Member::function("unverified", "(token: string?)", "(Claims?, Header | string)").about(
            "What a token says, whoever has made it: to choose a key by, or to log. Never to trust.",
            "local claims, header = jwt.unverified('e30.e30.')",
        ),
        Member::function(
            "sign",
            "(claims: { [string]: any }, key: string | Secret, options: { algorithm: string?, headers: { \
                 [string]: any }? }?)",
            "string",
        )
        .about(
            "A token. The algorithm follows from the key (HS256, RS256, ES256, ES384, EdDSA); of a secret it \
                 may be HS384 or HS512.",
            "local _ = jwt.sign({ sub = 'a', exp = time.now() + 60 }, 'a secret of thirty-two bytes or so', { \
                 headers = { kid = '1' } })",
        ),
    ],
};
