//! Ids in paths and in the `Idempotency-Key` header.
//!
//! An id in a path that no resource can have (a character or a length that ids do not have) is 422
//! and not 404: it is a mistake of the caller, and asking again later will not help.

use axum::extract::{FromRequestParts, RawPathParams};
use http::HeaderMap;
use http::request::Parts;

use super::problem::{Code, Problem};
use super::wire::Text;
use crate::domain::OperationId;

/// The header that may carry an operation's id instead of the body.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The ids of a route's path in their order, percent-decoded and checked: `InPath<TeamId>` or
/// `InPath<(TeamId, UserId)>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPath<T>(pub T);

/// What a path's ids can be read into.
pub trait PathIds: Sized {
    /// Takes its ids from those that are left.
    ///
    /// # Errors
    /// `invalid_value` for the first that is not such an id.
    fn take<'a>(ids: &mut impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, Problem>;
}

impl<T: Text> PathIds for T {
    fn take<'a>(ids: &mut impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, Problem> {
        let (name, text) =
            ids.next().ok_or_else(|| Problem::new(Code::Internal, "the route has fewer ids than its handler takes"))?;
        T::read(text).map_err(|error| Problem::new(Code::InvalidValue, format!("{{{name}}} in the path {error}.")))
    }
}

impl<A: Text, B: Text> PathIds for (A, B) {
    fn take<'a>(ids: &mut impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, Problem> {
        Ok((A::take(ids)?, B::take(ids)?))
    }
}

impl<T: Text> InPath<T> {
    /// Reads the one id of a path, which has nothing to decode; `name` is what the route calls it.
    ///
    /// # Errors
    /// `invalid_value`.
    pub fn of(name: &str, segment: &str) -> Result<Self, Problem> {
        T::take(&mut std::iter::once((name, segment))).map(Self)
    }
}

impl<T: PathIds, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ids = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(Code::InvalidValue, "An id in the path is not UTF-8 once percent-decoded."))?;
        T::take(&mut ids.iter()).map(Self)
    }
}

/// The id of an operation: from the body, or from the header, or the same from both.
///
/// # Errors
/// `invalid_value` when the header is no operation id or says another than the body;
/// `duplicate_field` when it is there several times.
pub fn operation_id(headers: &HeaderMap, in_body: Option<OperationId>) -> Result<Option<OperationId>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(in_body) };
    if values.next().is_some() {
        return Err(Problem::new(Code::DuplicateField, "There are several Idempotency-Key headers; send one."));
    }
    let invalid = |why: &str| Problem::new(Code::InvalidValue, format!("Idempotency-Key {why}."));
    let text = value.to_str().map_err(|_| invalid("may have only visible ASCII characters"))?;
    let id = OperationId::new(text).map_err(|error| invalid(&error.to_string()))?;
    match in_body {
        Some(other) if other != id => Err(invalid("and id differ; send one of them, or the same in both").at("/id")),
        _ => Ok(Some(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_and_the_body_name_one_operation() {
        let id = |text| OperationId::new(text).expect("an id");
        for (header, body, expected) in [
            (None, None, Ok(None)),
            (None, Some("a"), Ok(Some("a"))),
            (Some("a"), None, Ok(Some("a"))),
            (Some("a"), Some("a"), Ok(Some("a"))),
            (Some("a"), Some("b"), Err(Code::InvalidValue)),
            (Some("a b"), None, Err(Code::InvalidValue)),
            (Some(""), None, Err(Code::InvalidValue)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(IDEMPOTENCY_KEY, value.parse().expect("a value"));
            }
            let found = operation_id(&headers, body.map(id)).map_err(|problem| problem.code);
            assert_eq!(found, expected.map(|expected| expected.map(id)), "{header:?} {body:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, http::HeaderValue::from_bytes("é".as_bytes()).expect("a value"));
        assert_eq!(operation_id(&headers, None).map_err(|problem| problem.code), Err(Code::InvalidValue));
        headers.append(IDEMPOTENCY_KEY, http::HeaderValue::from_static("a"));
        assert_eq!(operation_id(&headers, None).map_err(|problem| problem.code), Err(Code::DuplicateField));
    }
}
