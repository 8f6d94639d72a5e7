//! What Purser adds to the time of a call through Envoy: the same call, in turn through Envoy as `deploy/envoy/tokens.yaml` sets it up
//! and through one without its filters.
//!
//! A few calls show that it can be measured; `GATEWAYS_CAMPAIGN=1` measures and prints it.

use std::time::Duration;

use http_body_util::BodyExt;
use purser::clock::Clock;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::envoy;
use crate::tokens;
use crate::upstream::{Call, End};

/// Calls each way that are not counted: connections are opened, caches filled.
const FIRST: usize = 20;

fn calls() -> usize {
    if std::env::var_os("GATEWAYS_CAMPAIGN").is_some() { 5_000 } else { 20 }
}

/// Envoy's configuration without what Purser needs.
fn bare(mut config: String) -> String {
    let filter = |config: &str, name: &str| config.find(&format!("- name: envoy.filters.http.{name}\n"));
    let (first, last) = (filter(&config, "json_to_metadata"), filter(&config, "router"));
    config.replace_range(first.expect("Purser's first filter")..last.expect("what stays"), "");
    config
}

/// One call, from its first byte to its last.
async fn time(clock: &Clock, caller: &Caller, end: End) -> Duration {
    let call = Call { end, prompt: 812, cached: 512, completion: 400 };
    let start = clock.instant();
    let answer = caller.ask(&tokens::body(&call)).await;
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.expect("a whole body");
    clock.since(start)
}

fn percentile(times: &[Duration], percent: usize) -> f64 {
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times[at].as_secs_f64() * 1_000.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_a_little_longer_with_purser() {
    let scene = tokens::scene().await;
    scene.purchase("100000");
    scene.set_ana(&json!({ "role": "member", "access": "seat", "limit": Value::Null }));
    let Some((_envoy, with)) = envoy::start(&scene, "tokens.yaml") else { return };
    let (_bare, without) = envoy::start_with(&scene, "tokens.yaml", bare).expect("it was there before");
    let clock = Clock::system();
    for end in [End::Json, End::Stream] {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..FIRST + calls() {
            // Each goes first as often as the other: what is settled after a call falls into the time of the next.
            for turn in [round % 2, (round + 1) % 2] {
                let caller = [&without, &with][turn];
                times[turn].push(time(&clock, caller, end).await);
            }
        }
        let [without, with] = times.map(|mut times| {
            times.drain(..FIRST);
            times.sort_unstable();
            times
        });
        for percent in [50, 99] {
            let (without, with) = (percentile(&without, percent), percentile(&with, percent));
            println!("{end:?} p{percent}: {without:.3} ms without, {with:.3} ms with, {:.3} ms added", with - without);
        }
    }
    // Of Envoy without the filters none reached Purser.
    scene.nothing_is_held().await;
    assert_eq!(scene.upstream.calls(), 4 * (FIRST + calls()));
    let settled = 2 * (FIRST + calls()) as u64 * 539_000;
    assert_eq!(scene.used(), format!("{}.{:06}", settled / 1_000_000, settled % 1_000_000).trim_end_matches(['0']));
}
