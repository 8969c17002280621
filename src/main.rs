//! Parse, dispatch, exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;
use gatewright::cli::{Cli, dispatch};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dispatch::run(Cli::parse()).into()
}
