//! Ending: requests in flight are answered, idle connections closed. And unix sockets, whose files
//! come and go with their listener.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use purser::api::listen::{BindError, Bound, Drained, Limits, Meters};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

use crate::support::{Edge, HANGS, LIMITS, get_path, read_answer, read_to_close};

fn patient(address: &str) -> Edge {
    let limits =
        Limits { header_timeout: HANGS, idle_timeout: HANGS, request_timeout: HANGS, stall_timeout: HANGS, ..LIMITS };
    Edge::start(address, limits, Meters::default())
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_closes_what_is_idle() {
    let edge = patient("127.0.0.1:0");
    let address = edge.address();
    let mut idle = edge.connect().await;
    idle.write_all(get_path("/nothing").as_bytes()).await.expect("sends");
    read_answer(&mut idle).await.expect("an answer");
    let mut silent = edge.connect().await;
    let mut busy = edge.connect().await;
    busy.write_all(get_path("/wait").as_bytes()).await.expect("sends");
    edge.gate.arrival().await;
    let draining = tokio::spawn(edge.serving.drain(HANGS));
    read_to_close(&mut idle).await;
    read_to_close(&mut silent).await;
    assert!(TcpStream::connect(address).await.is_err(), "no further connection is taken");
    assert!(!draining.is_finished());
    edge.gate.passes.add_permits(1);
    let answer = read_answer(&mut busy).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, "waited"));
    assert_eq!(draining.await.expect("drains"), Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let edge = patient("127.0.0.1:0");
    let mut busy = edge.connect().await;
    busy.write_all(get_path("/wait").as_bytes()).await.expect("sends");
    edge.gate.arrival().await;
    assert_eq!(edge.serving.drain(Duration::from_millis(50)).await, Drained { cut: 1 });
    read_to_close(&mut busy).await;
}

#[tokio::test]
async fn http_2_is_served_and_drained_on_the_same_port() {
    let edge = patient("127.0.0.1:0");
    let io = TokioIo::new(edge.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let get = |path: &str| {
        http::Request::get(format!("http://p{path}")).body(Empty::<bytes::Bytes>::new()).expect("a request")
    };
    let waiting = sender.send_request(get("/wait"));
    let answer = sender.send_request(get("/v1/teams/acme/members/ana/balance")).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "acme ana");
    let mut waiting = tokio::spawn(waiting);
    tokio::select! {
        () = edge.gate.arrival() => {}
        early = &mut waiting => panic!("answered before it may pass: {early:?}"),
    }
    let draining = tokio::spawn(edge.serving.drain(HANGS));
    edge.gate.passes.add_permits(1);
    assert_eq!(waiting.await.expect("ends").expect("an answer").status(), 200);
    assert_eq!(draining.await.expect("drains"), Drained { cut: 0 });
    connection.await.expect("ends").expect("ends well");
}

#[tokio::test]
async fn a_unix_socket_serves_the_same_and_only_its_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("purser.sock");
    let address = format!("unix:{}", path.display());
    let edge = patient(&address);
    assert_eq!(std::fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o660);
    let mut stream = UnixStream::connect(&path).await.expect("connects");
    stream.write_all(get_path("/v1/teams/acme/members/ana/balance").as_bytes()).await.expect("sends");
    assert_eq!(read_answer(&mut stream).await.expect("an answer").body, "acme ana");

    let taken = Bound::open(&address.parse().expect("an address"));
    assert!(matches!(taken, Err(BindError::InUse(_))), "{taken:?}");
    assert_eq!(edge.serving.drain(HANGS).await, Drained { cut: 0 });
    assert!(!path.exists(), "the file goes with the listener");
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_another_file_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("purser.sock");
    let address = format!("unix:{}", path.display()).parse().expect("an address");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    assert!(path.exists(), "a dead socket's file stays");
    drop(Bound::open(&address).expect("replaces it"));
    std::fs::write(&path, "a letter").expect("writes");
    let refused = Bound::open(&address);
    assert!(matches!(refused, Err(BindError::NotASocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("reads"), "a letter");
}
