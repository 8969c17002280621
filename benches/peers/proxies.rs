//! The proxies under comparison: how each is configured, started on its CPU, and ended.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(20);

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Gatewright,
    Nginx,
    Haproxy,
}

/// How clients speak to a proxy: it listens for each on a port of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Plain,
    Tls,
    /// HTTP/2 by TLS.
    H2,
    /// HTTP/2 by plain TCP, with prior knowledge.
    H2c,
}

/// A certificate for 127.0.0.1, made for one run.
pub struct Identity {
    folder: tempfile::TempDir,
    pub der: Vec<u8>,
}

/// What is in front of what.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub origin: SocketAddr,
    pub identity: &'a Identity,
    pub cpus: Cpus,
}

/// Which CPUs a run uses: the proxy has one for itself.
#[derive(Debug, Clone, Copy)]
pub struct Cpus {
    pub proxy: usize,
    pub load: usize,
}

/// A running program that ends when dropped.
pub struct Running {
    child: Child,
    /// By the order of [`Door`].
    addrs: [SocketAddr; 4],
    folder: tempfile::TempDir,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Nginx, Kind::Haproxy, Kind::Gatewright];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Gatewright => "gatewright",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
        }
    }

    /// Where the program is; none when it is not installed.
    pub fn program(self) -> Option<PathBuf> {
        match self {
            Kind::Gatewright => Some(PathBuf::from(env!("CARGO_BIN_EXE_gatewright"))),
            Kind::Nginx | Kind::Haproxy => installed(self.name()),
        }
    }

    /// Starts it behind the words of `wrapper` (valgrind), and waits until it accepts.
    pub fn start(self, setting: Setting<'_>, log: bool, wrapper: &[&str]) -> io::Result<Running> {
        let program = self.program().ok_or_else(|| io::Error::other("not installed"))?;
        let folder = tempfile::Builder::new().prefix(&format!("peers-{}-", self.name())).tempdir()?;
        let addrs = [free_port()?, free_port()?, free_port()?, free_port()?];
        let file = self.configure(folder.path(), addrs, setting, log)?;
        let mut words: Vec<String> = wrapper.iter().map(|word| (*word).to_owned()).collect();
        words.push(program.display().to_string());
        words.extend(self.arguments(folder.path(), &file));
        let out = fs::File::create(folder.path().join("out.log"))?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(out.try_clone()?).stderr(out);
        let child = on_cpu(setting.cpus.proxy, setting.cpus.load, || command.spawn())?;
        let mut running = Running { child, addrs, folder };
        running.wait_until_it_accepts().map(|()| running)
    }

    fn arguments(self, folder: &Path, file: &Path) -> Vec<String> {
        let (folder, file) = (folder.display().to_string(), file.display().to_string());
        match self {
            Kind::Gatewright => vec!["run".to_owned(), "-c".to_owned(), file],
            Kind::Nginx => vec!["-p".to_owned(), folder, "-c".to_owned(), file],
            Kind::Haproxy => vec!["-db".to_owned(), "-f".to_owned(), file],
        }
    }

    fn configure(self, folder: &Path, addrs: [SocketAddr; 4], setting: Setting<'_>, log: bool) -> io::Result<PathBuf> {
        let (file, text) = match self {
            Kind::Gatewright => ("gatewright.yaml", gatewright(folder, addrs, setting, log)?),
            Kind::Nginx => ("nginx.conf", nginx(addrs, setting, log)),
            Kind::Haproxy => ("haproxy.cfg", haproxy(addrs, setting)),
        };
        let path = folder.join(file);
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn gatewright(folder: &Path, addrs: [SocketAddr; 4], setting: Setting<'_>, log: bool) -> io::Result<String> {
    let Setting { origin, identity, .. } = setting;
    let (admin, [plain, tls, h2, h2c]) = (free_port()?, addrs);
    let (certificate, key) = (identity.file("site.pem"), identity.file("site.key"));
    let log = match log {
        true => format!("{{ format: combined, file: \"{}\" }}", folder.join("access.log").display()),
        false => "off".to_owned(),
    };
    Ok(format!(
        r#"version: 1
workers: 1
access_log: {log}
admin: {{ bind: "{admin}" }}
listeners:
  web: {{ bind: "{plain}" }}
  tls: {{ bind: "{tls}", tls: {{ certificates: [{{ certificate: {certificate}, key: {key} }}] }} }}
  h2: {{ bind: "{h2}", tls: {{ certificates: [{{ certificate: {certificate}, key: {key} }}] }} }}
  h2c: {{ bind: "{h2c}" }}
upstreams: {{ origin: {{ endpoints: ["{origin}"] }} }}
routes: [ {{ match: {{ path: "/*" }}, to: origin }} ]
"#
    ))
}

fn nginx(addrs: [SocketAddr; 4], setting: Setting<'_>, log: bool) -> String {
    let Setting { origin, identity, .. } = setting;
    let [plain, tls, h2, h2c] = addrs;
    let (certificate, key) = (identity.file("site.pem"), identity.file("site.key"));
    let log = if log { "access.log combined" } else { "off" };
    format!(
        r#"worker_processes 1; daemon off; master_process off;
error_log error.log error; pid nginx.pid;
events {{ worker_connections 19000; multi_accept on; }}
http {{
  access_log {log}; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 600s; keepalive_requests 100000000;
  client_body_temp_path tb; proxy_temp_path tp; fastcgi_temp_path tf; uwsgi_temp_path tu; scgi_temp_path ts;
  upstream be {{ server {origin}; keepalive 256; keepalive_requests 100000000; keepalive_timeout 600s; }}
  proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_max_temp_file_size 0; proxy_buffers 8 32k; proxy_buffer_size 8k;
  ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache off; http2_max_concurrent_streams 256;
  server {{
    listen {plain} reuseport backlog=4096;
    listen {tls} ssl reuseport backlog=4096;
    listen {h2} ssl http2 reuseport backlog=4096;
    listen {h2c} http2 reuseport backlog=4096;
    location / {{ proxy_pass http://be; }}
  }}
}}
"#
    )
}

fn haproxy(addrs: [SocketAddr; 4], setting: Setting<'_>) -> String {
    let Setting { origin, identity, .. } = setting;
    let [plain, tls, h2, h2c] = addrs;
    let both = identity.file("both.pem");
    format!(
        r#"global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  http-reuse always
  maxconn 9000
frontend f
  bind {plain}
  bind {tls} ssl crt {both}
  bind {h2} ssl crt {both} alpn h2
  bind {h2c} proto h2
  default_backend b
backend b
  server s1 {origin} pool-max-conn 512 pool-purge-delay 600s
"#
    )
}

impl Identity {
    pub fn make() -> io::Result<Identity> {
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(folder.path().join("site.pem"), &certificate)?;
        fs::write(folder.path().join("site.key"), &key)?;
        fs::write(folder.path().join("both.pem"), certificate + &key)?;
        Ok(Identity { folder, der: made.cert.der().to_vec() })
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn addr(&self, door: Door) -> SocketAddr {
        self.addrs[door as usize]
    }

    /// What the program said, after it was asked to end and has ended.
    pub fn end(mut self) -> io::Result<String> {
        self.ask_to_end();
        fs::read_to_string(self.folder.path().join("out.log"))
    }

    fn ask_to_end(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ended_already = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END_MAX;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                eprintln!("notice: {} does not end on SIGTERM; killed", self.child.id());
                let _ended_already = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(self.addrs[0]).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(self.folder.path().join("out.log")).unwrap_or_default();
                return Err(io::Error::other(format!("does not accept connections\n{said}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask_to_end();
    }
}

/// The bench itself, run again as the origin, on the CPU of the load.
pub fn start_origin() -> io::Result<Running> {
    let addr = free_port()?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.arg("--origin").arg(addr.port().to_string()).stdin(Stdio::null()).spawn()?;
    let mut running = Running { child, addrs: [addr; 4], folder };
    running.wait_until_it_accepts().map(|()| running)
}

/// Two of the CPUs we may use; none when there is only one.
pub fn cpus() -> Option<Cpus> {
    let set = sched_getaffinity(None).ok()?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu));
    Some(Cpus { proxy: usable.next()?, load: usable.next()? })
}

/// Moves this thread, and whatever it starts, to one CPU.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Where a program is on the search path.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let also = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(also).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A child inherits the CPU of the thread that starts it.
fn on_cpu<T>(cpu: usize, then: usize, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    pin(cpu)?;
    let started = start();
    pin(then)?;
    started
}

fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
