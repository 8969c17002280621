//! The types of scripts, checked against `definitions`: by an analyser that calls itself experimental, so on a thread of its
//! own, with a limit of time, and a panic of its is a finding like any other. Only commands that authors call ask it; what
//! serves never does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use luau_analysis::{
    DefinitionEnvironment, FileResolver, Frontend, FrontendOptions, ModuleName, NullConfigResolver, SourceCode,
    SourceCodeType,
    diagnostics::{TypeError, TypeErrorData},
};

use super::compile::place;
use super::definitions::definitions;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::plan::{Script, Source};
use crate::hook::Hook;
use crate::hook::table::TABLE;
use crate::limits::{TYPE_CHECK_MS, TYPE_CHECK_STACK_BYTES, TYPE_FINDINGS_MAX};

/// What the definitions file does not say, because editors read modules themselves.
const MODULES: &str = "declare require: (name: string) -> any\n";
/// What a hook returns, where its author has not said.
const RETURNS: &str = ": ...any";
/// Before a text that says nothing of its mode: everything is looked at, and told as a warning.
const STRICT: &str = "--!strict\n";

/// A text as the analyser gets it.
struct Prepared {
    text: String,
    /// It says `--!strict` itself: what is found are errors.
    strict: bool,
    /// Lines that were put before it.
    before: u32,
    /// What was put into it: line, column and length, in order.
    inserted: Vec<(u32, u32, u32)>,
}

/// Something found, in the text as written; lines and columns from 0.
struct Finding {
    begin: (u32, u32),
    end: (u32, u32),
    message: String,
}

/// Texts by name, and whether they are strict of their own.
struct Texts(BTreeMap<ModuleName, (String, bool)>);

/// What is wrong with the types of these scripts: errors where they say `--!strict`, else warnings.
#[must_use]
pub fn check_scripts(scripts: &[Arc<Script>]) -> Vec<Diagnostic> {
    let mut sources: Vec<&Source> = Vec::new();
    // Envoy's are written for other names, and another dialect.
    let ours = scripts.iter().filter(|script| !super::envoy::is_named_in(&script.main.text));
    for source in ours.flat_map(|one| std::iter::once(&one.main).chain(one.modules.iter().map(|(_, one)| one))) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    if sources.is_empty() {
        return Vec::new();
    }
    let prepared: Vec<Prepared> = sources.iter().map(|source| Prepared::new(&source.text)).collect();
    let texts = prepared.iter().map(|one| (one.text.clone(), one.strict)).collect();
    match analysed(texts) {
        Ok(found) => {
            let mut told = Vec::new();
            for ((source, prepared), found) in sources.iter().zip(&prepared).zip(found) {
                told.extend(found.into_iter().map(|finding| prepared.diagnostic(source, finding)));
            }
            told.truncate(TYPE_FINDINGS_MAX);
            told
        }
        Err(why) => vec![Diagnostic::warning("W0306", format!("the types of scripts were not checked: {why}"))],
    }
}

/// Asks the analyser, on a thread that may panic or be left behind.
fn analysed(texts: Vec<(String, bool)>) -> Result<Vec<Vec<Finding>>, String> {
    let (told, answer) = sync_channel(1);
    let body = move || {
        let found = std::panic::catch_unwind(|| analyse(texts));
        let _nobody_waits = told.send(found.unwrap_or_else(|_| Err("the type checker has a fault".to_owned())));
    };
    let thread = std::thread::Builder::new().name("type-check".into()).stack_size(TYPE_CHECK_STACK_BYTES);
    thread.spawn(body).map_err(|error| error.to_string())?;
    match answer.recv_timeout(Duration::from_millis(TYPE_CHECK_MS)) {
        Ok(found) => found,
        Err(RecvTimeoutError::Timeout) => Err(format!("it took longer than {TYPE_CHECK_MS} ms")),
        Err(RecvTimeoutError::Disconnected) => Err("the type checker has ended".to_owned()),
    }
}

fn analyse(texts: Vec<(String, bool)>) -> Result<Vec<Vec<Finding>>, String> {
    let wrong = |error: luau_analysis::AnalysisError| format!("the type checker failed: {error}");
    let names: Vec<ModuleName> = (0..texts.len()).map(|index| ModuleName::from(index.to_string())).collect();
    let texts = Texts(names.iter().cloned().zip(texts).collect());
    let options = FrontendOptions { module_time_limit_sec: Some(TYPE_CHECK_MS as f64 / 1000.0), ..Default::default() };
    let mut frontend = Frontend::new(texts, NullConfigResolver::default(), options);
    frontend.register_builtin_globals(DefinitionEnvironment::Globals).map_err(wrong)?;
    let scope = frontend.global_scope(DefinitionEnvironment::Globals);
    let given = definitions() + MODULES;
    let loaded = frontend.load_definition_file(scope, &given, "@gatewright", false).map_err(wrong)?;
    if !loaded.success {
        let parse = loaded.source_module.parse_errors.first().map(|error| format!(": {error:?}"));
        return Err(format!("our own definitions are wrong{}", parse.unwrap_or_default()));
    }
    let mut found = Vec::new();
    for name in names {
        let errors = frontend.check(&name, None).map_err(wrong)?.errors;
        let model = frontend.semantic_model(&name);
        let strict = frontend.file_resolver().0.get(&name).is_some_and(|(_, strict)| *strict);
        let finding = |error: &TypeError| {
            let message = model.as_ref().map_or_else(String::new, |model| model.error_message(error).to_string());
            let told = error.module_name == name && (strict || is_told(&error.data, &message));
            let (begin, end) = (error.location.begin, error.location.end);
            told.then_some(Finding { begin: (begin.line, begin.column), end: (end.line, end.column), message })
        };
        found.push(errors.iter().filter_map(finding).collect());
    }
    Ok(found)
}

/// Whether something is told of a script that did not ask for strictness: what is wrong for sure, and not what the analyser
/// could only guess because nothing is annotated.
fn is_told(data: &TypeErrorData, message: &str) -> bool {
    use TypeErrorData as E;
    let sure = matches!(
        data,
        E::UnknownSymbol(_)
            | E::UnknownProperty(_)
            | E::UnknownPropButFoundLikeProp(_)
            | E::CountMismatch(_)
            | E::FunctionDoesNotTakeSelf(_)
            | E::FunctionRequiresSelf(_)
            | E::SyntaxError(_)
            | E::TypeMismatch(_)
            | E::PropertyAccessViolation(_)
            | E::CannotCallNonFunction(_)
    );
    sure && !message.contains(" where t1 =")
}

impl FileResolver for Texts {
    fn read_source(&mut self, name: &ModuleName) -> Option<SourceCode> {
        let (text, _) = self.0.get(name)?;
        Some(SourceCode { source: text.as_str().into(), kind: SourceCodeType::Module })
    }
}

/// The types of a hook's parameters.
fn parameters(hook: Hook) -> &'static [&'static str] {
    match hook {
        Hook::Balance => &["Exchange", "Endpoints"],
        Hook::RequestBody | Hook::ResponseBody | Hook::UpstreamResponseBody => &["Exchange", "Chunk"],
        _ => &["Exchange"],
    }
}

// === impl Prepared ===

impl Prepared {
    /// Gives the parameters of hooks their types, where the author has not.
    fn new(text: &str) -> Self {
        let mode =
            |line: &str| ["--!strict", "--!nonstrict", "--!nocheck"].into_iter().find(|mode| line.trim() == *mode);
        let said = text.lines().take_while(|line| line.starts_with("--") || line.trim().is_empty()).find_map(mode);
        let mut out = Self { text: String::new(), strict: said == Some("--!strict"), before: 0, inserted: Vec::new() };
        if said.is_none() {
            out.text.push_str(STRICT);
            out.before = 1;
        }
        for (index, line) in text.split_inclusive('\n').enumerate() {
            out.line(index as u32, line);
        }
        out
    }

    fn line(&mut self, index: u32, line: &str) {
        let hook = line.strip_prefix("function ").and_then(|rest| {
            let (name, _) = rest.split_once('(')?;
            TABLE.iter().find(|row| row.name == name.trim())
        });
        let inside = hook.and_then(|row| Some((row, line.find('(')? + 1, line.find(')')?)));
        let Some((row, open, close)) = inside.filter(|(_, open, close)| open <= close) else {
            return self.text.push_str(line);
        };
        self.text.push_str(&line[..open]);
        let mut at = open;
        for (place, parameter) in line[open..close].split(',').enumerate() {
            at += parameter.len();
            self.text.push_str(parameter);
            let name = parameter.trim();
            if let Some(of) = parameters(row.hook).get(place)
                && !name.is_empty()
                && !name.contains([':', '.'])
            {
                let insert = format!(": {of}");
                self.inserted.push((index, at as u32, insert.len() as u32));
                self.text.push_str(&insert);
            }
            if at < close {
                self.text.push(',');
                at += 1;
            }
        }
        self.text.push(')');
        let rest = &line[close + 1..];
        if !rest.trim_start().starts_with(':') {
            // It may return a verdict here and nothing there.
            self.inserted.push((index, close as u32 + 1, RETURNS.len() as u32));
            self.text.push_str(RETURNS);
        }
        self.text.push_str(rest);
    }

    /// A place of the text as the analyser has it, in the text as written.
    fn back(&self, (line, column): (u32, u32)) -> (u32, u32) {
        let line = line.saturating_sub(self.before);
        let mut column = column;
        for (_, at, length) in self.inserted.iter().filter(|(there, _, _)| *there == line) {
            if column > *at {
                column = column.saturating_sub(*length).max(*at);
            }
        }
        (line, column)
    }

    fn diagnostic(&self, source: &Source, finding: Finding) -> Diagnostic {
        let (code, new): (_, fn(&'static str, String) -> Diagnostic) = match self.strict {
            true => ("E0314", |code, message| Diagnostic::error(code, message)),
            false => ("W0305", |code, message| Diagnostic::warning(code, message)),
        };
        let (first, rest) = finding.message.split_once('\n').unwrap_or((&finding.message, ""));
        let told = new(code, first.to_owned()).at(&self.span(source, &finding), "");
        if rest.trim().is_empty() { told } else { told.note(rest.trim().to_owned()) }
    }

    fn span(&self, source: &Source, finding: &Finding) -> Span {
        let (begin, end) = (self.back(finding.begin), self.back(finding.end));
        let line = place(source, begin.0 as usize + 1);
        if source.span.is_some() {
            return line;
        }
        let starts: Vec<usize> =
            std::iter::once(0).chain(source.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let at = |(line, column): (u32, u32)| {
            let start = starts.get(line as usize).copied().unwrap_or(source.text.len());
            let mut at = (start + column as usize).min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = at(begin);
        // One line of it is enough to see which one is meant.
        let end = if end.0 == begin.0 { at(end) } else { line.end };
        Span::new(&source.name, start, end.max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let main = Source { name: "a.lua".into(), text: text.into(), path: None, span: None };
        let script = Script { policy: "a".into(), main, modules: Vec::new(), span: Span::default() };
        let told = |one: &Diagnostic| {
            let span = one.span().map(|span| text[span.start..span.end].to_owned()).unwrap_or_default();
            format!("{} {} | {span}", one.code, one.message)
        };
        check_scripts(&[Arc::new(script)]).iter().map(told).collect()
    }

    #[test]
    fn the_definitions_hold_and_every_example_fits_them() {
        let mut text = String::new();
        for noun in crate::hook::surface::nouns() {
            for member in noun.members {
                let given = "exchange: Exchange, endpoints: Endpoints, chunk: Chunk, fetched: Fetched";
                text.push_str(&format!("local function _({given})\n\t{}\nend\n", member.example));
            }
        }
        assert_eq!(found(&text), [""; 0]);
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        let text =
            "function request(exchange)\n\tlocal x = exchange.request.heders\n\texchange.request:cookei('a')\nend";
        let warned = found(text);
        assert_eq!(warned.len(), 2, "{warned:#?}");
        assert!(warned[0].starts_with("W0305 ") && warned[0].contains("heders"), "{warned:#?}");
        let strict = found(&format!("--!strict\n{text}"));
        assert!(strict.len() == 2 && strict[1].starts_with("E0314 ") && strict[1].contains("cookei"), "{strict:#?}");
        assert_eq!(found("--!nocheck\nlocal x: string = 1"), [""; 0]);
    }

    #[test]
    fn ordinary_policies_pass() {
        let text = "\
schema = { realm = 'string', most = { type = 'number', default = 3 } }
local seen = {}
function request(exchange)
	local token = exchange.request.headers['authorization']
	if not token then
		return answer(401, { ['www-authenticate'] = `Bearer realm=\"{options.realm}\"` })
	end
	seen[token] = (seen[token] or 0) + 1
	exchange.mine.plan = { name = 'a' }
	exchange.request.headers['x-user'] = token
	exchange.request.headers['x-gone'] = nil
	for name, value in exchange.request.headers do
		logger.info(name .. value, { seen = seen[token] })
	end
	exchange.identity = { subject = token, by = 'login' }
	return nil
end
function balance(exchange, endpoints)
	local one = endpoints:hash(exchange.identity and exchange.identity.subject or exchange.client.address)
	if one.in_flight > 1.25 * endpoints.mean_in_flight then one = endpoints:least_request() end
	return one or endpoints[#endpoints]
end
function response(exchange)
	local response = exchange.response
	if response.status ~= 200 or response.media_type ~= 'text/html' then return end
	response:set_body((string.gsub(response:body(), 'a', 'b')))
end";
        assert_eq!(found(text), [""; 0]);
    }
}
