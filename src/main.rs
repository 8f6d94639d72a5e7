//! The `purser` program: everything it can do is a command of [`purser::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    purser::cli::run(std::env::args_os())
}
