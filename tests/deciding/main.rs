//! The rules of deciding as tables: each test is one promise, each line one thing that happens.
//!
//! `language` says what lines there are and what they may expect.

mod access;
mod denials;
mod holds;
mod ids;
mod language;
mod limits;
mod pools;
mod refunds;
mod sums;
mod windows;

#[path = "../support/mod.rs"]
mod support;

use language::check;
