//! How TLS handshakes with clients end: the words of the log and the labels of the metrics.

use std::fmt;

use crate::tls::SUITES;

/// A handshake that succeeded, as the metrics tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shaken {
    /// The suite's place in [`SUITES`].
    pub suite: usize,
    pub resumed: bool,
}

macro_rules! unshaken {
    ($($name:ident = $label:literal, $text:literal;)+) => {
        /// Why a handshake failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Unshaken { $(#[doc = $text] $name,)+ }

        impl Unshaken {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The label of the metric.
            #[must_use]
            pub const fn label(self) -> &'static str { match self { $(Self::$name => $label,)+ } }

            const fn text(self) -> &'static str { match self { $(Self::$name => $text,)+ } }
        }
    };
}

unshaken! {
    Timeout = "timeout", "it did not finish in time";
    Closed = "closed", "the client went away";
    NotTls = "not_tls", "the client does not speak TLS (plain HTTP?)";
    Malformed = "malformed", "a message was malformed";
    Incompatible = "incompatible", "no version, suite, protocol or certificate that both can use";
    NoCertificate = "no_certificate", "the client showed no certificate";
    BadCertificate = "bad_certificate", "the client's certificate could not be verified";
    RefusedByClient = "refused_by_client", "the client refused, perhaps our certificate";
    RefusedByPolicy = "refused_by_policy", "a policy refused the client";
}

/// Series of [`Shaken`] for one listener.
pub(super) const SHAKEN: usize = SUITES.len() * 2;

// === impl Shaken ===

impl Shaken {
    pub(super) fn index(self) -> usize {
        self.suite * 2 + usize::from(self.resumed)
    }
}

impl fmt::Display for Unshaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
