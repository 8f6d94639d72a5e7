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
        ("put", "/v1/subscriptions/{id}"),
        ("get", "/v1/subscriptions/{id}"),
        ("post", "/v1/subscriptions/{id}/purchases"),
        ("put", "/v1/teams/{team}"),
        ("get", "/v1/teams/{team}"),
        ("get", "/v1/teams"),
        ("put", "/v1/teams/{team}/subscription"),
        ("delete", "/v1/teams/{team}/subscription"),
        ("get", "/v1/teams/{team}/members"),
        ("put", "/v1/teams/{team}/members/{member}"),
        ("patch", "/v1/teams/{team}/members/{member}"),
        ("delete", "/v1/teams/{team}/members/{member}"),
        ("post", "/v1/teams/{team}/members/bulk"),
        ("put", "/v1/teams/{team}/whitelist"),
        ("get", "/v1/teams/{team}/entries"),
        ("get", "/metrics"),
        ("get", "/healthz"),
        ("get", "/readyz"),
    ] {
        let operation = &document["paths"][path][method];
        assert!(operation["summary"].is_string() && answers_well(operation), "{method} {path}: {operation}");
    }
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    let mut ids: Vec<&str> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == all && all > 15, "operation ids are unique: {ids:?}");
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

/// Whoever reads the page finds out what every field and parameter means without reading anything else.
#[test]
fn every_field_and_parameter_of_the_document_is_described() {
    let document = serde_json::to_value(routes::document()).expect("serialises");
    let mut bare = Vec::new();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        undescribed(name, schema, &mut bare);
    }
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let of_operation = parameters.iter().filter(|parameter| !says_something(&parameter["description"]));
            bare.extend(of_operation.map(|parameter| format!("{method} {path} {}", parameter["name"])));
        }
    }
    assert!(schemas.len() > 30, "the schemas are found: {}", schemas.len());
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}

fn says_something(description: &Value) -> bool {
    description.as_str().is_some_and(|text| text.len() > 5)
}

/// Whether a property says what it is: itself, or in the form that is not null; a tag with one value need not.
fn is_described(property: &Value) -> bool {
    let forms = ["oneOf", "anyOf"].map(|part| property[part].as_array().map_or(&[][..], Vec::as_slice));
    let is_tag = property["enum"].as_array().is_some_and(|values| values.len() == 1);
    let mut all = forms.into_iter().flatten().chain([property]);
    is_tag || all.any(|form| says_something(&form["description"]))
}

/// Adds the properties without a description of a schema, and of those that it is put together from.
fn undescribed(name: &str, schema: &Value, bare: &mut Vec<String>) {
    for (field, property) in schema["properties"].as_object().into_iter().flatten() {
        if !is_described(property) {
            bare.push(format!("{name}.{field}"));
        }
        undescribed(&format!("{name}.{field}"), property, bare);
    }
    for part in ["allOf", "oneOf", "anyOf"] {
        for schema in schema[part].as_array().into_iter().flatten() {
            undescribed(name, schema, bare);
        }
    }
    if schema["items"].is_object() {
        undescribed(name, &schema["items"], bare);
    }
}

fn answers_well(operation: &Value) -> bool {
    ["200", "201", "204"].iter().any(|status| operation["responses"][status].is_object())
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
