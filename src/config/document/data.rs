//! `dictionaries:` and `tables:` as written: what policies keep, and what they look up.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;
use crate::config::units::Size;

/// A dictionary, shared by workers and policies; it outlives reloads.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DictionaryTable {
    /// Bytes that its entries may take; the longest unused go when more come. A reload that changes it keeps what fits.
    /// At least 64KiB. Default: 16MiB.
    pub size: Option<Spanned<Size>>,
}

/// A table: read-only data in a file, loaded with the configuration and swapped as a whole when the file changes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableFile {
    /// At most 64 MiB and a million rows.
    pub file: Spanned<String>,
    /// How it is read. `csv`: the first row names the columns, the first column is the key; lines with `#` are comments.
    /// `cidr`: the same with networks or addresses in the first column, and the narrowest that holds an address is found.
    /// `json`: one object, each key with its value.
    pub kind: TableKind,
}

/// How a table's file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum TableKind {
    /// Comma-separated: the first row names the columns, the first column is the key. Lines with `#` are comments.
    Csv,
    /// The same with networks or addresses in the first column: the narrowest that holds an address is found. Without a
    /// first row of names the columns are called `1`, `2` and so on.
    Cidr,
    /// One object: each key with its value.
    Json,
}
