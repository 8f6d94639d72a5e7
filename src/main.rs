//! The `purser` program: everything it can do is a command of [`purser::cli`].

use std::process::ExitCode;

/// Threads allocate without fighting for one heap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    purser::cli::run(std::env::args_os())
}
