//! Problems as errors of gRPC, with the same codes.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use prost::Message;
use prost_types::Any;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use super::wire::google::rpc;
use super::wire::purser::Problem as Wire;
use crate::api::problem::{Code as Kind, Problem};

/// What an error's details are.
const PROBLEM_URL: &str = "type.googleapis.com/purser.v1.Problem";

/// As the answer to a request of a stream.
impl From<&Problem> for Wire {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.as_str().to_owned(),
            detail: problem.detail.clone().into_owned(),
            field: problem.pointer.as_deref().map(field),
            retry_after_ms: problem.retry_after_seconds.map(|seconds| u64::from(seconds) * 1_000),
        }
    }
}

/// As the end of a call.
impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let wire = Wire::from(&problem);
        let detail = Any { type_url: PROBLEM_URL.to_owned(), value: wire.encode_to_vec() };
        let (code, message) = (code(problem.code), problem.detail.into_owned());
        let details = rpc::Status { code: code.into(), message: message.clone(), details: vec![detail] };
        Self::with_details(code, message, Bytes::from(details.encode_to_vec()))
    }
}

/// The code of gRPC that says what a status of HTTP says.
pub fn code(kind: Kind) -> Code {
    match kind.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

/// What the library says of a request that it could not read, in our words; ours have a problem in them and stay.
pub fn in_our_words(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    match status.code() {
        Code::OutOfRange => Problem::new(Kind::TooLarge, status.message().to_owned()).into(),
        Code::Internal => Problem::new(Kind::InvalidValue, status.message().to_owned()).into(),
        _ => status,
    }
}

/// What is compressed is not taken; which says what is.
pub fn encoded(encoding: &HeaderValue) -> Status {
    let encoding = String::from_utf8_lossy(encoding.as_bytes());
    let mut status = Status::unimplemented(format!("Messages are compressed with {encoding}, which is not taken."));
    status.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static("identity"));
    status
}

/// The name of a field in a message, by its pointer in a body of the HTTP interface.
fn field(pointer: &str) -> String {
    let name = pointer.trim_start_matches('/').replace('/', ".");
    match name.as_str() {
        "credits" | "min_credits" => format!("{name}_micros"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_its_problem() {
        let status = Status::from(Problem::new(Kind::MissingField, "credits is missing").at("/credits"));
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "credits is missing"));
        let details = rpc::Status::decode(status.details()).expect("details");
        assert_eq!((details.code, details.message.as_str()), (3, "credits is missing"));
        assert_eq!(details.details[0].type_url, PROBLEM_URL);
        let problem = Wire::decode(&*details.details[0].value).expect("a problem");
        assert_eq!((problem.code.as_str(), problem.field.as_deref()), ("missing_field", Some("credits_micros")));
        assert_eq!(Wire::from(&Problem::new(Kind::Unavailable, "away")).retry_after_ms, Some(1_000));
    }

    #[test]
    fn every_problem_has_a_code_that_says_whose_fault_it_is() {
        for kind in Kind::ALL {
            let ours = matches!(code(*kind), Code::Internal | Code::Unavailable);
            assert_eq!(ours, kind.status().is_server_error(), "{kind:?}");
        }
    }

    #[test]
    fn fields_are_named_as_in_the_message() {
        for (pointer, name) in
            [("/credits", "credits_micros"), ("/usage/input_tokens", "usage.input_tokens"), ("/team", "team")]
        {
            assert_eq!(field(pointer), name);
        }
    }
}
