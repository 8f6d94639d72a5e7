//! Bodies of requests: their media type and size, and their reading as JSON.

use std::error::Error;
use std::pin::pin;

use axum::BoxError;
use axum::extract::{FromRef, FromRequest, OptionalFromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Fault, read, read_rows};
use crate::api::listen::BodyTooSlow;
use crate::api::problem::{Code, Problem};
use crate::config::Server;

/// How many bytes bodies may have. The router's state holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Most routes: a debit has 150, and the longest possible ids and model name make 2 KiB.
    pub body_bytes_max: usize,
    /// A batch or a bulk change: 1 000 rows of 1 KiB.
    pub bulk_bytes_max: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { body_bytes_max: 64 * 1024, bulk_bytes_max: 1024 * 1024 }
    }
}

/// What the configuration says.
impl From<&Server> for BodyLimits {
    fn from(server: &Server) -> Self {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { body_bytes_max: bytes(server.body_bytes_max), bulk_bytes_max: bytes(server.batch_bytes_max) }
    }
}

/// A whole JSON body, not yet parsed: for structs that borrow from it. `BULK` takes the larger ones.
#[derive(Clone, Debug)]
pub struct Body<const BULK: bool = false>(Bytes);

impl<const BULK: bool> Body<BULK> {
    /// Takes a whole body in; `None` without a byte.
    ///
    /// # Errors
    /// It is too large, breaks off, is compressed, or is not said to be JSON.
    pub async fn take<B>(headers: &HeaderMap, body: B, limits: BodyLimits) -> Result<Option<Self>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let bytes_max = if BULK { limits.bulk_bytes_max } else { limits.body_bytes_max };
        check_length(headers, bytes_max)?;
        let bytes = collect(body, bytes_max).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        check_encoding(headers)?;
        check_media_type(headers)?;
        Ok(Some(Self(bytes)))
    }

    /// The same, where there must be one.
    ///
    /// # Errors
    /// As of [`Self::take`], or there is none.
    pub async fn needed<B>(headers: &HeaderMap, body: B, limits: BodyLimits) -> Result<Self, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
    {
        let taken = Self::take(headers, body, limits).await?;
        taken.ok_or_else(|| Problem::new(Code::EmptyBody, "The body is empty; this route takes a JSON object."))
    }

    /// Reads the struct that the route takes.
    ///
    /// # Errors
    /// See [`read`].
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        Ok(read(self.text()?)?)
    }

    /// Reads the struct that the route takes, whose rows stay texts.
    ///
    /// # Errors
    /// See [`read_rows`].
    pub fn read_rows<'a, T: Deserialize<'a>>(&'a self, rows: impl Fn(&T) -> &[&'a RawValue]) -> Result<T, Problem> {
        Ok(read_rows(self.text()?, rows)?)
    }

    fn text(&self) -> Result<&str, Fault> {
        str::from_utf8(&self.0).map_err(|error| Fault::new(Code::NotJson, format!("is not UTF-8: {error}")))
    }
}

/// Whether these headers say that their body is JSON as it stands.
pub fn is_json(headers: &HeaderMap) -> bool {
    check_encoding(headers).is_ok() && check_media_type(headers).is_ok()
}

/// The text of a body that has come as a whole; `None` where something is wrong with it, which [`Body::needed`] tells.
pub fn text(bytes: &[u8], limits: BodyLimits) -> Option<&str> {
    let fits = (1..=limits.body_bytes_max).contains(&bytes.len());
    fits.then(|| str::from_utf8(bytes).ok()).flatten()
}

impl<S: Sync, const BULK: bool> FromRequest<S> for Body<BULK>
where
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Self::needed(&parts.headers, body, BodyLimits::from_ref(state)).await
    }
}

impl<S: Sync, const BULK: bool> OptionalFromRequest<S> for Body<BULK>
where
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let (parts, body) = request.into_parts();
        Self::take(&parts.headers, body, BodyLimits::from_ref(state)).await
    }
}

/// A JSON body, read into the route's struct. `BULK` takes the larger ones.
#[derive(Clone, Copy, Debug)]
pub struct Json<T, const BULK: bool = false>(pub T);

impl<T: DeserializeOwned, S: Sync, const BULK: bool> FromRequest<S> for Json<T, BULK>
where
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        <Body<BULK> as FromRequest<S>>::from_request(request, state).await?.read().map(Self)
    }
}

/// Refuses by the announced length, before a byte of the body is read.
fn check_length(headers: &HeaderMap, bytes_max: usize) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) { Err(too_large(bytes_max)) } else { Ok(()) }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("The body has more than {bytes_max} bytes, the most that this route takes."))
}

/// None, or such as leaves the bytes as they are: what a body unpacks to has no bound.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    Err(Problem::new(Code::EncodedBody, "Compressed bodies are not taken; send it without Content-Encoding."))
}

/// `application/json` with any parameters, in any case.
fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Problem::new(Code::NotJsonMediaType, "Send the body as `Content-Type: application/json`."))
}

/// The whole body, without a copy when it came in one piece; stops at the first byte too many.
async fn collect<B>(body: B, bytes_max: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&*error.into()))?.into_data() else { continue };
        if first.len().max(joined.len()) + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        if first.is_empty() && joined.is_empty() {
            first = data;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&data);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// Why a body broke off: the listener's time-out somewhere among the causes, or the caller went away.
fn broken(error: &(dyn Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<BodyTooSlow>() {
            return Problem::new(Code::RequestTimeout, format!("{error}; send it faster or in one piece."));
        }
        cause = error.source();
    }
    Problem::new(Code::IncompleteBody, "The body ended before its announced length.")
}
