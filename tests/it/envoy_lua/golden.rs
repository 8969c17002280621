//! What Envoy made of the scripts, and we where that differs; and the table in the documentation that is made of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::script::{ABSENT, METHODS, Script};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/envoy/golden.txt");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/envoy-lua.md");

/// Transcripts by name of script and of proxy.
pub struct Golden(BTreeMap<(String, &'static str), String>);

// === impl Golden ===

impl Golden {
    pub fn read() -> Self {
        let text = std::fs::read_to_string(FILE).unwrap_or_default();
        let parts = text.split("\n=== ").skip(1).filter_map(|part| {
            let (title, transcript) = part.split_once('\n')?;
            let (name, who) = title.split_once(": ")?;
            let who = if who == "envoy" { "envoy" } else { "ours" };
            Some(((name.to_owned(), who), format!("{}\n", transcript.trim_end())))
        });
        Self(parts.collect())
    }

    pub fn of_envoy(&self, name: &str) -> &str {
        self.0.get(&(name.to_owned(), "envoy")).map_or("", String::as_str)
    }

    pub fn of_ours(&self, name: &str) -> &str {
        self.0.get(&(name.to_owned(), "ours")).map_or_else(|| self.of_envoy(name), String::as_str)
    }

    pub fn differs(&self, name: &str) -> bool {
        self.0.contains_key(&(name.to_owned(), "ours"))
    }

    /// Writes what was seen; without Envoy at hand, what it did before.
    pub fn record(&mut self, scripts: &[Script], ours: &[String], theirs: Option<&[String]>) {
        let mut text =
            "What Envoy 1.40 made of these scripts, and Gatewright where that differs. Recorded by BLESS=1.\n"
                .to_owned();
        let mut all = BTreeMap::new();
        for (index, script) in scripts.iter().enumerate() {
            let envoy = theirs.map_or_else(|| self.of_envoy(&script.name).to_owned(), |theirs| theirs[index].clone());
            let _ = write!(text, "\n=== {}: envoy\n{envoy}", script.name);
            if ours[index] != envoy {
                let _ = write!(text, "\n=== {}: ours\n{}", script.name, ours[index]);
                all.insert((script.name.clone(), "ours"), ours[index].clone());
            }
            all.insert((script.name.clone(), "envoy"), envoy);
        }
        std::fs::write(FILE, text).expect("the golden file");
        self.0 = all;
    }
}

/// Holds the page's tables against the scripts; `BLESS=1` rewrites them.
pub fn check_documentation(scripts: &[Script]) {
    let golden = Golden::read();
    let written = std::fs::read_to_string(PAGE).expect("docs/envoy-lua.md");
    let mut text = written.clone();
    for (name, table) in [("methods", methods()), ("scripts", agreements(scripts, &golden))] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let from = text.find(&begin).expect("a marker") + begin.len();
        let to = text.find(&end).expect("a marker");
        text.replace_range(from..to, &table);
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(PAGE, &text).expect("docs/envoy-lua.md");
    }
    assert!(
        text == written || std::env::var_os("BLESS").is_some(),
        "docs/envoy-lua.md is not what the scripts say: BLESS=1 cargo test --test it envoy_lua rewrites it"
    );
}

fn methods() -> String {
    let mut text = "\n| object | methods |\n|---|---|\n".to_owned();
    for (object, methods) in METHODS {
        let here: Vec<String> = methods
            .iter()
            .filter(|method| !ABSENT.iter().any(|(absent, _)| absent == *method))
            .map(|method| format!("`{method}`"))
            .collect();
        let _ = writeln!(text, "| {object} | {} |", here.join(", "));
    }
    text.push_str("\n| not here | why |\n|---|---|\n");
    for (method, why) in ABSENT {
        let _ = writeln!(text, "| `{method}` | {why} |");
    }
    text.push('\n');
    text
}

fn agreements(scripts: &[Script], golden: &Golden) -> String {
    let agree: Vec<&Script> = scripts.iter().filter(|script| !golden.differs(&script.name)).collect();
    let names: Vec<String> = agree.iter().map(|script| format!("`{}`", script.name)).collect();
    let mut text = format!(
        "\nOf {} scripts {} show origins and clients the same by either proxy: {}.\n\n| differs | because |\n|---|---|\n",
        scripts.len(),
        agree.len(),
        names.join(", ")
    );
    for script in scripts.iter().filter(|script| golden.differs(&script.name)) {
        let _ = writeln!(text, "| `{}` | {} |", script.name, script.differs.as_deref().unwrap_or("?"));
    }
    text.push('\n');
    text
}
