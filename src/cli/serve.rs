//! `purser serve`: a checklist from the configuration to the exit code.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ConfigArgs, Format, Output, welcome};
use crate::clock::Clock;
use crate::config::{Config, EXIT_CONFIG};
use crate::server::rates::RatesError;
use crate::server::{Server, StartError};
use crate::telemetry::{self, LogControl};

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Where there is no team yet, create a small one to try things out; print requests that use it
    #[arg(long)]
    demo_team: bool,
}

/// Serves until SIGTERM or SIGINT; SIGHUP reloads.
///
/// # Errors
/// What keeps it from starting, but for the configuration: that is exit code 64.
pub(super) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let loaded = match args.config.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("purser: {error}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let config = loaded.config;
    let log = telemetry::start(config.log.format, *config.log.level).context("the log cannot be started")?;
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.server.workers > 0 {
        runtime.worker_threads(config.server.workers as usize);
    }
    let runtime = runtime.thread_name("purser-http").enable_all().build().context("no threads to serve on")?;
    runtime.block_on(serve(args, config, &log))
}

async fn serve(args: &ServeArgs, mut config: Config, log: &LogControl) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("signals cannot be caught")?;
    let server = match Server::start(&config, Clock::system()).await {
        Ok(server) => server,
        Err(error) if is_configuration(&error) => {
            eprintln!("purser: {error}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
        Err(error) => return Err(error.into()),
    };
    if args.demo_team
        && let Err(error) = try_out(&server).await
    {
        tracing::warn!(%error, "there is no team to try things out");
    }
    while signals.next().await == Wish::Reload {
        reload(&args.config, &mut config, &server, log);
    }
    tracing::info!(deadline = ?config.server.drain_deadline, "stopping");
    let stopped = server.stop(config.server.drain_deadline).await;
    tracing::info!(cut = stopped.cut, flushed = stopped.flushed, "stopped");
    Ok(ExitCode::SUCCESS)
}

/// Whether another configuration would help.
const fn is_configuration(error: &StartError) -> bool {
    match error {
        StartError::Access(_) | StartError::OpenToAll(_) | StartError::Limits(_) => true,
        StartError::Rates(error) => !matches!(error, RatesError::Unkept(..)),
        StartError::Open(_) | StartError::Bind(_) => false,
    }
}

/// Creates the team to try things out, and prints three requests that work as they are printed.
async fn try_out(server: &Server) -> anyhow::Result<()> {
    if welcome::create(server.service()).await? {
        tracing::info!(team = welcome::TEAM, "created a team to try things out");
    }
    if let Some(address) = server.addresses().first() {
        Output::stdout(Format::Table).text(&format!("Try it:\n  {}\n", welcome::curl_lines(address).join("\n  ")))?;
    }
    Ok(())
}

/// Takes over what may change; keeps the last good configuration when anything is wrong.
fn reload(args: &ConfigArgs, config: &mut Config, server: &Server, log: &LogControl) {
    let reloaded = match args.load().and_then(|loaded| config.reloaded(&loaded.config)) {
        Ok(reloaded) => reloaded,
        Err(error) => return tracing::error!(%error, "not reloaded; the last good configuration stays"),
    };
    let (next, restart) = reloaded;
    if let Err(error) = server.reload(&next) {
        return tracing::error!(%error, "not reloaded; the last good configuration stays");
    }
    log.set_level(*next.log.level);
    *config = next;
    tracing::info!(needs_restart = ?restart, "reloaded");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
        }
    }
}
