//! What a caller is told when a request cannot be answered: `application/problem+json` (RFC 9457).
//!
//! Every code that leaves the process is in the one table of this file. A denial is not a problem:
//! it is data of an answer, and is not made here.

use std::borrow::Cow;

use axum::Router;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which a caller may try again when nothing better is known.
pub const RETRY_AFTER_SECONDS: u32 = 1;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// The kinds of problems; each has one code, status and title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes, in the order of their statuses.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire; the problem's type is `urn:purser:problem:` and this.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// A short text for people, the same in every answer with this code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON, or is nested too deeply.
    NotJson = "not_json", BAD_REQUEST, "Not JSON";
    /// A route that needs a body got none.
    EmptyBody = "empty_body", BAD_REQUEST, "Empty body";
    /// The body ended before its announced length.
    IncompleteBody = "incomplete_body", BAD_REQUEST, "Incomplete body";
    /// No credentials, or none that are known.
    Unauthorized = "unauthorized", UNAUTHORIZED, "Unauthorized";
    /// The caller is known and may not do this.
    Forbidden = "forbidden", FORBIDDEN, "Forbidden";
    /// No such route or resource.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The route exists, with another method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// None of the media types that the caller accepts can be produced.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "Not acceptable";
    /// The body came too slowly.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "Request timeout";
    /// Every seat of the subscription is taken.
    NoFreeSeat = "no_free_seat", CONFLICT, "No free seat";
    /// The hold was settled otherwise, released, or has expired.
    HoldEnded = "hold_ended", CONFLICT, "Hold ended";
    /// The subscription or the team is assigned already.
    AlreadyAssigned = "already_assigned", CONFLICT, "Already assigned";
    /// The user owns a subscription already.
    AlreadySubscribed = "already_subscribed", CONFLICT, "Already subscribed";
    /// A subscription keeps its owner.
    OwnerFixed = "owner_fixed", CONFLICT, "Owner fixed";
    /// The team has no subscription, and the change needs one.
    NoSubscription = "no_subscription", CONFLICT, "No subscription";
    /// The team's owner cannot lose its role or leave; the team is handed over first.
    IsOwner = "is_owner", CONFLICT, "Is the owner";
    /// A team is handed over to a member only.
    NotAMember = "not_a_member", CONFLICT, "Not a member";
    /// The subscription does not include what is asked for.
    NoFeature = "no_feature", CONFLICT, "No such feature";
    /// The team has as many members as there may be.
    TooManyMembers = "too_many_members", CONFLICT, "Too many members";
    /// Too many purchases are neither spent nor expired.
    TooManyPurchases = "too_many_purchases", CONFLICT, "Too many purchases";
    /// The sidecar lives, or is the only one that the store serves.
    SidecarInUse = "sidecar_in_use", CONFLICT, "Sidecar in use";
    /// The body is larger than the route takes.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "Too large";
    /// The body's media type is not `application/json`.
    NotJsonMediaType = "not_json_media_type", UNSUPPORTED_MEDIA_TYPE, "Not a JSON media type";
    /// The body is compressed.
    EncodedBody = "encoded_body", UNSUPPORTED_MEDIA_TYPE, "Encoded body";
    /// A field has the wrong type or is out of range.
    InvalidValue = "invalid_value", UNPROCESSABLE_ENTITY, "Invalid value";
    /// A required field is not there.
    MissingField = "missing_field", UNPROCESSABLE_ENTITY, "Missing field";
    /// A field that the route does not know.
    UnknownField = "unknown_field", UNPROCESSABLE_ENTITY, "Unknown field";
    /// A field is there twice.
    DuplicateField = "duplicate_field", UNPROCESSABLE_ENTITY, "Duplicate field";
    /// The operation id was used before with other content.
    IdReused = "id_reused", UNPROCESSABLE_ENTITY, "Id reused";
    /// The rate card has no rate for the model.
    NoRate = "no_rate", UNPROCESSABLE_ENTITY, "No rate";
    /// A defect of this program.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
    /// Something that the answer needs is away; the same request may be sent again.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Unavailable";
}

/// One answer that is a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub code: Code,
    /// What is wrong in this request and what to do about it.
    pub detail: Cow<'static, str>,
    /// The field of the body at fault, as a JSON pointer (RFC 6901).
    pub pointer: Option<String>,
    /// When to try again; always there where the status is 503.
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem without a field at fault. One with status 503 asks to retry after
    /// [`RETRY_AFTER_SECONDS`].
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let unavailable = code.status() == StatusCode::SERVICE_UNAVAILABLE;
        let retry_after_seconds = unavailable.then_some(RETRY_AFTER_SECONDS);
        Self { code, detail: detail.into(), pointer: None, retry_after_seconds }
    }

    /// The same with the field at fault.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The same with another time to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The body of the answer.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            r#type: format!("urn:purser:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            pointer: self.pointer.as_deref(),
        };
        serde_json::to_string(&wire).expect("texts and numbers always serialise")
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
}

impl Problem {
    /// The answer, with whatever body its sender takes.
    pub fn answer<B: From<Bytes>>(&self) -> http::Response<B> {
        let mut response = http::Response::new(B::from(self.to_json().into()));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        match self.code {
            Code::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of the body is not read, so the connection cannot carry another request.
            Code::TooLarge | Code::RequestTimeout => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Code::EncodedBody => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.answer()
    }
}

/// The router with problems for routes and methods that it does not have. To be called last: routes
/// added later keep axum's own empty 405.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(no_route).method_not_allowed_fallback(no_method)
}

async fn no_route(uri: http::Uri) -> Problem {
    Problem::new(Code::NotFound, format!("There is no route {}; see /openapi.json.", uri.path()))
}

async fn no_method(method: http::Method, uri: http::Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("{} does not take {method}; see /openapi.json.", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_in_the_order_of_statuses() {
        let statuses: Vec<u16> = Code::ALL.iter().map(|code| code.status().as_u16()).collect();
        assert!(statuses.is_sorted());
        let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
    }

    #[test]
    fn a_problem_names_its_field_and_when_to_retry() {
        let problem = Problem::new(Code::MissingField, "credits is missing").at("/ops/3/credits");
        assert_eq!(
            problem.to_json(),
            r#"{"type":"urn:purser:problem:missing_field","title":"Missing field","status":422,"detail":"credits is missing","code":"missing_field","pointer":"/ops/3/credits"}"#
        );
        let response = Problem::new(Code::Unavailable, "the store is away").into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        let response = Problem::new(Code::Unauthorized, "no token").into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
