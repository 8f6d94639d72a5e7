//! `purser bench`: decisions a second and latencies of a running purser, for whoever has to size a deployment.
//!
//! It makes teams of its own over HTTP as any operator would, then sends debits and counts what comes back. Not here: what
//! it means; docs/performance.md says how to read it.

mod args;
mod draws;
mod grpc;
mod http1;
mod lane;
mod pace;
mod report;
mod stream;
mod tally;
mod timer;

pub(super) use args::BenchArgs;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use http::StatusCode;
use indicatif::ProgressBar;
use tokio::runtime::Runtime;

use super::client::{Client, ClientError, Target};
use super::interrupt::{Interrupts, Stopped, Wish};
use super::progress;
use super::town::{Town, seed};
use super::trace::Trace;
use super::{ClientArgs, Format};
use crate::clock::Clock;
use draws::{Costs, Work};
use lane::{Load, Sent};
use pace::{Arrivals, Span};
use report::Run;

/// How often the progress bar moves.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// The last call of a trace is due at the very end.
const LAST: Duration = Duration::from_millis(1);

/// Runs the benchmark: 0 when every request was answered with a decision.
pub(super) fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    args.check()?;
    let trace = args.trace.as_deref().map(Trace::read).transpose()?;
    let client = Client::of(&ClientArgs {
        url: args.url.clone(),
        token_file: args.token_file.clone(),
        actor: None,
        json: args.json,
    })?;
    let target = match &args.grpc {
        Some(url) => url.parse().map_err(|why| ClientError::Usage(format!("--grpc {why}")))?,
        None => client.target().clone(),
    };
    // Its one worker seeds and listens for signals; requests have threads of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let bench =
        Bench { args, client, target, clock: Clock::system(), interrupts: Interrupts::catch(runtime.handle())? };
    match bench.run(&runtime, trace) {
        Err(error) if error.is::<Stopped>() => {
            eprintln!("purser: {error} before anything was measured");
            Ok(error.downcast_ref().map_or(ExitCode::FAILURE, |stopped: &Stopped| stopped.exit_code()))
        }
        done => done,
    }
}

struct Bench<'a> {
    args: &'a BenchArgs,
    client: Client,
    target: Target,
    clock: Clock,
    interrupts: Interrupts,
}

impl Bench<'_> {
    fn run(&self, runtime: &Runtime, trace: Option<Trace>) -> anyhow::Result<ExitCode> {
        let prefix = format!("bench-{:x}", self.clock.now().millis());
        let town = Arc::new(Town::plain(&prefix, self.args.teams, self.args.members, self.args.pool));
        runtime.block_on(self.interrupts.unless(Wish::Go, self.prepare(&town)))??;

        let load = Arc::new(self.load(&prefix, town, trace));
        let Sent { tally, end, complete } = self.send(&load)?;
        let seconds = end.saturating_sub(load.warm_up).as_secs_f64();
        let all = tally.measured();
        let failed = !all.counts.errors.is_empty() || !tally.warm_up.errors.is_empty();
        let (args, target) = (self.args, self.target.to_string());
        let run = Run { args, target, prefix: &prefix, seconds, complete, tally, all };
        run.print(Format::of(self.args.json))?;
        Ok(match self.interrupts.now() {
            Wish::Go | Wish::EndEarly if failed => ExitCode::FAILURE,
            Wish::Go | Wish::EndEarly => ExitCode::SUCCESS,
            wish => Stopped(wish).exit_code(),
        })
    }

    /// Asks whether somebody listens, then creates the teams.
    async fn prepare(&self, town: &Arc<Town>) -> anyhow::Result<()> {
        let away = |error: std::io::Error| ClientError::Unavailable(format!("{}: {error}", self.target));
        let flag = if self.args.grpc.is_some() { "--grpc" } else { "--url" };
        let connected = self.target.connect().await;
        drop(connected.map_err(away).with_context(|| format!("nobody takes connections at {flag}"))?);
        let bar = progress::bar(u64::from(self.args.teams) * u64::from(self.args.members), "creating members");
        let seeded = seed(&self.client, town, self.clock.now(), &bar).await;
        bar.finish_and_clear();
        let refused = matches!(
            seeded,
            Err(ClientError::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. })
        );
        if refused {
            return seeded
                .context("the teams cannot be created: name an admin's token by --token-file or PURSER_TOKEN");
        }
        seeded.context("the teams cannot be created")
    }

    fn load(&self, prefix: &str, town: Arc<Town>, trace: Option<Trace>) -> Load {
        let (args, measured) = (self.args, Duration::from_secs(self.args.seconds.into()));
        let warm_up = if trace.is_some() { Duration::ZERO } else { Duration::from_secs(args.warm_up.into()) };
        let end = warm_up + measured + if trace.is_some() { LAST } else { Duration::ZERO };
        let (arrivals, costs) = match (trace, args.rate) {
            (Some(trace), _) => replay(trace, measured, args.rows() as usize),
            (None, Some(rate)) => (Arrivals::Steady(rate), Costs::Same(args.credits)),
            (None, None) => (Arrivals::Closed, Costs::Same(args.credits)),
        };
        Load {
            via: args.via,
            target: self.target.clone(),
            token: self.client.token().cloned(),
            work: Work { town, prefix: prefix.into(), costs, rows: args.rows(), seed: args.seed },
            arrivals,
            connections: args.connections,
            in_flight: args.in_flight(),
            threads: args.threads,
            span: Span { clock: self.clock.clone(), start: self.clock.instant(), end },
            warm_up,
            every_seconds: args.every().into(),
            interrupts: self.interrupts.clone(),
            decided: AtomicU64::new(0),
        }
    }

    /// Sends everything and waits for the last answer; blocks this thread.
    fn send(&self, load: &Arc<Load>) -> anyhow::Result<Sent> {
        let bar = progress::bar(u64::try_from(load.span.end.as_millis()).unwrap_or(u64::MAX), "");
        let lanes: Vec<_> = thread::scope(|scope| {
            let lanes: Vec<_> = (0..load.threads).map(|thread| scope.spawn(move || lane::run(load, thread))).collect();
            while lanes.iter().any(|lane| !lane.is_finished()) {
                show(load, &bar);
                thread::sleep(BAR_EVERY);
            }
            lanes.into_iter().map(|lane| lane.join().expect("a thread that sends does not panic")).collect()
        });
        bar.finish_and_clear();
        let mut all = Sent { tally: load.tally(), end: Duration::ZERO, complete: true };
        for lane in lanes {
            let sent = lane.context("no thread to send on")?;
            all.tally.add(&sent.tally);
            all.end = all.end.max(sent.end);
            all.complete &= sent.complete;
        }
        Ok(all)
    }
}

/// A debit of each call's cost when it began. A batch of them is due with its last call.
fn replay(trace: Trace, within: Duration, rows: usize) -> (Arrivals, Costs) {
    let shorter = trace.shorter(within);
    let calls = trace.into_calls();
    let due = calls.chunks(rows).filter_map(|batch| batch.last()).map(|call| shorter(call.at));
    (Arrivals::Timed(due.collect()), Costs::Each(calls.iter().map(|call| call.cost()).collect()))
}

fn show(load: &Load, bar: &ProgressBar) {
    let now = load.span.now();
    bar.set_position(u64::try_from(now.min(load.span.end).as_millis()).unwrap_or(u64::MAX));
    let what = if now < load.warm_up { "warming up" } else { "measuring" };
    bar.set_message(format!("{what}, {} decisions", load.decided.load(Ordering::Relaxed)));
}
