//! Envoy as `deploy/envoy/limits.yaml` sets it up: descriptors that name no hold, as Envoy AI Gateway makes them and as an EnvoyFilter of Istio may
//! write them, which mean what `deploy/envoy/limits.toml` says.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::envoy;
use crate::program;
use crate::scene::Scene;
use crate::tokens::{self, CALLERS, INPUT, OUTPUT};
use crate::upstream::{Call, End};

const CARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rates.toml");

/// What one call costs by the card: 300 tokens of the prompt at 250, 400 of the answer at 1 000 micro-credits.
const COST: &str = "0.475";

/// A call; its status once it is over.
async fn make(caller: &Caller, end: End) -> u16 {
    let call = Call { end, prompt: 300, cached: 0, completion: 400 };
    let answer = caller.ask(&json!(call)).await;
    let status = answer.status().as_u16();
    // It may break, as it was told to.
    let _ = answer.into_body().collect().await;
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_used_is_charged_without_a_hold_and_the_next_is_denied_once_nothing_is_left() {
    let scene = Scene::open_with(&["--rates", CARD], &program::deployed("envoy/limits.toml", &[])).await;
    let Some((_envoy, ana)) = envoy::start(&scene, "limits.yaml") else { return };
    let olga = ana.with_key(Some("key-of-olga"));
    for (caller, used) in [(&ana, ["0.475", "0.95"]), (&olga, ["1.425", "1.9"])] {
        for (end, used) in [End::Json, End::Stream].into_iter().zip(used) {
            assert_eq!(make(caller, end).await, 200);
            scene.used_is(used).await;
            assert_eq!(make(caller, End::Fails).await, 500);
            make(caller, End::Breaks).await;
        }
    }

    // A little is left, and the call that it lets pass is charged in full, above the limit.
    let seat = |limit: &str| json!({ "role": "member", "access": "seat", "limit": limit });
    scene.set_ana(&seat("0.950001"));
    assert_eq!(make(&ana, End::Json).await, 200);
    scene.used_is("2.375").await;
    let before = scene.upstream.calls();
    let denied = ana.chat().await;
    assert_eq!(
        (denied.status.as_u16(), denied.header("purser-denial-reason")),
        (429, Some("member_limit")),
        "{denied:?}"
    );
    assert_eq!(denied.json()["used"], "1.425");
    assert_eq!(ana.with_key(Some("guessed")).chat().await.status, 401);
    assert_eq!(scene.upstream.calls(), before, "what is denied never reaches the model");
    assert_eq!(make(&olga, End::Json).await, 200, "another member's limit is its own");
    scene.used_is("2.85").await;

    let settled: Vec<Value> = scene.entries().into_iter().filter(|entry| entry["kind"] == "settled").collect();
    assert!(settled.iter().all(|entry| entry["credits"] == COST && entry["rates"].is_string()), "{settled:?}");
    assert_eq!(settled.iter().filter(|entry| entry["member"] == "ana").count(), 3);
    scene.nothing_is_held().await;
}

/// What a call is charged here, in micro-credits: nothing tells the model's cached tokens apart.
fn cost(call: &Call) -> u64 {
    match call.end {
        End::Endless | End::Fails | End::Breaks => 0,
        _ => call.prompt * INPUT + call.completion * OUTPUT,
    }
}

/// Makes one call and ends it as it says; what it is charged, `None` where it was denied.
async fn made(caller: &Caller, call: &Call) -> Option<u64> {
    let leaves = matches!(call.end, End::Endless | End::Counted);
    // A connection of its own, which goes with who leaves.
    let caller = if leaves { &caller.anew() } else { caller };
    let answer = caller.ask(&json!(call)).await;
    match (answer.status().as_u16(), call.end) {
        (429, _) => return None,
        (500, End::Fails) | (200, _) => {}
        _ => panic!("{answer:?}"),
    }
    let mut body = answer.into_body();
    if leaves {
        body.frame().await.expect("a part").expect("a whole part");
    } else {
        let _ = body.collect().await;
    }
    Some(cost(call))
}

/// Makes the calls with these numbers, many at once; what those that passed are charged, and how many were denied.
async fn make_all(caller: &Caller, numbers: std::ops::Range<usize>) -> (u64, usize) {
    let one_of = |first: usize| {
        let (caller, numbers) = (caller.anew(), (numbers.start + first..numbers.end).step_by(CALLERS));
        tokio::spawn(async move {
            let (mut charged, mut denied) = (0, 0);
            for number in numbers {
                match made(&caller, &tokens::call(number)).await {
                    Some(cost) => charged += cost,
                    None => denied += 1,
                }
            }
            (charged, denied)
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(one_of).collect();
    let (mut charged, mut denied) = (0, 0);
    for caller in callers {
        let of_one = caller.await.expect("it ends");
        (charged, denied) = (charged + of_one.0, denied + of_one.1);
    }
    (charged, denied)
}

fn credits(micros: u64) -> String {
    purser::domain::Credits::from_micros(micros as i64).expect("in range").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_without_a_hold_is_charged_what_it_told() {
    let scene = Scene::open_with(&["--rates", CARD], &program::deployed("envoy/limits.toml", &[])).await;
    let Some((_envoy, ana)) = envoy::start(&scene, "limits.yaml") else { return };
    scene.purchase("100000");
    let seat = |limit: Value| json!({ "role": "member", "access": "seat", "limit": limit });
    scene.set_ana(&seat(Value::Null));
    let half = tokens::calls() / 2;
    let (first, denied) = make_all(&ana, 0..half).await;
    assert_eq!(denied, 0);
    scene.used_is(&credits(first)).await;

    // From here on there is room for about half of what is used: what is under way when it is gone is charged all the same.
    scene.set_ana(&seat(json!(credits(first * 3 / 2))));
    let (second, denied) = make_all(&ana, half..tokens::calls()).await;
    scene.used_is(&credits(first + second)).await;
    scene.nothing_is_held().await;
    assert_eq!(scene.upstream.calls(), tokens::calls() - denied, "what is denied never reaches the model");
    assert!(denied > half / 4, "{denied} of {half}");
    let above = (first + second).saturating_sub(first * 3 / 2);
    println!(
        "{} calls, {denied} denied, {} credits charged, {above} micro-credits above the limit",
        2 * half,
        credits(first + second)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_while_purser_is_away() {
    let mut scene = Scene::open_with(&[], &program::deployed("envoy/limits.toml", &[])).await;
    let Some((_envoy, ana)) = envoy::start(&scene, "limits.yaml") else { return };
    scene.purser.kill();
    assert_eq!(make(&ana, End::Json).await, 503);
    assert_eq!(scene.upstream.calls(), 0);
}
