//! What is found in tables of each kind, and what is told of bad ones.

use super::*;

fn table(kind: Kind, content: &str) -> Table {
    Table::parse(kind, content.as_bytes()).unwrap()
}

#[test]
fn rows_are_found_by_their_key() {
    let plans = table(Kind::Csv, "\u{feff}customer, plan ,note\r\n# ours\nacme,gold,\"a, \"\"b\"\"\"\nx y,free,\n");
    assert_eq!((plans.len(), plans.columns().len(), plans.kind()), (2, 3, Kind::Csv));
    let row = plans.lookup(b"acme").unwrap();
    assert_eq!((row.get(b"plan"), row.get(b"note"), row.get(b"x")), (Some(&b"gold"[..]), Some(&b"a, \"b\""[..]), None));
    assert_eq!(row.to_plain().to_json_text().unwrap(), br#"{"customer":"acme","plan":"gold","note":"a, \"b\""}"#);
    assert_eq!(plans.lookup(b"x y").unwrap().get(b"note"), Some(&b""[..]));
    assert!(plans.lookup(b"acm").is_none() && plans.lookup_address([10, 0, 0, 1].into()).is_none());
    assert!(table(Kind::Csv, "key,value\n").is_empty());
}

#[test]
fn the_narrowest_network_is_found() {
    let places =
        table(Kind::Cidr, "network,place\n10.0.0.0/8,inside\n10.1.0.0/16,lab\n2001:db8::/32,six\n192.0.2.7,one\n");
    for (address, place) in
        [("10.1.2.3", "lab"), ("10.2.3.4", "inside"), ("2001:db8::1", "six"), ("::ffff:192.0.2.7", "one")]
    {
        assert_eq!(places.lookup(address.as_bytes()).unwrap().get(b"place"), Some(place.as_bytes()), "{address}");
    }
    assert!(places.lookup(b"11.0.0.1").is_none() && places.lookup(b"inside").is_none());
    let bare = table(Kind::Cidr, "10.0.0.0/8,inside\n192.0.2.0/24,doc\n");
    assert_eq!(bare.lookup(b"192.0.2.1").unwrap().get(b"2"), Some(&b"doc"[..]));
    let alone = table(Kind::Cidr, "10.0.0.0/8\n");
    assert_eq!(alone.lookup(b"10.0.0.1").unwrap().to_plain().to_json_text().unwrap(), br#"{"1":"10.0.0.0/8"}"#);
}

#[test]
fn values_are_found_by_their_key() {
    let shops = table(Kind::Json, r#"{ "a": { "plan": "gold", "n": 3 }, "b": [1] }"#);
    assert_eq!(shops.lookup(b"a").unwrap().get(b"plan"), Some(&b"gold"[..]));
    assert_eq!(shops.lookup(b"b").unwrap().to_plain(), Plain::List(vec![1.0.into()]));
    assert!(shops.lookup(b"c").is_none() && shops.columns().is_empty());
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (kind, content, line, told) in [
        (Kind::Csv, "", None, "it is empty; the first row names the columns"),
        (Kind::Csv, "a,b\n1,2\n\n3\n", Some(4), "1 cell where the first row has 2"),
        (Kind::Csv, "# c\na,b\n\nx,1\n# c\ny,2\nx,3\n", Some(7), "the key `x` stands in line 4 already"),
        (Kind::Csv, "a,b\n,1\n", Some(2), "the key is empty"),
        (Kind::Csv, "a,a\n", Some(1), "two columns are called `a`"),
        (Kind::Csv, "a,\n", Some(1), "column 2 has no name"),
        (
            Kind::Cidr,
            "n,p\n10.0.0.0/8,a\nlab,b\n",
            Some(3),
            "`lab` is not a network, as in `10.0.0.0/8`, or an IP address",
        ),
        (Kind::Cidr, "n\n10.1.0.0/8\n", Some(2), "`10.1.0.0/8` has bits beyond its prefix; did you mean `10.0.0.0/8`?"),
        (Kind::Cidr, "10.0.0.0/8\n10.0.0.0/8\n", Some(2), "the network `10.0.0.0/8` stands here twice"),
        (Kind::Json, "{\n\"a\": 1,\n}", Some(3), "not JSON: expected a key in quotes"),
        (Kind::Json, "[]", None, "expected one object: `{ \"key\": value, … }`"),
    ] {
        let bad = Table::parse(kind, content.as_bytes()).unwrap_err();
        assert_eq!((bad.line, bad.what.as_str()), (line, told), "{content:?}");
    }
}

#[test]
fn many_rows_and_a_content_of_ones_own() {
    let rows: String = (0..20_000).map(|n| format!("key{n},{n}\n")).collect();
    let many = table(Kind::Csv, &format!("key,value\n{rows}"));
    assert_eq!(many.len(), 20_000);
    assert!((0..20_000).all(|n| {
        let row = many.lookup(format!("key{n}").as_bytes()).unwrap();
        row.get(b"value") == Some(n.to_string().as_bytes())
    }));
    let of = |kind, content: &str| table(kind, content).fingerprint();
    assert_eq!(of(Kind::Csv, "a\nb\n"), of(Kind::Csv, "a\nb\n"));
    assert_ne!(of(Kind::Csv, "a\nb\n"), of(Kind::Csv, "a\nc\n"));
}
