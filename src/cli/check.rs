//! `gatewright check`: what was found, for people, for programs and for GitHub.

use std::io::{self, Write};

use serde_json::json;

use super::ReportFormat;
use super::exit::Exit;

/// One thing that is wrong, or could be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// `E0107`
    pub code: String,
    /// An error; a warning otherwise.
    pub error: bool,
    pub message: String,
    pub help: Option<String>,
    /// `None`: it is in no file's text.
    pub place: Option<Place>,
    /// As a terminal shows it, with source and caret.
    pub rendered: String,
}

/// Where, counted from 1, in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

/// Prints the findings; `file` is what was checked, `good` what to say of it if nothing is wrong.
pub fn print(
    findings: &[Finding],
    format: ReportFormat,
    file: &str,
    good: &str,
    out: &mut dyn Write,
) -> io::Result<Exit> {
    let errors = findings.iter().filter(|finding| finding.error).count();
    match format {
        ReportFormat::Text => text(findings, file, good, out)?,
        ReportFormat::Json => {
            let list: Vec<_> = findings.iter().map(json).collect();
            let warnings = findings.len() - errors;
            let report = json!({ "file": file, "errors": errors, "warnings": warnings, "findings": list });
            serde_json::to_writer_pretty(&mut *out, &report)?;
            out.write_all(b"\n")?;
        }
        ReportFormat::Github => findings.iter().try_for_each(|finding| github(finding, out))?,
    }
    Ok(if errors == 0 { Exit::Ok } else { Exit::Invalid })
}

/// `2 errors, 1 warning`
#[must_use]
pub fn summary(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.error).count();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{}, {}", counted(errors, "error"), counted(findings.len() - errors, "warning"))
}

fn text(findings: &[Finding], file: &str, good: &str, out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{}\n", finding.rendered.trim_end())?;
    }
    if findings.is_empty() { writeln!(out, "{file}: {good}") } else { writeln!(out, "{file}: {}", summary(findings)) }
}

fn json(finding: &Finding) -> serde_json::Value {
    let place = finding.place.as_ref().map(|place| {
        json!({
            "file": place.file, "line": place.line, "column": place.column,
            "end_line": place.end_line, "end_column": place.end_column,
        })
    });
    json!({
        "code": finding.code, "severity": if finding.error { "error" } else { "warning" },
        "message": finding.message, "help": finding.help, "place": place,
    })
}

/// A workflow command; its values escape their own separators.
fn github(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    write!(out, "::{} ", if finding.error { "error" } else { "warning" })?;
    if let Some(place) = &finding.place {
        write!(out, "file={},line={},endLine={}", property(&place.file), place.line, place.end_line)?;
        write!(out, ",col={},endColumn={},", place.column, place.end_column)?;
    }
    let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    writeln!(out, "title={}::{}", property(&finding.code), data(&format!("{}{help}", finding.message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(findings: &[Finding], format: ReportFormat) -> (Exit, String) {
        let mut out = Vec::new();
        let exit = print(findings, format, "gatewright.yaml", "valid", &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn findings_in_every_format() {
        let error = Finding {
            code: "E0107".into(),
            error: true,
            message: "100% unknown,\nupstream".into(),
            help: Some("did you mean `shop`?".into()),
            place: Some(Place { file: "a,b.yaml".into(), line: 3, column: 5, end_line: 3, end_column: 9 }),
            rendered: "error[E0107]: …\n\n".into(),
        };
        let warning = Finding { code: "W1".into(), rendered: "warning[W1]: …".into(), ..Finding::default() };
        assert_eq!(printed(&[], ReportFormat::Text), (Exit::Ok, "gatewright.yaml: valid\n".into()));
        assert_eq!(printed(std::slice::from_ref(&warning), ReportFormat::Text).0, Exit::Ok);
        let both = [error, warning];
        let (exit, text) = printed(&both, ReportFormat::Text);
        assert_eq!(exit, Exit::Invalid);
        assert_eq!(text, "error[E0107]: …\n\nwarning[W1]: …\n\ngatewright.yaml: 1 error, 1 warning\n");
        let (_, text) = printed(&both, ReportFormat::Json);
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["errors"], 1);
        assert_eq!(read["findings"][0]["place"]["line"], 3);
        let (_, text) = printed(&both, ReportFormat::Github);
        let expected = "::error file=a%2Cb.yaml,line=3,endLine=3,col=5,endColumn=9,title=E0107::100%25 unknown,%0Aupstream\
                        %0Ahelp: did you mean `shop`?\n::warning title=W1::\n";
        assert_eq!(text, expected);
    }
}
