//! The OpenAPI document and a page to read it, with no asset from another host.

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Router, routing};
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::api::state::App;

const JSON: [(HeaderName, HeaderValue); 1] = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];

/// The page styles itself in its elements; all else is loaded from here or not at all.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:");

/// `/openapi.json` and `/docs`.
pub fn routes(document: &OpenApi) -> Router<App> {
    let document = Bytes::from(document.to_json().expect("a document always serialises"));
    let serve = routing::get(move || {
        let document = document.clone();
        async move { (JSON, document) }
    });
    // The page would otherwise send the document's address to a validator elsewhere.
    let config = Config::from("/openapi.json").validator_url("none");
    let page: Router<App> = SwaggerUi::new("/docs").config(config).into();
    Router::new().route("/openapi.json", serve).merge(page.layer(from_fn(only_from_here)))
}

async fn only_from_here(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}
