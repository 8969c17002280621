//! Read-only tables: loaded when the configuration is checked, looked up here, replaced as a whole when their file changes.
//!
//! A row is found by its key, or by the narrowest network that holds an address. What is wrong in a file is told with its
//! line.

mod csv;
mod json;

use std::hash::BuildHasher;
use std::net::IpAddr;

use hashbrown::HashTable;

use crate::library::hash::fast;
use crate::library::ip::{self, Networks};
use crate::library::plain::Plain;
use crate::limits::TABLE_BYTES_MAX;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Comma-separated: the first row names the columns, the first column is the key.
    Csv,
    /// The same, but the first column is a network or address, and a look-up finds the narrowest that holds an address. A
    /// first row that begins with a network is data: the columns are then called `1`, `2` and so on.
    Cidr,
    /// One object: each key with its value.
    Json,
}

/// A table in memory.
pub struct Table {
    kind: Kind,
    rows: Rows,
    by: Index,
    fingerprint: u64,
}

/// A row that was found.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// Of a `csv` or `cidr` table.
    Cells(Cells<'a>),
    /// Of a `json` table.
    Value(&'a Plain),
}

/// The cells of one row.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    sheet: &'a Sheet,
    row: usize,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadTable {
    /// From 1; none where it is the whole file.
    pub line: Option<u64>,
    pub what: String,
}

enum Rows {
    Sheet(Sheet),
    Values(Vec<(Box<[u8]>, Plain)>),
}

enum Index {
    /// Rows by the hash of their key.
    Keys(HashTable<u32>, foldhash::fast::RandomState),
    Networks(Networks<u32>),
}

/// Rows of cells, one text after the other in one buffer.
#[derive(Debug, Default)]
struct Sheet {
    columns: Vec<Box<[u8]>>,
    text: Vec<u8>,
    /// Where each cell ends, row by row.
    ends: Vec<u32>,
}

// === impl Kind ===

impl Kind {
    pub const ALL: &[Self] = &[Self::Csv, Self::Cidr, Self::Json];

    /// As the configuration calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Cidr => "cidr",
            Self::Json => "json",
        }
    }
}

// === impl Table ===

impl Table {
    /// Reads a file's content.
    pub fn parse(kind: Kind, content: &[u8]) -> Result<Self, BadTable> {
        if content.len() > TABLE_BYTES_MAX {
            return Err(BadTable::whole(format!("it is larger than {TABLE_BYTES_MAX} bytes")));
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let (rows, by) = match kind {
            Kind::Csv => csv::keyed(content)?,
            Kind::Cidr => csv::networks(content)?,
            Kind::Json => json::object(content)?,
        };
        Ok(Self { kind, rows, by, fingerprint: fast(content, kind as u64) })
    }

    /// The row of a key; of a `cidr` table the row of the narrowest network that holds the address, and none if the key
    /// is no address.
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> Option<Row<'_>> {
        match &self.by {
            Index::Keys(index, hasher) => {
                let same = |row: &u32| self.rows.key(*row as usize) == key;
                index.find(hasher.hash_one(key), same).and_then(|row| self.row(*row))
            }
            Index::Networks(_) => self.lookup_address(ip::parse(key).ok()?),
        }
    }

    /// The row of an address; none in a table of another kind.
    #[must_use]
    pub fn lookup_address(&self, address: IpAddr) -> Option<Row<'_>> {
        match &self.by {
            Index::Networks(networks) => networks.find(address).and_then(|(_, row)| self.row(*row)),
            Index::Keys(..) => None,
        }
    }

    fn row(&self, row: u32) -> Option<Row<'_>> {
        let row = row as usize;
        match &self.rows {
            Rows::Sheet(sheet) => Some(Row::Cells(Cells { sheet, row })),
            Rows::Values(values) => values.get(row).map(|(_, value)| Row::Value(value)),
        }
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Sheet(sheet) => sheet.len(),
            Rows::Values(values) => values.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of its columns; none of a `json` table.
    #[must_use]
    pub fn columns(&self) -> &[Box<[u8]>] {
        match &self.rows {
            Rows::Sheet(sheet) => &sheet.columns,
            Rows::Values(_) => &[],
        }
    }

    /// The same for the same content, in every process.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} of {} rows)", self.kind.label(), self.len())
    }
}

// === impl Row ===

impl<'a> Row<'a> {
    /// The row as data of its own: a map by column, or the value.
    #[must_use]
    pub fn to_plain(&self) -> Plain {
        match self {
            Self::Cells(cells) => Plain::Map(cells.iter().map(|(name, cell)| (name.into(), cell.into())).collect()),
            Self::Value(value) => (*value).clone(),
        }
    }

    /// A text under a name: a cell, or a text that stands in an object.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        match self {
            Self::Cells(cells) => cells.get(name),
            Self::Value(value) => value.get(name).and_then(Plain::text),
        }
    }
}

impl<'a> Cells<'a> {
    /// Every column with its cell, the key's too.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (sheet, row) = (self.sheet, self.row);
        sheet.columns.iter().enumerate().map(move |(column, name)| (&**name, sheet.cell(row, column)))
    }

    /// The cell of a column.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        let column = self.sheet.columns.iter().position(|known| **known == *name)?;
        Some(self.sheet.cell(self.row, column))
    }
}

// === impl Rows, Sheet ===

impl Rows {
    fn key(&self, row: usize) -> &[u8] {
        match self {
            Self::Sheet(sheet) => sheet.cell(row, 0),
            Self::Values(values) => values.get(row).map_or(&[], |(key, _)| key),
        }
    }
}

impl Sheet {
    fn len(&self) -> usize {
        self.ends.len() / self.columns.len().max(1)
    }

    fn cell(&self, row: usize, column: usize) -> &[u8] {
        let at = row * self.columns.len() + column;
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let begin = at.checked_sub(1).map_or(0, end);
        self.text.get(begin..end(at)).unwrap_or_default()
    }
}

// === impl BadTable ===

impl BadTable {
    fn at(line: u64, what: impl Into<String>) -> Self {
        Self { line: Some(line), what: what.into() }
    }

    fn whole(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }
}

/// A key as an operator is shown it.
fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(64).collect()
}

/// Rows by the hash of their keys, which must differ; of two that are the same their places come back.
fn index(rows: &Rows, count: usize) -> Result<Index, (usize, usize)> {
    let hasher = foldhash::fast::RandomState::default();
    let mut table: HashTable<u32> = HashTable::with_capacity(count);
    for row in 0..count {
        let key = rows.key(row);
        let hash = hasher.hash_one(key);
        if let Some(first) = table.find(hash, |other| rows.key(*other as usize) == key) {
            return Err((*first as usize, row));
        }
        table.insert_unique(hash, row as u32, |row| hasher.hash_one(rows.key(*row as usize)));
    }
    Ok(Index::Keys(table, hasher))
}

#[cfg(test)]
mod tests;
