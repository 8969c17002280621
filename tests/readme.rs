//! Every command of the README, run in its order by one shell in a folder of its own.
//!
//! A `console` block holds commands behind `$ ` (or `> `, where one goes on) and under them lines that must come, in this
//! order, from that command or from what runs in the background; `…` in a line stands for anything. Ports are replaced by
//! free ones, so that nothing collides. Where no `curl` is installed this program is one.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a failed test panics; it speaks to its terminal, and waits in real time"
)]

#[path = "it/harness/mod.rs"]
#[allow(unused_imports, reason = "without the usual test runner the harness's own tests are empty")]
mod harness;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const README: &str = include_str!("../README.md");

/// A command and its output come within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Commands that cannot run inside a test, and why.
const NOT_RUN: &[(&str, &str)] = &[("cargo test --locked", "it is what runs this")];

struct Step {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// A shell whose output, and that of everything it starts, is gathered.
struct Shell {
    child: Child,
    output: Arc<Mutex<String>>,
    steps: usize,
    /// What runs in the background, in the order of its begin: a shell without a terminal knows no `%1`.
    jobs: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let called = Path::new(&arguments[0]).file_name().unwrap_or_default();
    if called == "curl" {
        return curl(&arguments[1..]);
    }
    // The questions and filters of the usual test runner.
    if arguments.iter().any(|word| word == "--list") {
        println!("readme: test");
        return ExitCode::SUCCESS;
    }
    let filter = arguments[1..].iter().find(|word| !word.starts_with('-'));
    if filter.is_some_and(|filter| !"readme".contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    let steps = read(README);
    assert!(steps.len() > 10, "the README shows {} commands", steps.len());
    let home = tempfile::tempdir().unwrap();
    let mut ports = vec![("8000", free_port()), ("9901", free_port())];
    let mut shell = Shell::start(home.path());
    for step in &steps {
        if NOT_RUN.iter().any(|(command, _)| *command == step.command) {
            continue;
        }
        shell.run(step, &mut ports);
    }
    println!("README: {} commands do what it says", steps.len());
    ExitCode::SUCCESS
}

/// A port that is free, and in whose digits no port of the README stands: it would be replaced again.
fn free_port() -> String {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        if !["8000", "8080", "9901"].iter().any(|written| port.contains(written)) {
            return port;
        }
    }
}

/// The steps of the `console` blocks.
fn read(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            assert!(!["sh", "bash", "shell"].contains(&language), "README.md:{}: say `console`", index + 1);
            inside = !inside && language == "console";
            continue;
        }
        if !inside || line.is_empty() {
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: index + 1, command: command.to_owned(), shown: Vec::new() });
        } else if let Some(more) = line.strip_prefix("> ").or((line == ">").then_some("")) {
            let step = steps.last_mut().expect("a command before its next line");
            step.command.push('\n');
            step.command.push_str(more);
        } else {
            steps.last_mut().expect("a command before its output").shown.push(line.to_owned());
        }
    }
    steps
}

fn with_ports(text: &str, ports: &[(&str, String)]) -> String {
    ports.iter().fold(text.to_owned(), |text, (written, real)| text.replace(written, real))
}

// === impl Shell ===

impl Shell {
    fn start(home: &Path) -> Self {
        let tools = home.join(".tools");
        std::fs::create_dir(&tools).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gatewright"), tools.join("gatewright")).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let installed = std::env::split_paths(&path).any(|folder| folder.join("curl").exists());
        if !installed || std::env::var_os("README_CURL").is_some() {
            std::os::unix::fs::symlink(std::env::current_exe().unwrap(), tools.join("curl")).unwrap();
        }
        // Both outputs go to one pipe, in the order in which they are written.
        let mut child = Command::new("sh")
            .args(["-c", "exec 2>&1; exec sh"])
            .current_dir(home)
            .env("PATH", format!("{}:{path}", tools.display()))
            .env_remove("GATEWRIGHT_LOG")
            .env_remove("GATEWRIGHT_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh");
        let output = Arc::new(Mutex::new(String::new()));
        let (mut pipe, gathered) = (child.stdout.take().unwrap(), output.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut piece) {
                gathered.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { child, output, steps: 0, jobs: Vec::new() }
    }

    /// Runs one command and awaits what is shown under it.
    fn run(&mut self, step: &Step, ports: &mut Vec<(&str, String)>) {
        self.steps += 1;
        // From a clone it is this command that starts the demo; the demo takes the first port from 8080 on that is free.
        let mut command = with_ports(&step.command.replace("cargo run --release", "gatewright"), ports);
        for (index, job) in self.jobs.iter().enumerate() {
            command = command.replace(&format!("%{}", index + 1), job);
        }
        let done = format!("-- step {} done, last begun: ", self.steps);
        let from = self.output.lock().unwrap().len();
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}\necho; echo \"{done}$!.\"").unwrap();
        let begun = self.wait(step, from, |output| {
            let (_, rest) = output.split_once(&done).ok_or("it does not end")?;
            rest.split_once('.').map(|(begun, _)| begun.to_owned()).ok_or_else(|| "it does not end".into())
        });
        if step.command.ends_with(" &") {
            self.jobs.push(begun);
        }
        if let Some(shown) = step.shown.iter().find(|shown| shown.contains("listens on http://127.0.0.1:8080")) {
            let begin = shown.split("8080").next().unwrap().to_owned();
            let port = self.wait(step, from, |output| {
                let (_, rest) = output.split_once(&begin).ok_or("the demo does not start")?;
                Ok(rest.chars().take_while(char::is_ascii_digit).collect::<String>())
            });
            ports.push(("8080", port));
        }
        let shown: Vec<String> = step.shown.iter().map(|line| with_ports(line, ports)).collect();
        self.wait(step, from, |output| {
            let mut lines = output.lines();
            match shown.iter().find(|shown| !lines.any(|line| fits(line, shown))) {
                None => Ok(()),
                Some(missing) => Err(format!("this does not come: {missing}")),
            }
        });
    }

    /// Looks at the output since `from` until `found` has found what it looks for.
    fn wait<T>(&self, step: &Step, from: usize, found: impl Fn(&str) -> Result<T, String>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            let output = self.output.lock().unwrap()[from..].to_owned();
            match found(&output) {
                Ok(found) => return found,
                Err(why) if Instant::now() > until => {
                    panic!("README.md:{}: `{}`\n{why}\nwhat came:\n{output}", step.line, step.command)
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The group: what is left of the background processes, if the test failed.
        let group = rustix::process::Pid::from_child(&self.child);
        let _already_gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _status = self.child.wait();
    }
}

/// Whether a line is what the README shows, where `…` is anything.
fn fits(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        (rest, open) = (&rest[at + part.len()..], part.is_empty());
    }
    rest.is_empty() || open
}

// === curl, as far as the README needs it ===

/// `-s -i -d BODY -H FIELD URL` over one connection.
fn curl(words: &[String]) -> ExitCode {
    let (mut fields, mut body, mut head, mut url) = (Vec::new(), String::new(), false, String::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-H" => fields.push(words.next().expect("a field").split_once(": ").expect("NAME: VALUE")),
            "-d" => body.clone_from(words.next().expect("a body")),
            flags if flags.starts_with('-') => head |= flags.contains('i'),
            _ => url.clone_from(word),
        }
    }
    let url = url.strip_prefix("http://").expect("an http URL");
    let (host, target) = url.split_once('/').unwrap_or((url, ""));
    let address: SocketAddr = host.parse().expect("an address");
    fields.push(("Host", host));
    let method = if body.is_empty() { "GET" } else { "POST" };
    let mut client = harness::Client::connect(address);
    client.send_request(method, &format!("/{target}"), &fields, body.as_bytes());
    let response = client.read_response_to(method);
    if head {
        print!("{}", String::from_utf8_lossy(&response.raw_head));
    }
    print!("{}", response.text());
    ExitCode::SUCCESS
}
