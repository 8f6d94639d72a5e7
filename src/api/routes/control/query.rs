//! What follows the question mark, and pages: every parameter is known, there once, and in range.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use crate::api::problem::{Code, Problem};

/// The most rows of one page.
pub const PAGE_ROWS_MAX: usize = 500;

/// The rows of a page whose size is not asked for.
pub const PAGE_ROWS: usize = 100;

/// The parameters of a request that have not been taken yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    left: Vec<(String, String)>,
    taken: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(left) =
            query.map_err(|_| Problem::new(Code::InvalidValue, "The query of the address cannot be read."))?;
        Ok(Self { left, taken: Vec::new() })
    }
}

impl Parameters {
    /// Takes a parameter's text.
    ///
    /// # Errors
    /// `duplicate_field` when it is there twice.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.taken.push(name);
        let mut found = None;
        for (_, value) in self.left.extract_if(.., |(known, _)| known == name) {
            if found.replace(value).is_some() {
                return Err(Problem::new(Code::DuplicateField, format!("The parameter {name} is there twice.")));
            }
        }
        Ok(found)
    }

    /// Takes a parameter and reads it; errors of `read` go on from the parameter's name.
    ///
    /// # Errors
    /// `invalid_value` when it is no such value.
    pub fn read<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        read(&text).map(Some).map_err(|error| invalid(name, error))
    }

    /// Takes a parameter that is one of a few words.
    ///
    /// # Errors
    /// `invalid_value` when it is another word.
    pub fn word<T: FromStr>(&mut self, name: &'static str, words: &[&str]) -> Result<Option<T>, Problem> {
        self.read(name, |text| text.parse().map_err(|_| format!("must be one of {}", words.join(", "))))
    }

    /// Takes `limit`: 1 to [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// `invalid_value` when it is out of range.
    pub fn limit(&mut self) -> Result<Option<usize>, Problem> {
        self.read("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
            limit.ok_or_else(|| format!("must be a whole number from 1 to {PAGE_ROWS_MAX}"))
        })
    }

    /// Takes `cursor`, which an answer to the same question gave.
    ///
    /// # Errors
    /// `invalid_value` for every other text.
    pub fn cursor<T>(
        &mut self,
        question: &Question,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.read("cursor", |text| {
            let after = text.rsplit_once('.').filter(|(after, _)| question.cursor(after) == text);
            let after = after.and_then(|(after, _)| read(after));
            after.ok_or("is not a next_cursor of this list with these filters; leave it out to begin anew")
        })
    }

    /// All parameters have been taken.
    ///
    /// # Errors
    /// `unknown_field` for the first that the route does not know.
    pub fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let known = self.taken.join(", ");
        let detail = match known.as_str() {
            "" => format!("The parameter {name} is not known here; none are."),
            known => format!("The parameter {name} is not known here; known are {known}."),
        };
        Err(Problem::new(Code::UnknownField, detail))
    }
}

fn invalid(name: &str, why: impl Display) -> Problem {
    Problem::new(Code::InvalidValue, format!("The parameter {name} {why}."))
}

/// Which list is asked for, with all that decides what is on it but the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question(String);

impl Question {
    /// A list by its name and its filters.
    pub fn new(list: &str, filters: impl std::fmt::Debug) -> Self {
        Self(format!("{list} {filters:?}"))
    }

    /// The cursor of the page after `after`. A checksum tells cursors of other questions and made up
    /// ones from it; it protects nothing, as every page is checked against the caller's rights.
    pub fn cursor(&self, after: &str) -> String {
        let sum = crc32c::crc32c_append(crc32c::crc32c(self.0.as_bytes()), after.as_bytes());
        format!("{after}.{sum:08x}")
    }

    /// Cuts rows that were read with one more than `limit` to the page, and answers the cursor of the
    /// next one where there is one.
    pub fn page<T>(&self, rows: &mut Vec<T>, limit: usize, key: impl FnOnce(&T) -> String) -> Option<String> {
        if rows.len() <= limit {
            return None;
        }
        rows.truncate(limit);
        rows.last().map(|last| self.cursor(&key(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let left = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Parameters { left, taken: Vec::new() }
    }

    #[test]
    fn parameters_are_known_there_once_and_in_range() {
        for (pairs, expected) in [
            (&[][..], Ok(None)),
            (&[("limit", "500")], Ok(Some(500))),
            (&[("limit", "0")], Err(Code::InvalidValue)),
            (&[("limit", "501")], Err(Code::InvalidValue)),
            (&[("limit", "-1")], Err(Code::InvalidValue)),
            (&[("limit", "")], Err(Code::InvalidValue)),
            (&[("limit", "1"), ("limit", "1")], Err(Code::DuplicateField)),
            (&[("size", "1")], Err(Code::UnknownField)),
        ] {
            let mut parameters = parameters(pairs);
            let limit = parameters.limit().and_then(|limit| parameters.finish().map(|()| limit));
            assert_eq!(limit.map_err(|problem| problem.code), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_cursor_goes_on_only_with_its_own_question() {
        let question = Question::new("members", "acme");
        let mut rows = vec!["a.b", "c"];
        let cursor = question.page(&mut rows, 1, |row| (*row).to_owned()).expect("there is more");
        assert_eq!(rows, ["a.b"]);
        assert_eq!(question.page(&mut rows, 1, |row| (*row).to_owned()), None);
        let read = |question: &Question, cursor: &str| {
            parameters(&[("cursor", cursor)]).cursor(question, |text| Some(text.to_owned()))
        };
        assert_eq!(read(&question, &cursor), Ok(Some("a.b".to_owned())));
        assert!(read(&Question::new("members", "other"), &cursor).is_err());
        for wrong in ["", ".", "a.b", "a.b.00000000", &format!("x{cursor}")] {
            assert!(read(&question, wrong).is_err(), "{wrong}");
        }
    }
}
