//! `purser demo`: teams, real traffic over HTTP, latencies, and an audit of every balance.
//!
//! Everything goes through the HTTP interface, as with any caller: nothing here looks into the server.

mod audit;
mod job;
mod mix;
mod own;
mod perform;
mod recount;
mod replay;
mod report;
mod schedule;
mod tally;
mod traffic;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::client::Client;
use super::interrupt::{Interrupts, Stopped, Wish};
use super::progress;
use super::town::{Town, seed};
use super::trace::Trace;
use super::{ClientArgs, DemoArgs, Format};
use crate::clock::Clock;
use crate::domain::Credits;
use audit::Audit;
use mix::Mix;
use own::Own;
use perform::Performer;
use schedule::Schedule;
use tally::Tally;
use traffic::Traffic;

/// A little longer than a hold may be abandoned, so that its expiry has been entered.
const EXPIRY_SLACK: Duration = Duration::from_millis(500);

/// Runs the demo: 0 when the audit finds no difference, every request was answered and every repeated
/// id got its first answer.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let trace = args.trace.as_deref().map(Trace::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let interrupts = Interrupts::catch(runtime.handle())?;
    let clock = Clock::system();
    let own = if args.url.is_none() { Some(runtime.block_on(Own::start(&clock))?) } else { None };
    let url = args.url.clone().or_else(|| own.as_ref().map(Own::url)).unwrap_or_default();
    let client = Client::of(&ClientArgs { url, token_file: args.token_file.clone(), actor: None, json: args.json })?;
    let done = Demo { args, client, clock, interrupts, format: Format::of(args.json) }.run(&runtime, trace);
    if let Some(own) = own {
        runtime.block_on(own.stop());
    }
    match done.as_ref().map_err(|error| error.downcast_ref::<Stopped>()) {
        Err(Some(stopped)) => {
            eprintln!("purser: {stopped}; nothing is left behind of a server that the demo has started");
            Ok(stopped.exit_code())
        }
        _ => done,
    }
}

struct Demo<'a> {
    args: &'a DemoArgs,
    client: Client,
    clock: Clock,
    interrupts: Interrupts,
    format: Format,
}

impl Demo<'_> {
    fn run(&self, runtime: &tokio::runtime::Runtime, trace: Option<Trace>) -> anyhow::Result<ExitCode> {
        let end = Duration::from_secs(self.args.seconds.into());
        let prefix = self.prefix();
        let expected = self.expected(trace.as_ref());
        let town = Arc::new(Town::mixed(&prefix, self.args.teams, self.args.members, expected));

        let bar = progress::bar(u64::from(self.args.teams) * u64::from(self.args.members), "creating members");
        let seeded = seed(&self.client, &town, self.clock.now(), &bar);
        runtime.block_on(self.interrupts.unless(Wish::Go, seeded))??;
        bar.finish_and_clear();

        let traffic = Arc::new(self.traffic(&town, &prefix, trace, end));
        let (took, complete) = self.send(runtime, &traffic, end);
        let heeded = self.interrupts.now();
        if heeded > Wish::EndEarly {
            return Err(Stopped(heeded).into());
        }
        let tally = traffic.tally.lock().clone();

        let bar = progress::bar(0, "waiting for abandoned holds to expire, then auditing");
        let mut audit = runtime.block_on(self.interrupts.unless(heeded, async {
            tokio::time::sleep(mix::ABANDONED_TTL_MAX + EXPIRY_SLACK).await;
            audit::audit(&self.client, &town, self.clock.now()).await
        }))??;
        compare_answers(&tally, &mut audit);
        bar.finish_and_clear();

        report::print(&tally, &audit, report::Run { took, complete }, self.format)?;
        let is_right = audit.differences == 0 && tally.contradictions == 0 && tally.unanswered.is_empty();
        Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What ids begin with: another one for each run, as teams stay and ids are remembered.
    fn prefix(&self) -> String {
        format!("demo-{:x}", self.clock.now().millis())
    }

    fn expected(&self, trace: Option<&Trace>) -> Credits {
        let requests = u64::from(self.args.rate) * u64::from(self.args.seconds);
        trace.map_or_else(|| mix::expected(requests), Trace::expected)
    }

    fn traffic(&self, town: &Arc<Town>, prefix: &str, trace: Option<Trace>, end: Duration) -> Traffic {
        let mix = Mix::new(town.clone(), self.args.seed, prefix);
        let schedule = match trace {
            // The last call is due at the very end.
            Some(trace) => Schedule::timed(Box::new(replay::replay(trace, end, mix)), end + Duration::from_millis(1)),
            None => Schedule::steady(mix, self.args.rate, end),
        };
        Traffic {
            performer: Performer { client: self.client.clone(), town: town.clone() },
            schedule: Mutex::new(schedule),
            tally: Mutex::new(Tally::default()),
            interrupts: self.interrupts.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Sends the traffic; an interrupt ends it early.
    fn send(&self, runtime: &tokio::runtime::Runtime, traffic: &Arc<Traffic>, end: Duration) -> (Duration, bool) {
        let bar = progress::bar(u64::try_from(end.as_millis()).unwrap_or(u64::MAX), "");
        let sent = traffic.run(runtime.handle(), self.args.connections, end, &bar);
        bar.finish_and_clear();
        sent
    }
}

/// What was answered must be in the ledger, and nothing else.
fn compare_answers(tally: &Tally, audit: &mut Audit) {
    if !tally.unanswered.is_empty() {
        return;
    }
    let ended = |beginning: &str| -> u64 {
        let of_kind = tally.ends.iter().filter(|(what, _)| what.starts_with(beginning));
        of_kind.map(|(_, count)| count.count).sum()
    };
    audit.answered("debited", tally.allowed("debit"));
    audit.answered("held", tally.allowed("hold"));
    audit.answered("settled", ended("settled"));
    audit.answered("released", ended("released"));
    audit.answered("refunded", ended("refunded"));
}
