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
use crate::program;
use crate::promises::is_campaign;
use crate::scene::Scene;
use crate::upstream::{Call, End};

/// The card that is shipped: of its `gpt-4o` a token costs [`INPUT`], [`CACHED`] and [`OUTPUT`] micro-credits.
const CARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rates.toml");
pub const INPUT: u64 = 250;
const CACHED: u64 = 125;
pub const OUTPUT: u64 = 1_000;

/// What the route says that a prompt has, and the card an answer, in tokens.
const PROMPT: u64 = 1_000;
const ANSWER: u64 = 2_000;

/// Callers at once.
pub const CALLERS: usize = 16;

/// How many calls.
pub fn calls() -> usize {
    if is_campaign() { 10_000 } else { 400 }
}

/// The call that comes as the `number`th: of forty, one each is left before and after it told what it used, one fails and
/// one breaks.
pub fn call(number: usize) -> Call {
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

/// The body of a call: two of three ask for as many tokens as they get and one more, by either name.
pub fn body(call: &Call) -> Value {
    let mut body = json!(call);
    body["model"] = json!("gpt-4o");
    match call.completion % 3 {
        0 => body["max_tokens"] = json!(call.completion + 1),
        1 => body["max_completion_tokens"] = json!(call.completion + 1),
        _ => {}
    }
    body
}

/// What is held for it, in micro-credits.
fn estimate(call: &Call) -> u64 {
    PROMPT * INPUT + OUTPUT * if call.completion % 3 == 2 { ANSWER } else { call.completion + 1 }
}

/// What a call comes to, in micro-credits; `None`: nothing is charged.
fn cost(call: &Call) -> Option<u64> {
    match call.end {
        End::Endless | End::Fails | End::Breaks => None,
        _ => Some((call.prompt - call.cached) * INPUT + call.cached * CACHED + call.completion * OUTPUT),
    }
}

/// What is held for a call and what it is charged.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Paid {
    held: u64,
    /// None: its hold is released.
    charged: Option<u64>,
}

/// What became of calls: by the id that the model saw, and how many never reached it.
#[derive(Debug, Default)]
struct Seen {
    allowed: BTreeMap<String, Paid>,
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

    fn charged(&self) -> u64 {
        self.allowed.values().filter_map(|paid| paid.charged).sum()
    }

    /// Makes one call, and ends it as it says.
    async fn make(&mut self, caller: &Caller, call: &Call) {
        // A connection of its own, which goes with who leaves.
        let caller = if matches!(call.end, End::Endless | End::Counted) { &caller.anew() } else { caller };
        let answer = caller.ask(&body(call)).await;
        let status = answer.status().as_u16();
        if matches!(status, 403 | 429) {
            self.denied += 1;
            return;
        }
        assert_eq!(status, if call.end == End::Fails { 500 } else { 200 }, "{answer:?}");
        let id = answer.headers()["saw"].to_str().expect("an id").to_owned();
        let paid = Paid { held: estimate(call), charged: cost(call) };
        assert!(self.allowed.insert(id, paid).is_none(), "each call has an id of its own");
        let mut body = answer.into_body();
        match call.end {
            End::Json | End::Stream | End::Untold => drop(body.collect().await.expect("a whole body")),
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

/// What the ledger says of each hold, once it has all ends.
async fn ended(scene: &Scene, holds: usize) -> BTreeMap<String, Paid> {
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
            let charged: BTreeMap<String, u64> =
                settled.iter().map(|entry| (id(entry), micros(&entry["credits"]))).collect();
            let paid =
                |entry: &&Value| Paid { held: micros(&entry["credits"]), charged: charged.get(&id(entry)).copied() };
            return held.iter().map(|entry| (id(entry), paid(entry))).collect();
        }
        assert!(of("expired").is_empty() && clock.instant() < deadline, "{} {}", held.len(), settled.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn micros(credits: &Value) -> u64 {
    let credits: purser::domain::Credits = credits.as_str().expect("a text").parse().expect("credits");
    credits.micros().unsigned_abs()
}

/// With the card, and told where the estimate of a call is.
pub async fn scene() -> Scene {
    Scene::open_with(&["--rates", CARD], &program::deployed("envoy/tokens.toml", &[])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_through_envoy_ends_as_the_ledger_says() {
    let scene = scene().await;
    let Some((_envoy, ana)) = envoy::start(&scene, "tokens.yaml") else { return };
    scene.purchase("100000");
    let seat = |limit: &Value| json!({ "role": "member", "access": "seat", "limit": limit });
    scene.set_ana(&seat(&Value::Null));
    let half = calls() / 2;
    let mut seen = make(&ana, 0..half).await;
    scene.nothing_is_held().await;
    assert_eq!(seen.denied, 0);

    // From here on there is room for about half of what is asked.
    let used = seen.charged();
    assert_eq!(micros(&json!(scene.used())), used);
    let limit = used * 3 / 2;
    scene.set_ana(&seat(&json!(format!("{}.{:06}", limit / 1_000_000, limit % 1_000_000))));
    seen.add(make(&ana, half..calls()).await);
    scene.nothing_is_held().await;

    assert_eq!(scene.upstream.calls(), seen.allowed.len(), "what is denied never reaches the model");
    assert_eq!(seen.allowed.len() + seen.denied, calls());
    assert_eq!(ended(&scene, seen.allowed.len()).await, seen.allowed);
    let used = seen.charged();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_which_no_estimate_can_be_made_reaches_no_model() {
    let scene = scene().await;
    let Some((_envoy, ana)) = envoy::start(&scene, "tokens.yaml") else { return };
    let call = |more: Value| {
        let mut body = body(&Call { end: End::Json, prompt: 1, cached: 0, completion: 1 });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    for (body, status) in [
        (json!("no object"), 422),
        (call(json!({ "model": null })), 422),
        (call(json!({ "model": "unheard-of" })), 422),
        (call(json!({ "max_completion_tokens": 1e15 })), 422),
        (call(json!({ "max_completion_tokens": 900_000 })), 403),
        (call(json!({ "padding": "a".repeat(1_100_000) })), 413),
    ] {
        assert_eq!(ana.ask(&body).await.status(), status, "{:.200}", body.to_string());
    }
    assert_eq!(scene.upstream.calls(), 0);
    scene.nothing_is_held().await;
    assert_eq!(ana.ask(&call(json!({}))).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hold_of_a_stream_that_never_tells_expires_uncharged_and_is_counted() {
    let scene = scene().await;
    let short = |config: String| config.replace("input_tokens: \"1000\"", "input_tokens: \"1000\", ttl_ms: \"1000\"");
    let Some((_envoy, ana)) = envoy::start_with(&scene, "tokens.yaml", short) else { return };
    let call = Call { end: End::Untold, prompt: 300, cached: 0, completion: 400 };
    Seen::default().make(&ana, &call).await;
    scene.nothing_is_held().await;
    assert_eq!(scene.used(), "0");
    let of = |kind: &str| scene.entries().iter().filter(|entry| entry["kind"] == kind).count();
    let clock = Clock::system();
    let deadline = clock.instant() + Duration::from_secs(20);
    while of("expired") == 0 {
        assert!(clock.instant() < deadline, "the ledger has no end of the hold");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(["held", "expired", "settled", "released"].map(of), [1, 1, 0, 0]);
    let metrics = scene.client().text("/metrics", "text/plain");
    assert!(metrics.contains("purser_holds_untold_total 1\n"), "{metrics}");
}
