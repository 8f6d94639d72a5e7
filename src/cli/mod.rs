//! The command line: arguments in, exit code out.
//!
//! Exit codes: 0 done, 64 the arguments or the configuration cannot be used, 1 anything else. What a
//! command answers goes to standard output, everything else to standard error.

mod check_config;
mod client_args;
mod config_args;
mod output;
mod serve;

pub use client_args::{AuditArgs, BalanceArgs, ClientArgs, DemoArgs, EntriesArgs, MemberChange, TeamArgs, TeamCommand};
pub use config_args::ConfigArgs;
pub use output::{Format, Output, Row};

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::config::EXIT_CONFIG;

/// Decides whether a member may spend credits, journals before it answers, flushes in batches.
#[derive(Debug, Parser)]
#[command(name = "purser", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve until SIGTERM; SIGHUP reloads tokens, the whitelist's policy and the log's level
    Serve(ConfigArgs),
    /// Check the configuration and print what came out of all its sources
    CheckConfig(check_config::CheckConfigArgs),
}

/// Runs the command that `arguments` name (the program's own name first) and says how the process
/// shall end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.command,
        Err(refused) => return explain(&refused),
    };
    let done = match command {
        Command::Serve(args) => serve::run(&args),
        Command::CheckConfig(args) => check_config::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("purser: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints help or what is wrong with the arguments.
fn explain(refused: &clap::Error) -> ExitCode {
    // A reader that went away needs no explanation.
    let _ = refused.print();
    if refused.use_stderr() { ExitCode::from(EXIT_CONFIG) } else { ExitCode::SUCCESS }
}
