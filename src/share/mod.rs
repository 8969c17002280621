//! What all workers share: counts and dictionaries, which no reload replaces, and tables, which are only read.

pub mod addresses;
pub mod dictionary;
pub mod table;
