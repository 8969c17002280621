//! Plain data that follows an exchange: values and the identity, the same for policies of every kind.

pub use crate::library::plain::Plain;

/// Who a client has proved to be; set by policies that check it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    pub subject: String,
    /// The policy that says so.
    pub by: String,
    pub scopes: Vec<String>,
    pub claims: Plain,
}
