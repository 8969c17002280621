//! Placeholders: what each says, what is refused, and that no value leaves its place.

use proptest::prelude::*;

use super::*;
use crate::http::head::Head;
use crate::policy::fake::{Fake, secrets};

fn render_for(text: &str, escape: Escape) -> String {
    let mut fake = Fake::get("/a/b?q=1%20/2&e=%zz");
    fake.param("id", "7%2F8");
    fake.set_value("login.plan", "gold".into()).unwrap();
    fake.response = Some(Head::response(404));
    let mut out = Vec::new();
    Template::new(text, &secrets()).unwrap().render_for(escape, &fake, &mut out);
    String::from_utf8(out).unwrap()
}

fn refusal(text: &str) -> Complaint {
    Template::new(text, &secrets()).unwrap_err()
}

#[test]
fn every_placeholder_says_its_thing() {
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("{{}}", "{}"),
        ("{{request.path}}", "{request.path}"),
        ("{client.address}", "192.0.2.7"),
        ("{client.certificate.subject}", "CN=alice,O=a\\,b"),
        ("{client.certificate.names}", "DNS:alice.test"),
        ("{client.certificate.fingerprint}", "00ff"),
        ("{tls.version} {tls.cipher}", "TLSv1.3 TLS_AES_128_GCM_SHA256"),
        ("{tls.server_name}", "shop.example.com"),
        ("{request.id}", "0123456789abcdef0123456789abcdef"),
        ("{request.method}", "GET"),
        ("{request.scheme}", "http"),
        ("{request.host}", "shop.example.com"),
        ("{request.path}", "/a/b"),
        ("{request.query}", "q=1%20/2&e=%zz"),
        ("{request.target}", "/a/b?q=1%20/2&e=%zz"),
        ("{header.X-Name}", "a b\""),
        ("{header.missing}", ""),
        ("{query.q}", "1%20/2"),
        ("{query.missing}", ""),
        ("{path.id}", "7%2F8"),
        ("{path.missing}", ""),
        ("{route.name}", "shop"),
        ("{upstream}", "origin"),
        ("{endpoint}", ""),
        ("{response.status}", "404"),
        ("{value.login.plan}", "gold"),
        ("{value.missing}", ""),
        ("{secret.api-key}", "s3cret"),
        ("<{request.method}{{{route.name}}}>", "<GET{shop}>"),
    ] {
        assert_eq!(render_for(text, Escape::Nothing), expected, "{text}");
    }
}

#[test]
fn values_are_escaped_for_their_place_and_texts_are_not() {
    for (escape, expected) in [
        (Escape::Nothing, "< /> a b\" 1%20/2 %zz /a/b"),
        (Escape::Url, "< /> a%20b%22 1%20/2 %25zz /a/b"),
        (Escape::Path, "< /> a%20b%22 1%20%2F2 %25zz /a/b"),
        (Escape::Html, "< /> a b&quot; 1%20/2 %zz /a/b"),
        (Escape::Json, "< /> a b\\\" 1%20/2 %zz /a/b"),
    ] {
        let text = "< /> {header.x-name} {query.q} {query.e} {request.path}";
        assert_eq!(render_for(text, escape), expected, "{escape:?}");
    }
}

#[test]
fn mistakes_come_with_a_suggestion() {
    for (text, message) in [
        ("{request.pth}", "unknown placeholder `{request.pth}` (did you mean `{request.path}`?)"),
        ("{client.adress}", "did you mean `{client.address}`?"),
        ("{}", "unknown placeholder `{}`"),
        ("{header.}", "not a field name"),
        ("{header.a b}", "not a field name"),
        ("{query.}", "unknown placeholder"),
        ("{secret.api-kye}", "there is no secret `api-kye` (did you mean `api-key`?)"),
        ("{request.path", "never closed"),
        ("a}b", "closes nothing"),
    ] {
        let found = refusal(text);
        assert!(found.message.contains(message), "{text}: {found:?}");
        assert!(!found.help.is_empty());
    }
}

#[test]
fn a_secret_is_never_printed() {
    let template = Template::new("Bearer {secret.api-key}", &secrets()).unwrap();
    assert_eq!(format!("{template:?}"), r#"Template("Bearer {secret.api-key}")"#);
}

#[test]
fn every_listed_placeholder_compiles() {
    for name in PLACEHOLDERS {
        let text = format!("{{{}}}", name.replace("secret.NAME", "secret.api-key"));
        Template::new(&text, &secrets()).unwrap();
    }
}

#[test]
fn what_is_too_early_is_known() {
    let early = |text| Template::new(text, &secrets()).unwrap().too_early();
    assert_eq!(early("{upstream}"), None);
    assert_eq!(early("a {endpoint}"), Some("endpoint"));
    assert_eq!(early("{response.status}"), Some("response.status"));
}

proptest! {
    #[test]
    fn compiling_never_panics(text in "[a-z.{}é\n-]{0,40}") {
        let _ = Template::new(&text, &secrets());
    }

    #[test]
    fn a_text_is_itself_once_its_braces_are_doubled(text in "\\PC{0,40}") {
        let doubled = text.replace('{', "{{").replace('}', "}}");
        prop_assert_eq!(render_for(&doubled, Escape::Nothing), text);
    }

    #[test]
    fn no_value_brings_a_line_end(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut fake = Fake::get("/");
        fake.request.set(&FieldName::new("x-name").unwrap(), &value);
        let template = Template::new("{header.x-name}", &secrets()).unwrap();
        for escape in [Escape::Nothing, Escape::Url, Escape::Path, Escape::Html, Escape::Json] {
            let mut out = Vec::new();
            template.render_for(escape, &fake, &mut out);
            prop_assert!(!out.iter().any(|byte| *byte < 0x20 || *byte == 0x7f));
        }
        let mut out = Vec::new();
        template.render_value(&fake, &mut out);
        prop_assert!(crate::http::name::is_field_value(&out));
    }
}
