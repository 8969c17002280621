//! Comma-separated tables (RFC 4180; lines that begin with `#` are comments), keyed by text or by network.

use std::collections::HashSet;

use crate::library::ip::{self, Networks};
use crate::limits::{TABLE_COLUMNS_MAX, TABLE_ROWS_MAX};

use super::{BadTable, Index, Rows, Sheet, index, shown};

pub(super) fn keyed(content: &[u8]) -> Result<(Rows, Index), BadTable> {
    let (sheet, lines) = read(content, |_| false)?;
    let count = sheet.len();
    for (row, line) in lines.iter().enumerate() {
        if sheet.cell(row, 0).is_empty() {
            return Err(BadTable::at(*line, "the key is empty"));
        }
    }
    let rows = Rows::Sheet(sheet);
    let by = index(&rows, count).map_err(|(first, second)| {
        let what = format!("the key `{}` stands in line {} already", shown(rows.key(second)), lines[first]);
        BadTable::at(lines[second], what)
    })?;
    Ok((rows, by))
}

pub(super) fn networks(content: &[u8]) -> Result<(Rows, Index), BadTable> {
    let (sheet, lines) = read(content, |cell| ip::parse_network(cell).is_ok())?;
    let mut networks = Vec::with_capacity(lines.len());
    let mut known = HashSet::with_capacity(lines.len());
    for (row, line) in lines.iter().enumerate() {
        let network = ip::parse_network(sheet.cell(row, 0)).map_err(|why| BadTable::at(*line, why.to_string()))?;
        if !known.insert(network) {
            return Err(BadTable::at(*line, format!("the network `{network}` stands here twice")));
        }
        networks.push((network, row as u32));
    }
    Ok((Rows::Sheet(sheet), Index::Networks(Networks::new(networks))))
}

/// The cells, and the line of each row. `is_data`: whether a first row that begins so is no heading.
fn read(content: &[u8], is_data: impl FnOnce(&[u8]) -> bool) -> Result<(Sheet, Vec<u64>), BadTable> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(content);
    let (mut sheet, mut lines, mut record) = (Sheet::default(), Vec::new(), csv::ByteRecord::new());
    let mut is_data = Some(is_data);
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(why) => return Err(BadTable::whole(why.to_string())),
        }
        let line = record.position().map_or(0, |position| line_of(content, position));
        if let Some(is_data) = is_data.take() {
            let data = is_data(record.get(0).unwrap_or_default());
            sheet.columns = heading(&record, line, data)?;
            if !data {
                continue;
            }
        }
        if record.len() != sheet.columns.len() {
            let what = format!("{} where the first row has {}", cells(record.len()), sheet.columns.len());
            return Err(BadTable::at(line, what));
        }
        if lines.len() == TABLE_ROWS_MAX {
            return Err(BadTable::at(line, format!("more than {TABLE_ROWS_MAX} rows")));
        }
        lines.push(line);
        for cell in &record {
            sheet.text.extend_from_slice(cell);
            // A file has at most 64 MiB.
            sheet.ends.push(sheet.text.len() as u32);
        }
    }
    if sheet.columns.is_empty() {
        return Err(BadTable::whole("it is empty; the first row names the columns"));
    }
    Ok((sheet, lines))
}

/// The line of a row: its position is where reading it began, before empty lines and comments.
fn line_of(content: &[u8], position: &csv::Position) -> u64 {
    let (mut line, begun) = (position.line(), usize::try_from(position.byte()).unwrap_or(usize::MAX));
    for skipped in content.get(begun..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
        if !matches!(skipped, [b'\n'] | [b'\r', b'\n'] | [b'#', ..]) {
            break;
        }
        line += 1;
    }
    line
}

fn heading(record: &csv::ByteRecord, line: u64, data: bool) -> Result<Vec<Box<[u8]>>, BadTable> {
    if record.len() > TABLE_COLUMNS_MAX {
        return Err(BadTable::at(line, format!("more than {TABLE_COLUMNS_MAX} columns")));
    }
    if data {
        return Ok((1..=record.len()).map(|number| number.to_string().into_bytes().into()).collect());
    }
    let mut columns: Vec<Box<[u8]>> = Vec::new();
    for name in record {
        if name.is_empty() {
            return Err(BadTable::at(line, format!("column {} has no name", columns.len() + 1)));
        }
        if columns.iter().any(|known| **known == *name) {
            return Err(BadTable::at(line, format!("two columns are called `{}`", shown(name))));
        }
        columns.push(name.into());
    }
    Ok(columns)
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".into() } else { format!("{count} cells") }
}
