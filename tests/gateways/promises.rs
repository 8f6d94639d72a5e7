//! What each proxy promises, told once for all of them.

use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::json;

use crate::caller::{Answer, Caller};
use crate::scene::Scene;

/// Whether as many calls are made as it takes to believe it.
pub fn is_campaign() -> bool {
    std::env::var_os("GATEWAYS_CAMPAIGN").is_some()
}

/// How a proxy tells what is not a decision.
pub struct Manners {
    /// The answer to a key that it does not know.
    pub unknown_key: u16,
    /// The answer where Purser is away.
    pub purser_away: u16,
}

/// All that every proxy promises of one call after the other; at the end Purser is away.
pub async fn all_are_kept(scene: &mut Scene, ana: &Caller, manners: &Manners) {
    a_call_is_charged_to_its_key(scene, ana).await;
    a_stream_is_not_held_back(scene, ana).await;
    an_error_of_the_model_is_its_own(ana).await;
    a_denied_call_is_told_why(scene, ana, &ana.with_key(Some("key-of-eve"))).await;
    let nobody = [ana.with_key(None), ana.with_key(Some("guessed"))];
    nothing_passes_unmetered(scene, ana, &nobody, manners).await;
}

/// A call is charged to whom its key names, once, before it reaches the model, whatever its headers say.
async fn a_call_is_charged_to_its_key(scene: &Scene, ana: &Caller) {
    let answer = ana.chat().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["body"], r#"{"model":"gpt-4o"}"#);
    let lies = [
        ("purser-member", "olga"),
        ("purser-team", "other"),
        ("purser-credits", "0"),
        ("purser-id", told["purser_id"].as_str().expect("the model sees the debit's id")),
        ("purser-actor", "olga"),
        ("idempotency-key", "same"),
    ];
    let again = ana.call("POST", "/v1/chat/completions", &lies).await;
    let image = ana.call("POST", "/v1/images/generations", &[]).await;
    assert_eq!((again.status, image.status), (StatusCode::OK, StatusCode::OK), "{again:?} {image:?}");

    let expected: Vec<_> = [(&answer, "1"), (&again, "1"), (&image, "5")]
        .map(|(answer, credits)| {
            let id = answer.json()["purser_id"].as_str().expect("an id").to_owned();
            (id, "ana".to_owned(), credits.to_owned())
        })
        .into();
    assert_eq!(scene.debits(expected.len()).await, expected);
}

/// A denied call never reaches the model, and its caller reads why, with the denial's own status.
async fn a_denied_call_is_told_why(scene: &Scene, ana: &Caller, eve: &Caller) {
    let before = scene.upstream.calls();
    let seat = |limit: &str| json!({ "role": "member", "access": "seat", "limit": limit });
    let denial = |answer: &Answer, status: u16, reason: &str| {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        assert_eq!(answer.header("purser-denial-reason"), Some(reason), "{answer:?}");
        let body = answer.json();
        assert_eq!((&body["reason"], &body["status"]), (&json!(reason), &json!(status)));
        assert_eq!(body["type"], format!("urn:purser:denial:{reason}"));
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{answer:?}");
    };

    denial(&eve.chat().await, 403, "not_a_member");
    scene.set_ana(&seat("0"));
    denial(&ana.chat().await, 403, "member_limit");

    // All that is left of the pool is held by another call.
    scene.set_ana(&json!({ "role": "member", "access": "seat", "limit": null }));
    let left = scene.client().call("GET", "/v1/teams/acme/pool", None)["remaining"].clone();
    let hold = json!({ "id": "hold", "team": "acme", "member": "olga", "credits": left });
    scene.client().call("POST", "/v1/holds", Some(&hold));
    let held = ana.chat().await;
    denial(&held, 429, "held");
    assert!(held.header("retry-after").is_some(), "{held:?}");
    let settle = json!({ "team": "acme", "credits": left });
    scene.client().call("POST", "/v1/holds/hold/settle", Some(&settle));
    denial(&ana.chat().await, 402, "pool_exhausted");

    assert_eq!(scene.upstream.calls(), before);
}

/// Of many calls at once exactly those reach the model that the limit has room for.
pub async fn many_at_once_get_what_there_is(scene: &Scene, ana: &Caller) {
    let before = scene.upstream.calls();
    let each = if is_campaign() { 625 } else { 10 };
    let room = 10 * each;
    scene.purchase("100000");
    scene.set_ana(&json!({ "role": "member", "access": "seat", "limit": room }));
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let ana = ana.clone();
            tokio::spawn(async move {
                let mut allowed = 0;
                for _ in 0..each {
                    let answer = ana.chat().await;
                    assert!(matches!(answer.status.as_u16(), 200 | 403), "{answer:?}");
                    allowed += usize::from(answer.status == 200);
                }
                allowed
            })
        })
        .collect();
    let mut allowed = 0;
    for call in calls {
        allowed += call.await.expect("it ends");
    }
    assert_eq!((allowed, scene.upstream.calls() - before), (room, room));
    assert_eq!(scene.used(), room.to_string());
    println!("{} calls, {allowed} allowed, as many credits used", 16 * each);
}

/// A stream's first part reaches the caller before its second is sent.
async fn a_stream_is_not_held_back(scene: &Scene, ana: &Caller) {
    let mut body = ana.open("GET", "/v1/stream", &[]).await.into_body();
    let mut read = async || {
        let frame = body.frame().await.expect("a part").expect("a whole part");
        frame.into_data().expect("data")
    };
    assert_eq!(read().await, "data: one\n\n");
    scene.upstream.second_part.add_permits(1);
    assert!(read().await.starts_with(b"data: two\n\n"));
}

/// What the model answers is handed on as it is, an error too: it is not taken for a denial.
async fn an_error_of_the_model_is_its_own(ana: &Caller) {
    let answer = ana.call("GET", "/v1/broken", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (500, ""), "{answer:?}");
}

/// Without a known key, or without Purser, nothing reaches the model.
async fn nothing_passes_unmetered(scene: &mut Scene, ana: &Caller, nobody: &[Caller], manners: &Manners) {
    let before = scene.upstream.calls();
    for caller in nobody {
        let claims = [("purser-team", "acme"), ("purser-member", "ana"), ("purser-credits", "1")];
        let answer = caller.call("POST", "/v1/chat/completions", &claims).await;
        assert_eq!(answer.status, manners.unknown_key, "{answer:?}");
    }
    scene.purser.kill();
    let answer = ana.chat().await;
    assert_eq!(answer.status, manners.purser_away, "{answer:?}");
    assert_eq!(scene.upstream.calls(), before);
}
