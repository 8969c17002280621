//! Which file the configuration is read from.

use std::path::{Path, PathBuf};

/// Where it is looked for when nobody says.
pub const DEFAULTS: [&str; 2] = ["gatewright.yaml", "/etc/gatewright/gatewright.yaml"];

/// The file that was named, or the first default that exists. `None`: there is none.
#[must_use]
pub fn find(named: Option<&Path>) -> Option<PathBuf> {
    find_in(named, &DEFAULTS.map(Path::new))
}

/// What to say when there is none.
#[must_use]
pub fn missing() -> String {
    let [here, there] = DEFAULTS;
    format!("no configuration: neither ./{here} nor {there} exists\n  = help: name one with --config FILE")
}

fn find_in(named: Option<&Path>, defaults: &[&Path]) -> Option<PathBuf> {
    // A named file that is missing is an error of its own, with its name.
    named.or_else(|| defaults.iter().copied().find(|path| path.exists())).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_comes_first_then_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a"), dir.path().join("b"));
        let defaults = [first.as_path(), second.as_path()];
        assert_eq!(find_in(None, &defaults), None);
        std::fs::write(&second, "").unwrap();
        assert_eq!(find_in(None, &defaults), Some(second.clone()));
        std::fs::write(&first, "").unwrap();
        assert_eq!(find_in(None, &defaults), Some(first.clone()));
        assert_eq!(find_in(Some(Path::new("/missing")), &defaults), Some("/missing".into()));
        assert!(missing().contains("gatewright.yaml"));
    }
}
