//! The calls of the interface, one function each.

use tonic::codegen::tokio_stream::Pending;
use tonic::{Request, Response, Status, Streaming};

use super::GUARDED;
use super::answer::answer;
use super::balances;
use super::wire::purser::decide_request::Request as Asked;
use super::wire::purser::decide_response::Answer;
use super::wire::purser::purser_server::Purser;
use super::wire::purser::{
    BalanceRequest, BalanceResponse, DecideRequest, DecideResponse, Decision, DrawRequest, ExtendRequest, Extended,
    RefundRequest, Refunded, ReleaseRequest, Released, SettleRequest, Settled,
};
use crate::api::auth::Caller;
use crate::api::routes::decisions::Turn;
use crate::api::state::App;

/// Answers calls.
pub struct Calls {
    app: App,
}

impl Calls {
    /// Answers with this state.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// A request that is a call of its own.
    async fn alone(&self, request: Request<Asked>) -> Result<Answer, Status> {
        let (_, extensions, asked) = request.into_parts();
        let caller = extensions.get::<Caller>().expect(GUARDED);
        Ok(answer(Turn::alone(&self.app, caller), asked).await?)
    }
}

/// The answer of the kind that belongs to the request.
macro_rules! of_kind {
    ($answer:expr, $kind:ident) => {
        match $answer {
            Answer::$kind(answer) => Ok(Response::new(answer)),
            other => unreachable!("every kind of request has its kind of answer: {other:?}"),
        }
    };
}

#[tonic::async_trait]
impl Purser for Calls {
    type DecideStream = Pending<Result<DecideResponse, Status>>;

    async fn debit(&self, request: Request<DrawRequest>) -> Result<Response<Decision>, Status> {
        of_kind!(self.alone(request.map(Asked::Debit)).await?, Decision)
    }

    async fn hold(&self, request: Request<DrawRequest>) -> Result<Response<Decision>, Status> {
        of_kind!(self.alone(request.map(Asked::Hold)).await?, Decision)
    }

    async fn check(&self, request: Request<DrawRequest>) -> Result<Response<Decision>, Status> {
        of_kind!(self.alone(request.map(Asked::Check)).await?, Decision)
    }

    async fn settle(&self, request: Request<SettleRequest>) -> Result<Response<Settled>, Status> {
        of_kind!(self.alone(request.map(Asked::Settle)).await?, Settled)
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<Released>, Status> {
        of_kind!(self.alone(request.map(Asked::Release)).await?, Released)
    }

    async fn extend(&self, request: Request<ExtendRequest>) -> Result<Response<Extended>, Status> {
        of_kind!(self.alone(request.map(Asked::Extend)).await?, Extended)
    }

    async fn refund(&self, request: Request<RefundRequest>) -> Result<Response<Refunded>, Status> {
        of_kind!(self.alone(request.map(Asked::Refund)).await?, Refunded)
    }

    async fn balance(&self, request: Request<BalanceRequest>) -> Result<Response<BalanceResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        let caller = extensions.get::<Caller>().expect(GUARDED);
        Ok(Response::new(balances::balance(&self.app, caller, asked).await?))
    }

    async fn decide(&self, _: Request<Streaming<DecideRequest>>) -> Result<Response<Self::DecideStream>, Status> {
        unreachable!("the stream has a route of its own")
    }
}
