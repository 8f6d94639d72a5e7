//! Envoy as `deploy/envoy/tokens.yaml` sets it up, before a Purser with a rate card: every call, however it ends, is compared
//! with the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use purser::clock::Clock;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::envoy;
use crate::scene::Scene;
use crate::upstream::{Call, End};

/// The card that is shipped: of its `gpt-4o` a token costs [`INPUT`], [`CACHED`] and [`OUTPUT`] micro-credits.
const CARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rates.toml");
const INPUT: u64 = 250;
const CACHED: u64 = 125;
const OUTPUT: u64 = 1_000;

/// Callers at once.
const CALLERS: usize = 16;

/// Calls; with `GATEWAYS_CAMPAIGN=1` as many as it takes to believe it.
fn calls() -> usize {
    if std::env::var_os("GATEWAYS_CAMPAIGN").is_some() { 10_000 } else { 400 }
}

/// The call that comes as the `number`th: of forty, one each is left before and after it told what it used, one fails and
/// one breaks.
fn call(number: usize) -> Call {
    let end = match number % 40 {
        7 => End::Endless,
        17 => End::Counted,
        27 => End::Fails,
        37 => End::Breaks,
        even if even % 2 == 0 => End::Json,
        _ => End::Stream,
    };
    let number = number as u64;
    Call { end, prompt: 100 + number % 701, cached: number % 97, completion: number % 503 }
}

/// What a call comes to, in micro-credits; `None`: nothing is charged.
fn cost(call: &Call) -> Option<u64> {
    match call.end {
        End::Endless | End::Fails | End::Breaks => None,
        _ => Some((call.prompt - call.cached) * INPUT + call.cached * CACHED + call.completion * OUTPUT),
    }
}

/// What became of calls: by the id that the model saw, and how many never reached it.
#[derive(Debug, Default)]
struct Seen {
    allowed: BTreeMap<String, Option<u64>>,
    denied: usize,
    left: usize,
    failed: usize,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.allowed.extend(other.allowed);
        self.denied += other.denied;
        self.left += other.left;
        self.failed += other.failed;
    }

    /// Makes one call, and ends it as it says.
    async fn make(&mut self, caller: &Caller, call: &Call) {
        // A connection of its own, which goes with who leaves.
        let caller = if matches!(call.end, End::Endless | End::Counted) { &caller.anew() } else { caller };
        let answer = caller.ask(&json!(call)).await;
        let status = answer.status().as_u16();
        if matches!(status, 403 | 429) {
            self.denied += 1;
            return;
        }
        assert_eq!(status, if call.end == End::Fails { 500 } else { 200 }, "{answer:?}");
        let id = answer.headers()["saw"].to_str().expect("an id").to_owned();
        assert!(self.allowed.insert(id, cost(call)).is_none(), "each call has an id of its own");
        let mut body = answer.into_body();
        match call.end {
            End::Json | End::Stream => drop(body.collect().await.expect("a whole body")),
            End::Fails => self.failed += 1,
            End::Breaks => {
                assert!(body.collect().await.is_err(), "it breaks");
                self.failed += 1;
            }
            End::Endless | End::Counted => {
                body.frame().await.expect("a part").expect("a whole part");
                self.left += 1;
            }
        }
    }
}

/// Makes the calls with these numbers, many at once.
async fn make(caller: &Caller, numbers: std::ops::Range<usize>) -> Seen {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (caller, next) = (caller.anew(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut seen = Seen::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return seen;
                    }
                    seen.make(&caller, &call(number)).await;
                }
            })
        })
        .collect();
    let mut all = Seen::default();
    for caller in callers {
        all.add(caller.await.expect("it ends"));
    }
    all
}

/// What the ledger says of each hold, once it has all ends: charged so much, or released.
async fn ended(scene: &Scene, holds: usize) -> BTreeMap<String, Option<u64>> {
    let clock = Clock::system();
    let deadline = clock.instant() + Duration::from_secs(60);
    loop {
        let entries = scene.entries();
        let of = |kind: &str| entries.iter().filter(move |entry| entry["kind"] == kind).collect::<Vec<_>>();
        let id = |entry: &&Value| entry["id"].as_str().expect("an id").to_owned();
        let (held, settled, released) = (of("held"), of("settled"), of("released"));
        if held.len() == holds && settled.len() + released.len() == holds {
            let card = &held[0]["rates"];
            assert!(settled.iter().all(|entry| entry["rates"] == *card && card.is_string()), "by the hold's card");
            let charged = settled.iter().map(|entry| (id(entry), Some(micros(&entry["credits"]))));
            return charged.chain(released.iter().map(|entry| (id(entry), None))).collect();
        }
        assert!(of("expired").is_empty() && clock.instant() < deadline, "{} {}", held.len(), settled.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn micros(credits: &Value) -> u64 {
    let credits: purser::domain::Credits = credits.as_str().expect("a text").parse().expect("credits");
    credits.micros().unsigned_abs()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_through_envoy_ends_as_the_ledger_says() {
    let scene = Scene::open_with(&["--rates", CARD], "").await;
    let Some((_envoy, ana)) = envoy::start(&scene, "tokens.yaml") else { return };
    scene.purchase("100000");
    let seat = |limit: &Value| json!({ "role": "member", "access": "seat", "limit": limit });
    scene.set_ana(&seat(&Value::Null));
    let half = calls() / 2;
    let mut seen = make(&ana, 0..half).await;
    scene.nothing_is_held().await;
    assert_eq!(seen.denied, 0);

    // From here on there is room for about half of what is asked.
    let used: u64 = seen.allowed.values().flatten().sum();
    assert_eq!(micros(&json!(scene.used())), used);
    let limit = used * 3 / 2;
    scene.set_ana(&seat(&json!(format!("{}.{:06}", limit / 1_000_000, limit % 1_000_000))));
    seen.add(make(&ana, half..calls()).await);
    scene.nothing_is_held().await;

    assert_eq!(scene.upstream.calls(), seen.allowed.len(), "what is denied never reaches the model");
    assert_eq!(seen.allowed.len() + seen.denied, calls());
    assert_eq!(ended(&scene, seen.allowed.len()).await, seen.allowed);
    let used: u64 = seen.allowed.values().flatten().sum();
    assert_eq!(micros(&json!(scene.used())), used);
    assert!(used <= limit && seen.denied > 0, "{used} of {limit}");
    println!(
        "{} calls: {} allowed, {} denied, {} left in mid-stream, {} failed upstream; {used} micro-credits charged",
        calls(),
        seen.allowed.len(),
        seen.denied,
        seen.left,
        seen.failed
    );
}
