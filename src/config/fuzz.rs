//! Any bytes at all as a configuration: none may panic, hang, or make a report that cannot be rendered.

use super::catalogue::{Catalogue, Places};
use super::check::check;
use super::diagnostic::Diagnostic;
use super::options::Options;
use super::render::{render_all, render_github, render_json};
use super::scalar::Environment;
use super::source::Sources;

/// One fuzz case; also replayed by tests.
pub fn fuzz_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let environment = Environment::of(|name| (name.len() < 4).then(|| format!("{name}: [{{")));
    let mut sources = Sources::from_text_with("fuzz.yaml", &text, environment);
    let found = match check(&mut sources, &Anything) {
        Ok((_, found)) | Err(found) => found,
    };
    let _ = render_all(&found, &sources, false);
    let _ = render_json(&found, &sources);
    let _ = render_github(&found, &sources);
}

/// Every policy is good, if its options read.
struct Anything;

impl Catalogue for Anything {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["any"]
    }

    fn later(&self, kind: &str) -> bool {
        kind == "later"
    }

    fn check(&self, _: &str, options: &Options) -> Result<Places, Vec<Diagnostic>> {
        let _ = options.fingerprint();
        options.read::<serde_json::Value>().map_err(|diagnostic| vec![diagnostic])?;
        Ok(Places::EVERYWHERE)
    }

    fn option_schemas(&self) -> Vec<(&'static str, serde_json::Value)> {
        Vec::new()
    }
}
