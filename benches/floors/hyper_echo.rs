//! hyper alone: the body is read and not looked at, the answer is always the same.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// As long as the answer to a debit.
const ANSWER: &str = "{\"decision\":\"allow\",\"id\":\"bench-19acb2c3d4e-0000000\",\"credits\":\"0.01\",\"payer\":\"pool\",\
    \"subscription\":\"bench-19acb2c3d4e-team-000-sub\",\"remaining\":{\"member\":\"999999998.75\",\"payer\":\"999999998.75\"}}";

pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that breaks is the sender's to tell.
        tokio::spawn(async {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await)
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    let mut response = Response::new(Full::from(ANSWER));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
