//! A plan as text: one line per fact, stable and readable.

use std::fmt::Write;

use gatewright::config::plan::{
    Balance, Buffer, FailurePage, HostPattern, ListenerLimits, Match, PathPattern, Plan, Program, Segment, Timeouts,
    Use,
};
use gatewright::config::scalar::Environment;
use gatewright::http::Server;

pub(crate) fn dump(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "workers {:?}", plan.workers);
    let _ = writeln!(out, "access_log {:?} {:?}", plan.access_log.format, plan.access_log.file);
    let _ = writeln!(out, "admin bind {:?} socket {:?}", plan.admin.bind, plan.admin.socket);
    let _ = writeln!(out, "state_dir {:?} nameservers {:?}", plan.state_dir, plan.nameservers);
    chain(&mut out, "use", &plan.chain);
    pages(&mut out, &plan.failure_pages);
    for (name, secret) in &plan.secrets {
        let _ = writeln!(out, "secret {name} {secret:?} of {} bytes", secret.0.len());
    }
    for (name, size) in &plan.dictionaries {
        let _ = writeln!(out, "dictionary {name} of {size} bytes");
    }
    for (name, table) in &plan.tables {
        let columns: Vec<_> = table.columns().iter().map(|name| String::from_utf8_lossy(name)).collect();
        let _ = writeln!(out, "table {name}: {} rows as {}, columns {columns:?}", table.len(), table.kind().label());
    }
    for listener in &plan.listeners {
        let rules = &listener.rules;
        let _ = writeln!(out, "listener {} {}", listener.name, listener.bind);
        let _ = writeln!(out, "  trusted {:?}", listener.trusted);
        let _ = writeln!(out, "  head_bytes {} fields {}", rules.head_bytes_max, rules.fields_max);
        let _ = writeln!(out, "  {:?}", rules.normalise);
        let _ = writeln!(out, "  {:?}", rules.forwarded);
        if rules.server != Server::Pass {
            let _ = writeln!(out, "  server {:?}", rules.server);
        }
        let _ = writeln!(out, "  {:?}", listener.timeouts);
        if listener.limits != ListenerLimits::default() {
            let _ = writeln!(out, "  {:?}", listener.limits);
        }
        if !listener.http2 {
            let _ = writeln!(out, "  http2 off");
        }
        if listener.proxy_protocol {
            let _ = writeln!(out, "  proxy_protocol");
        }
        if let Some(tls) = &listener.tls {
            let _ = writeln!(out, "  tls from {:?}", tls.min_version);
            for pair in &tls.pairs {
                let _ = writeln!(out, "    {} for {:?}", pair.certificate.subject, pair.certificate.names);
            }
            if let Some(clients) = &tls.clients {
                let (demand, count) = (clients.demand, clients.authorities.len());
                let _ = writeln!(out, "    clients {demand:?} by {count} authorities, told {}", clients.headers);
            }
        }
        buffer(&mut out, &listener.buffer);
        chain(&mut out, "  use", &listener.chain);
        pages(&mut out, &listener.failure_pages);
    }
    for upstream in &plan.upstreams {
        let balance = match &upstream.balance {
            Balance::RoundRobin => "round_robin".to_owned(),
            Balance::LeastRequest => "least_request".to_owned(),
            Balance::Policy(one) => one_use(one),
        };
        let _ = writeln!(out, "upstream {} {balance}", upstream.name);
        for endpoint in &upstream.endpoints {
            let _ = writeln!(out, "  endpoint {} weight {}", endpoint.address, endpoint.weight);
        }
        if let Some(tls) = &upstream.tls {
            let believed = tls.authorities.as_ref().map(|authorities| authorities.len());
            let shown = tls.pair.as_ref().map(|pair| &pair.certificate.subject);
            let _ = writeln!(out, "  tls as {:?}, {believed:?} authorities, shows {shown:?}", tls.name);
        }
        let _ = writeln!(out, "  connections {:?} requests {:?}", upstream.connections_max, upstream.requests_max);
        if let Some(version) = upstream.proxy_protocol {
            let _ = writeln!(out, "  proxy_protocol {version:?}");
        }
        timeouts(&mut out, &upstream.timeouts);
        chain(&mut out, "  use", &upstream.chain);
    }
    for route in &plan.routes {
        let _ = writeln!(out, "route {:?}\n  match {}", route.name, matching(&route.matching));
        chain(&mut out, "  use", &route.chain);
        for target in &route.to {
            let _ = writeln!(out, "  to {} weight {}", plan.upstreams[target.upstream].name, target.weight);
        }
        timeouts(&mut out, &route.timeouts);
        if let Some(max) = route.body_max {
            let _ = writeln!(out, "  body {max}");
        }
        buffer(&mut out, &route.buffer);
        pages(&mut out, &route.failure_pages);
        for (key, value) in &route.metadata {
            let _ = writeln!(out, "  metadata {key}={value:?}");
        }
    }
    let _ = writeln!(out, "inputs {:?}", plan.inputs);
    out
}

fn timeouts(out: &mut String, timeouts: &Timeouts) {
    if *timeouts != Timeouts::default() {
        let _ = writeln!(out, "  {timeouts:?}");
    }
}

fn buffer(out: &mut String, buffer: &Buffer) {
    if *buffer != Buffer::default() {
        let _ = writeln!(out, "  {buffer:?}");
    }
}

fn chain(out: &mut String, indent: &str, uses: &[Use]) {
    for one in uses {
        let _ = writeln!(out, "{indent} {}", one_use(one));
    }
}

fn one_use(one: &Use) -> String {
    let mut text = format!("{}: {} {:?}", one.policy, one.kind, one.options);
    if let Some(program) = &one.program {
        program_of(&mut text, program);
    }
    if let Some(when) = &one.when {
        let _ = write!(text, " when {}", matching(when));
    }
    if one.observe {
        text.push_str(" observed");
    }
    text
}

fn program_of(text: &mut String, program: &Program) {
    let script = &program.script;
    let _ = write!(text, "\n      script {:?} with {:?}", script.main.name, program.with);
    for (name, source) in &script.modules {
        let _ = write!(text, "\n      module {name:?} from {:?}, {} bytes", source.path, source.text.len());
    }
    let _ = write!(text, "\n      {:?}\n      {:?}", program.limits, program.grants);
    let _ = write!(text, "\n      on failure {:?}, {:?}", program.on_failure, program.trip);
}

fn pages(out: &mut String, pages: &[FailurePage]) {
    for page in pages {
        let _ = writeln!(out, "  page {:?} {:?} {:?}", page.status, page.file, page.body);
    }
}

fn matching(matching: &Match) -> String {
    let hosts: Vec<String> = matching
        .hosts
        .iter()
        .map(|host| match host {
            HostPattern::Exact(name) => name.clone(),
            HostPattern::Suffix(name) => format!("*{name}"),
        })
        .collect();
    let path = match &matching.path {
        None => "any".to_owned(),
        Some(PathPattern::Exact(path)) => format!("exact {path}"),
        Some(PathPattern::Prefix(path)) => format!("prefix {path:?}"),
        Some(PathPattern::Regex(regex)) => format!("regex {regex}"),
        Some(PathPattern::Template { segments, open }) => {
            let segments: Vec<String> = segments
                .iter()
                .map(|segment| match segment {
                    Segment::Literal(text) => text.clone(),
                    Segment::Parameter(name) => format!("{{{name}}}"),
                })
                .collect();
            format!("template {segments:?}{}", if *open { " open" } else { "" })
        }
    };
    format!(
        "hosts {hosts:?} path {path} methods {:?} headers {:?} query {:?}",
        matching.methods, matching.headers, matching.query
    )
}

/// A YAML text as JSON, unexpanded, as an editor sees it; `None` where it is no YAML.
pub(crate) fn as_json(text: &str) -> Option<serde_json::Value> {
    gatewright::config::node::plain(text, &Environment::of(|name| Some(format!("${{{name}}}"))))
}
