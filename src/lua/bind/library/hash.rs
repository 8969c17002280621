//! `hash`, `hmac` and `equal`.

use super::super::function;
use super::arguments::{bytes, key, whole};
use super::{give, give_number};
use crate::library::hash::{self, Digest};
use crate::library::{equal as same, hmac};
use crate::lua::raw::{Frame, Hosted, Raise, Returned};

pub(super) fn fill(frame: &Frame<'_>) {
    function(frame, c"md5", |frame: &Frame<'_>| digest(frame, "hash.md5", Digest::Md5));
    function(frame, c"sha1", |frame: &Frame<'_>| digest(frame, "hash.sha1", Digest::Sha1));
    function(frame, c"sha256", |frame: &Frame<'_>| digest(frame, "hash.sha256", Digest::Sha256));
    function(frame, c"sha384", |frame: &Frame<'_>| digest(frame, "hash.sha384", Digest::Sha384));
    function(frame, c"sha512", |frame: &Frame<'_>| digest(frame, "hash.sha512", Digest::Sha512));
    function(frame, c"crc32", |frame: &Frame<'_>| {
        give_number(frame, f64::from(hash::crc32(bytes(frame, 1, "hash.crc32", "a text")?)))
    });
    function(frame, c"fast", |frame: &Frame<'_>| {
        let text = bytes(frame, 1, "hash.fast", "a text")?;
        // As many bits as a number holds exactly.
        give_number(frame, (hash::fast(text, seed(frame, "hash.fast")?) >> 11) as f64)
    });
    function(frame, c"share", |frame: &Frame<'_>| {
        let text = bytes(frame, 1, "hash.share", "a text")?;
        give_number(frame, hash::share(text, seed(frame, "hash.share")?))
    });
}

fn digest(frame: &Frame<'_>, of: &str, digest: Digest) -> Hosted {
    give(frame, digest.of(bytes(frame, 1, of, "a text")?))
}

fn seed(frame: &Frame<'_>, of: &str) -> Result<u64, Raise> {
    Ok(whole(frame, 2, of, "a whole number as seed", 0.0)?.map_or(0, |seed| seed as u64))
}

pub(super) fn fill_hmac(frame: &Frame<'_>) {
    function(frame, c"sha1", |frame: &Frame<'_>| sign(frame, "hmac.sha1", Digest::Sha1));
    function(frame, c"sha256", |frame: &Frame<'_>| sign(frame, "hmac.sha256", Digest::Sha256));
    function(frame, c"sha384", |frame: &Frame<'_>| sign(frame, "hmac.sha384", Digest::Sha384));
    function(frame, c"sha512", |frame: &Frame<'_>| sign(frame, "hmac.sha512", Digest::Sha512));
}

/// `hmac.sha256(key, text)`
fn sign(frame: &Frame<'_>, of: &str, digest: Digest) -> Hosted {
    let key = key(frame, 1, of, "a key: a text or a secret")?;
    let tag = hmac::sign(digest, &key, bytes(frame, 2, of, "a text after the key")?);
    give(frame, tag.map_err(|why| Raise(why.to_string()))?)
}

/// `equal(one, other)`
pub(super) fn equal(frame: &Frame<'_>) -> Hosted {
    let (one, other) =
        (key(frame, 1, "equal", "two texts or secrets")?, key(frame, 2, "equal", "two texts or secrets")?);
    frame.push_bool(same::equal(&one, &other));
    Ok(Returned::Values(1))
}
