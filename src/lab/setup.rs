//! What a test has set up before its first request, as a configuration.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::ask::{get, text};
use crate::hook::Plain;

/// A configuration to be opened.
pub(super) struct Setup {
    /// The main file, on the disk or not.
    pub(super) main: PathBuf,
    /// `None`: it is on the disk.
    pub(super) text: Option<String>,
    pub(super) secrets: Vec<(String, Vec<u8>)>,
    /// Files beside it that are not on the disk.
    pub(super) files: Vec<(String, String)>,
}

/// Hooks that speak at an upstream, and at a route only where another speaks too.
const OF_UPSTREAMS: &[&str] =
    &["balance", "upstream_request", "upstream_failure", "upstream_response", "upstream_response_body"];

// === impl Setup ===

impl Setup {
    /// Reads what the prelude has gathered. `policy`: the script beside the test.
    pub(super) fn read(asked: &Plain, policy: &Path) -> Result<Self, String> {
        let folder = policy.parent().unwrap_or(Path::new(""));
        let (secrets, mut files) = (texts(get(asked, "secrets")), Vec::new());
        let secrets: Vec<_> = secrets.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let mut tables = Map::new();
        if let Some(Plain::Map(entries)) = get(asked, "tables") {
            for (name, table) in entries {
                let name = String::from_utf8_lossy(name).into_owned();
                let file = format!("{name}.table");
                files.push((file.clone(), text(table, "text").unwrap_or_default()));
                tables.insert(name, json!({ "file": file, "kind": text(table, "kind") }));
            }
        }
        let (main, text) = match (text(asked, "config_file"), text(asked, "config")) {
            (Some(file), _) => (folder.join(file), None),
            (None, Some(text)) => (folder.join("(the test's configuration)"), Some(text)),
            (None, None) => {
                let text = usual(asked, policy, &secrets, tables)?;
                (folder.join("(the configuration around the policy)"), Some(text))
            }
        };
        Ok(Self { main, text, secrets, files })
    }

    pub(super) fn folder(&self) -> &Path {
        self.main.parent().unwrap_or(Path::new(""))
    }
}

/// One listener, one route with the policy, one upstream; and what the test has added.
fn usual(
    asked: &Plain,
    policy: &Path,
    secrets: &[(String, Vec<u8>)],
    tables: Map<String, Value>,
) -> Result<String, String> {
    let script = std::fs::read_to_string(policy).map_err(|why| format!("{}: {why}", policy.display()))?;
    let defines = |name: &str| script.lines().any(|line| line.starts_with(&format!("function {name}(")));
    let name = policy.file_stem().unwrap_or_default().to_string_lossy().replace('.', "-");
    let file = policy.file_name().unwrap_or_default().to_string_lossy();
    let mut lua = json!({ "file": file });
    if let Some(with @ Plain::Map(_)) = get(asked, "options") {
        lua["with"] = with.to_json();
    }
    let mut own = json!({ "lua": lua });
    if let Some(grants @ Plain::Map(_)) = get(asked, "grants") {
        own["may"] = grants.to_json();
    }
    // The lab's thread does little else than to run the policy.
    own["limits"] = json!({ "share": "100%" });
    if let Some(limits @ Plain::Map(_)) = get(asked, "limits")
        && let (Value::Object(limits), Value::Object(all)) = (limits.to_json(), &mut own["limits"])
    {
        all.extend(limits);
    }
    let mut names = vec!["origin".to_owned()];
    if let Some(Plain::List(more)) = get(asked, "upstreams") {
        let more = more.iter().filter_map(Plain::text).map(|name| String::from_utf8_lossy(name).into_owned());
        names.extend(more.filter(|name| name != "origin"));
    }
    let at_upstream = OF_UPSTREAMS.iter().any(|hook| defines(hook));
    let at_route = !at_upstream
        || crate::hook::table::TABLE.iter().any(|row| defines(row.name) && !OF_UPSTREAMS.contains(&row.name));
    let mut upstreams = Map::new();
    for upstream in &names {
        let mut written = json!({ "endpoints": [format!("{upstream}-1:80"), format!("{upstream}-2:80")] });
        if at_upstream && upstream == "origin" {
            written["use"] = json!([name]);
        }
        upstreams.insert(upstream.clone(), written);
    }
    let mut whole = json!({
        "version": 1,
        "listeners": { "web": { "bind": 8080 } },
        "upstreams": upstreams,
        "policies": { name.clone(): own },
        "routes": [{ "name": "all", "match": { "path": "/*" }, "to": "origin" }],
    });
    if at_route {
        whole["routes"][0]["use"] = json!([name]);
    }
    if !secrets.is_empty() {
        let entry = |(name, _): &(String, Vec<u8>)| (name.clone(), json!({ "env": format!("LAB_SECRET_{name}") }));
        whole["secrets"] = Value::Object(secrets.iter().map(entry).collect());
    }
    if let Some(Plain::List(names)) = get(asked, "dictionaries") {
        let names = names.iter().filter_map(Plain::text).map(|name| String::from_utf8_lossy(name).into_owned());
        whole["dictionaries"] = Value::Object(names.map(|name| (name, json!({}))).collect());
    }
    if !tables.is_empty() {
        whole["tables"] = Value::Object(tables);
    }
    serde_json::to_string_pretty(&whole).map_err(|why| why.to_string())
}

fn texts(map: Option<&Plain>) -> Vec<(String, String)> {
    let Some(Plain::Map(entries)) = map else { return Vec::new() };
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    entries.iter().filter_map(|(name, value)| Some((read(name), read(value.text()?)))).collect()
}
