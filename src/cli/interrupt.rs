//! SIGINT and SIGTERM while a demo or a benchmark runs: what was done so far is told, and nothing is left behind.
//!
//! Handlers are set, so that signals count also where a shell without a terminal has them ignored.

use std::future::Future;
use std::process::ExitCode;

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What signals have asked for so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// Nothing: go on.
    Go,
    /// Interrupted once: while traffic is sent, end that early and tell what was done; else stop.
    EndEarly,
    /// Interrupted again: stop.
    Stop,
    /// Terminated: stop.
    Terminate,
}

/// What signals ask for, as it changes.
#[derive(Clone, Debug)]
pub(super) struct Interrupts(watch::Receiver<Wish>);

impl Interrupts {
    /// Catches both signals from now on.
    pub(super) fn catch(runtime: &Handle) -> std::io::Result<Self> {
        let _context = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (wish, wishes) = watch::channel(Wish::Go);
        runtime.spawn(async move {
            loop {
                let next = tokio::select! {
                    _ = terminate.recv() => Wish::Terminate,
                    _ = interrupt.recv() => match *wish.borrow() {
                        Wish::Go => Wish::EndEarly,
                        Wish::EndEarly => Wish::Stop,
                        already => already,
                    },
                };
                wish.send_replace(next);
            }
        });
        Ok(Self(wishes))
    }

    /// What is asked for now.
    pub(super) fn now(&self) -> Wish {
        *self.0.borrow()
    }

    /// Does `work` unless more than `heeded` is asked for before it is done.
    ///
    /// # Errors
    /// What was asked for.
    pub(super) async fn unless<T>(&self, heeded: Wish, work: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut wishes = self.0.clone();
        tokio::select! {
            biased;
            // The task that sends ends with the runtime only.
            Ok(wish) = wishes.wait_for(|wish| *wish > heeded) => Err(Stopped(*wish)),
            done = work => Ok(done),
        }
    }
}

/// What was stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by a signal")]
pub(super) struct Stopped(pub(super) Wish);

impl Stopped {
    /// 128 and the signal, as shells say it.
    pub(super) fn exit_code(self) -> ExitCode {
        ExitCode::from(if self.0 == Wish::Terminate { 143 } else { 130 })
    }
}
