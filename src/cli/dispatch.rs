//! From the command line to the command.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::{
    Cert, CertCommand, Cli, Command, Explain, New, NewKind, cert, check, config_file, explain, new, proxy, schema,
    serve, steer, test,
};
use crate::control::Source;
use crate::http::head::Head;
use crate::http::name::FieldName;
use crate::policy::catalogue::BuiltIns;
use crate::snapshot::Snapshot;

/// Does what the command line says.
#[must_use]
pub fn run(cli: Cli) -> Exit {
    if let Err(error) = crate::observe::tracing::install(cli.log_format.into(), "info") {
        complain(&error.to_string());
        return Exit::Usage;
    }
    let mut out = io::stdout().lock();
    let done = match cli.command {
        None => {
            drop(out);
            return match config_file::find(None) {
                Some(file) => serve::serve(serve::file(file), None, None, None),
                None => serve::demo(),
            };
        }
        Some(Command::Run(run)) => {
            drop(out);
            let Some(file) = config_file::find(run.file.config.as_deref()) else { return missing() };
            return serve::serve(serve::file(file), run.workers.map(usize::from), None, None);
        }
        Some(Command::Proxy(asked)) => match proxy::text(&asked.from, &asked.to) {
            Ok(text) if asked.print => out.write_all(text.as_bytes()).map(|()| Exit::Ok),
            Ok(text) => {
                drop(out);
                return serve::serve(Source::Text { name: "proxy.yaml".into(), text }, None, None, None);
            }
            Err(why) => {
                complain(&why);
                return Exit::Usage;
            }
        },
        Some(Command::Check(asked)) => {
            with_file(asked.file.config, |file| check::run(file, asked.format, asked.grants, &mut out))
        }
        Some(Command::Explain(asked)) => {
            with_file(asked.file.config.clone(), |file| explain_request(file, &asked, &mut out))
        }
        Some(Command::Test(asked)) => test::run(&asked, &mut out),
        Some(Command::New(New { kind: NewKind::Lua(asked) })) => new::lua(&asked, &mut out),
        Some(Command::Schema) => schema::print(&crate::config::schema::schema(&BuiltIns), &mut out),
        Some(Command::Cert(Cert { command: CertCommand::SelfSigned(asked) })) => {
            cert::self_signed(&asked, &mut out, &mut io::stderr())
        }
        Some(
            asked @ (Command::Reload(_)
            | Command::History(_)
            | Command::Diff(_)
            | Command::Rollback(_)
            | Command::Unpin(_)
            | Command::Policy(_)),
        ) => steer(&asked, &mut out),
    };
    done.unwrap_or(Exit::Bug)
}

/// The commands that go by the admin socket.
fn steer(command: &Command, out: &mut dyn Write) -> io::Result<Exit> {
    let (request, socket) = match command {
        Command::History(asked) => (steer::history(), asked),
        Command::Diff(asked) => (steer::diff(asked), &asked.socket),
        Command::Rollback(asked) => (steer::rollback(asked.to), &asked.socket),
        Command::Unpin(asked) => (steer::unpin(), asked),
        Command::Policy(asked) => (steer::policy(asked.command.as_ref()), &asked.socket),
        Command::Reload(asked) => (steer::reload(), asked),
        _ => return Ok(Exit::Bug),
    };
    steer::run(&request, &socket.socket, out, &mut io::stderr())
}

fn with_file(named: Option<PathBuf>, command: impl FnOnce(&Path) -> io::Result<Exit>) -> io::Result<Exit> {
    match config_file::find(named.as_deref()) {
        Some(file) => command(&file),
        None => Ok(missing()),
    }
}

fn missing() -> Exit {
    complain(&config_file::missing());
    Exit::Invalid
}

fn complain(why: &str) {
    let _closed = writeln!(io::stderr(), "error: {why}");
}

fn explain_request(file: &Path, asked: &Explain, out: &mut dyn Write) -> io::Result<Exit> {
    let check::Checked { sources, found, snapshot } = check::load(file);
    let Some(snapshot) = snapshot else {
        out.write_all(crate::config::render::render_all(&found, &sources, false).as_bytes())?;
        return Ok(Exit::Invalid);
    };
    let url = &asked.url;
    let mut head = Head::request(&asked.method, &url.target);
    let standard = if url.secure { 443 } else { 80 };
    let host = if url.port == standard { url.host.clone() } else { format!("{}:{}", url.host, url.port) };
    for (name, value) in std::iter::once(&("host".to_owned(), host)).chain(&asked.headers) {
        if let Ok(name) = FieldName::new(name) {
            head.add(&name, value.as_bytes());
        }
    }
    explain::print(&explanation(&snapshot, asked, head, &sources), out)
}

fn explanation(
    snapshot: &Snapshot,
    asked: &Explain,
    head: Head,
    sources: &crate::config::source::Sources,
) -> explain::Explanation {
    let (plan, url) = (&snapshot.plan, &asked.url);
    let way = snapshot.explain(url.port, head);
    let route = way.route.and_then(|index| plan.routes.get(index));
    let place = |span: &crate::config::diagnostic::Span| {
        format!("{}:{}", span.file, crate::config::render::position(span, sources, span.start).0)
    };
    let targets = route.map(|route| route.to.as_slice()).unwrap_or_default();
    let upstreams = targets.iter().filter_map(|target| {
        let upstream = plan.upstreams.get(target.upstream)?;
        let endpoints = upstream.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
        Some((upstream.name.clone(), target.weight, endpoints))
    });
    let named = |index: usize| plan.routes.get(index).map(|route| route.name.clone()).unwrap_or_default();
    explain::Explanation {
        request: format!("{} {}://{}{}", asked.method, if url.secure { "https" } else { "http" }, url.host, url.target),
        listener: way
            .listener
            .and_then(|index| plan.listeners.get(index))
            .map(|listener| (listener.name.clone(), listener.bind.to_string())),
        route: route.map(|route| (route.name.clone(), place(&route.span))),
        parameters: way.params,
        policies: way
            .seats
            .into_iter()
            .map(|seat| explain::Seat {
                name: seat.name,
                kind: seat.kind,
                stands: seat.stands,
                hooks: seat.hooks,
                remark: seat.remark,
            })
            .collect(),
        upstreams: upstreams.collect(),
        lost: way.lost.into_iter().map(|(index, why)| (named(index), why)).collect(),
        refused: way.refused.map(|reason| reason.public().to_owned()),
    }
}
