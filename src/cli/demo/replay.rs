//! A trace as a demo replays it: before each call a hold by an estimate from its context, after it a settle with
//! the tokens that were really generated.

use std::time::Duration;

use super::job::{Job, Then};
use super::mix::Mix;
use crate::cli::trace::Trace;

/// How long a model takes to write one token; the time between a hold and its settle.
const TOKEN_MILLIS: u64 = 20;

/// The calls with their times from the start, the whole in `within`. Who calls comes from `mix`.
pub(super) fn replay(trace: Trace, within: Duration, mut mix: Mix) -> impl Iterator<Item = (Duration, Job)> {
    let shorter = trace.shorter(within);
    trace.into_calls().into_iter().map(move |call| {
        let after = shorter(Duration::from_millis(call.written * TOKEN_MILLIS));
        let then = match call.written {
            0 => Then::Release { after },
            _ => Then::Settle { credits: call.cost(), after },
        };
        (shorter(call.at), mix.draw(call.estimate(), then))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::town::Town;

    const CSV: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
        2023-11-16 18:15:46.5000000,374,44\n2023-11-16 18:15:54.5000000,0,0\n";

    #[test]
    fn a_call_is_held_by_its_estimate_and_settled_with_its_cost() {
        let trace = Trace::parse(CSV.as_bytes()).expect("two calls");
        let town = Arc::new(Town::mixed("demo", 1, 1, trace.expected()));
        let [first, last] = trace.clone().into_calls()[..] else { panic!("two calls") };
        let jobs: Vec<_> = replay(trace, Duration::from_secs(2), Mix::new(town, 1, "r")).collect();
        let [(at, Job::Draw(held)), (end, Job::Draw(released))] = &jobs[..] else { panic!("{jobs:?}") };
        assert_eq!((*at, held.credits, released.credits), (Duration::ZERO, first.estimate(), last.estimate()));
        let after = Duration::from_millis(44 * TOKEN_MILLIS / 4);
        assert_eq!(held.then, Then::Settle { credits: first.cost(), after });
        assert_eq!((*end, released.then), (Duration::from_secs(2), Then::Release { after: Duration::ZERO }));
    }
}
