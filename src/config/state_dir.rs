//! Where history is kept, even where the configuration is no good: what was pinned must be found after any mistake.

use std::path::PathBuf;

use super::document::Document;
use super::node::Value;
use super::source::Sources;
use super::yaml;

/// The `state_dir` of sources that need not pass the check. Of a file that is no YAML, its line is read alone.
#[must_use]
pub fn state_dir(sources: &Sources) -> Option<PathBuf> {
    let (document, _) = Document::read(sources);
    if let Some(dir) = &document.state_dir {
        return Some(sources.resolve(&dir.span, &dir.value));
    }
    let broken = sources.files().iter().filter(|file| file.node.is_none());
    broken.flat_map(|file| file.text.lines().map(move |line| (file, line))).find_map(|(file, line)| {
        line.strip_prefix("state_dir:")?;
        let node = yaml::parse(&file.name, line, sources.environment()).ok()?;
        match &node.get("state_dir")?.value.value {
            Value::String(path) => Some(file.folder.join(path)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_whatever_is_wrong() {
        for text in [
            "version: 1\nstate_dir: /var/x\n",
            "version: 1\nstate_dir: /var/x\nroutes: [{ to: nowhere }]\nshoes: 1\n",
            "version: 1\nlisteners: { web\nstate_dir: \"/var/x\"   # history\n",
        ] {
            assert_eq!(state_dir(&Sources::from_text("a.yaml", text)), Some("/var/x".into()), "{text}");
        }
        assert_eq!(state_dir(&Sources::from_text("a.yaml", "version: 1\n")), None);
        assert_eq!(state_dir(&Sources::from_text("a.yaml", "state_dir: [\n")), None);
    }
}
