//! Request targets: the four forms of RFC 9112 section 3.2, and one stated normalisation that routes and origin see alike.

/// How a path is normalised before the route table sees it; the origin is sent the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalise {
    /// Resolve `.` and `..` segments (RFC 3986 section 5.2.4).
    pub dot_segments: bool,
    /// Decode percent-encoded unreserved characters (RFC 3986 section 6.2.2.2) and write the other escapes in upper case.
    pub unreserved: bool,
    /// Collapse `//` to `/`.
    pub merge_slashes: bool,
    /// What becomes of `%2F`.
    pub encoded_slash: EncodedSlash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodedSlash {
    /// It stays `%2F`: a character of its segment, never a separator.
    Keep,
    /// 400.
    Refuse,
}

impl Default for Normalise {
    fn default() -> Self {
        Self { dot_segments: true, unreserved: true, merge_slashes: false, encoded_slash: EncodedSlash::Keep }
    }
}
