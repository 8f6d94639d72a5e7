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
use serde_json::Value;
use tonic::{Code, Status};

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
    assert_eq!(problem(&refused).field.as_deref(), Some("descriptors.0.id"));
    let unknown = over(&client, vec![descriptor("none", ("unit", "micro_credits"), Some(1))]).await;
    assert_eq!(unknown.expect_err("there is none").code(), Code::NotFound);
}
