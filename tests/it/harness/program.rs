//! The third actor as a program of its own, for what is measured of a process.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program on its own: the actors' memory is not its memory.
pub struct Program(Child);

impl Program {
    pub fn start(dir: &Path, yaml: &str) -> Program {
        std::fs::write(dir.join("gatewright.yaml"), yaml).unwrap();
        let binary = env!("CARGO_BIN_EXE_gatewright");
        Program(Command::new(binary).arg("run").current_dir(dir).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn resident_bytes(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.0.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0.id())).unwrap().count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

pub fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
