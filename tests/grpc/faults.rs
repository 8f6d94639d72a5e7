//! What a request may not be, each with its code and the field at fault; and who may ask.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use purser::api::grpc::wire::purser::{
    BalanceRequest, DrawRequest, ExtendRequest, RefundRequest, ReleaseRequest, SettleRequest, Usage,
};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::sidecar::{ADMIN, GATEWAY};
use crate::support::{closed, cost, draw, open, problem};

/// The code of gRPC, the code of the problem, and the field.
fn fault<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String, Option<String>) {
    let status = answer.expect_err("is refused");
    let problem = problem(&status);
    (status.code(), problem.code, problem.field)
}

#[tokio::test]
async fn each_fault_of_a_draw_has_its_code_and_field() {
    let (_sidecar, client) = open().await;
    let good = || draw("a", "ana", 1);
    let text = |text: &str| Some(text.to_owned());
    for (request, code, field) in [
        (DrawRequest { id: None, ..good() }, "missing_field", "id"),
        (DrawRequest { id: text(""), ..good() }, "invalid_value", "id"),
        (DrawRequest { id: text("a\nb"), ..good() }, "invalid_value", "id"),
        (DrawRequest { team: text("a/b"), ..good() }, "invalid_value", "team"),
        (DrawRequest { member: String::new(), ..good() }, "missing_field", "member"),
        (DrawRequest { member: "é".to_owned(), ..good() }, "invalid_value", "member"),
        (DrawRequest { model: text(""), ..good() }, "invalid_value", "model"),
        (DrawRequest { credits_micros: None, ..good() }, "missing_field", "credits_micros"),
        (DrawRequest { credits_micros: Some(-1), ..good() }, "invalid_value", "credits_micros"),
        (DrawRequest { credits_micros: Some(9_000_000_000_000_001), ..good() }, "invalid_value", "credits_micros"),
        (DrawRequest { min_credits_micros: Some(1_000_001), ..good() }, "invalid_value", "min_credits_micros"),
        (DrawRequest { ttl_ms: Some(999), ..good() }, "invalid_value", "ttl_ms"),
        (DrawRequest { ttl_ms: Some(86_400_001), ..good() }, "invalid_value", "ttl_ms"),
    ] {
        let expected = (Code::InvalidArgument, code.to_owned(), Some(field.to_owned()));
        assert_eq!(fault(client.hold(request.clone()).await), expected, "{request:?}");
    }
    assert_eq!(fault(client.balance(BalanceRequest::default()).await).1, "missing_field");
}

#[tokio::test]
async fn each_fault_of_an_end_has_its_code() {
    let (_sidecar, client) = open().await;
    client.hold(draw("h", "ana", 1)).await.expect("answers");
    client.debit(draw("d", "ana", 1)).await.expect("answers");
    let extend = |ttl_ms| ExtendRequest { id: "h".to_owned(), team: Some("acme".to_owned()), member: None, ttl_ms };
    assert_eq!(fault(client.extend(extend(None)).await).2.as_deref(), Some("ttl_ms"));
    let nowhere = ReleaseRequest { id: "h".to_owned(), ..ReleaseRequest::default() };
    assert_eq!(fault(client.release(nowhere).await).2.as_deref(), Some("team"));
    let another = ReleaseRequest { id: "h".to_owned(), team: Some("acme".to_owned()), member: Some("ben".to_owned()) };
    assert_eq!(fault(client.release(another).await), (Code::NotFound, "not_found".into(), Some("member".into())));
    let unknown = fault(client.settle(cost("none", 1)).await);
    assert_eq!(unknown, (Code::NotFound, "not_found".into(), None));
    let refund = RefundRequest { debit: "d".to_owned(), team: Some("acme".to_owned()), ..RefundRequest::default() };
    let unnamed = RefundRequest { credits_micros: Some(1), ..refund.clone() };
    assert_eq!(fault(client.refund(unnamed).await).2.as_deref(), Some("id"));
    let more = RefundRequest { credits_micros: Some(1_000_001), id: Some("r".to_owned()), ..refund };
    assert_eq!(fault(client.refund(more).await).2.as_deref(), Some("credits_micros"));
    client.settle(cost("h", 1)).await.expect("answers");
    assert_eq!(fault(client.settle(cost("h", 2)).await).0, Code::FailedPrecondition);
    assert_eq!(fault(client.debit(draw("d", "ana", 2)).await).1, "id_reused");
}

#[tokio::test]
async fn usage_is_priced_as_over_http() {
    let (sidecar, client) = open().await;
    let usage =
        Some(Usage { input_tokens: 812, cached_input_tokens: Some(0), output_tokens: Some(400), ..Usage::default() });
    let both = DrawRequest { usage, ..draw("a", "ana", 1) };
    assert_eq!(fault(client.debit(both).await).2.as_deref(), Some("usage"));
    let asked =
        DrawRequest { usage, credits_micros: None, model: Some("no-such-model".to_owned()), ..draw("a", "ana", 0) };
    let body = r#"{"id":"a","team":"acme","member":"ana","model":"no-such-model",
        "usage":{"input_tokens":812,"cached_input_tokens":0,"output_tokens":400}}"#;
    let over_http = sidecar.post("/v1/debits", body).await.problem();
    let (_, code, field) = fault(client.debit(asked).await);
    assert_eq!((code, field.map(|field| format!("/{field}")).unwrap_or_default()), (over_http.1, over_http.2));
    let many = Some(Usage { input_tokens: u64::MAX, ..Usage::default() });
    let settle = SettleRequest { usage: many, credits_micros: None, ..cost("h", 0) };
    assert_eq!(fault(client.settle(settle).await).2.as_deref(), Some("usage.input_tokens"));
}

#[tokio::test]
async fn callers_say_who_they_are_and_users_draw_for_themselves() {
    let (_sidecar, client) = closed().await;
    for (headers, code, kind) in [
        (vec![], Code::Unauthenticated, "unauthorized"),
        (vec!["authorization: Bearer other"], Code::Unauthenticated, "unauthorized"),
        (vec![GATEWAY, GATEWAY], Code::Unauthenticated, "unauthorized"),
        (vec![GATEWAY, "purser-actor: ana"], Code::PermissionDenied, "forbidden"),
        (vec![ADMIN, "purser-actor: a/b"], Code::InvalidArgument, "invalid_value"),
        (vec![ADMIN, "purser-actor: olga"], Code::PermissionDenied, "forbidden"),
    ] {
        let refused = fault(client.with(&headers).debit(draw("a", "ana", 1)).await);
        assert_eq!((refused.0, refused.1.as_str()), (code, kind), "{headers:?}");
    }
    let refused = client.decide().await.map(|_| ()).expect_err("asks who it is");
    assert_eq!(problem(&refused).code, "unauthorized");
    let (gateway, ana) = (client.with(&[GATEWAY]), client.with(&[ADMIN, "purser-actor: ana"]));
    gateway.debit(draw("a", "ana", 1)).await.expect("answers");
    ana.hold(draw("h", "ana", 1)).await.expect("answers");
    assert_eq!(fault(ana.settle(cost("h", 0)).await).0, Code::PermissionDenied);
    gateway.settle(cost("h", 0)).await.expect("answers");
    let of = |member: &str| BalanceRequest { team: Some("acme".to_owned()), member: Some(member.to_owned()) };
    ana.balance(of("ana")).await.expect("answers");
    assert_eq!(fault(ana.balance(of("ben")).await).0, Code::PermissionDenied);
}

#[tokio::test]
async fn a_message_has_a_size_and_a_form() {
    let (_sidecar, client) = closed().await;
    let large = DrawRequest { model: Some("m".repeat(65_536)), ..draw("a", "ana", 1) };
    let gateway = client.with(&[GATEWAY]);
    assert_eq!(fault(gateway.debit(large.clone()).await).0, Code::ResourceExhausted);
    assert_eq!(fault(client.debit(large).await).0, Code::Unauthenticated, "who it is comes before what it says");
    gateway.debit(draw("b", "ana", 1)).await.expect("the connection goes on");
}

/// Bytes as a message of a body.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// Sends bytes as a message; the code of gRPC.
async fn send(address: &str, path: &str, message: &[u8]) -> String {
    send_body(address, path, Full::new(Bytes::from(framed(message)))).await
}

/// Sends a body; the code of gRPC.
async fn send_body<B>(address: &str, path: &str, body: B) -> String
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let io = TokioIo::new(TcpStream::connect(address).await.expect("connects"));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://p{path}")).header("content-type", "application/grpc");
    let answer = sender.send_request(request.body(body).expect("a request")).await.expect("an answer");
    let head = answer.headers().get("grpc-status").cloned();
    let trailers = answer.into_body().collect().await.expect("a body").trailers().cloned().unwrap_or_default();
    let status = head.or_else(|| trailers.get("grpc-status").cloned()).expect("a status");
    status.to_str().expect("a number").to_owned()
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let (sidecar, _client) = open().await;
    let address = sidecar.server.grpc_addresses()[0].to_string();
    for (path, message, code) in [
        ("/purser.v1.Purser/Debit", &b"\xff\xff\xff"[..], Code::InvalidArgument),
        ("/purser.v1.Purser/Debit", b"\x1a\x02\xff\xfe", Code::InvalidArgument),
        ("/purser.v1.Purser/Decide", b"\x12\x05\x0a", Code::InvalidArgument),
        ("/purser.v1.Purser/Spend", b"", Code::Unimplemented),
        ("/other.Service/Call", b"", Code::Unimplemented),
        ("/", b"", Code::Unimplemented),
    ] {
        assert_eq!(send(&address, path, message).await, (code as i32).to_string(), "{path} {message:?}");
    }
    let page = sidecar.get("/metrics").await.body;
    for line in [
        r#"purser_grpc_requests_total{method="purser.v1.Purser/Debit",code="INVALID_ARGUMENT"} 2"#,
        r#"purser_grpc_requests_total{method="none",code="UNIMPLEMENTED"} 3"#,
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[tokio::test]
async fn a_call_has_one_message_in_however_many_pieces() {
    let (sidecar, _client) = open().await;
    let address = sidecar.server.grpc_addresses()[0].to_string();
    let whole = framed(&draw("a", "ana", 1).encode_to_vec());
    let compressed = [&[1], &whole[1..]].concat();
    for body in [&[][..], &whole[..3], &whole[..whole.len() - 1], &whole.repeat(2), &compressed] {
        let code = send_body(&address, "/purser.v1.Purser/Debit", Full::new(Bytes::copy_from_slice(body))).await;
        assert_eq!(code, (Code::InvalidArgument as i32).to_string(), "{body:?}");
    }
    for cut in [1, 5, 6, whole.len() - 1] {
        let (mut sender, body) = Channel::new(2);
        for piece in [&whole[..cut], &whole[cut..]] {
            sender.send_data(Bytes::copy_from_slice(piece)).await.expect("there is room");
        }
        drop(sender);
        assert_eq!(send_body(&address, "/purser.v1.Purser/Debit", body).await, "0", "cut at {cut}");
    }
}

#[tokio::test]
async fn what_is_compressed_is_refused_with_what_is_taken() {
    let (_sidecar, client) = open().await;
    let refused = client.with(&["grpc-encoding: gzip"]).debit(draw("a", "ana", 1)).await.expect_err("is refused");
    assert_eq!(refused.code(), Code::Unimplemented);
    let refused = client.with(&["grpc-encoding: gzip"]).decide().await.map(|_| ()).expect_err("is refused");
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(refused.metadata().get("grpc-accept-encoding").map(|taken| taken.as_bytes()), Some(&b"identity"[..]));
    client.with(&["grpc-encoding: identity"]).decide().await.expect("opens");
}
