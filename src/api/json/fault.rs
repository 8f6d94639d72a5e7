//! What is wrong with a body, and at which field.
//!
//! A [`Fault`] is the error type of the slow reader (`slow.rs`), so that the kinds of faults that serde
//! knows arrive here as kinds and not as sentences to take apart.

use std::fmt;

use serde::de;

use crate::api::problem::{Code, Problem};

/// One step from a value to a value inside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Row(usize),
}

/// Why a body cannot be read as what the route takes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    code: Code,
    /// Reads on from the field's name: `is missing`.
    what: String,
    /// From the innermost value outwards.
    steps: Vec<Step>,
}

impl Fault {
    /// A fault of the value itself. `what` reads on from the field's name: `is missing`.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), steps: Vec::new() }
    }

    /// A value that is of the right type and not allowed.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::new(Code::InvalidValue, what)
    }

    /// The same fault seen from the object around, in which the value is `field`.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.steps.push(Step::Field(field.into()));
        self
    }

    /// The same fault seen from the array around, in which the value is number `row`, from 0.
    #[must_use]
    pub fn in_row(mut self, row: usize) -> Self {
        self.steps.push(Step::Row(row));
        self
    }

    /// The kind of problem.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The field at fault as a JSON pointer (RFC 6901); empty for the body itself.
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in self.steps.iter().rev() {
            pointer.push('/');
            match step {
                Step::Field(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Row(row) => pointer.push_str(&row.to_string()),
            }
        }
        pointer
    }

    /// The field at fault for people: `ops[3].credits`.
    fn name(&self) -> String {
        let mut name = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Field(field) if name.is_empty() => name.push_str(field),
                Step::Field(field) => name.extend([".", field]),
                Step::Row(row) => name.push_str(&format!("[{row}]")),
            }
        }
        if name.is_empty() { "the body".to_owned() } else { name }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.what)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Problem {
    /// What is not JSON has no field; all else has.
    fn from(fault: Fault) -> Self {
        let problem = Self::new(fault.code, fault.to_string());
        if fault.code == Code::NotJson { problem } else { problem.at(fault.pointer()) }
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::invalid(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid(format!("must be {}", for_people(expected)))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid(format!("must be {}", for_people(expected)))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::invalid(format!("must be {}", for_people(expected)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::invalid(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Code::UnknownField, format!("is not known here; known are {}", expected.join(", "))).in_field(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Code::MissingField, "is missing").in_field(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(Code::DuplicateField, "is there twice; write it once").in_field(field)
    }
}

/// What was expected, without the names that types have in this program.
fn for_people(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "an object".to_owned(),
        _ if text.starts_with("struct ") => "an object".to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_as_a_pointer_and_for_people() {
        let fault = Fault::invalid("is negative").in_field("credits").in_row(3).in_field("ops");
        assert_eq!(fault.pointer(), "/ops/3/credits");
        assert_eq!(fault.to_string(), "ops[3].credits is negative");
        assert_eq!(Fault::invalid("x").in_field("a/b~c").pointer(), "/a~1b~0c");
        assert_eq!(Fault::invalid("must be an object").to_string(), "the body must be an object");
    }
}
