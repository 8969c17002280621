//! Tokens of the RFCs, and those that must not pass.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};

use super::*;

const HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGF\
                     tcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const HS256_JWK: &[u8] =
    br#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
                     Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj\
                     Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_\
                     eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLI\
                     hWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const RS256_JWK: &[u8] = br#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
                     Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const ES256_JWK: &[u8] = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhij\
                     cNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
const EDDSA_JWK: &[u8] = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const BEFORE: f64 = 1_300_819_000.0;

fn claims(json: &str) -> Plain {
    Plain::from_json_text(json.as_bytes()).unwrap()
}

fn token(header: &str, payload: &str, key: &Key) -> String {
    let part = |text: &str| base64::encode(text.as_bytes(), Alphabet::UrlSafe, false).unwrap();
    let signed = format!("{}.{}", part(header), part(payload));
    let tag = key.mac(Algorithm::Hs256).map(|(secret, _)| aws_lc_rs::hmac::sign(secret, signed.as_bytes())).unwrap();
    format!("{signed}.{}", base64::encode(tag.as_ref(), Alphabet::UrlSafe, false).unwrap())
}

#[test]
fn tokens_of_rfc_7515_and_8037() {
    for (token, jwk) in [(HS256, HS256_JWK), (RS256, RS256_JWK), (ES256, ES256_JWK)] {
        let key = Key::parse(jwk).unwrap();
        let found = verify_at(token.as_bytes(), &key, &Checks::default(), BEFORE).unwrap();
        assert_eq!(found.claims.get(b"iss"), Some(&Plain::from("joe")));
        assert!(verify_at(format!("bearer  {token} ").as_bytes(), &key, &Checks::default(), BEFORE).is_ok());
        assert!(matches!(verify(token.as_bytes(), &key, &Checks::default()), Err(JwtError::Expired(_))));
        let mut damaged = token.as_bytes().to_vec();
        damaged[50] ^= 1;
        assert_eq!(verify_at(&damaged, &key, &Checks::default(), BEFORE), Err(JwtError::Signature));
    }
    // Its payload is no JSON, which is told only once the signature has been found good.
    let key = Key::parse(EDDSA_JWK).unwrap();
    assert_eq!(verify(EDDSA.as_bytes(), &key, &Checks::default()), Err(JwtError::NotJson("payload")));
    let other = EDDSA.replace("Z25pbmc", "Z25pbmd");
    assert_eq!(verify(other.as_bytes(), &key, &Checks::default()), Err(JwtError::Signature));
}

#[test]
fn what_is_signed_is_verified_by_the_public_half() {
    let wanted = claims(r#"{"sub":"42","n":1.5}"#);
    for (kind, algorithm) in [
        (&PKCS_RSA_SHA256, Algorithm::Rs256),
        (&PKCS_ECDSA_P256_SHA256, Algorithm::Es256),
        (&PKCS_ECDSA_P384_SHA384, Algorithm::Es384),
        (&PKCS_ED25519, Algorithm::EdDsa),
    ] {
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let certificate = rcgen::CertificateParams::new(["a.b".into()]).unwrap().self_signed(&pair).unwrap();
        let private = Key::parse(pair.serialize_pem().as_bytes()).unwrap();
        let token = sign(&wanted, &private, None, &Plain::Nil).unwrap();
        assert!(private.algorithms().contains(&algorithm));
        let publics = [pair.public_key_pem().into_bytes(), certificate.pem().into_bytes(), certificate.der().to_vec()];
        for public in publics {
            let public = Key::parse(&public).unwrap();
            let found = verify(token.as_bytes(), &public, &Checks::default()).unwrap();
            assert_eq!(
                (found.claims, found.header.get(b"alg")),
                (wanted.clone(), Some(&Plain::from(algorithm.label())))
            );
            assert!(sign(&wanted, &public, None, &Plain::Nil).is_err(), "a public key cannot sign");
            assert!(sign(&wanted, &public, Some(algorithm), &Plain::Nil).is_err());
            assert!(!public.algorithms().contains(&Algorithm::Hs256));
        }
    }
    let secret = Key::secret(b"a secret that is long enough").unwrap();
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let token = sign(&wanted, &secret, Some(algorithm), &Plain::Nil).unwrap();
        assert_eq!(verify(token.as_bytes(), &secret, &Checks::default()).unwrap().claims, wanted);
        assert!(verify(token.as_bytes(), &Key::secret(b"another").unwrap(), &Checks::default()).is_err());
    }
    assert!(sign(&Plain::Nil, &secret, None, &Plain::Nil).is_err());
    assert_eq!(sign(&wanted, &secret, Some(Algorithm::Rs256), &Plain::Nil), Err(JwtError::CannotSign("RS256")));
}

#[test]
fn algorithms_cannot_be_confused() {
    let pair = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let (pem, der) = (pair.public_key_pem(), rcgen::PublicKeyData::subject_public_key_info(&pair));
    for text in [pem.as_bytes(), &der] {
        let forged = token(r#"{"alg":"HS256"}"#, "{}", &Key::secret(text).unwrap());
        let key = Key::parse(text).unwrap();
        assert_eq!(verify(forged.as_bytes(), &key, &Checks::default()), Err(JwtError::Algorithm("HS256")));
    }
    let key = Key::secret(b"secret").unwrap();
    let refused =
        |header: &str, checks: &Checks| verify(token(header, "{}", &key).as_bytes(), &key, checks).unwrap_err();
    let any = Checks::default();
    assert_eq!(refused(r#"{"alg":"none"}"#, &any), JwtError::Unsigned);
    assert_eq!(refused(r#"{"alg":"nOnE"}"#, &any), JwtError::Unsigned);
    assert_eq!(refused(r#"{"alg":"hs256"}"#, &any), JwtError::UnknownAlgorithm("hs256".into()));
    assert_eq!(refused("{}", &any), JwtError::UnknownAlgorithm(String::new()));
    assert_eq!(refused(r#"{"alg":"RS256"}"#, &any), JwtError::Algorithm("RS256"));
    assert_eq!(refused(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &any), JwtError::Critical);
    let only = Checks { algorithms: vec![Algorithm::Hs512], ..Checks::default() };
    assert_eq!(refused(r#"{"alg":"HS256"}"#, &only), JwtError::Algorithm("HS256"));
    for text in ["", "a", "a.b", "a.b.c.d", "!.!.!", "Bearer "] {
        assert!(verify(text.as_bytes(), &key, &any).is_err(), "{text}");
    }
    assert_eq!(verify(&vec![b'a'; JWT_BYTES_MAX + 1], &key, &any), Err(JwtError::TooLong));
}

#[test]
fn claims_are_checked_when_asked() {
    let key = Key::secret(b"secret").unwrap();
    let checks = Checks {
        audiences: vec![b"shop"[..].into()],
        issuers: vec![b"joe"[..].into()],
        leeway: 10.0,
        expires: true,
        ..Checks::default()
    };
    let told = |payload: &str, now: f64| {
        let token = token(r#"{"alg":"HS256"}"#, payload, &key);
        verify_at(token.as_bytes(), &key, &checks, now).map(|_| ()).map_err(|why| why.to_string())
    };
    let good = r#"{"iss":"joe","aud":["x","shop"],"exp":1000,"nbf":500,"iat":500}"#;
    for (payload, now, said) in [
        (good, 600.0, ""),
        (good, 1009.0, ""),
        (good, 491.0, ""),
        (good, 1010.0, "the token has expired 10 s ago"),
        (good, 400.0, "the token is not valid for another 100 s"),
        (r#"{"iss":"joe","aud":"shop","exp":1000,"iat":500}"#, 400.0, "the token was issued 100 s in the future"),
        (r#"{"iss":"joe","aud":"shop"}"#, 0.0, "the token has no `exp`"),
        (r#"{"iss":"joe","aud":"shop","exp":"1000"}"#, 0.0, "the token's `exp` is not a number"),
        (r#"{"iss":"eve","aud":"shop","exp":1000}"#, 0.0, "the token is from another issuer"),
        (r#"{"iss":"joe","aud":["x"],"exp":1000}"#, 0.0, "the token is for another audience"),
        (r#"{"iss":"joe","exp":1000}"#, 0.0, "the token is for another audience"),
        ("[]", 0.0, "the token's payload is not a JSON object"),
    ] {
        assert_eq!(told(payload, now).err().unwrap_or_default(), said, "{payload} at {now}");
    }
}

#[test]
fn a_set_is_chosen_from_by_name() {
    let (one, two) = (r#""kty":"oct","kid":"one","k":"b25l""#, r#""kty":"oct","kid":"two","alg":"HS256","k":"dHdv""#);
    let rest = r#"{"kty":"EC","crv":"secp256k1","x":"","y":""},{"kty":"RSA","use":"enc","n":"","e":""}"#;
    let set = Key::parse(format!("{{\"keys\":[{{{one}}},{{{two}}},{rest}]}}").as_bytes()).unwrap();
    let second = Key::secret(b"two").unwrap();
    let outcome = |header: &str| verify(token(header, "{}", &second).as_bytes(), &set, &Checks::default()).map(|_| ());
    assert_eq!(outcome(r#"{"alg":"HS256","kid":"two"}"#), Ok(()));
    assert_eq!(outcome(r#"{"alg":"HS256"}"#), Ok(()));
    assert_eq!(outcome(r#"{"alg":"HS256","kid":"one"}"#), Err(JwtError::Signature));
    assert_eq!(outcome(r#"{"alg":"HS256","kid":"six"}"#), Err(JwtError::NoSuchKey("six".into())));
    let token = sign(&claims("{}"), &second, Some(Algorithm::Hs512), &Plain::Nil).unwrap();
    assert!(verify(token.as_bytes(), &set, &Checks::default()).is_err());
}

#[test]
fn what_is_no_key_is_told() {
    let weak = br#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp"}"#;
    for (text, told) in [
        (&b""[..], "the key is empty"),
        (b"-----BEGIN X-----\n-----END X-----\n", "no key or certificate in the PEM text"),
        (b"{}", "not a JWK or a set of them: `kty` is missing"),
        (b"{\"keys\":[]}", "a key of a kind that no token here is signed with (known: RSA, P-256, P-384, Ed25519)"),
        (
            b"{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"YQ\"}",
            "not a JWK or a set of them: `alg` RS256 does not fit `kty`",
        ),
        (
            b"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"YQ\",\"y\":\"YQ\"}",
            "the key is damaged: `x` or `y` has a wrong length",
        ),
        (weak, "an RSA key of 384 bits; at least 2048 are needed"),
    ] {
        assert_eq!(Key::parse(text).unwrap_err().to_string(), told);
    }
}
