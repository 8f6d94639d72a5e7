//! JSON bodies in, typed structs out, and exact words about what is wrong.
//!
//! A body is read by `serde_json` straight into its struct; what is asked most is looked at by `flat.rs` before. Only when
//! that fails, a second reader (`slow.rs`) goes through the text again with the same struct and finds
//! the kind of fault and the field. Structs derive `Deserialize` with `deny_unknown_fields` and are
//! made of the values of `wire`; ranges that depend on more than one field are checked by their routes.

mod body;
mod depth;
mod fault;
pub mod flat;
mod key;
mod slow;

pub use body::{Body, BodyLimits, Json, is_json, text};
pub use depth::DEPTH_MAX;
pub use fault::Fault;
pub use key::Key;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::api::problem::Code;

/// Reads a JSON object into a struct, which may borrow from it.
///
/// # Errors
/// `not_json` for what is not JSON or nests deeper than [`DEPTH_MAX`]; else the first field that is
/// missing, unknown, there twice, of the wrong type or out of range.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    if depth::too_deep(text) {
        return Err(Fault::new(Code::NotJson, format!("nests deeper than {DEPTH_MAX} levels")));
    }
    parse(text).ok_or_else(|| explain::<T>(text))
}

/// As [`read`], of a struct with rows that stay texts: how deep each of them nests is seen by counting its brackets, where
/// those of the whole are too many for that.
///
/// # Errors
/// As [`read`].
pub fn read_rows<'a, T: Deserialize<'a>>(text: &'a str, rows: impl Fn(&T) -> &[&'a RawValue]) -> Result<T, Fault> {
    // No stack is needed to find where a row ends, however deep it nests.
    match parse(text) {
        Some(value) if rows(&value).iter().all(|row| depth::is_flat(row.get())) => Ok(value),
        _ => read(text),
    }
}

/// The struct, if the text is one. Serde takes an array of the fields' values for a struct; callers must not come to rely on it.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let is_object = text.trim_ascii_start().starts_with('{');
    is_object.then(|| serde_json::from_str(text).ok()).flatten()
}

/// Finds what is wrong with a text that could not be read.
#[cold]
fn explain<'a, T: Deserialize<'a>>(text: &'a str) -> Fault {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Fault::new(Code::NotJson, format!("is not JSON: {error}"));
    }
    let text = text.trim_ascii();
    if !text.starts_with('{') {
        return Fault::invalid("must be an object");
    }
    // Both readers take the same texts (a test compares them), so there is a fault to find.
    slow::read::<T>(text).err().unwrap_or_else(|| Fault::invalid("has a value that cannot be read"))
}

#[cfg(test)]
mod tests;
