//! What Envoy's `ext_authz` and `ratelimit` are answered; `tests/gateways` has the real one before it.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use purser::api::grpc::wire::envoy::config::core::v3::HeaderValueOption;
use purser::api::grpc::wire::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use purser::api::grpc::wire::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;
use purser::api::grpc::wire::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use purser::api::grpc::wire::envoy::service::auth::v3::check_response::HttpResponse;
use purser::api::grpc::wire::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use purser::api::grpc::wire::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use purser::config::{Flags, Live, load};
use serde_json::Value;
use tonic::{Code, Status};

use crate::sidecar::Sidecar;
use crate::support::{Client, closed, cost, open, problem, start};

async fn ask(client: &Client, extensions: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<CheckResponse, Status> {
    let map =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let attributes = AttributeContext {
        request: Some(Request { http: Some(HttpRequest { headers: map(headers) }) }),
        context_extensions: map(extensions),
        metadata_context: None,
    };
    client.call("/envoy.service.auth.v3.Authorization/Check", CheckRequest { attributes: Some(attributes) }).await
}

fn headers(options: &[HeaderValueOption]) -> BTreeMap<String, String> {
    let pair = |option: &HeaderValueOption| option.header.clone().map(|header| (header.key, header.value));
    options.iter().filter_map(pair).collect()
}

fn facts(response: &CheckResponse) -> BTreeMap<String, String> {
    let metadata = response.dynamic_metadata.clone().expect("facts");
    let text = |kind: Option<Kind>| match kind {
        Some(Kind::StringValue(text)) => text,
        other => panic!("a text: {other:?}"),
    };
    metadata.fields.into_iter().map(|(name, value)| (name, text(value.kind))).collect()
}

fn allowed(response: &CheckResponse) -> &OkHttpResponse {
    assert_eq!(response.status.as_ref().map(|status| status.code), Some(0), "{response:?}");
    match &response.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok,
        other => panic!("not allowed: {other:?}"),
    }
}

fn denied(response: &CheckResponse) -> (&DeniedHttpResponse, i32, Value) {
    assert_ne!(response.status.as_ref().map(|status| status.code), Some(0), "{response:?}");
    match &response.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => {
            let status = denied.status.map(|status| status.code).expect("a status");
            (denied, status, serde_json::from_str(&denied.body).expect("a problem document"))
        }
        other => panic!("not denied: {other:?}"),
    }
}

const ANA: [(&str, &str); 3] = [("team", "acme"), ("member", "ana"), ("credits", "4")];

#[tokio::test]
async fn what_is_let_through_is_held_and_named() {
    let (_sidecar, client) = open().await;
    let response = ask(&client, &ANA, &[("purser-id", "mine")]).await.expect("answers");
    let told = facts(&response);
    let id = told["id"].clone();
    let expected = [("purser-id".to_owned(), id.clone()), ("purser-remaining".to_owned(), "6".to_owned())];
    assert_eq!(headers(&allowed(&response).headers), BTreeMap::from(expected));
    let rest = [("team", "acme"), ("member", "ana"), ("credits", "4"), ("remaining", "6"), ("id", &id)];
    assert_eq!(told, rest.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    let again = ask(&client, &ANA, &[]).await.expect("answers");
    assert_ne!(facts(&again)["id"], id, "each request is an operation of its own");
    assert_eq!(client.settle(cost(&id, 1)).await.expect("is a hold").returned_micros, Some(3_000_000));
}

#[tokio::test]
async fn a_check_changes_nothing_and_names_no_operation() {
    let (_sidecar, client) = open().await;
    for _ in 0..5 {
        let extensions = [&ANA[..], &[("decision", "check")]].concat();
        let response = ask(&client, &extensions, &[("purser-id", "mine")]).await.expect("answers");
        assert_eq!(headers(&allowed(&response).headers).into_keys().collect::<Vec<_>>(), ["purser-remaining"]);
        assert_eq!(allowed(&response).headers_to_remove, ["purser-id"]);
    }
}

#[tokio::test]
async fn a_denial_is_what_authorize_answers() {
    let (sidecar, client) = open().await;
    let lines = ["purser-team: acme", "purser-member: ana", "purser-credits: 11"];
    let http = sidecar.ask("GET /v1/authorize", &lines, "").await;
    let extensions = [("team", "acme"), ("member", "ana"), ("credits", "11"), ("decision", "debit")];
    let response = ask(&client, &extensions, &[]).await.expect("answers");
    let (answer, status, body) = denied(&response);
    assert_eq!((status, body), (i32::from(http.status), http.json()));
    let told = headers(&answer.headers);
    assert_eq!(told["purser-denial-reason"], "member_limit");
    assert_eq!(told["content-type"], "application/problem+json");
    assert_eq!(facts(&response)["reason"], "member_limit");
}

#[tokio::test]
async fn what_is_not_found_or_no_draw_is_let_through_by_nobody() {
    let (_sidecar, client) = open().await;
    for (extensions, status, code) in [
        (&[][..], 422, "missing_field"),
        (&[("team", "acme"), ("member", "ana")], 422, "missing_field"),
        (&[("team", ""), ("member", "ana"), ("credits", "1")], 422, "invalid_value"),
        (&[("member", "ana"), ("credits", "1e3")], 422, "invalid_value"),
        (&[("member", "ana"), ("credits", "1"), ("ttl_ms", "1")], 422, "invalid_value"),
        (&[("member", "ana"), ("credits", "1"), ("decision", "spend")], 422, "invalid_value"),
    ] {
        // Headers are nobody's word unless the configuration says so.
        let lies = [("member", "ana"), ("credits", "0"), ("purser-credits", "0")];
        let response = ask(&client, extensions, &lies).await.expect("answers");
        let (_, found, body) = denied(&response);
        assert_eq!((found, body["code"].as_str()), (status, Some(code)), "{extensions:?}: {body}");
    }
}

#[tokio::test]
async fn the_configuration_says_where_to_look() {
    let (_sidecar, client) = start(|config| {
        let places = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a place")).collect();
        config.envoy.member = places(&["header:x-user"]);
        config.envoy.team = places(&["text:acme"]);
        config.envoy.credits = places(&["header:x-cost", "text:2"]);
        config.envoy.decision = places(&["text:debit"]);
        config.envoy.id = places(&["header:x-request-id"]);
    })
    .await;
    let request = [("x-user", "ana"), ("x-request-id", "r1")];
    let response = ask(&client, &[], &request).await.expect("answers");
    assert_eq!(headers(&allowed(&response).headers)["purser-id"], "r1");
    assert_eq!(facts(&response)["remaining"], "8");
    let nameless = ask(&client, &[], &[("x-user", "ana")]).await.expect("answers");
    assert_eq!(denied(&nameless).2["pointer"], "/id");
}

#[tokio::test]
async fn an_estimate_may_be_told_as_what_may_be_used() {
    let (_sidecar, client) = start(|config| {
        config.rates.file = Live(Some(concat!(env!("CARGO_MANIFEST_DIR"), "/config/rates.toml").into()));
        config.envoy.output_tokens = vec!["header:x-max-tokens".parse().expect("a place")];
    })
    .await;
    let extensions = [("team", "acme"), ("member", "ana"), ("model", "gpt-4o"), ("input_tokens", "812")];
    for (max_tokens, credits) in [(None, "2.203"), (Some("400"), "0.603")] {
        let headers: Vec<_> = max_tokens.map(|tokens| ("x-max-tokens", tokens)).into_iter().collect();
        let response = ask(&client, &extensions, &headers).await.expect("answers");
        assert_eq!(facts(&response)["credits"], credits);
    }
    let second = [("team", "acme"), ("member", "ana"), ("model", "whisper-1"), ("seconds", "12.34")];
    assert_eq!(facts(&ask(&client, &second, &[]).await.expect("answers"))["credits"], "0.1234");
    for (more, pointer) in
        [(("seconds", "-1"), "/seconds"), (("images", "1.5"), "/images"), (("credits", "1"), "/usage")]
    {
        let response = ask(&client, &[&extensions[..], &[more]].concat(), &[]).await.expect("answers");
        assert_eq!(denied(&response).2["pointer"], pointer);
    }
}

#[tokio::test]
async fn envoy_says_who_it_is_too() {
    let (_sidecar, client) = closed().await;
    let refused = ask(&client, &ANA, &[]).await.expect_err("is not known");
    assert_eq!((refused.code(), problem(&refused).code.as_str()), (Code::Unauthenticated, "unauthorized"));
    ask(&client.with(&[crate::sidecar::GATEWAY]), &ANA, &[]).await.expect("answers");
}

/// A descriptor of a hold on `acme`.
fn descriptor(id: &str, entry: (&str, &str), hits_addend: Option<u64>) -> RateLimitDescriptor {
    let named = |(key, value): (&str, &str)| Entry { key: key.to_owned(), value: value.to_owned() };
    RateLimitDescriptor { entries: [("id", id), ("team", "acme"), entry].map(named).into(), hits_addend }
}

async fn over(client: &Client, descriptors: Vec<RateLimitDescriptor>) -> Result<RateLimitResponse, Status> {
    let request = RateLimitRequest { domain: "purser".to_owned(), descriptors, hits_addend: 0 };
    client.call("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", request).await
}

#[tokio::test]
async fn a_call_that_is_over_settles_its_hold_above_the_limit_too_or_releases_it() {
    let (sidecar, client) = open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let extensions = [&ANA[..2], &[("credits", "2")]].concat();
        ids.push(facts(&ask(&client, &extensions, &[]).await.expect("answers"))["id"].clone());
    }
    let settles = vec![
        descriptor(&ids[0], ("unit", "micro_credits"), Some(11_000_000)),
        descriptor(&ids[0], ("outcome", "answered"), None),
    ];
    let answer = over(&client, settles.clone()).await.expect("answers");
    assert_eq!((answer.overall_code, answer.statuses.len()), (1, 2));
    over(&client, settles).await.expect("the same once more changes nothing");
    over(&client, vec![descriptor(&ids[1], ("outcome", "failed"), None)]).await.expect("answers");
    over(&client, vec![descriptor(&ids[2], ("outcome", "answered"), None)]).await.expect("answers");
    let pool = sidecar.get("/v1/teams/acme/pool").await.ok();
    assert_eq!((&pool["used"], &pool["held"]), (&Value::from("11"), &Value::from("2")));
    assert!(sidecar.get("/metrics").await.body.contains("purser_holds_untold_total 1\n"));
    let nobody = RateLimitDescriptor { entries: vec![], hits_addend: Some(1) };
    let refused = over(&client, vec![nobody]).await.expect_err("names no hold");
    assert_eq!(problem(&refused).field.as_deref(), Some("descriptors.0.id"), "no section says what it means");
    let unknown = over(&client, vec![descriptor("none", ("unit", "micro_credits"), Some(1))]).await;
    assert_eq!(unknown.expect_err("there is none").code(), Code::NotFound);
}

/// A sidecar that takes descriptors `user`, counted as `unit` says.
async fn recording(unit: &str) -> (Sidecar, Client) {
    let file = format!(
        "[envoy.descriptors.a]\nentries = [\"user\"]\nteam = [\"entry:group\", \"text:acme\"]\nmember = [\"entry:user\"]\n\
         model = [\"entry:model\"]\nunit = \"{unit}\""
    );
    start(|config| {
        let path = config.data.with_file_name("envoy.toml");
        std::fs::write(&path, file).expect("writes");
        let flags = Flags { config: Some(path), values: vec![] };
        config.envoy = load(&flags, []).expect("is good").config.envoy;
    })
    .await
}

fn of_user(user: &str, hits_addend: Option<u64>) -> RateLimitDescriptor {
    let entry = Entry { key: "user".to_owned(), value: user.to_owned() };
    RateLimitDescriptor { entries: vec![entry], hits_addend }
}

#[tokio::test]
async fn hits_without_a_hold_are_charged_above_the_limit_and_in_debt_and_then_deny_who_asks() {
    let (sidecar, client) = recording("credits").await;
    let ask = async || over(&client, vec![of_user("ana", Some(0)), of_user("ana", None)]).await.expect("answers");
    assert_eq!((ask().await.overall_code, ask().await.response_headers_to_add.len()), (1, 0));
    let used = |answer: &crate::sidecar::Answer| answer.json()["used"].clone();
    for (hits, used_then, reason) in [
        (9, "9", None),
        (2, "11", Some("member_limit")),
        (2_000, "2011", Some("in_debt")),
        (1, "2012", Some("in_debt")),
    ] {
        let answer = over(&client, vec![of_user("ana", Some(hits))]).await.expect("answers");
        assert_eq!(answer.overall_code, 1, "what was used is never over a limit");
        assert_eq!(used(&sidecar.get("/v1/teams/acme/pool").await), used_then);
        let answer = ask().await;
        let codes: Vec<i32> = answer.statuses.iter().map(|status| status.code).collect();
        assert_eq!((answer.overall_code, codes), if reason.is_some() { (2, vec![2, 2]) } else { (1, vec![1, 1]) });
        let told = answer.response_headers_to_add.iter().find(|header| header.key == "purser-denial-reason");
        assert_eq!(told.map(|header| header.value.as_str()), reason);
        let body: Value = serde_json::from_slice(&answer.raw_body).unwrap_or_default();
        assert_eq!(body["reason"].as_str(), reason);
    }
    let held = sidecar.get("/v1/teams/acme/pool").await.json()["held"].clone();
    assert_eq!(held, "0");
}

#[tokio::test]
async fn hits_of_nobody_or_without_a_price_are_refused_and_charge_nothing() {
    let (_sidecar, client) = recording("micro_credits").await;
    let stranger = over(&client, vec![of_user("eve", Some(5))]).await.expect_err("is not a member");
    assert_eq!((stranger.code(), problem(&stranger).code.as_str()), (Code::NotFound, "not_found"));
    let (sidecar, client) = recording("output_tokens").await;
    let unpriced = over(&client, vec![of_user("ana", Some(5))]).await.expect_err("there is no rate card");
    assert_eq!(problem(&unpriced).code, "no_rate");
    let wrong = over(&client, vec![of_user("", Some(5))]).await.expect_err("is no user");
    assert_eq!(problem(&wrong).field.as_deref(), Some("descriptors.0.member"));
    let eve = over(&client, vec![of_user("eve", Some(0))]).await.expect("answers");
    assert_eq!(eve.overall_code, 2);
    let pool = sidecar.get("/v1/teams/acme/pool").await.json();
    assert_eq!((&pool["used"], &pool["held"]), (&Value::from("0"), &Value::from("0")));
}
