//! Starts the program, waits for what it says, and ends it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(10);
const BINARY: &str = env!("CARGO_BIN_EXE_gatewright");

/// A command that has ended.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A running program; killed when dropped.
pub struct Process {
    child: Child,
    said: Arc<(Mutex<String>, Condvar)>,
}

pub fn gatewright(arguments: &[&str]) -> Done {
    gatewright_in(Path::new("."), arguments)
}

pub fn gatewright_in(dir: &Path, arguments: &[&str]) -> Done {
    let output = Command::new(BINARY).args(arguments).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A configuration: everything to one origin. `more` follows the routes.
pub fn plain(port: u16, origin: u16, more: &str) -> String {
    format!(
        "version: 1\nlisteners: {{ web: {{ bind: \"127.0.0.1:{port}\" }} }}\nworkers: 1\n\
         upstreams: {{ origin: {{ endpoints: [\"127.0.0.1:{origin}\"] }} }}\nroutes:\n\
         \x20 - {{ name: all, match: {{ path: \"/*\" }}, to: origin }}\n{more}\n"
    )
}

// === impl Process ===

impl Process {
    pub fn start(dir: &Path, arguments: &[&str]) -> Process {
        Process::spawn(Command::new(BINARY).args(arguments).current_dir(dir))
    }

    /// Under a limit on open files.
    pub fn start_limited(dir: &Path, files: u32, arguments: &[&str]) -> Process {
        let script = format!("ulimit -n {files}; exec {BINARY} {}", arguments.join(" "));
        Process::spawn(Command::new("sh").args(["-c", &script]).current_dir(dir))
    }

    fn spawn(command: &mut Command) -> Process {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let said = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    said.0.lock().unwrap().push_str(&(line + "\n"));
                    said.1.notify_all();
                }
            });
        }
        Process { child, said }
    }

    /// Waits until it has said this; returns all it has said.
    #[track_caller]
    pub fn says(&self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.said.0.lock().unwrap();
        while !said.contains(what) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(left > Duration::ZERO, "it never says `{what}`, but:\n{said}");
            said = self.said.1.wait_timeout(said, left).unwrap().0;
        }
        said.clone()
    }

    pub fn said(&self) -> String {
        self.said.0.lock().unwrap().clone()
    }

    /// Waits until it listens; where it does.
    #[track_caller]
    pub fn listening(&self, addr: SocketAddr) -> SocketAddr {
        self.eventually("it listens", || std::net::TcpStream::connect(addr).is_ok());
        addr
    }

    #[track_caller]
    pub fn eventually(&self, awaited: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {awaited}; it said:\n{}", self.said());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; its exit code.
    #[track_caller]
    pub fn ends(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("an exit code");
            }
            assert!(Instant::now() < deadline, "it does not end; it said:\n{}", self.said());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
