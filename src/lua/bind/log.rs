//! `logger.info(…)` and its like (`log` is a hook), and `print`: lines with policy, hook and request id.

use super::super::raw::{Frame, Hosted, Kind, Returned};
use super::super::vm;
use super::{as_text, describe, function, plain_at, text_argument};
use crate::hook::slot;
use crate::limits::{LUA_LOG_LINE_BYTES_MAX, PLAIN_ITEMS_MAX};

/// Puts `logger` and `print` into the globals, which are on top.
pub(super) fn install(frame: &Frame<'_>) {
    function(frame, c"print", print);
    let globals = frame.top();
    frame.push_table(0, 4);
    function(frame, c"debug", |frame: &Frame<'_>| log(frame, tracing::Level::DEBUG));
    function(frame, c"info", |frame: &Frame<'_>| log(frame, tracing::Level::INFO));
    function(frame, c"warn", |frame: &Frame<'_>| log(frame, tracing::Level::WARN));
    function(frame, c"error", |frame: &Frame<'_>| log(frame, tracing::Level::ERROR));
    frame.freeze(frame.top());
    frame.set_field(globals, b"logger");
}

fn log(frame: &Frame<'_>, level: tracing::Level) -> Hosted {
    let message = String::from_utf8_lossy(text_argument(frame, 1, "the message")?).into_owned();
    let fields = match frame.kind(2) {
        Kind::Nil => String::new(),
        _ => plain_at(frame, 2, &mut PLAIN_ITEMS_MAX.clone())?.to_json().to_string(),
    };
    write(level, &message, &fields);
    Ok(Returned::Values(0))
}

fn print(frame: &Frame<'_>) -> Hosted {
    let mut line = String::new();
    for at in 1..=frame.len() {
        if at > 1 {
            line.push('\t');
        }
        match as_text(frame, at) {
            Some(text) => line.push_str(&String::from_utf8_lossy(&text)),
            None if frame.kind(at) == Kind::Null => line.push_str("null"),
            None => line.push_str(describe(frame, at)),
        }
    }
    write(tracing::Level::INFO, &line, "");
    Ok(Returned::Values(0))
}

/// One line, within the call's allowance.
fn write(level: tracing::Level, message: &str, fields: &str) {
    let said = vm::here(|vm| {
        let lines = vm.log_lines.get() + 1;
        vm.log_lines.set(lines);
        let hook = vm.hook.get().map_or("", |hook| hook.name());
        (lines, vm.program.limits.logs, vm.program.policy.clone(), hook)
    });
    let Some((lines, most, policy, hook)) = said else { return };
    if lines > most {
        if lines == most + 1 {
            tracing::warn!(%policy, hook, most, "further lines of this call are not logged (limits.logs)");
        }
        return;
    }
    let id = slot::with(|view| view.request_id().to_owned()).unwrap_or_default();
    let mut end = message.len().min(LUA_LOG_LINE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let message = &message[..end];
    match level {
        tracing::Level::ERROR => tracing::error!(target: "policy", %policy, hook, request = %id, fields, "{message}"),
        tracing::Level::WARN => tracing::warn!(target: "policy", %policy, hook, request = %id, fields, "{message}"),
        tracing::Level::INFO => tracing::info!(target: "policy", %policy, hook, request = %id, fields, "{message}"),
        _ => tracing::debug!(target: "policy", %policy, hook, request = %id, fields, "{message}"),
    }
}
