//! Gatewright beside nginx and haproxy: `cargo bench --bench peers`.
//!
//! One worker each. The proxy has a CPU for itself, wrk and a cheap origin share another. What counts is the proxy's CPU
//! time per request, as a ratio to nginx's: rounds are interleaved, their order alternates, and the figure is the median
//! of the rounds' ratios. Requests per second are printed for orientation only; on two CPUs they say more about the load.
//! On a busy machine, raise the run's weight first: `echo -10 > /proc/self/autogroup`.
//!
//! ```text
//! cargo bench --bench peers -- [--rounds N] [--seconds N] [--only NAME,…] [--gate]
//! ```
//! `--gate` exits with 1 when a figure of Gatewright is above its limit or could not be measured. Names are those of the
//! tables. Peers and tools that are not installed are skipped with a notice.

#![allow(
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for developers, which measures real time and speaks to its terminal"
)]

use std::io;
use std::process::ExitCode;

use measure::{Load, Sample};
use proxies::{Door, Identity, Kind, Running, Setting};

mod measure;
mod origin;
mod proxies;

/// A comparison under load.
struct Scenario {
    name: &'static str,
    load: Load,
    log: bool,
    /// The highest ratio to nginx that passes.
    ratio_max: f64,
}

/// Something counted, not timed.
struct Count {
    name: &'static str,
    unit: &'static str,
    tool: Option<&'static str>,
    measure: fn(Kind, Setting<'_>) -> io::Result<f64>,
    most: f64,
}

struct Wanted {
    rounds: usize,
    seconds: u64,
    only: Vec<String>,
    gate: bool,
}

/// A figure of Gatewright and its limit; no figure when it could not be measured.
struct Verdict {
    name: &'static str,
    figure: Option<f64>,
    most: f64,
}

const SCENARIOS: [Scenario; 13] = [
    scenario("13B", keep_alive("/13", 64), 0.85),
    scenario("1kB", keep_alive("/1k", 64), 0.85),
    scenario("16kB", keep_alive("/16k", 64), 0.95),
    scenario("1MB", keep_alive("/1m", 16), 0.85),
    scenario("conn", Load { close: true, ..keep_alive("/1k", 64) }, 1.0),
    Scenario { log: true, ..scenario("log", keep_alive("/1k", 64), 0.95) },
    scenario("tls-1kB", Load { door: Door::Tls, ..keep_alive("/1k", 64) }, 0.72),
    scenario("tls-16kB", Load { door: Door::Tls, ..keep_alive("/16k", 64) }, 0.70),
    scenario("tls-1MB", Load { door: Door::Tls, ..keep_alive("/1m", 16) }, 1.05),
    scenario("tls-conn", Load { door: Door::Tls, close: true, ..keep_alive("/1k", 64) }, 0.65),
    scenario("h2", Load { door: Door::H2, ..keep_alive("/1k", 8) }, 0.70),
    scenario("h2c", Load { door: Door::H2c, ..keep_alive("/1k", 8) }, 0.65),
    scenario("h2c-16kB", Load { door: Door::H2c, ..keep_alive("/16k", 8) }, 0.90),
];

const COUNTS: [Count; 4] = [
    Count {
        name: "instructions",
        unit: "user-space instructions per plain 3-header request",
        tool: Some("valgrind"),
        measure: measure::instructions,
        most: 11_000.0,
    },
    Count {
        name: "syscalls",
        unit: "system calls per keep-alive request, 64 connections",
        tool: Some("strace"),
        measure: measure::system_calls,
        most: 4.3,
    },
    Count {
        name: "idle",
        unit: "KiB per idle connection (4000 of them)",
        tool: None,
        measure: measure::idle_kib,
        most: 2.5,
    },
    Count {
        name: "idle-tls",
        unit: "KiB per idle connection by TLS (4000 of them)",
        tool: None,
        measure: measure::idle_tls_kib,
        most: 13.0,
    },
];

const fn scenario(name: &'static str, load: Load, ratio_max: f64) -> Scenario {
    Scenario { name, load, log: false, ratio_max }
}

const fn keep_alive(path: &'static str, connections: usize) -> Load {
    Load { door: Door::Plain, path, connections, close: false }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--origin", port] => port.parse().map_err(io::Error::other).and_then(origin::serve).map(|()| true),
        // `cargo test --benches` runs this too; a comparison is made only where it is asked for.
        _ if !arguments.iter().any(|word| word == "--bench") => return ExitCode::SUCCESS,
        _ => wanted(&arguments).and_then(|wanted| compare(&wanted)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

fn wanted(arguments: &[String]) -> io::Result<Wanted> {
    let mut wanted = Wanted { rounds: 5, seconds: 2, only: Vec::new(), gate: false };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| io::Error::other(format!("{word} needs a value")));
        match word.as_str() {
            "--bench" => {}
            "--gate" => wanted.gate = true,
            "--rounds" => wanted.rounds = value()?.parse().map_err(io::Error::other)?,
            "--seconds" => wanted.seconds = value()?.parse().map_err(io::Error::other)?,
            "--only" => wanted.only = value()?.split(',').map(str::to_owned).collect(),
            _ => return Err(io::Error::other(format!("no such option: {word}"))),
        }
    }
    let known = |name: &String| SCENARIOS.iter().any(|s| s.name == name) || COUNTS.iter().any(|c| c.name == name);
    match wanted.only.iter().find(|name| !known(name)) {
        Some(name) => Err(io::Error::other(format!("no such comparison: {name}"))),
        None if wanted.rounds == 0 || wanted.seconds == 0 => Err(io::Error::other("no time to measure")),
        None => Ok(wanted),
    }
}

/// False when a gate was asked for and is not passed.
fn compare(wanted: &Wanted) -> io::Result<bool> {
    let Some(cpus) = proxies::cpus() else { return Err(io::Error::other("two CPUs are needed")) };
    measure::raise_file_limit()?;
    proxies::pin(cpus.load)?;
    let (origin, identity) = (proxies::start_origin()?, Identity::make()?);
    let setting = Setting { origin: origin.addr(Door::Plain), identity: &identity, cpus };
    let chosen = |name: &str| wanted.only.is_empty() || wanted.only.iter().any(|only| only == name);
    let mut verdicts = Vec::new();
    let (possible, missing): (Vec<&Scenario>, Vec<&Scenario>) = SCENARIOS
        .iter()
        .filter(|scenario| chosen(scenario.name))
        .partition(|scenario| proxies::installed(scenario.load.tool()).is_some());
    for scenario in missing {
        eprintln!("notice: {} is not installed; {} is left out", scenario.load.tool(), scenario.name);
        verdicts.push(Verdict { name: scenario.name, figure: None, most: scenario.ratio_max });
    }
    verdicts.extend(under_load(&possible, wanted, setting)?);
    for count in COUNTS.iter().filter(|count| chosen(count.name)) {
        let figure = counted(count, setting);
        verdicts.push(Verdict { name: count.name, figure, most: count.most });
    }
    Ok(!wanted.gate || passes(&verdicts))
}

fn passes(verdicts: &[Verdict]) -> bool {
    let mut all = true;
    println!("\n| gate | figure | at most | |\n|---|---|---|---|");
    for Verdict { name, figure, most } in verdicts {
        let good = figure.is_some_and(|figure| figure <= *most);
        let shown = figure.map_or("not measured".to_owned(), |figure| format!("{figure:.2}"));
        println!("| {name} | {shown} | {most} | {} |", if good { "passes" } else { "FAILS" });
        all &= good;
    }
    all
}

// === under load ===

fn under_load(scenarios: &[&Scenario], wanted: &Wanted, setting: Setting<'_>) -> io::Result<Vec<Verdict>> {
    let quiet = if scenarios.iter().any(|s| !s.log) { start_all(&Kind::ALL, setting, false) } else { Vec::new() };
    let logging = [Kind::Nginx, Kind::Gatewright];
    let logging = if scenarios.iter().any(|s| s.log) { start_all(&logging, setting, true) } else { Vec::new() };
    let mut verdicts = Vec::new();
    for scenario in scenarios {
        let running = if scenario.log { &logging } else { &quiet };
        let rounds = interleaved(running, scenario, wanted)?;
        table(scenario, &rounds);
        let figure = rounds.iter().find(|(kind, _)| *kind == Kind::Gatewright).and_then(|(_, samples)| {
            let errors: u64 = samples.iter().map(|sample| sample.errors).sum();
            ratio(samples, nginx_of(&rounds)?).filter(|_| errors == 0)
        });
        verdicts.push(Verdict { name: scenario.name, figure, most: scenario.ratio_max });
    }
    Ok(verdicts)
}

fn start_all(kinds: &[Kind], setting: Setting<'_>, log: bool) -> Vec<(Kind, Running)> {
    let start = |kind: &Kind| match kind.start(setting, log, &[]) {
        Ok(running) => Some((*kind, running)),
        Err(error) => {
            eprintln!("notice: {} is left out: {error}", kind.name());
            None
        }
    };
    kinds.iter().filter_map(start).collect()
}

fn interleaved(
    running: &[(Kind, Running)],
    scenario: &Scenario,
    wanted: &Wanted,
) -> io::Result<Vec<(Kind, Vec<Sample>)>> {
    let mut rounds: Vec<(Kind, Vec<Sample>)> = running.iter().map(|(kind, _)| (*kind, Vec::new())).collect();
    for (_, proxy) in running {
        measure::cpu_per_request(proxy, scenario.load, 1)?; // warm caches and pools
    }
    for round in 0..wanted.rounds {
        let mut order: Vec<usize> = (0..running.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            rounds[at].1.push(measure::cpu_per_request(&running[at].1, scenario.load, wanted.seconds)?);
        }
    }
    Ok(rounds)
}

fn table(scenario: &Scenario, rounds: &[(Kind, Vec<Sample>)]) {
    let Load { door, path, connections, close } = scenario.load;
    let extra = if close { ", a connection per request" } else { "" };
    let extra = if scenario.log { ", access log on" } else { extra };
    let by = match door {
        Door::Plain => "",
        Door::Tls => ", TLS",
        Door::H2 => " of 32 streams, HTTP/2 by TLS",
        Door::H2c => " of 32 streams, HTTP/2",
    };
    println!("\n### {}: {path}, {connections} connections{by}{extra}\n", scenario.name);
    println!("| proxy | CPU µs/request | ratio to nginx | requests/s | busy | errors |\n|---|---|---|---|---|---|");
    for (kind, samples) in rounds {
        let median_of = |field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
        let ratio = nginx_of(rounds).and_then(|nginx| ratio(samples, nginx));
        println!(
            "| {} | {:.2} | {} | {:.0} | {:.0} % | {} |",
            kind.name(),
            median_of(|sample| sample.cpu_us),
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            median_of(|sample| sample.requests_per_s),
            median_of(|sample| sample.busy * 100.0),
            samples.iter().map(|sample| sample.errors).sum::<u64>(),
        );
    }
}

fn nginx_of(rounds: &[(Kind, Vec<Sample>)]) -> Option<&Vec<Sample>> {
    rounds.iter().find(|(kind, _)| *kind == Kind::Nginx).map(|(_, samples)| samples)
}

/// The median of the rounds' ratios: what disturbs a round disturbs both sides of its ratio.
fn ratio(samples: &[Sample], base: &[Sample]) -> Option<f64> {
    let ratios: Vec<f64> = samples.iter().zip(base).map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us).collect();
    (!ratios.is_empty()).then(|| median(ratios))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

// === counted ===

/// Gatewright's figure, after a table of everybody's.
fn counted(count: &Count, setting: Setting<'_>) -> Option<f64> {
    if let Some(tool) = count.tool.filter(|tool| proxies::installed(tool).is_none()) {
        eprintln!("notice: {tool} is not installed; {} are not counted", count.name);
        return None;
    }
    println!("\n### {}: {}\n\n| proxy | {} |\n|---|---|", count.name, count.unit, count.name);
    let mut ours = None;
    for kind in Kind::ALL.into_iter().filter(|kind| kind.program().is_some()) {
        match (count.measure)(kind, setting) {
            Ok(figure) => {
                println!("| {} | {figure:.2} |", kind.name());
                ours = ours.or((kind == Kind::Gatewright).then_some(figure));
            }
            Err(error) => eprintln!("notice: {} is left out of {}: {error}", kind.name(), count.name),
        }
    }
    ours
}
