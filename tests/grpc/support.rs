//! A sidecar that serves gRPC beside HTTP, and a caller of it.

use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use purser::api::grpc::wire::google::rpc;
use purser::api::grpc::wire::purser::{
    BalanceRequest, BalanceResponse, DecideRequest, DecideResponse, Decision, DrawRequest, ExtendRequest, Extended,
    Problem, RefundRequest, Refunded, ReleaseRequest, Released, SettleRequest, Settled, decision,
};
use purser::config::{Config, Listen, Live};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Extensions, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::sidecar::{Sidecar, tokens};

/// Far above every limit: what takes this long hangs.
pub const HANGS: Duration = Duration::from_secs(20);

/// A sidecar without tokens, and an admin that calls it.
pub async fn open() -> (Sidecar, Client) {
    start(|_| {}).await
}

/// A sidecar that knows [`crate::sidecar::GATEWAY`] and [`crate::sidecar::ADMIN`], and a caller without a token.
pub async fn closed() -> (Sidecar, Client) {
    start(|config| {
        let file = config.data.with_file_name("tokens");
        std::fs::write(&file, tokens()).expect("writes");
        config.auth.tokens_file = Live(Some(file));
    })
    .await
}

/// The same with a configuration of its own.
pub async fn start(change: impl FnOnce(&mut Config)) -> (Sidecar, Client) {
    let sidecar = Sidecar::start(|config| {
        config.server.grpc = vec!["127.0.0.1:0".parse().expect("an address")];
        change(config);
    })
    .await;
    let client = Client::connect(&sidecar.server.grpc_addresses()[0]).await;
    (sidecar, client)
}

/// A caller on one connection.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    metadata: Vec<(&'static str, &'static str)>,
}

macro_rules! calls {
    ($($call:ident, $path:literal, $request:ty => $answer:ty;)*) => {
        $(pub async fn $call(&self, request: $request) -> Result<$answer, Status> {
            self.call(concat!("/purser.v1.Purser/", $path), request).await
        })*
    };
}

impl Client {
    pub async fn connect(address: &Listen) -> Self {
        let channel = match address {
            Listen::Tcp(address) => {
                Endpoint::from_shared(format!("http://{address}")).expect("an address").connect().await
            }
            Listen::Unix(path) => {
                let path = path.clone();
                let connect = move |_: Uri| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                };
                Endpoint::from_static("http://p").connect_with_connector(tower::service_fn(connect)).await
            }
        };
        Self { channel: channel.expect("connects"), metadata: Vec::new() }
    }

    /// The same caller with these header lines.
    pub fn with(&self, headers: &[&'static str]) -> Self {
        let pair = |line: &&'static str| line.split_once(": ").expect("a header");
        Self { channel: self.channel.clone(), metadata: headers.iter().map(pair).collect() }
    }

    calls! {
        debit, "Debit", DrawRequest => Decision;
        hold, "Hold", DrawRequest => Decision;
        check, "Check", DrawRequest => Decision;
        settle, "Settle", SettleRequest => Settled;
        release, "Release", ReleaseRequest => Released;
        extend, "Extend", ExtendRequest => Extended;
        refund, "Refund", RefundRequest => Refunded;
        balance, "Balance", BalanceRequest => BalanceResponse;
    }

    /// Calls any path.
    pub async fn call<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.expect("the connection is open");
        let call = grpc.unary(self.request(request), PathAndQuery::from_static(path), ProstCodec::<Q, A>::default());
        tokio::time::timeout(HANGS, call).await.expect("the sidecar answers").map(Response::into_inner)
    }

    /// A stream of any kind: what to send on, and what comes back.
    pub async fn stream<Q, A>(&self, path: &'static str) -> Result<(mpsc::Sender<Q>, Streaming<A>), Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let (sender, receiver) = mpsc::channel(1024);
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.expect("the connection is open");
        let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::<Q, A>::default());
        let answers = grpc.streaming(self.request(ReceiverStream::new(receiver)), path, codec).await?;
        Ok((sender, answers.into_inner()))
    }

    /// What comes back of one request.
    pub async fn listen<Q, A>(&self, path: &'static str, request: Q) -> Result<Streaming<A>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.expect("the connection is open");
        let (path, codec) = (PathAndQuery::from_static(path), ProstCodec::<Q, A>::default());
        grpc.server_streaming(self.request(request), path, codec).await.map(Response::into_inner)
    }

    /// A stream of decisions.
    pub async fn decide(&self) -> Result<(mpsc::Sender<DecideRequest>, Streaming<DecideResponse>), Status> {
        self.stream("/purser.v1.Purser/Decide").await
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut metadata = MetadataMap::new();
        for (name, value) in &self.metadata {
            metadata.append(*name, MetadataValue::from_static(value));
        }
        Request::from_parts(metadata, Extensions::default(), message)
    }
}

/// A draw of whole credits on `acme`.
pub fn draw(id: &str, member: &str, credits: i64) -> DrawRequest {
    DrawRequest {
        id: Some(id.to_owned()),
        team: Some("acme".to_owned()),
        member: member.to_owned(),
        credits_micros: Some(credits * 1_000_000),
        ..DrawRequest::default()
    }
}

/// The cost of a hold on `acme`, in whole credits.
pub fn cost(id: &str, credits: i64) -> SettleRequest {
    SettleRequest {
        id: id.to_owned(),
        team: Some("acme".to_owned()),
        credits_micros: Some(credits * 1_000_000),
        ..SettleRequest::default()
    }
}

/// Whether it was allowed.
pub fn is_allowed(decision: &Decision) -> bool {
    matches!(decision.decision, Some(decision::Decision::Allow(_)))
}

/// The problem of an error, which must be the only one in it and agree with it.
pub fn problem(status: &Status) -> Problem {
    let details = rpc::Status::decode(status.details()).expect("google.rpc.Status");
    assert_eq!((details.code, details.message.as_str()), (status.code() as i32, status.message()));
    let [detail] = &*details.details else { panic!("one detail: {details:?}") };
    assert_eq!(detail.type_url, "type.googleapis.com/purser.v1.Problem");
    let problem = Problem::decode(&*detail.value).expect("a problem");
    assert_eq!(problem.detail, status.message());
    problem
}

/// The next answer of a stream.
pub async fn next(answers: &mut Streaming<DecideResponse>) -> Result<Option<DecideResponse>, Status> {
    tokio::time::timeout(HANGS, answers.message()).await.expect("the sidecar answers")
}
