//! What Prometheus scrapes and what orchestrators ask. No credentials are needed: nothing of a team
//! or a user is shown.

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::Answer;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// The sidecar is well.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok` or `ready`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process answers
///
/// For restarting it: 200 as long as requests are answered at all, also while its disk is full: a restart would not help.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, body = Health, description = "It answers.")))]
async fn healthz() -> Answer<Health> {
    Answer(Health { status: "ok" })
}

/// Whether it should get traffic
///
/// 503 with the reason while it recovers or stops, and once its journal could not be written: then every draw is denied
/// until there is room on its disk and a restart.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, body = Health, description = "It can decide.")))]
async fn readyz(State(app): State<App>) -> Result<Answer<Health>, Problem> {
    match app.service.unready() {
        None => Ok(Answer(Health { status: "ready" })),
        Some(reason) => Err(Problem::new(Code::Unavailable, format!("Not ready: {reason}."))),
    }
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation", security(()),
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4", description = "All metrics.")))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], app.service.metrics().render())
}
