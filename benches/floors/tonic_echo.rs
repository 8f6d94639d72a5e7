//! tonic's code behind axum's server: the message is read, the answer is always the same.

use axum::Router;
use purser::api::grpc::wire::purser::purser_server::{Purser, PurserServer};
use purser::api::grpc::wire::purser::{
    Allow, BalanceRequest, BalanceResponse, DecideRequest, DecideResponse, Decision, DrawRequest, ExtendRequest,
    Extended, Payer, RefundRequest, Refunded, ReleaseRequest, Released, Remaining, SettleRequest, Settled, decision,
};
use tokio::net::TcpListener;
use tonic::codegen::tokio_stream::Empty;
use tonic::{Request, Response, Status, Streaming};

pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let router = Router::new().route_service("/purser.v1.Purser/{call}", PurserServer::new(Echo));
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router).await
}

struct Echo;

fn no_echo<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("an echo of debits"))
}

#[tonic::async_trait]
impl Purser for Echo {
    async fn debit(&self, request: Request<DrawRequest>) -> Result<Response<Decision>, Status> {
        let asked = request.into_inner();
        let remaining = Remaining { member_micros: Some(999_999_998_750_000), payer_micros: 999_999_998_750_000 };
        let allow = Allow {
            credits_micros: asked.credits_micros.unwrap_or_default(),
            payer: Payer::Pool.into(),
            subscription: "bench-19acb2c3d4e-team-000-sub".to_owned(),
            remaining: Some(remaining),
            ..Allow::default()
        };
        Ok(Response::new(Decision { id: asked.id, decision: Some(decision::Decision::Allow(allow)) }))
    }

    type DecideStream = Empty<Result<DecideResponse, Status>>;

    async fn decide(&self, _: Request<Streaming<DecideRequest>>) -> Result<Response<Self::DecideStream>, Status> {
        no_echo()
    }

    async fn hold(&self, _: Request<DrawRequest>) -> Result<Response<Decision>, Status> {
        no_echo()
    }

    async fn check(&self, _: Request<DrawRequest>) -> Result<Response<Decision>, Status> {
        no_echo()
    }

    async fn settle(&self, _: Request<SettleRequest>) -> Result<Response<Settled>, Status> {
        no_echo()
    }

    async fn release(&self, _: Request<ReleaseRequest>) -> Result<Response<Released>, Status> {
        no_echo()
    }

    async fn extend(&self, _: Request<ExtendRequest>) -> Result<Response<Extended>, Status> {
        no_echo()
    }

    async fn refund(&self, _: Request<RefundRequest>) -> Result<Response<Refunded>, Status> {
        no_echo()
    }

    async fn balance(&self, _: Request<BalanceRequest>) -> Result<Response<BalanceResponse>, Status> {
        no_echo()
    }
}
