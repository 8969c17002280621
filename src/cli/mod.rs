//! The command line: what may be said on it. One file per command; `main` puts them together.

#![allow(missing_docs, reason = "doc comments here are what clap shows; the rest is plain data")]

pub mod cert;
pub mod check;
pub mod config_file;
pub mod demo;
pub mod demo_origin;
pub mod dispatch;
pub mod exit;
pub mod explain;
pub mod grants;
pub mod new;
pub mod open_files;
pub mod proxy;
pub mod schema;
pub mod serve;
pub mod steer;
pub mod test;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::units::Period;
use crate::observe::tracing::Format;

/// The proxy you program: a reverse proxy, load balancer and API gateway whose every decision is a hook.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "gatewright", version, about, after_help = exit::HELP, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How our own events are written to standard error; GATEWRIGHT_LOG filters them.
    #[arg(long, global = true, value_enum, env = "GATEWRIGHT_LOG_FORMAT", default_value_t)]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run in the foreground.
    Run(Run),
    /// Check a configuration and say everything that is wrong with it.
    Check(Check),
    /// Say what would become of a request: listener, route, policies, upstream, and why others lost.
    Explain(Explain),
    /// Test policies, offline: x_test.lua beside x.lua, on the real engine and routes, in virtual time.
    Test(Test),
    /// Write a policy, its test and the editor's type definitions.
    New(New),
    /// Print the configuration's JSON Schema.
    Schema,
    /// Forward everything from one address to another.
    Proxy(Proxy),
    /// Tell a running gatewright to load its configuration again.
    Reload(SocketArg),
    /// List the generations that a running gatewright can go back to.
    History(SocketArg),
    /// Show in which files two generations differ.
    Diff(Diff),
    /// Go back to an earlier generation, and pin it.
    Rollback(Rollback),
    /// Load the files as they are, after a rollback.
    Unpin(SocketArg),
    /// List the policies of a running gatewright, or switch one.
    Policy(Policy),
    /// Make certificates for development.
    Cert(Cert),
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Cert {
    #[command(subcommand)]
    pub command: CertCommand,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum CertCommand {
    /// Make a certificate that vouches for itself, and its key: NAME.pem and NAME.key.
    SelfSigned(SelfSigned),
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SelfSigned {
    /// What it is for: DNS names (`*.example.test` too) and IP addresses. The first one names the files.
    #[arg(required = true, value_name = "NAME", value_parser = cert::name)]
    pub names: Vec<String>,

    /// The folder to write to.
    #[arg(long, value_name = "DIR", env = "GATEWRIGHT_OUT", default_value = ".")]
    pub out: PathBuf,

    /// How long it is valid.
    #[arg(long, value_name = "N", env = "GATEWRIGHT_DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub days: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ConfigArg {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", env = "GATEWRIGHT_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Run {
    #[command(flatten)]
    pub file: ConfigArg,

    /// Worker threads; the configuration's `workers` if absent, at last one per core.
    #[arg(long, value_name = "N", env = "GATEWRIGHT_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Check {
    #[command(flatten)]
    pub file: ConfigArg,

    /// How findings are written.
    #[arg(long, value_enum, env = "GATEWRIGHT_FORMAT", default_value_t)]
    pub format: ReportFormat,

    /// Also say what each script may reach, and what its text shows that it reaches.
    #[arg(long, conflicts_with = "format")]
    pub grants: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Test {
    /// Folders and test files; the current folder if absent.
    #[arg(value_name = "DIR|FILE")]
    pub places: Vec<PathBuf>,

    /// Run again whenever a file of them changes.
    #[arg(long)]
    pub watch: bool,

    /// Only tests whose name holds this text.
    #[arg(long, value_name = "TEXT", env = "GATEWRIGHT_TEST_FILTER")]
    pub filter: Option<String>,

    /// Write the results as JUnit XML, too.
    #[arg(long, value_name = "FILE", env = "GATEWRIGHT_TEST_JUNIT")]
    pub junit: Option<PathBuf>,

    /// Say which lines of the policies did not run.
    #[arg(long)]
    pub coverage: bool,

    /// What chance begins with; a failed run says with what it did.
    #[arg(long, value_name = "N", env = "GATEWRIGHT_TEST_SEED")]
    pub seed: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct New {
    #[command(subcommand)]
    pub kind: NewKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum NewKind {
    /// A policy in Lua.
    Lua(NewLua),
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct NewLua {
    /// The policy's name, and its file's.
    #[arg(value_parser = new::name)]
    pub name: String,

    /// The folder to write to; it is made.
    #[arg(long, value_name = "DIR", env = "GATEWRIGHT_POLICIES", default_value = "policies")]
    pub dir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Explain {
    /// The request's method.
    #[arg(value_parser = explain::method)]
    pub method: String,

    /// The request's URL: `http://host[:port]/path?query`.
    #[arg(value_parser = explain::Url::parse)]
    pub url: explain::Url,

    /// A field of the request; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = explain::field)]
    pub headers: Vec<(String, String)>,

    #[command(flatten)]
    pub file: ConfigArg,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Proxy {
    /// The address to listen at: `:8080`, `127.0.0.1:8080`, `unix:/run/app.sock`.
    #[arg(long, value_name = "ADDR", env = "GATEWRIGHT_FROM")]
    pub from: String,

    /// The address to forward to: `127.0.0.1:3000`, `app.example.com:80`, `unix:/run/app.sock`.
    #[arg(long, value_name = "ADDR", env = "GATEWRIGHT_TO")]
    pub to: String,

    /// Print the configuration that this stands for, and end.
    #[arg(long)]
    pub print: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Args, Default)]
pub struct SocketArg {
    /// The admin socket of the running gatewright: `admin: { socket: … }` in its configuration.
    #[arg(long, global = true, value_name = "PATH", env = "GATEWRIGHT_SOCKET", default_value = "gatewright.sock")]
    pub socket: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Diff {
    /// A generation; the one before the running one if absent.
    #[arg(value_name = "A")]
    pub from: Option<u64>,

    /// Another one; the running one if absent.
    #[arg(value_name = "B")]
    pub to: Option<u64>,

    /// Compare the running generation with the files on the disk.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub disk: bool,

    #[command(flatten)]
    pub socket: SocketArg,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Rollback {
    /// The generation; the one before with other files if absent.
    #[arg(value_name = "GENERATION")]
    pub to: Option<u64>,

    #[command(flatten)]
    pub socket: SocketArg,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Policy {
    #[command(subcommand)]
    pub command: Option<PolicyCommand>,

    #[command(flatten)]
    pub socket: SocketArg,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PolicyCommand {
    /// Do not run it, wherever it is used.
    Off(SwitchTo),
    /// Run it and count what it would decide, but do not obey it.
    Observe(SwitchTo),
    /// Back to what the file says.
    On {
        /// The policy.
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SwitchTo {
    /// The policy.
    pub name: String,

    /// Only for so long, as in `10m`.
    #[arg(long = "for", value_name = "TIME", value_parser = Period::parse)]
    pub lasting: Option<Period>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    #[default]
    Human,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    #[default]
    Text,
    Json,
    /// Annotations of GitHub's workflows.
    Github,
}

// === impl LogFormat ===

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Human => Self::Human,
            LogFormat::Json => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_reads_as_it_is_documented() {
        Cli::command().debug_assert();
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
        assert_eq!(parse("gatewright"), None);
        assert!(matches!(
            parse("gatewright run -c x.yaml --workers 2"),
            Some(Command::Run(Run { workers: Some(2), .. }))
        ));
        assert!(matches!(parse("gatewright check --format github"), Some(Command::Check(_))));
        assert!(matches!(parse("gatewright check --grants"), Some(Command::Check(Check { grants: true, .. }))));
        let line = ["gatewright", "explain", "GET", "http://a.test/x?y", "-H", "x-a: b c", "-c", "f"];
        let Some(Command::Explain(explain)) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        assert_eq!(explain.headers, [("x-a".to_string(), "b c".to_string())]);
        assert_eq!((explain.url.host.as_str(), explain.url.target.as_str()), ("a.test", "/x?y"));
        assert!(matches!(parse("gatewright proxy --from :80 --to a:81 --print"), Some(Command::Proxy(_))));
        assert!(matches!(parse("gatewright schema"), Some(Command::Schema)));
        assert!(matches!(parse("gatewright reload --socket /x"), Some(Command::Reload(_))));
        assert!(matches!(parse("gatewright diff 3"), Some(Command::Diff(Diff { from: Some(3), to: None, .. }))));
        assert!(matches!(parse("gatewright rollback"), Some(Command::Rollback(Rollback { to: None, .. }))));
        let Some(Command::Policy(policy)) = parse("gatewright policy off login --for 10m --socket /x") else {
            panic!()
        };
        assert_eq!(policy.socket.socket, PathBuf::from("/x"));
        assert!(matches!(policy.command, Some(PolicyCommand::Off(SwitchTo { lasting: Some(_), .. }))));
        assert!(matches!(parse("gatewright policy"), Some(Command::Policy(Policy { command: None, .. }))));
        assert!(matches!(parse("gatewright cert self-signed a.test --days 3"), Some(Command::Cert(_))));
        for wrong in [
            "gatewright run --workers 0",
            "gatewright nothing",
            "gatewright diff 1 --disk",
            "gatewright explain G(T http://a/",
        ] {
            assert_eq!(Cli::try_parse_from(wrong.split(' ')).unwrap_err().exit_code(), exit::Exit::Usage as i32);
        }
    }
}
