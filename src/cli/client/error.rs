//! Why a command that talks to a server did not succeed, and the exit code that says so.

use std::process::ExitCode;

use http::StatusCode;
use serde::Deserialize;

use crate::config::EXIT_CONFIG;

/// The exit code where the server is away (`EX_UNAVAILABLE`).
pub const EXIT_UNAVAILABLE: u8 = 69;

/// What the server says about a request that it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// What kind.
    pub code: String,
    /// What is wrong and what to do.
    #[serde(default)]
    pub detail: String,
    /// The field at fault.
    pub pointer: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        self.pointer.as_ref().map_or(Ok(()), |pointer| write!(f, " ({pointer})"))
    }
}

/// Why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The arguments cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The server does not do it.
    #[error("{problem}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// What the server says.
        problem: Problem,
    },
    /// There is no answer, or none of a purser.
    #[error("{0}; is `purser serve` running there?")]
    Unavailable(String),
}

impl ClientError {
    /// How the process ends: 64, 1 or 69.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(EXIT_CONFIG),
            Self::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. } | Self::Unavailable(_) => {
                ExitCode::from(EXIT_UNAVAILABLE)
            }
            Self::Refused { .. } => ExitCode::FAILURE,
        }
    }

    /// Whether the server has no such resource.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }
}

/// An error with all that caused it, because the outermost says the least.
pub(in crate::cli) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_code_detail_and_pointer() {
        let body = r#"{"type":"urn:purser:problem:invalid_value","title":"Invalid value","status":422,
            "code":"invalid_value","detail":"limit is negative; credits are 0 or more","pointer":"/limit"}"#;
        let problem: Problem = serde_json::from_str(body).expect("a problem");
        assert_eq!(problem.to_string(), "invalid_value: limit is negative; credits are 0 or more (/limit)");
    }

    #[test]
    fn exit_codes_tell_refused_from_away() {
        let problem = Problem { code: "x".to_owned(), detail: String::new(), pointer: None };
        let refused = |status| ClientError::Refused { status, problem: problem.clone() }.exit_code();
        assert_eq!(refused(StatusCode::CONFLICT), ExitCode::from(1));
        assert_eq!(refused(StatusCode::SERVICE_UNAVAILABLE), ExitCode::from(69));
        assert_eq!(ClientError::Unavailable(String::new()).exit_code(), ExitCode::from(69));
        assert_eq!(ClientError::Usage(String::new()).exit_code(), ExitCode::from(64));
    }
}
