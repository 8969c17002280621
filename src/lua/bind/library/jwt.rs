//! `jwt`: signed tokens.

use std::rc::Rc;

use super::super::{function, push_plain};
use super::arguments::{self, Named, kind, plain, wanted};
use super::{Keys, give, nothing};
use crate::library::jwt::{self, Algorithm, Checks, JwtError, Key, Verified};
use crate::limits::{JWT_KEYS_KEPT, JWT_LEEWAY_S};
use crate::lua::raw::{Frame, Hosted, Kind, Raise, Returned};
use crate::lua::vm;

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"verify", verify);
    function(frame, c"unverified", |frame: &Frame<'_>| {
        let read = jwt::unverified(token(frame, "jwt.unverified")?);
        given(frame, read)
    });
    function(frame, c"sign", sign);
}

/// A token as a field has it; nil is a token that is missing.
fn token<'a>(frame: &'a Frame<'_>, of: &str) -> Result<&'a [u8], Raise> {
    match kind(frame, 1) {
        Kind::Nil if frame.len() > 0 => Ok(&[]),
        _ => arguments::bytes(frame, 1, of, "a token"),
    }
}

/// Claims and header, or nil and why not.
fn given(frame: &Frame<'_>, read: Result<Verified, JwtError>) -> Hosted {
    match read {
        Ok(Verified { header, claims }) => {
            push_plain(frame, &claims);
            push_plain(frame, &header);
            Ok(Returned::Values(2))
        }
        Err(why) => nothing(frame, why),
    }
}

/// `jwt.verify(token, key, { issuer, audience, leeway, algorithms, expires })`
fn verify(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "jwt.verify";
    let key = key(frame, OF)?;
    let named = Named::read(frame, 3, OF, &["issuer", "audience", "leeway", "algorithms", "expires"])?;
    let checks = Checks {
        algorithms: named.several("algorithms")?.iter().map(|name| algorithm(name, OF)).collect::<Result<_, _>>()?,
        audiences: named.several("audience")?,
        issuers: named.several("issuer")?,
        leeway: named.number("leeway")?.unwrap_or(JWT_LEEWAY_S),
        expires: named.flag("expires")?,
    };
    let read = jwt::verify(token(frame, OF)?, &key, &checks);
    given(frame, read)
}

/// `jwt.sign(claims, key, { algorithm, headers })`
fn sign(frame: &Frame<'_>) -> Hosted {
    const OF: &str = "jwt.sign";
    if kind(frame, 1) != Kind::Table {
        return Err(wanted(frame, 1, OF, "a table of claims"));
    }
    let key = key(frame, OF)?;
    let named = Named::read(frame, 3, OF, &["algorithm", "headers"])?;
    let algorithm = named.bytes("algorithm")?.map(|name| algorithm(&name, OF)).transpose()?;
    let made = jwt::sign(&plain(frame, 1, OF)?, &key, algorithm, &named.plain("headers")?);
    give(frame, made.map_err(|why| Raise(format!("`{OF}`: {why}")))?)
}

fn algorithm(name: &[u8], of: &str) -> Result<Algorithm, Raise> {
    Algorithm::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.iter().map(|known| known.label()).collect();
        let name = String::from_utf8_lossy(name).chars().take(32).collect::<String>();
        Raise(format!("`{of}`: there is no algorithm `{name}`; there are {}", known.join(", ")))
    })
}

/// The second argument, prepared now or before.
fn key(frame: &Frame<'_>, of: &str) -> Result<Rc<Key>, Raise> {
    let text = arguments::key(frame, 2, of, "a key: a secret of the options, or a text (PEM, JWK, or an HMAC secret)")?;
    let kept = |keys: &mut Keys| {
        if let Some(at) = keys.iter().position(|(known, _)| **known == *text) {
            keys[at..].rotate_left(1);
            return Ok(keys.last().map(|(_, key)| key.clone()));
        }
        let key = Rc::new(Key::parse(&text).map_err(|why| Raise(format!("`{of}`: {why}")))?);
        if keys.len() >= JWT_KEYS_KEPT {
            keys.remove(0);
        }
        keys.push((text.as_ref().into(), key.clone()));
        Ok(Some(key))
    };
    let known = vm::here(|vm| kept(&mut vm.kept.keys.borrow_mut()));
    known.transpose()?.flatten().ok_or_else(|| Raise("no policy runs".to_owned()))
}
