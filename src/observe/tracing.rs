//! Our own events, to standard error: for people by default, as JSON lines on request.

use std::fmt;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::stamp::Stamp;
use crate::clock;

/// The environment variable whose filter replaces the level, like `warn,gatewright::control=debug`.
pub const VARIABLE: &str = "GATEWRIGHT_LOG";

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Why events cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum BadSetting {
    /// The filter cannot be read.
    #[error("{VARIABLE}: {0}")]
    Filter(String),
    /// This was called before.
    #[error("events are being recorded already")]
    Twice,
}

struct Utc;

/// Records events of the process from here on. `level` (`info`) is for our own events; those of libraries are shown
/// from `warn` on.
pub fn install(format: Format, level: &str) -> Result<(), BadSetting> {
    let filter = match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text),
        _ => EnvFilter::try_new(format!("warn,gatewright={level}")),
    };
    let filter = filter.map_err(|why| BadSetting::Filter(why.to_string()))?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_timer(Utc).with_writer(std::io::stderr);
    let done = match format {
        Format::Human => events.with_ansi(colour).with_target(false).try_init(),
        Format::Json => events.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    done.map_err(|_| BadSetting::Twice)
}

// === impl Utc ===

impl FormatTime for Utc {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        Stamp::new().rfc3339(clock::wall(), &mut text);
        out.write_str(&String::from_utf8_lossy(&text))
    }
}
