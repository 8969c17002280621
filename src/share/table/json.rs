//! Tables that are one JSON object.

use crate::library::json::JsonError;
use crate::library::plain::Plain;
use crate::limits::TABLE_ROWS_MAX;

use super::{BadTable, Index, Rows, index, shown};

pub(super) fn object(content: &[u8]) -> Result<(Rows, Index), BadTable> {
    let values = match Plain::from_json_text(content) {
        Ok(Plain::Map(values)) => values,
        Ok(_) => return Err(BadTable::whole("expected one object: `{ \"key\": value, … }`")),
        Err(JsonError::Syntax { what, line, .. }) => {
            return Err(BadTable::at(line as u64, format!("not JSON: {what}")));
        }
        Err(why) => return Err(BadTable::whole(why.to_string())),
    };
    let count = values.len();
    if count > TABLE_ROWS_MAX {
        return Err(BadTable::whole(format!("more than {TABLE_ROWS_MAX} keys")));
    }
    let rows = Rows::Values(values);
    let by = index(&rows, count)
        .map_err(|(_, second)| BadTable::whole(format!("the key `{}` stands twice", shown(rows.key(second)))))?;
    Ok((rows, by))
}
