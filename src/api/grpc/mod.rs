//! The gRPC interface: the calls of `proto/purser/v1/purser.proto`, health and reflection, and beside them what Envoy asks.
//!
//! A message becomes the same struct as a body of the HTTP interface and is asked by the same functions; what
//! comes of it becomes a message again. So no rule, range or role is written here.

mod allowed;
pub(super) mod answer;
mod answers;
mod backwards;
mod balances;
mod calls;
mod decide;
mod direct;
mod faults;
mod frames;
mod guard;
mod health;
mod plain;
pub(super) mod read;
mod until;
pub mod wire;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::any;
use tokio::sync::watch;
use tonic::Status;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;
use tower::ServiceExt;

use super::envoy::{Envoy, Limits};
use super::listen::Front;
use super::state::App;
use crate::config;
use calls::Calls;
use health::Health;
use wire::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use wire::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer;
use wire::purser::purser_server::PurserServer;

/// Why there is a caller in a request's extensions.
pub(super) const GUARDED: &str = "the guard lets in only whom it knows";

/// Every call, for a listener of its own. Streams end once `closing` says true.
pub fn front(app: App, envoy: config::Envoy, closing: watch::Receiver<bool>) -> Front {
    let direct = Arc::new(direct::Direct::new(app.clone()));
    Front { direct: Some(direct), router: router(app, envoy, closing) }
}

fn router(app: App, envoy: config::Envoy, closing: watch::Receiver<bool>) -> Router {
    let bytes_max = app.bodies.body_bytes_max;
    let calls = PurserServer::new(Calls::new(app.clone())).max_decoding_message_size(bytes_max);
    let health = HealthServer::new(Health::new(app.clone(), closing.clone())).max_decoding_message_size(bytes_max);
    let limits = Limits::new(app.clone(), envoy.descriptors.clone());
    let limits = RateLimitServiceServer::new(limits).max_decoding_message_size(bytes_max);
    let envoy = AuthorizationServer::new(Envoy::new(app.clone(), envoy)).max_decoding_message_size(bytes_max);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(wire::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptors were made by the compiler that made the code")
        .max_decoding_message_size(bytes_max);
    let decide = {
        let (app, closing) = (app.clone(), closing.clone());
        any(move |request: Request| decide::decide(app, closing, request))
    };
    let reflection_path = path_of(&reflection);
    let reflection = reflection.map_request(move |request| until::closing(request, closing.clone()));
    Router::new()
        .route(guard::DECIDE, decide)
        .route_service(&path_of(&calls), calls)
        .route_service(&path_of(&health), health)
        .route_service(&path_of(&envoy), envoy)
        .route_service(&path_of(&limits), limits)
        .route_service(&reflection_path, reflection)
        .fallback(unknown)
        .layer(guard::Guards::new(app))
}

/// The path of every call of a service.
fn path_of<S: NamedService>(_: &S) -> String {
    format!("/{}/{{call}}", S::NAME)
}

async fn unknown() -> impl IntoResponse {
    Status::unimplemented("There is no such call; reflection lists those that are there.")
        .into_http::<axum::body::Body>()
}
