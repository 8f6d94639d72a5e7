//! Health as orchestrators and Envoy ask it (`grpc.health.v1`): serving as long as `/readyz` says so.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as Service;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::api::state::App;

/// The names that health is asked of: the server, and its service.
const NAMES: [&str; 2] = ["", "purser.v1.Purser"];

/// How often a watch looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Answers for a sidecar.
pub struct Health {
    app: App,
    closing: watch::Receiver<bool>,
}

impl Health {
    /// Health of what this state serves; watches end once `closing` says true.
    pub fn new(app: App, closing: watch::Receiver<bool>) -> Self {
        Self { app, closing }
    }
}

fn status(app: &App) -> ServingStatus {
    if app.service.unready().is_none() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Service for Health {
    type WatchStream = Watch;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !NAMES.contains(&request.get_ref().service.as_str()) {
            return Err(Status::not_found("There is no such service; ask of purser.v1.Purser, or of no service."));
        }
        Ok(Response::new(response(status(&self.app))))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let mut ticks = interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let is_known = NAMES.contains(&request.get_ref().service.as_str());
        let (app, closing) = (self.app.clone(), self.closing.clone());
        Ok(Response::new(Watch { app, closing, is_known, ticks, told: None }))
    }
}

/// Tells how it stands, and whenever that changes.
pub struct Watch {
    app: App,
    closing: watch::Receiver<bool>,
    is_known: bool,
    ticks: Interval,
    told: Option<ServingStatus>,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            ready!(this.ticks.poll_tick(cx));
            let status = if this.is_known { status(&this.app) } else { ServingStatus::ServiceUnknown };
            if this.told != Some(status) {
                this.told = Some(status);
                return Poll::Ready(Some(Ok(response(status))));
            }
            if *this.closing.borrow() {
                return Poll::Ready(None);
            }
        }
    }
}
