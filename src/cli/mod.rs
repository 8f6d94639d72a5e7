//! The command line: arguments in, exit code out.
//!
//! Exit codes: 0 done, 64 the arguments or the configuration cannot be used, 69 the server that was
//! asked is away, 1 anything else. What a command answers goes to standard output, everything else to
//! standard error.

mod balance;
mod bench;
mod check_config;
pub mod client;
mod client_args;
mod config_args;
mod control_args;
mod demo;
mod entries;
mod interrupt;
mod operators;
mod output;
mod pages;
mod progress;
mod rates;
mod serve;
mod subscription;
mod team;
mod town;
mod trace;
mod tree;
pub mod welcome;

pub use client_args::{BalanceArgs, ClientArgs, DemoArgs, EntriesArgs, ForgiveArgs, ReconcileArgs, SidecarsArgs};
pub use config_args::ConfigArgs;
pub use control_args::{
    AccessArg, MemberChange, RoleArg, SubscriptionArgs, SubscriptionCommand, TeamArgs, TeamCommand, TermsArgs,
};
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
    /// Serve until SIGTERM; SIGHUP reloads tokens, the rate card, the whitelist's policy and the log's level
    Serve(serve::ServeArgs),
    /// Check the configuration and print what came out of all its sources
    CheckConfig(check_config::CheckConfigArgs),
    /// Check a rate card, or make one of a public list of prices
    Rates(rates::RatesArgs),
    /// Show what a member, a team's pool or a user still has
    Balance(BalanceArgs),
    /// Print a team's ledger
    Entries(EntriesArgs),
    /// Create, show and change teams and their members
    Team(TeamArgs),
    /// Create, show and change subscriptions, buy credits
    Subscription(SubscriptionArgs),
    /// List the sidecars that share the store, and what they hold
    Sidecars(SidecarsArgs),
    /// Give up a sidecar that is gone for ever: what it held comes back
    ///
    /// It is fenced should it come back. What it spent after its last sync is in no ledger and can now be spent a second
    /// time, up to what comes back: that is the one bound that this breaks.
    Forgive(ForgiveArgs),
    /// Recompute every balance from the ledger; exit code 1 where any differs
    Reconcile(ReconcileArgs),
    /// Try purser out: teams, real HTTP traffic, latencies, and an audit of every balance
    Demo(DemoArgs),
    /// Measure what a running purser answers: decisions a second, latencies, answers by outcome
    ///
    /// It writes: teams, members and subscriptions of its own, whose ids begin with bench- and the time in hexadecimal, and a debit
    /// for each request, all of which stay in the ledger. Nobody else's credits are touched. An admin's token is needed where
    /// the server has tokens. Measure away from production all the same: the load is as much as the server can take.
    Bench(bench::BenchArgs),
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
        Command::Rates(args) => rates::run(&args),
        Command::Balance(args) => wait_for(balance::run(&args)),
        Command::Entries(args) => wait_for(entries::run(&args)),
        Command::Team(args) => wait_for(team::run(&args)),
        Command::Subscription(args) => wait_for(subscription::run(&args)),
        Command::Sidecars(args) => wait_for(operators::sidecars(&args)),
        Command::Forgive(args) => wait_for(operators::forgive(&args)),
        Command::Reconcile(args) => wait_for(operators::reconcile(&args)),
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("purser: {error:#}");
        error.downcast_ref::<client::ClientError>().map_or(ExitCode::FAILURE, client::ClientError::exit_code)
    })
}

/// Runs a command that asks a server, on this thread.
fn wait_for(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints help or what is wrong with the arguments.
fn explain(refused: &clap::Error) -> ExitCode {
    // A reader that went away needs no explanation.
    let _ = refused.print();
    if refused.use_stderr() { ExitCode::from(EXIT_CONFIG) } else { ExitCode::SUCCESS }
}
