//! Policies of what passes through: answers and redirects of our own, fields.

pub mod answer;
pub mod headers;
pub mod redirect;
