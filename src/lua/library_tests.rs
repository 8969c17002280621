//! The library across the boundary: what is declared is there and nothing else, every example runs, and each function does
//! what its vectors say.

use std::collections::{BTreeMap, BTreeSet};

use super::raw::{Frame, Kind};
use super::tests::{policy, request, written};
use crate::config::plan::Secret;
use crate::hook::Verdict;
use crate::hook::surface::{self, Form, Noun};

/// What Luau itself brings.
const LUAU: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "bit32",
    "buffer",
    "coroutine",
    "debug",
    "error",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "os",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "require",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "vector",
    "xpcall",
    "integer",
];

/// Libraries: nouns with functions of their own.
fn libraries() -> Vec<&'static Noun> {
    let has_function = |noun: &Noun| noun.members.iter().any(|member| member.form == Form::Function);
    surface::nouns().into_iter().filter(|noun| has_function(noun)).collect()
}

fn names(frame: &Frame<'_>, at: i32) -> BTreeMap<String, Kind> {
    let (mut found, mut place) = (BTreeMap::new(), 0);
    loop {
        place = frame.next(at, place);
        if place < 0 {
            return found;
        }
        let name = frame.copy(-2).expect("a name");
        found.insert(String::from_utf8(name).unwrap(), frame.kind(-1));
        frame.pop(2);
    }
}

#[test]
fn what_is_declared_is_a_global_and_nothing_else() {
    let vm = policy("function request() end").vm().expect("a VM");
    vm.lua.as_host(|| {
        let frame = vm.lua.main();
        frame.push_globals();
        let globals = frame.top();
        let mut left = names(&frame, globals);
        left.retain(|name, _| !LUAU.contains(&name.as_str()));
        for noun in libraries() {
            let there = if noun.at.is_empty() {
                left.clone().into_iter().filter(|(_, kind)| *kind == Kind::Function).collect()
            } else {
                assert_eq!(left.remove(noun.at), Some(Kind::Table), "{}", noun.at);
                frame.push_field(globals, noun.at.as_bytes());
                let there = names(&frame, frame.top());
                frame.pop(1);
                there
            };
            let declared: BTreeSet<&str> = noun.members.iter().map(|member| member.name).collect();
            assert_eq!(there.keys().map(String::as_str).collect::<BTreeSet<_>>(), declared, "{}", noun.name);
            for member in noun.members {
                let is_function = there[member.name] == Kind::Function;
                assert_eq!(is_function, member.form == Form::Function, "{}.{}", noun.name, member.name);
            }
        }
        left.retain(|_, kind| *kind != Kind::Function);
        assert_eq!(left, BTreeMap::new(), "undeclared");
    });
}

#[test]
fn every_example_of_the_library_runs() {
    let exchange = ["Exchange", "Request", "Response", "Headers", "Client", "Route", "Endpoints", "Endpoint", "Chunk"];
    for noun in surface::nouns().into_iter().filter(|noun| !exchange.contains(&noun.name)) {
        for member in noun.members.iter().filter(|member| !member.waits && member.name != "spawn") {
            let text = format!("fetched = nil\nfunction request() {} end", member.example);
            let ran = request(&policy(&text));
            assert!(matches!(ran, Ok(Verdict::Pass)), "{}.{}: {ran:?}", noun.name, member.name);
        }
    }
}

/// Runs statements in `request`; `same(a, b)` compares as JSON.
fn run(statements: &str) {
    let text = format!(
        "local function same(a, b) a, b = json.encode(a), json.encode(b)\n\
         if a ~= b then error(a .. ' is not ' .. b, 2) end end\n\
         local function fails(why, f, ...) local ok, told = pcall(f, ...)\n\
         told = ok and 'nothing' or told\n\
         if not text.contains(told, why) then error(told .. ' says no ' .. why, 2) end end\n\
         function request()\n{statements}\nreturn answer(204) end"
    );
    match request(&policy(&text)) {
        Ok(Verdict::Answer(answer)) if answer.status == 204 => {}
        other => panic!("{other:?} of\n{statements}"),
    }
}

#[test]
fn json_keeps_order_nulls_and_empty_arrays() {
    run(r#"
        local read = json.decode('{"a":[1,null,"x",{"b":[]}],"c":null,"d":{},"e":1.5,"f":true}')
        assert(#read.a == 4 and read.a[2] == json.null and read.c == json.null and read.f == true)
        assert(type(json.null) == "userdata" and json.null and tostring(read.a[3]) == "x")
        assert(json.encode(read.a) == '[1,null,"x",{"b":[]}]', json.encode(read.a))
        assert(json.encode({}) == "{}" and json.encode(json.array()) == "[]" and json.encode(json.array({ 1 })) == "[1]")
        assert(json.encode({ [3] = 3, [2] = 2, [1] = 1 }) == "[1,2,3]")
        assert(json.encode({ z = 1, b = 2, a = { y = 0, x = 1 } }) == '{"a":{"x":1,"y":0},"b":2,"z":1}')
        assert(json.encode({ [5] = 5 }) == '{"5":5}' and json.encode(nil) == "null")
        assert(json.decode("null") == json.null and json.decode('"é\\u00e9"') == "éé")
        assert(table.clone(json.decode("[]")) ~= nil)
        same(json.decode('{"a":1,"a":2}'), { a = 2 })
        local none, why = json.decode('{"a":}')
        assert(none == nil and why == "not JSON: expected a value at line 1, column 6", why)
        fails("takes a JSON text, found nil", json.decode, nil)
        fails("takes a value, found nothing", json.encode)
        fails("found a function", json.encode, { print })
        fails("cannot be written", json.encode, 0 / 0)
        fails("UTF-8", json.encode, "\255")
        local round = {} round.round = round
        fails("too many levels", json.encode, round)
        fails("limits.body", json.decode, string.rep(" ", 1048577))
        fails("limits.body", json.array, 1) 
    "#.replace("fails(\"limits.body\", json.array, 1) ", "fails(\"takes a list\", json.array, 1)").as_str());
}

#[test]
fn json_that_swells_is_stopped() {
    let swells = policy("function request() local t = json.decode('[' .. string.rep('[],', 300000) .. '1]') end");
    let failed = request(&swells).unwrap_err();
    assert!(failed.contains("limits.memory"), "{failed}");
}

#[test]
fn codes_and_urls() {
    run(r#"
        assert(base64.encode("foob") == "Zm9vYg==" and base64.encode_url("\251\255") == "-_8")
        assert(base64.decode("Zm9vYg") == "foob" and base64.decode("-_8=") == "\251\255")
        local none, why = base64.decode("Z")
        assert(none == nil and text.starts_with(why, "not base64: "))
        assert(hex.encode("\0\127\255") == "007fff" and hex.decode("007fFF") == "\0\127\255")
        assert(select(2, hex.decode("0g")) == "not hexadecimal: byte 2 is no digit")
        fails("`hex.encode` takes a text, found a number", hex.encode, 1)
        assert(url.encode("a b/ü") == "a%20b%2F%C3%BC" and url.decode("a%20b+%2F") == "a b+/")
        assert(select(2, url.decode("%zz")) ~= nil)
        assert(url.path("u", "a/b", 7) == "/u/a%2Fb/7" and url.path() == "/" and url.path("..") == nil)
        assert(url.query({ b = { "2", "1" }, a = "x y" }) == "a=x%20y&b=2&b=1")
        assert(url.query({ { "b", 1 }, { "a", "" } }) == "b=1&a=")
        same(url.parse_query("a=1&a=2&b=x+%26&c"), { a = "1", b = "x &", c = "" })
        same(url.parse_query(nil), {})
        same(url.pairs("a=1&a=2"), { { "a", "1" }, { "a", "2" } })
        same(url.parse("https://u@example.com:8443/a?b=1#c"),
            { scheme = "https", user = "u", host = "example.com", port = 8443, path = "/a", query = "b=1", fragment = "c" })
        assert(url.parse("http://a b/") == nil)
        fails("`url.query` takes", url.query, "a=1")
        same(cookie.parse('a=1; b="2"; a=3'), { a = "1", b = "2" })
        assert(cookie.get("a=1; b=2", "b") == "2" and cookie.get(nil, "b") == nil)
        assert(cookie.set("a", "1", { path = "/", max_age = 60, secure = true, same_site = "Lax" })
            == "a=1; Path=/; Max-Age=60; Secure; SameSite=Lax")
        fails("did you mean `secure`?", cookie.set, "a", "1", { secur = true })
        fails("takes `max_age`, a number, found a string", cookie.set, "a", "1", { max_age = "1" })
        fails("white space", cookie.set, "a", "1 2")
    "#);
}

#[test]
fn digests_and_randomness() {
    run(r#"
        assert(hex.encode(hash.md5("abc")) == "900150983cd24fb0d6963f7d28e17f72")
        assert(hex.encode(hash.sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d")
        assert(hex.encode(hash.sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        assert(#hash.sha384("abc") == 48 and #hash.sha512("abc") == 64)
        assert(hash.crc32("123456789") == 0xcbf43926)
        assert(hash.fast("a") == hash.fast("a", 0) and hash.fast("a") ~= hash.fast("a", 1) and hash.fast("a") < 2 ^ 53)
        assert(hash.share("a") >= 0 and hash.share("a") < 1)
        local text = "what do ya want for nothing?"
        assert(hex.encode(hmac.sha1("Jefe", text)) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
        local tag = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        assert(equal(hex.encode(hmac.sha256("Jefe", text)), tag) and not equal(tag, "x"))
        assert(#hmac.sha384("k", "") == 48 and #hmac.sha512("k", "") == 64)
        fails("`hmac.sha256` takes a text after the key, found nothing", hmac.sha256, "k")
        fails("`equal` takes two texts or secrets, found nil", equal, nil, "k")
        assert(#random.bytes(16) == 16 and random.bytes(16) ~= random.bytes(16))
        for _ = 1, 100 do
            local one, die = random.number(), random.number(6)
            assert(one >= 0 and one < 1 and die >= 1 and die <= 6 and die % 1 == 0)
        end
        assert(random.number(7, 7) == 7)
        fails("whole numbers, found 1.5", random.number, 1.5)
        fails("is empty", random.number, 2, 1)
        fails("random bytes at once", random.bytes, 1e6)
        assert(#uuid() == 36 and #random.uuid() == 36 and string.sub(random.uuid7(), 15, 15) == "7")
    "#);
}

#[test]
fn times_and_texts() {
    run(r#"
        local at = 784111777
        assert(time.http(at) == "Sun, 06 Nov 1994 08:49:37 GMT" and time.parse_http(time.http(at)) == at)
        assert(time.parse_http("Sunday, 06-Nov-94 08:49:37 GMT") == at and time.parse_http("x") == nil)
        assert(time.rfc3339(at + 0.5) == "1994-11-06T08:49:37.5Z")
        assert(time.parse_rfc3339("1994-11-06T10:49:37.25+02:00") == at + 0.25)
        assert(time.format("%Y/%m/%d", at) == "1994/11/06" and time.parse("%Y/%m/%d", "1994/11/06") == 784080000)
        assert(time.now() > 1.7e9 and #time.http() == 29 and time.monotonic() >= 0)
        fails("`time.http` takes seconds since 1970, found a string", time.http, "x")
        assert(text.replace("a-b-c", "-", "+") == "a+b+c" and text.replace("a-b-c", "-", "", 1) == "ab-c")
        same(text.split("a, b, c", ", "), { "a", "b", "c" })
        same(text.split("a,b,c", ",", 2), { "a", "b,c" })
        assert(text.find("a.b.c", ".", 3) == 4 and text.find("a", "b") == nil)
        assert(text.contains("abc", "bc") and not text.contains("abc", "cb"))
        assert(text.trim(" a\t\n") == "a" and text.starts_with("abc", "ab") and text.ends_with("abc", "bc"))
        assert(text.html_escape([[<a b='"'>&]]) == "&lt;a b=&#39;&quot;&#39;&gt;&amp;")
        fails("`text.replace` takes what to replace, a string, found nil", text.replace, "a", nil, "b")
        fails("not empty", text.split, "a", "")
        fails("limits.body", text.replace, string.rep("a", 1048570) .. "b", "b", "ccccccccc")
    "#);
}

#[test]
fn patterns() {
    run(r#"
        local date = regex.compile([[(?<year>\d{4})-(\d\d)(x)?]])
        assert(date:test("on 2024-05 ") and not date:test("20245"))
        local first, last = date:find("on 2024-05 2025-06")
        assert(first == 4 and last == 10 and date:find("2024-05 2025-06", 2) == 9 and date:find("x") == nil)
        local found = date:match("on 2024-05")
        assert(found[0] == "2024-05" and found[1] == "2024" and found.year == "2024" and found[2] == "05" and found[3] == false)
        assert(date:match("") == nil)
        assert(regex.compile([[(\w+)@(\w+)]]):replace("a@b, c@d", "$2 at ${1}$$") == "b at a$, d at c$")
        assert(regex.compile("a"):replace("aaa", "b", 2) == "bba")
        local all = {}
        for found in regex.compile("[a-z]*"):each("ab 1c") do table.insert(all, found[0]) end
        same(all, { "ab", "", "c" })
        assert(regex.compile(regex.escape("a.b*<c>")):test("a.b*<c>") and not regex.compile(regex.escape("a.b")):test("axb"))
        fails("`regex.compile`: not a regular expression: unclosed group", regex.compile, "(a")
        fails("names a group", function() return date:replace("2024-05", "$9") end)
        fails("`pattern:test` takes a text, found a table", function() return date:test({}) end)
        fails("too much for this pattern", function()
            return regex.compile(string.rep("a?", 200) .. string.rep("a", 200)):test(string.rep("a", 1000000))
        end)
    "#);
    let slow =
        policy("function request() return regex.compile('[ab]*c|a'):replace(string.rep('ab', 40000), '') and nil end");
    let failed = request(&slow).unwrap_err();
    assert!(failed.contains("limits.cpu"), "{failed}");
}

#[test]
fn addresses() {
    run(r#"
        local address, version = ip.parse("::ffff:10.0.0.1")
        assert(address == "10.0.0.1" and version == 4 and select(2, ip.parse("2001:DB8::1")) == 6)
        assert(select(2, ip.parse("host")) == "`host` is not an IP address, as in `10.0.0.1` or `2001:db8::1`")
        assert(ip.in_network("10.1.2.3", "10.0.0.0/8") == true and ip.in_network("11.1.2.3", "10.0.0.0/8") == false)
        assert(ip.in_network("x", "10.0.0.0/8") == nil)
        fails("did you mean `10.0.0.0/8`?", ip.in_network, "10.0.0.1", "10.0.0.1/8")
        local set = ip.set({ "10.0.0.0/8", "10.1.0.0/16", "2001:db8::1" })
        assert(set:contains("10.1.2.3") and not set:contains("11.0.0.1") and set:find("10.1.2.3") == "10.1.0.0/16")
        assert(set:contains("x") == nil and set:find("11.0.0.1") == nil)
        fails("found a number at 2", ip.set, { "10.0.0.0/8", 5 })
        fails("is not a network", ip.set, { "host" })
    "#);
}

#[test]
fn tokens() {
    run(r#"
        local key = "a secret of thirty-two bytes or so"
        local token = jwt.sign({ sub = "a", iss = "me", aud = { "x", "y" }, n = json.null }, key, { headers = { kid = "1", alg = "none" } })
        local claims, header = jwt.verify("Bearer " .. token, key, { issuer = "me", audience = { "z", "y" } })
        assert(claims.sub == "a" and claims.n == json.null and claims.aud[2] == "y")
        same(header, { alg = "HS256", typ = "JWT", kid = "1" })
        local function why(...) local claims, told = jwt.verify(...) assert(claims == nil) return told end
        assert(why(token, "another key of some thirty bytes..") == "the signature is wrong")
        assert(why(nil, key) == "there is no token" and text.starts_with(why("x", key), "not a signed token"))
        assert(why(token, key, { issuer = "you" }) == "the token is from another issuer")
        assert(why(token, key, { audience = "z" }) == "the token is for another audience")
        assert(why(token, key, { expires = true }) == "the token has no `exp`")
        assert(text.contains(why(token, key, { algorithms = { "HS512" } }), "HS256 does not fit"))
        local old = jwt.sign({ exp = time.now() - 100 }, key, { algorithm = "HS512" })
        assert(text.starts_with(why(old, key), "the token has expired") and jwt.verify(old, key, { leeway = 200 }))
        assert(jwt.unverified(token).sub == "a" and jwt.unverified("x") == nil)
        fails("did you mean `issuer`?", jwt.verify, token, key, { isuer = "me" })
        fails("`jwt.verify` takes a key", jwt.verify, token)
        fails("there is no algorithm `none`", jwt.verify, token, key, { algorithms = "none" })
        fails("`jwt.sign` takes a table of claims, found a string", jwt.sign, "x", key)
        fails("the key is empty", jwt.verify, token, "")
        -- RFC 7515, A.1
        local claims = jwt.verify("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            '{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}', { leeway = 1e10 })
        assert(claims and claims.iss == "joe")
    "#);
}

#[test]
fn secrets_stand_for_keys() {
    let mut written = written(
        "function request()\n\
         local tag = hmac.sha256(options.key, 'a')\n\
         assert(equal(tag, hmac.sha256('s3cret of some thirty-two bytes..', 'a')) and equal(options.key, options.key))\n\
         assert(jwt.verify(jwt.sign({ sub = 'a' }, options.key), 's3cret of some thirty-two bytes..').sub == 'a')\n\
         local ok = pcall(function() return hash.sha256(options.key) end)\n\
         return answer(ok and 500 or 204) end",
    );
    written.with = super::tests::secret_option("key", "jwt");
    let secrets = [("jwt".to_owned(), Secret(std::sync::Arc::from(&b"s3cret of some thirty-two bytes.."[..])))].into();
    let policy = super::tests::alive(&written, &secrets);
    assert!(matches!(request(&policy), Ok(Verdict::Answer(answer)) if answer.status == 204));
}

/// The same with grants.
fn run_granted(statements: &str) {
    let mut written = written(&format!("function request()\n{statements}\nreturn answer(204) end"));
    written.grants.dictionaries = vec!["counters".into()];
    written.grants.tables = vec!["prices".into(), "networks".into(), "rules".into()];
    match request(&super::tests::alive(&written, &super::Secrets::new())) {
        Ok(Verdict::Answer(answer)) if answer.status == 204 => {}
        other => panic!("{other:?} of\n{statements}"),
    }
}

#[test]
fn dictionaries() {
    run_granted(
        r#"
        local own, counters = dictionary(), dictionary("counters")
        assert(own:set("a", { 1, json.null, { b = "c" } }, 60) == true and own:get("a")[3].b == "c")
        assert(own:get("a")[2] == json.null and counters:get("a") == nil and dictionary():get("a")[1] == 1)
        assert(own:add("a", 2) == false and own:add("b", 2) and own:replace("b", 3) and not own:replace("x", 1))
        assert(own:ttl("a") > 59 and own:ttl("b") == math.huge and own:ttl("x") == nil)
        assert(own:expire("b", 5) and own:ttl("b") <= 5 and not own:expire("x", 5))
        local sum, why = counters:incr("n")
        assert(sum == nil and why == "there is no such key, and no `initial` value was given")
        assert(counters:incr("n", 2, 5, 60) == 7 and counters:incr("n") == 8)
        assert(select(2, own:incr("a")) == "the value under this key is not a number")
        assert(counters:compare_and_swap("n", 8, 9) and not counters:compare_and_swap("n", 8, 10))
        assert(counters:compare_and_swap("new", nil, { x = 1 }) and counters:compare_and_swap("new", { x = 1 }, nil))
        assert(counters:delete("n") and not counters:delete("n"))
        local keys, complete = own:keys("a")
        assert(#keys == 1 and keys[1] == "a" and complete)
        keys, complete = own:keys("", 1)
        assert(#keys == 1 and not complete)
        local bucket = { rate = 1, burst = 2 }
        assert(own:take_token("t", bucket) and own:take_token("t", bucket))
        local allowed, remaining, after = own:take_token("t", bucket)
        assert(allowed == false and remaining < 1 and after > 0 and after <= 1)
        own:flush()
        assert(own:get("a") == nil)
        assert(select(2, own:set(string.rep("k", 5000), 1)) == "a key of 5000 bytes; at most 4096 are allowed")
        for _, wrong in {
            { "grant it by `may: { dictionaries: [other] }`", function() dictionary("other") end },
            { "`dictionary:set`: plain data is wanted", function() own:set("a", print) end },
            { "a time to live in seconds, found -1", function() own:set("a", 1, -1) end },
            { "takes a key, a string, found nil", function() own:get(nil) end },
            { "takes `rate`", function() own:take_token("t", {}) end },
            { "must be above 0", function() own:take_token("t", { rate = 0 }) end },
            { "did you mean `rate`?", function() own:take_token("t", { rates = 1 }) end },
        } do
            local ok, told = pcall(wrong[2])
            assert(not ok and text.contains(told, wrong[1]), told)
        end
    "#,
    );
}

#[test]
fn tables() {
    run_granted(
        r#"
        local prices, networks = lookup_table("prices"), lookup_table("networks")
        assert(prices:lookup("apple").price == "3" and prices:lookup("apple").name == "apple" and prices:rows() == 1)
        assert(prices:lookup("pear") == nil and prices:lookup_address("10.0.0.1") == nil)
        assert(networks:lookup_address("10.1.2.3").country == "fr" and networks:lookup("10.2.0.1").country == "de")
        assert(networks:lookup("11.0.0.1") == nil and select(2, networks:lookup_address("x")) ~= nil)
        assert(lookup_table("rules"):lookup("a").list[2] == json.null)
        local ok, told = pcall(lookup_table, "others")
        assert(not ok and text.contains(told, "the policy may not reach the table `others`: grant it by `may: { tables: [others] }`"))
    "#,
    );
}

#[test]
fn metrics() {
    run(r#"
        local logins = metric.counter("logins_total", "Logins.")
        logins:add() logins:add(2, { result = "good", code = 7 })
        metric.gauge("depth"):set(-1) metric.gauge("depth"):add(3)
        metric.histogram("size_bytes", "Sizes.", { buckets = { 1, 10 } }):observe(5, { a = "b" })
        fails("`counter:add` takes a number to add, found -1", function() logins:add(-1) end)
        fails("takes a table of labels, found a string", function() logins:add(1, "x") end)
        fails("no label's name", function() logins:add(1, { le = "x" }) end)
        fails("is a counter since the process began", metric.gauge, "logins")
        fails("has other buckets", metric.histogram, "size_bytes")
        fails("numbers that rise", metric.histogram, "other", "", { buckets = { 2, 1 } })
        fails("is no metric's name", metric.gauge, "a-b")
        fails("`gauge:set` takes a number, found nothing", function() metric.gauge("depth"):set() end)
    "#);
}

#[test]
fn other_tables_make_another_program() {
    let mut written = written("function request() end");
    written.grants.tables = vec!["prices".into()];
    let print = |written: &_, text: &str| {
        super::tests::with_shelf(&super::Secrets::new(), |shelf| {
            let table = crate::share::table::Table::parse(crate::share::table::Kind::Csv, text.as_bytes()).unwrap();
            let tables = [("prices".into(), std::sync::Arc::new(table))].into();
            let program = |tables| super::compile::compile(written, &super::Shelf { tables, ..*shelf }).unwrap();
            (program(&tables).fingerprint, program(shelf.tables).fingerprint)
        })
    };
    let (same, before) = print(&written, "name,price\napple,3\n");
    let (other, again) = print(&written, "name,price\napple,4\n");
    assert_eq!(same, before);
    assert_ne!(other, again);
}
