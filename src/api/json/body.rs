//! Bodies of requests: their media type and size, and their reading as JSON.

use std::error::Error;

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, request::Parts};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Fault, read};
use crate::api::listen::BodyTooSlow;
use crate::api::problem::{Code, Problem};

/// Bytes that the body of most routes may have: a debit has 150, and the longest possible ids and
/// model name make 2 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes that the body of a batch or a bulk change may have: 1 000 rows of 1 KiB.
pub const BULK_BYTES_MAX: usize = 1024 * 1024;

/// A whole JSON body of at most `MAX` bytes, not yet parsed: for structs that borrow from it.
#[derive(Clone, Debug)]
pub struct Body<const MAX: usize = BODY_BYTES_MAX>(Bytes);

impl<const MAX: usize> Body<MAX> {
    /// Reads the struct that the route takes.
    ///
    /// # Errors
    /// See [`read`].
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        let text = std::str::from_utf8(&self.0)
            .map_err(|error| Fault::new(Code::NotJson, format!("is not UTF-8: {error}")))?;
        Ok(read(text)?)
    }
}

impl<S: Sync, const MAX: usize> FromRequest<S> for Body<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_length(&parts, MAX)?;
        let bytes = collect(body, MAX).await?;
        if bytes.is_empty() {
            return Err(Problem::new(Code::EmptyBody, "The body is empty; this route takes a JSON object."));
        }
        check_media_type(&parts.headers)?;
        Ok(Self(bytes))
    }
}

/// A JSON body of at most `MAX` bytes, read into the route's struct.
#[derive(Clone, Copy, Debug)]
pub struct Json<T, const MAX: usize = BODY_BYTES_MAX>(pub T);

impl<T: DeserializeOwned, S: Sync, const MAX: usize> FromRequest<S> for Json<T, MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Body::<MAX>::from_request(request, state).await?.read().map(Self)
    }
}

/// Refuses by the announced length, before a byte of the body is read.
fn check_length(parts: &Parts, bytes_max: usize) -> Result<(), Problem> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) { Err(too_large(bytes_max)) } else { Ok(()) }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("The body has more than {bytes_max} bytes, the most that this route takes."))
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
async fn collect(mut body: axum::body::Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
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
fn broken(error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<BodyTooSlow>() {
            return Problem::new(Code::RequestTimeout, format!("{error}; send it faster or in one piece."));
        }
        cause = error.source();
    }
    Problem::new(Code::IncompleteBody, "The body ended before its announced length.")
}
