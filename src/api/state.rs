//! What every route needs, and how it learns who is calling.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;

use super::auth::{Caller, Role, SharedAccess};
use super::json::BodyLimits;
use super::problem::{Code, Problem};
use crate::root::Actor;
use crate::service::Service;

/// What routes share. Cloning it copies nothing.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// Decisions, control and balances.
    pub service: Arc<Service>,
    /// Who may call; replaced on reload.
    pub access: SharedAccess,
    /// How large bodies may be.
    pub bodies: BodyLimits,
    /// How long work that may go on without its request is waited for.
    pub patience: Duration,
    /// Operations in one batch.
    pub batch_ops_max: usize,
    /// Requests in flight on one stream.
    pub streams_max: usize,
    /// How long a hold stays open that names no time, in milliseconds.
    pub ttl_default_millis: u64,
    /// The longest that a hold may stay open, in milliseconds.
    pub ttl_max_millis: u64,
}

impl App {
    /// The state of a router.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<App> for BodyLimits {
    fn from_ref(app: &App) -> Self {
        app.bodies
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::of(&parts.headers, app)
    }
}

impl Caller {
    /// Who sent these headers.
    ///
    /// # Errors
    /// See [`Access::identify`](super::auth::Access::identify).
    pub fn of(headers: &HeaderMap, app: &App) -> Result<Self, Problem> {
        app.access.load().identify(headers, || app.service.clock().now())
    }

    /// As whom control asks.
    ///
    /// # Errors
    /// `forbidden` for a gateway's token.
    pub fn control_actor(&self) -> Result<Actor, Problem> {
        match (&self.actor, self.role) {
            (Some(user), _) => Ok(Actor::User(user.clone())),
            (None, Role::Admin) => Ok(Actor::Service(self.name.to_string())),
            (None, _) => Err(Problem::new(Code::Forbidden, "A gateway's token does not control; use an admin's.")),
        }
    }
}
