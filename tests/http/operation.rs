//! Health, metrics, the OpenAPI document and its page, unix sockets and the address for operators.

use purser::api::problem::Code;
use purser::api::routes;
use purser::config::Listen;
use serde_json::Value;

use crate::support::Sidecar;

#[tokio::test]
async fn health_tells_whether_to_send_traffic() {
    let sidecar = Sidecar::closed().await;
    assert_eq!(sidecar.get("/healthz").await.ok()["status"], "ok");
    assert_eq!(sidecar.get("/readyz").await.ok()["status"], "ready");
    sidecar.server.service().stop();
    assert_eq!(sidecar.get("/healthz").await.status, 200);
    let answer = sidecar.get("/readyz").await;
    assert_eq!(answer.problem().1, "unavailable");
    assert!(answer.body.contains("stopping"));
}

#[tokio::test]
async fn metrics_count_decisions_and_requests() {
    let sidecar = Sidecar::open().await;
    for credits in ["1", "11"] {
        let body = format!(r#"{{"id":"{credits}","team":"acme","member":"ana","credits":{credits}}}"#);
        sidecar.post("/v1/debits", &body).await.ok();
    }
    sidecar.get("/v1/teams/nobody/pool").await;
    let page = sidecar.get("/metrics").await;
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4"));
    for line in [
        r#"outcome="allow",reason="none"} 1"#,
        r#"outcome="deny",reason="member_limit"} 1"#,
        r#"{route="/v1/debits",status="200"} 2"#,
        r#"{route="/v1/teams/{team}/pool",status="404"} 1"#,
    ] {
        assert!(page.body.contains(line), "{line} in {}", page.body);
    }
}

#[tokio::test]
async fn metrics_and_health_have_an_address_of_their_own_where_one_is_named() {
    let sidecar = Sidecar::start(|config| {
        let path = config.data.with_file_name("admin.sock");
        config.server.admin = Some(Listen::Unix(path));
    })
    .await;
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(sidecar.get(path).await.problem().1, "not_found");
    }
    let path = sidecar.folder.path().join("admin.sock");
    for (route, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/v1/checks", 404)] {
        let stream = tokio::net::UnixStream::connect(&path).await.expect("connects");
        let answer = crate::support::exchange(stream, &crate::support::request(&format!("GET {route}"), &[], "")).await;
        assert_eq!(answer.status, status, "{route}");
    }
}

#[tokio::test]
async fn unix_sockets_serve_the_same_routes() {
    let sidecar = Sidecar::start(|config| {
        config.server.http = vec![Listen::Unix(config.data.with_file_name("purser.sock"))];
    })
    .await;
    let body = r#"{"id":"a","team":"acme","member":"ana","credits":1}"#;
    assert_eq!(sidecar.post("/v1/debits", body).await.ok()["decision"], "allow");
    assert_eq!(sidecar.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_document_lists_every_route_and_code() {
    let sidecar = Sidecar::open().await;
    let document = sidecar.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        (&document["info"]["title"], &document["info"]["version"]),
        (&"purser".into(), &env!("CARGO_PKG_VERSION").into())
    );
    for (method, path) in [
        ("post", "/v1/debits"),
        ("post", "/v1/holds"),
        ("post", "/v1/holds/{id}/settle"),
        ("post", "/v1/holds/{id}/release"),
        ("post", "/v1/holds/{id}/extend"),
        ("post", "/v1/debits/{id}/refund"),
        ("post", "/v1/checks"),
        ("post", "/v1/batch"),
        ("get", "/v1/authorize"),
        ("get", "/v1/teams/{team}/members/{member}/balance"),
        ("get", "/v1/teams/{team}/pool"),
        ("get", "/v1/users/{user}/balance"),
        ("get", "/metrics"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["summary"].is_string() && operation["responses"]["200"].is_object(), "{method} {path}");
    }
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array();
    assert_eq!(codes.map(Vec::len), Some(Code::ALL.len()));
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    assert!(routes::document().paths.paths.contains_key("/metrics"));
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(rows) => rows.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let sidecar = Sidecar::open().await;
    let moved = sidecar.get("/docs").await;
    assert_eq!((moved.status, moved.header("location")), (303, Some("/docs/")));
    let page = sidecar.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui") && !page.body.contains("//cdn") && !page.body.contains("src=\"http"));
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'self'")));
    let script = sidecar.get("/docs/swagger-initializer.js").await;
    assert!(script.body.contains("/openapi.json") && script.body.contains("\"none\""), "{}", script.body);
    assert_eq!(sidecar.get("/docs/swagger-ui-bundle.js").await.status, 200);
}
