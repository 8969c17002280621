//! `gatewright new lua NAME`: a policy that works, its test, and what an editor wants to know.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::NewLua;
use super::exit::Exit;

const POLICY: &str = include_str!("new/policy.lua");
const TEST: &str = include_str!("new/policy_test.lua");
/// What luau-lsp and luau-analyze read beside the scripts.
const LUAURC: &str = "{\n\t\"languageMode\": \"strict\"\n}\n";

/// A policy's name: a file's name and a key of the configuration in one.
pub fn name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || !text.chars().all(sound) || text.ends_with("_test") {
        return Err("a name has small letters, digits, - and _, begins with a letter and does not end in _test".into());
    }
    Ok(text.to_owned())
}

/// Writes the files; none that is there already is touched.
pub fn lua(asked: &NewLua, out: &mut dyn Write) -> io::Result<Exit> {
    let (name, folder) = (&asked.name, &asked.dir);
    let shown = folder.display().to_string();
    let filled = |text: &str| text.replace("NAME", name).replace("DIR", &shown);
    let own = [(format!("{name}.lua"), filled(POLICY)), (format!("{name}_test.lua"), filled(TEST))];
    if let Some((taken, _)) = own.iter().find(|(file, _)| folder.join(file).exists()) {
        writeln!(io::stderr(), "error: {} is there already; nothing was written", folder.join(taken).display())?;
        return Ok(Exit::Invalid);
    }
    std::fs::create_dir_all(folder)?;
    let mut told = String::new();
    for (file, text) in own {
        told.push_str(&write_new(&folder.join(file), &text)?);
    }
    // The definitions are ours and follow the program's version; the editor's settings are the author's once they are there.
    let definitions = folder.join("gatewright.d.luau");
    std::fs::write(&definitions, crate::lua::definitions())?;
    told.push_str(&format!("  {}\n", definitions.display()));
    let settings = folder.join(".luaurc");
    if !settings.exists() {
        told.push_str(&write_new(&settings, LUAURC)?);
    }
    write!(out, "wrote\n{told}\n{}", next(name, folder))?;
    Ok(Exit::Ok)
}

fn write_new(path: &Path, text: &str) -> io::Result<String> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())?;
    Ok(format!("  {}\n", path.display()))
}

/// What to do with them.
fn next(name: &str, folder: &Path) -> String {
    let script: PathBuf = folder.join(format!("{name}.lua"));
    format!(
        "\
Test it:

  gatewright test {folder}

Use it, in gatewright.yaml:

  policies:
    {name}: {{ lua: {{ file: {script}, with: {{ keys: {{ s3same: ada }} }} }} }}
  routes:
    - {{ match: {{ path: /* }}, use: [{name}], to: YOUR-UPSTREAM }}

Let luau-lsp know what scripts are given, in the editor's settings:

  \"luau-lsp.types.definitionFiles\": {{ \"@gatewright\": \"{folder}/gatewright.d.luau\" }}
",
        folder = folder.display(),
        script = script.display(),
    )
}
