//! Binding: one socket per worker by SO_REUSEPORT, and the trap in it closed.
//!
//! With SO_REUSEPORT a second instance of the program would bind without an error and take half of the connections. So
//! the address is first bound once without it; that fails if anybody else holds it, and we can say who.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::limits::ACCEPT_BACKLOG;
use crate::wire::Address;

/// A socket that listens, not yet part of an event loop.
#[derive(Debug)]
pub enum Listening {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
    /// In memory: nothing to bind.
    Memory,
}

/// Why an address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {why}")]
pub struct BindError {
    pub address: Address,
    pub why: String,
}

/// Binds `address` once for each of `workers`; the address that was really bound comes with it (port 0). `beside`:
/// we listen on an overlapping address ourselves, which we are about to leave, so nobody else can hold this one.
pub fn bind(address: &Address, workers: usize, beside: bool) -> Result<(Vec<Listening>, Address), BindError> {
    let wrap = |error: io::Error| BindError { address: address.clone(), why: explain(address, &error) };
    match address {
        Address::Ip(at) => {
            let (sockets, real) = bind_tcp(*at, workers, beside).map_err(wrap)?;
            Ok((sockets, Address::Ip(real)))
        }
        Address::Unix(path) => Ok((bind_unix(path, workers).map_err(wrap)?, address.clone())),
        Address::Memory(_) => Ok(((0..workers).map(|_| Listening::Memory).collect(), address.clone())),
        Address::Name { .. } => {
            Err(BindError { address: address.clone(), why: "a listener needs an IP address, not a name".into() })
        }
    }
}

fn bind_tcp(at: SocketAddr, workers: usize, beside: bool) -> io::Result<(Vec<Listening>, SocketAddr)> {
    if at.port() != 0 && !beside {
        // The probe: as any program binds, without SO_REUSEPORT. It is closed before it ever listens.
        drop(socket(at, false)?);
    }
    // For port 0 the kernel chooses one that nobody holds, shared or not, and the first socket keeps it for the others.
    let first = socket(at, true)?;
    let real = first.local_addr()?.as_socket().unwrap_or(at);
    let mut sockets = Vec::with_capacity(workers);
    let mut first = Some(first);
    for _ in 0..workers {
        let socket = first.take().map_or_else(|| socket(real, true), Ok)?;
        socket.set_tcp_nodelay(true)?; // what is accepted inherits it: one system call less per connection
        socket.listen(ACCEPT_BACKLOG)?;
        sockets.push(Listening::Tcp(socket.into()));
    }
    Ok((sockets, real))
}

fn socket(at: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if at.is_ipv6() {
        socket.set_only_v6(!at.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(at))?;
    Ok(socket)
}

fn bind_unix(path: &Path, workers: usize) -> io::Result<Vec<Listening>> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(_) => std::fs::remove_file(path)?, // left behind by a process that is gone
        }
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    (0..workers).map(|_| listener.try_clone().map(Listening::Unix)).collect()
}

fn explain(address: &Address, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => match address {
            Address::Ip(at) => match holder(at.port()) {
                Some(who) => format!("the port is held by {who}; stop it or choose another port"),
                None => "the port is taken; stop who holds it or choose another port".into(),
            },
            _ => "another process listens there".into(),
        },
        io::ErrorKind::PermissionDenied => match address {
            Address::Ip(at) if at.port() < 1024 => {
                "ports below 1024 need CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep)".into()
            }
            _ => "permission denied".into(),
        },
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        _ => error.to_string(),
    }
}

/// Which process listens on `port`, as far as /proc tells us.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        for file in files.flatten() {
            let Ok(target) = std::fs::read_link(file.path()) else { continue };
            let target = target.to_string_lossy().into_owned();
            if inodes.iter().any(|inode| target == format!("socket:[{inode}]")) {
                let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("{} (process {})", name.trim(), process.file_name().to_string_lossy()));
            }
        }
    }
    None
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&suffix) && row[3] == "0A")
        .map(|row| row[9].to_owned())
        .collect()
}
