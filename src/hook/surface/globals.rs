//! What stands in every script without being fetched from anywhere.

use super::{Member, Noun};

pub(super) const NOUNS: &[&Noun] = &[&VERDICTS, &LOG, &SECRET];

static VERDICTS: Noun = Noun {
    name: "Globals",
    at: "",
    about: "What a hook may return; nothing at all lets the next policy speak.",
    members: &[
        Member::function(
            "answer",
            "(status: number, headers: { [string]: string | { string } }?, body: string?)",
            "Verdict",
        )
        .about(
            "Answers now. Without a body an error gets its failure page. Also `answer { status, headers, body, why }`, \
                 where `why` goes to the log alone.",
            "local _ = answer(403)",
        ),
        Member::function("redirect", "(to: string, status: number?)", "Verdict")
            .about("Sends the client elsewhere; 302 unless told.", "local _ = redirect('/elsewhere')"),
        Member::function("retry", "()", "Verdict").about(
            "At `upstream_failure` and `upstream_response`: tries again, if attempts are left and repeating is safe.",
            "local _ = retry()",
        ),
        Member::function("fail", "()", "Verdict")
            .about("At `upstream_failure`: does not try again.", "local _ = fail()"),
        Member::function("allow", "()", "Verdict")
            .about("At `connection` and `client_hello`: lets the client in.", "local _ = allow()"),
        Member::function("close", "()", "Verdict")
            .about("At `connection` and `client_hello`: closes the connection.", "local _ = close()"),
        Member::function("fetch", "(upstream: string, request: FetchRequest?)", "(Fetched?, string?)").waits().about(
            "As `exchange:fetch`, also where there is no exchange: in `load` and timers.",
            "local _ = fetch('origin')",
        ),
        Member::function("fetch_all", "(requests: { FetchRequest })", "{ Fetched | false }")
            .waits()
            .about("As `exchange:fetch_all`.", "local _ = fetch_all({ { upstream = 'origin' } })"),
        Member::function("sleep", "(seconds: number)", "()").waits().about("Waits; other exchanges go on.", "sleep(0)"),
        Member::function("every", "(seconds: number, run: () -> (), options: { once: string? }?)", "()").about(
            "At the top level or in `load`: runs a function again and again, a little late at random, never twice at once. On \
             the first worker alone, unless `once = \"worker\"`.",
            "local _ = every",
        ),
        Member::function("spawn", "(run: () -> ())", "()")
            .about("Runs a function after this call, without the exchange.", "spawn(function() end)"),
        Member::function("equal", "(one: string | Secret, other: string | Secret)", "boolean").about(
            "Whether both are the same, in a time that tells nothing but their lengths: for tags, keys and passwords.",
            "local _ = equal(options.key or 'a', 'b')",
        ),
        Member::function("uuid", "()", "string").about("As `random.uuid`.", "local _ = uuid()"),
        Member::function("print", "(...any)", "()")
            .about("A line in the log at `info`, with policy, hook and request id.", "print('here')"),
    ],
};

static LOG: Noun = Noun {
    name: "logger",
    at: "logger",
    about: "Lines in the log, with policy, hook and request id; a table becomes fields.",
    members: &[
        Member::function("debug", "(message: string, fields: { [string]: any }?)", "()")
            .about("A line at `debug`.", "logger.debug('here', { of = 'this' })"),
        Member::function("info", "(message: string, fields: { [string]: any }?)", "()")
            .about("A line at `info`.", "logger.info('here', { of = 'this' })"),
        Member::function("warn", "(message: string, fields: { [string]: any }?)", "()")
            .about("A line at `warn`.", "logger.warn('here', { of = 'this' })"),
        Member::function("error", "(message: string, fields: { [string]: any }?)", "()")
            .about("A line at `error`.", "logger.error('here', { of = 'this' })"),
    ],
};

static SECRET: Noun = Noun {
    name: "Secret",
    at: "secret",
    about: "A secret of the options: it can be assigned to a field of the request and handed to functions that take a key. \
            Printing shows its name; joining it to a text is an error.",
    members: &[Member::method("prefixed", "(prefix: string)", "Secret").about(
        "The same with a text before it, for a field: `options.key:prefixed(\"Bearer \")`.",
        "local _ = options.key and options.key:prefixed('Bearer ')",
    )],
};
