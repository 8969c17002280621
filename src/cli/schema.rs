//! `gatewright schema`: the configuration's JSON Schema, for editors.

use std::io::{self, Write};

use super::exit::Exit;

/// Prints the schema.
pub fn print(schema: &serde_json::Value, out: &mut dyn Write) -> io::Result<Exit> {
    serde_json::to_writer_pretty(&mut *out, schema)?;
    out.write_all(b"\n")?;
    Ok(Exit::Ok)
}
