//! Undoing a change, and switching a policy, by the real program.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::process::{Done, PATIENCE, Process, free_port, gatewright_in};

struct Running {
    process: Option<Process>,
    dir: tempfile::TempDir,
    port: u16,
    admin: u16,
    more: String,
}

const STATE: &str = "state_dir: state\n";

fn run(more: &str) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running { process: None, dir, port: free_port(), admin: free_port(), more: more.into() };
    running.write("one");
    running.start();
    running
}

fn fetch(port: u16, path: &str) -> String {
    let Ok(mut socket) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) else { return String::new() };
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    let _cut = write!(socket, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let _cut = socket.read_to_string(&mut answer);
    answer
}

// === impl Running ===

impl Running {
    /// A configuration whose policy `hello` answers this.
    fn write(&self, body: &str) {
        let Self { port, admin, more, .. } = self;
        let text = format!(
            "version: 1\nworkers: 1\nadmin: {{ bind: \"127.0.0.1:{admin}\", socket: gatewright.sock }}\n{more}\
             listeners: {{ web: {{ bind: \"127.0.0.1:{port}\" }} }}\n\
             policies: {{ hello: {{ answer: {{ body: \"{body}\" }} }} }}\n\
             routes: [{{ name: all, use: [hello] }}]\nfailure_pages: {{ 502: page.html }}\n"
        );
        fs::write(self.path("page.html"), "a page of its own\n").unwrap();
        // As editors do it: never half a file.
        fs::write(self.path("next.yaml"), text).unwrap();
        fs::rename(self.path("next.yaml"), self.path("gatewright.yaml")).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self) {
        let process = Process::start(self.dir.path(), &["run"]);
        process.says("listening");
        process.listening(SocketAddr::from(([127, 0, 0, 1], self.port)));
        process.says("admin at=unix:gatewright.sock");
        self.process = Some(process);
    }

    fn restart(&mut self) {
        let process = self.process.take().unwrap();
        process.signal("TERM");
        assert_eq!(process.ends(), 0);
        self.start();
    }

    fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    fn does(&self, arguments: &[&str]) -> Done {
        gatewright_in(self.dir.path(), arguments)
    }

    /// Does it well, and says this.
    #[track_caller]
    fn done(&self, arguments: &[&str], says: &str) -> String {
        let done = self.does(arguments);
        assert!(done.code == 0 && done.out.contains(says), "{arguments:?}: {} {}{}", done.code, done.out, done.err);
        done.out
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], says: &str) {
        let done = self.does(arguments);
        assert!(done.code == 1 && done.err.contains(says), "{arguments:?}: {} {}{}", done.code, done.out, done.err);
    }

    #[track_caller]
    fn answers(&self, body: &str) {
        let answer = fetch(self.port, "/");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }

    fn metric(&self, line: &str) -> bool {
        fetch(self.admin, "/metrics").lines().any(|one| one == line)
    }
}

/// Everything below a folder, as one text.
fn everything_in(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = || String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        all += &if path.is_dir() { everything_in(&path) } else { text() };
    }
    all
}

#[test]
fn a_change_is_undone_pinned_and_taken_up_again() {
    let mut running = run(STATE);
    running.answers("one");
    running.write("two");
    running.process().says("reloaded generation=2");
    running.answers("two");
    let history = running.done(&["history"], "generation 2 runs what the files say");
    assert!(history.contains("file change: gatewright.yaml") && history.contains("/state"), "{history}");
    let diff = running.done(&["diff"], "-policies: { hello: { answer: { body: \"one\" } } }");
    assert!(diff.contains("+++ generation 2/gatewright.yaml") && diff.contains("@@ "), "{diff}");
    assert!(!diff.contains("page.html\n+"), "{diff}");
    running.done(&["diff", "--disk"], "no difference");

    running.done(&["rollback"], "generation 3 serves, with the files of generation 1; it is pinned");
    running.answers("one");
    let said = running.process().said();
    let line = said.lines().find(|line| line.contains("reloaded generation=3")).unwrap();
    let me = format!("uid {}", rustix::process::getuid().as_raw());
    assert!(line.contains(&me) && line.contains("pid ") && line.contains("before="), "{line}");
    assert!(line.contains("after=") && line.contains("rollback to generation 1"), "{line}");
    running.done(&["diff", "--disk"], "+++ disk/gatewright.yaml");

    // A saved file, SIGHUP and a reload are told, and not applied.
    running.write("three");
    running.process().says("not applied: it is pinned until `gatewright unpin`; the files are good");
    running.process().signal("HUP");
    running.process().eventually("SIGHUP is counted", || running.metric("gatewright_config_changes_held_total 2"));
    running.refused(&["reload"], "generation 3 is pinned, so nothing was loaded; the files are good");
    assert!(running.metric("gatewright_config_pinned 1"));
    running.done(&["history"], "not applied: reload, at ");
    running.answers("one");

    // Not by a restart either, whatever the file has become.
    fs::write(running.path("gatewright.yaml"), "version: 1\nlisteners: { web\nstate_dir: state\n").unwrap();
    running.restart();
    running.process().says("PINNED");
    running.answers("one");
    running.done(&["history"], "generation 3 runs, PINNED");
    running.refused(&["unpin"], "generation 3 goes on, and stays pinned");
    running.answers("one");

    running.write("four");
    running.done(&["unpin"], "generation 4 serves, from the files as they are");
    running.answers("four");
    running.done(&["unpin"], "nothing is pinned");
    assert!(running.metric("gatewright_config_pinned 0"));
    running.restart();
    running.answers("four");
    let history = running.done(&["history"], "generation 4 runs what the files say");
    assert!(history.contains("unpin, by uid"), "{history}");
    running.done(&["rollback", "2"], "with the files of generation 2");
    running.answers("two");
    running.refused(&["rollback", "77"], "there is no generation 77");
    running.refused(&["diff", "77"], "there is no generation 77");
}

#[test]
fn without_a_folder_history_lasts_as_long_as_the_process() {
    let mut running = run("");
    running.refused(&["rollback"], "there is no generation before");
    running.refused(&["diff"], "there is no generation before");
    running.write("two");
    running.process().says("reloaded generation=2");
    running.done(&["history"], "kept in memory, until this process ends");
    running.done(&["rollback"], "generation 3 serves");
    running.answers("one");
    running.restart();
    running.answers("two");
    running.done(&["history"], "generation 1 runs");
}

#[test]
fn going_back_does_not_shut_the_door_behind_it() {
    let running = run(STATE);
    let text = fs::read_to_string(running.path("gatewright.yaml")).unwrap();
    let without: String = text.lines().filter(|line| !line.starts_with("admin")).map(|l| format!("{l}\n")).collect();
    fs::write(running.path("gatewright.yaml"), without).unwrap();
    running.process().says("reloaded generation=2");
    running.write("three");
    running.process().says("reloaded generation=3");
    running.process().eventually("the socket is back", || running.does(&["history"]).code == 0);
    running.done(&["rollback", "2"], "generation 4 serves");
    running.answers("one");
    running.done(&["unpin"], "generation 5 serves");
    running.answers("three");
}

#[test]
fn secrets_and_keys_are_never_written_and_come_from_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(gatewright_in(dir.path(), &["cert", "self-signed", "a.test"]).code, 0);
    let (key, port) = (fs::read_to_string(dir.path().join("a.test.key")).unwrap(), free_port());
    fs::write(dir.path().join("token"), "hush-hush-hush").unwrap();
    let write = |body: &str| {
        let text = format!(
            "version: 1\nadmin: {{ socket: gatewright.sock }}\nstate_dir: state\nsecrets: {{ token: {{ file: token }} }}\n\
             listeners: {{ web: {{ bind: \"127.0.0.1:{port}\", \
             tls: {{ certificates: [{{ certificate: a.test.pem, key: a.test.key }}] }} }} }}\n\
             routes: [{{ use: [{{ policy: answer, with: {{ body: {body} }} }}] }}]\n"
        );
        fs::write(dir.path().join("gatewright.yaml"), text).unwrap();
    };
    write("one");
    let process = Process::start(dir.path(), &["run"]);
    process.says("admin at=unix:gatewright.sock");
    write("two");
    process.says("reloaded generation=2");
    let kept = everything_in(&dir.path().join("state"));
    assert!(kept.contains("BEGIN CERTIFICATE") && kept.contains("body: two"), "{kept}");
    assert!(!kept.contains("PRIVATE KEY") && !kept.contains("hush") && !kept.contains(key.lines().nth(1).unwrap()));
    assert!(kept.contains("a.test.key") && kept.contains("/token"), "{kept}");
    // The pair is renewed meanwhile: the certificate that was kept no longer fits, and the new one is used.
    for name in ["a.test.pem", "a.test.key"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    assert_eq!(gatewright_in(dir.path(), &["cert", "self-signed", "a.test"]).code, 0);
    process.says("reloaded generation=3");
    let done = gatewright_in(dir.path(), &["rollback", "1"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(process.said().contains("this certificate was renewed since"), "{}", process.said());
    assert_eq!(gatewright_in(dir.path(), &["diff"]).code, 1, "nothing is before the first one");
}

#[test]
fn included_files_that_came_and_went_are_undone_too() {
    let running = run("state_dir: state\ninclude: [\"*.site\"]\n");
    let site = |name: &str, path: &str| {
        let policy = format!("{{ policy: answer, with: {{ body: {name} }} }}");
        let text = format!("routes: [{{ name: {name}, match: {{ path: {path} }}, use: [{policy}] }}]\n");
        fs::write(running.path(&format!("{name}.part")), text).unwrap();
        fs::rename(running.path(&format!("{name}.part")), running.path(&format!("{name}.site"))).unwrap();
    };
    let body = |path: &str| fetch(running.port, path).rsplit("\r\n").next().unwrap_or_default().to_owned();
    site("first", "/first");
    running.process().eventually("the first one serves", || body("/first") == "first");
    fs::remove_file(running.path("first.site")).unwrap();
    site("second", "/second");
    running.process().eventually("the second one serves", || body("/second") == "second" && body("/first") == "one");
    let diff = running.done(&["diff"], "second.site");
    assert!(diff.contains("--- /dev/null") && diff.contains("+routes: [{ name: second"), "{diff}");
    let history = running.done(&["history"], "GENERATION");
    let with_first = (1..9).find(|number| {
        let diff = running.does(&["diff", &number.to_string()]).out;
        diff.contains("-routes: [{ name: first")
    });
    running.done(&["rollback", &with_first.expect(&history).to_string()], "serves");
    assert_eq!((body("/first").as_str(), body("/second").as_str()), ("first", "one"));
    running.done(&["unpin"], "serves");
    assert_eq!((body("/first").as_str(), body("/second").as_str()), ("one", "second"));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_stops_nothing() {
    let running = run("state_dir: gatewright.yaml/state\n");
    running.process().says("history cannot be");
    running.write("two");
    running.process().says("reloaded generation=2");
    running.answers("two");
    running.done(&["history"], "TROUBLE: ");
    assert!(!running.metric("gatewright_history_failures_total 0"));
    running.done(&["rollback"], "generation 3 serves");
    running.answers("one");
}

#[test]
fn what_is_pinned_and_lost_is_said_with_the_way_out() {
    let mut running = run(STATE);
    running.write("two");
    running.process().says("reloaded generation=2");
    running.done(&["rollback"], "generation 3 serves");
    drop(running.process.take());
    fs::remove_dir_all(running.path("state/blobs")).unwrap();
    let done = running.does(&["run"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("generation 3 is pinned") && done.err.contains("state/pinned"), "{}", done.err);
    fs::remove_file(running.path("state/pinned")).unwrap();
    running.start();
    running.answers("two");
}

#[test]
fn a_policy_is_switched_at_once_and_over_reloads_and_restarts() {
    let mut running = run(STATE);
    let list = running.done(&["policy"], "hello");
    assert!(list.contains("answer") && list.contains("route all"), "{list}");
    running.refused(&["policy", "off", "helo"], "did you mean `hello`?");
    running.done(&["policy", "off", "hello"], "generation 2 serves: hello is off");
    assert!(!fetch(running.port, "/").ends_with("one"));
    assert!(running.metric("gatewright_policy_switched{policy=\"hello\",to=\"off\"} 1"));
    running.done(&["history"], "switched: hello off, by uid");
    running.done(&["history"], "policy off hello, by uid");
    running.write("two");
    running.process().says("reloaded generation=3");
    assert!(!fetch(running.port, "/").ends_with("two"));
    running.restart();
    running.process().says("switched before this start policy=\"hello\"");
    assert!(!fetch(running.port, "/").ends_with("two"));
    running.done(&["policy", "observe", "hello"], "hello is observe");
    assert!(!fetch(running.port, "/").ends_with("two"));
    let observed = "gatewright_policy_observed_total{policy=\"hello\",hook=\"request\",verdict=\"Answer\"} 1";
    running.process().eventually("what it would do is counted", || {
        fetch(running.admin, "/metrics").to_lowercase().contains(&observed.to_lowercase())
    });
    running.done(&["policy", "on", "hello"], "hello is on");
    running.answers("two");
    running.done(&["policy"], " on ");
    assert!(!fetch(running.admin, "/metrics").contains("gatewright_policy_switched{"));
}

#[test]
fn a_switch_ends_by_itself() {
    let running = run("");
    running.done(&["policy", "off", "hello", "--for", "300ms"], "hello is off until 2");
    running.process().says("policy on hello: its time is over");
    running.answers("one");
    running.done(&["history"], "policy off hello for 0.3 s");
    assert_eq!(running.does(&["policy", "off", "hello", "--for", "soon"]).code, 2);
}

#[test]
fn only_the_socket_steers() {
    use std::os::unix::fs::PermissionsExt;
    let running = run("");
    let mode = fs::metadata(running.path("gatewright.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for path in ["/history", "/diff", "/policies"] {
        assert!(fetch(running.admin, path).starts_with("HTTP/1.1 403"), "{path}");
    }
    for command in ["history", "diff", "rollback", "unpin", "policy"] {
        let done = running.does(&[command, "--socket", "/no/socket"]);
        assert_eq!(done.code, 4, "{command}");
    }
}
