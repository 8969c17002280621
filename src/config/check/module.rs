//! A script's texts: the main one, and every module that it and they require.
//!
//! A module is looked for in the folder of the main text, then in the folders of `lib:`, and never outside of them:
//! what a script is made of is seen in the configuration, and no link leads anywhere else.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::codes;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::document::Lua;
use super::super::files::Files;
use super::super::node::Entry;
use super::super::plan::{Script, Source};
use super::super::scan::{Call, calls};
use super::super::spanned::Spanned;
use super::Check;
use crate::limits;

/// Where a module was found; or what was looked at in vain, or led out of its folder.
enum Search {
    Found(PathBuf),
    Missing(Vec<PathBuf>),
    Outside { path: PathBuf, folder: PathBuf },
}

// === impl Check ===

impl Check<'_> {
    /// The texts of a policy, read; `None` where the main one is not there.
    pub(super) fn script(&mut self, name: &Spanned<String>, kind: &Entry, lua: &Lua) -> Option<Script> {
        let (main, folder) = self.main(name, kind, lua)?;
        let mut folders = vec![folder];
        for lib in &lua.lib {
            let path = self.path(lib);
            if self.sources.reading().is_folder(&path) {
                folders.push(path);
            } else {
                let message = format!("`{}` is not a folder", path.display());
                let wrong = Diagnostic::error(codes::UNREADABLE, message).at(&lib.span, "");
                self.report(wrong.help("paths are relative to the file that names them"));
            }
        }
        let modules = self.modules(&main, &folders);
        Some(Script { policy: name.value.as_str().into(), main, modules, span: name.span.clone() })
    }

    /// The main text, and the folder in which its modules are looked for first.
    fn main(&mut self, name: &Spanned<String>, kind: &Entry, lua: &Lua) -> Option<(Source, PathBuf)> {
        match (&lua.file, &lua.inline) {
            (Some(file), None) => {
                let path = self.path(file);
                let source = self.text(&path).map_err(|why| {
                    let message = format!("cannot read the script `{}`: {why}", path.display());
                    let unreadable = Diagnostic::error(codes::UNREADABLE, message).at(&file.span, "");
                    self.report(unreadable.help("paths are relative to the file that names them"));
                });
                Some((source.ok()?, path.parent().map(Path::to_owned).unwrap_or_default()))
            }
            (None, Some(inline)) => {
                if kind.value.get("inline").is_some_and(|entry| entry.value.expanded) {
                    let help = "hand it over in `with`, or write `$${` for `${`";
                    self.bad_value(&inline.span, "a script does not hold values of the environment", help);
                    return None;
                }
                let source = Source {
                    name: format!("{} (inline)", name.value).into(),
                    text: inline.value.as_str().into(),
                    path: None,
                    span: Some(inline.span.clone()),
                };
                Some((source, self.sources.resolve(&inline.span, "")))
            }
            (Some(file), Some(inline)) => {
                let two = format!("the policy `{}` has two scripts", name.value);
                let two = Diagnostic::error(codes::WRONG_SHAPE, two).at(&inline.span, "second").at(&file.span, "first");
                self.report(two.help("keep `file` or `inline`"));
                None
            }
            (None, None) => {
                let none = format!("the policy `{}` has no script", name.value);
                let none = Diagnostic::error(codes::MISSING_KEY, none).at(&kind.key_span, "needs `file` or `inline`");
                self.report(none.help("as in `lua: { file: policies/login.lua }`"));
                None
            }
        }
    }

    /// Reads a script's file, which is watched from now on and can be shown.
    fn text(&mut self, path: &Path) -> Result<Source, String> {
        self.plan.inputs.push(path.to_owned());
        let text: Arc<str> = self.sources.reading().text(path, limits::SCRIPT_BYTES_MAX)?.into();
        let name: Arc<str> = path.display().to_string().into();
        self.texts.push((name.clone(), text.clone()));
        Ok(Source { name, text, path: Some(path.to_owned()), span: None })
    }

    /// Every module that `main` needs, and what those need.
    fn modules(&mut self, main: &Source, folders: &[PathBuf]) -> Vec<(Arc<str>, Source)> {
        let mut modules: Vec<(Arc<str>, Source)> = Vec::new();
        let mut waiting = VecDeque::from([main.clone()]);
        while let Some(source) = waiting.pop_front() {
            for call in calls(&source.text) {
                let wanted = call.name == "require" && !call.of_something;
                if !wanted || modules.iter().any(|(known, _)| **known == *call.text) {
                    continue;
                }
                if modules.len() >= limits::SCRIPT_MODULES_MAX {
                    let message = format!("more than {} modules in one policy", limits::SCRIPT_MODULES_MAX);
                    self.report(Diagnostic::error(codes::TOO_LARGE, message).at(&self.place(&source, &call), ""));
                    return modules;
                }
                if let Some(module) = self.module(&source, &call, folders) {
                    waiting.push_back(module.clone());
                    modules.push((call.text.into(), module));
                }
            }
        }
        modules
    }

    fn module(&mut self, source: &Source, call: &Call<'_>, folders: &[PathBuf]) -> Option<Source> {
        let name = call.text;
        let place = self.place(source, call);
        let wrong = |message: String| Diagnostic::error(codes::UNKNOWN_MODULE, message);
        let Some(file) = file_of(name) else {
            let help = "a module is named by its path below the script's folder or a folder of `lib:`, without its \
                        ending: `require(\"a.b\")` is `a/b.lua`";
            self.report(wrong(format!("`{name}` is not the name of a module")).at(&place, "").help(help));
            return None;
        };
        let found = match search(&file, folders, self.sources.reading()) {
            Search::Found(path) => {
                let read = self.text(&path);
                read.map_err(|why| wrong(format!("cannot read the module `{}`: {why}", path.display())).at(&place, ""))
            }
            Search::Missing(looked) => {
                let message = format!("there is no module `{name}`");
                let paths: Vec<String> = looked.iter().map(|path| format!("`{}`", path.display())).collect();
                // One that is made later mends it.
                self.plan.inputs.extend(looked);
                let missing = wrong(message).at(&place, "").note(format!("looked for {}", paths.join(", ")));
                let ending = name.strip_suffix(".lua").or_else(|| name.strip_suffix(".luau"));
                Err(match ending {
                    Some(stem) => missing.help(format!("write it without its ending: `{stem}`")),
                    None => missing,
                })
            }
            Search::Outside { path, folder } => {
                let message = format!("the module `{name}` is outside of the script's folders");
                let label = format!("`{}` leads out of `{}`", path.display(), shown(&folder).display());
                self.plan.inputs.push(path);
                Err(wrong(message).at(&place, label).help("name the folder in which it is under `lib:`"))
            }
        };
        found.map_err(|wrong| self.report(wrong)).ok()
    }

    /// Where a call's text stands: in the script's file; of a script in the YAML in that, if it stands there as it reads.
    fn place(&self, source: &Source, call: &Call<'_>) -> Span {
        let Some(inline) = &source.span else { return Span::new(&source.name, call.start, call.end) };
        let written = source.text.get(call.start..call.end).unwrap_or_default();
        let before = source.text.get(..call.start).unwrap_or_default().matches(written).count();
        let file = self.sources.find(&inline.file).map_or("", |file| file.text.as_str());
        let yaml = file.get(inline.start..inline.end).unwrap_or_default();
        match yaml.match_indices(written).nth(before) {
            Some((at, _)) => Span::new(&inline.file, inline.start + at, inline.start + at + written.len()),
            None => inline.clone(),
        }
    }
}

/// The path that a module's name stands for, without its ending; `None` where it is no name, or leads anywhere else.
fn file_of(name: &str) -> Option<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let parts: Vec<&str> = name.split(['.', '/']).collect();
    parts.iter().all(|part| !part.is_empty() && part.bytes().all(plain)).then(|| parts.iter().collect())
}

fn search(file: &Path, folders: &[PathBuf], files: &Files) -> Search {
    let mut looked = Vec::new();
    for folder in folders {
        let path = folder.join(file);
        let (lua, luau, init) = (path.with_extension("lua"), path.with_extension("luau"), path.join("init.lua"));
        for path in [lua, luau, init] {
            if files.is_file(&path) {
                let below = files.is_below(&path, folder);
                return if below { Search::Found(path) } else { Search::Outside { path, folder: folder.clone() } };
            }
            looked.push(path);
        }
    }
    Search::Missing(looked)
}

/// A folder as it is told: the working directory's path is empty.
fn shown(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_folder() {
        for (name, file) in [("a", "a"), ("a.b", "a/b"), ("a/b-c.d_1", "a/b-c/d_1")] {
            assert_eq!(file_of(name), Some(file.into()), "{name}");
        }
        for name in ["", ".", "..", "../a", "a/../b", "/a", "./a", "a//b", "a.", "@self/a", "a\\b", "a b", "é", "a\0"]
        {
            assert_eq!(file_of(name), None, "{name}");
        }
    }
}
