//! How a command ends, as the shell and service managers see it.

use std::process::ExitCode;

/// Every exit code there is. `RestartPreventExitStatus=1 2` suits a systemd unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Ok = 0,
    /// The configuration is invalid, or a check failed.
    Invalid = 1,
    /// The command line is wrong.
    Usage = 2,
    /// An address could not be bound, a file not opened, a thread not started.
    Start = 3,
    /// The admin socket could not be reached.
    Unreachable = 4,
    /// The drain limit was over and exchanges were cut.
    Forced = 5,
    /// Our own fault.
    Bug = 70,
}

/// The part of `--help` that lists them.
pub const HELP: &str = "\
Exit codes:
  0   all is well
  1   the configuration is invalid, or a check failed
  2   wrong usage
  3   could not bind or start
  4   the admin socket cannot be reached
  5   forced to quit after the drain limit
  70  a bug in gatewright

With no command and no file, gatewright starts the demo.
Without --config: ./gatewright.yaml, then /etc/gatewright/gatewright.yaml.";

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
