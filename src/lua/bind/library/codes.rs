//! `base64` and `hex`.

use super::super::function;
use super::arguments::bytes;
use super::{give, give_or_nothing};
use crate::library::base64::{self, Alphabet};
use crate::library::hex;
use crate::lua::raw::{Frame, Hosted, Raise};

pub(super) fn fill_base64(frame: &Frame<'_>) {
    function(frame, c"encode", |frame: &Frame<'_>| encode(frame, "base64.encode", Alphabet::Standard, true));
    function(frame, c"encode_url", |frame: &Frame<'_>| encode(frame, "base64.encode_url", Alphabet::UrlSafe, false));
    function(frame, c"decode", |frame: &Frame<'_>| {
        give_or_nothing(frame, base64::decode(bytes(frame, 1, "base64.decode", "a text")?, None))
    });
}

fn encode(frame: &Frame<'_>, of: &str, alphabet: Alphabet, padded: bool) -> Hosted {
    let made = base64::encode(bytes(frame, 1, of, "a text")?, alphabet, padded);
    give(frame, made.map_err(|why| Raise(format!("`{of}`: {why}")))?)
}

pub(super) fn fill_hex(frame: &Frame<'_>) {
    function(frame, c"encode", |frame: &Frame<'_>| give(frame, hex::encode(bytes(frame, 1, "hex.encode", "a text")?)));
    function(frame, c"decode", |frame: &Frame<'_>| {
        give_or_nothing(frame, hex::decode(bytes(frame, 1, "hex.decode", "a text")?))
    });
}
