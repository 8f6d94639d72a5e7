//! The functions inside of Redis: how they are called, what they answer, and how they get there.

use redis::{Cmd, Value};

use super::failure::Failure;
use super::keys::Keys;
use super::link::Link;

/// The library's text. Its first line names it with its version: another text needs another version, so
/// that sidecars of two versions can share a store while they are exchanged.
pub const LIBRARY: &str = include_str!("library.lua");

/// Whether this process of Redis is known, and whether it may have forgotten something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fence {
    /// It is, and nothing is lost. What is read together with this is of this fence.
    Known(String),
    /// It has never been known, and is empty.
    New,
    /// It may have forgotten something.
    Lost,
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Everything is written.
    Done,
    /// Something is not as it was read; nothing is written.
    Conflict,
    /// Another sidecar has entered one of the draws before; nothing is written.
    Begun,
    /// This process of Redis is not known; nothing is written.
    Stale,
}

/// Asks for the fence; goes first in a pipeline of reads.
pub fn ask_fence(meta: &str) -> Cmd {
    let mut command = redis::cmd("FCALL_RO");
    command.arg("purser_4_fence").arg(1).arg(meta);
    command
}

/// Reads the answer of [`ask_fence`].
pub fn fence(answer: Value) -> Result<Fence, Failure> {
    let words: Vec<String> = redis::from_redis_value(answer).map_err(|error| Failure::Redis(error.into()))?;
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["FENCE", fence] => Ok(Fence::Known((*fence).to_owned())),
        ["STALE", "new"] => Ok(Fence::New),
        ["STALE", ..] => Ok(Fence::Lost),
        _ => Err(Failure::value("the fence", format!("answers {words:?}"))),
    }
}

/// Asks for all rows that an audit compares, as of one instant.
pub fn ask_rows(names: &Keys) -> Cmd {
    let mut command = redis::cmd("FCALL_RO");
    command.arg("purser_4_rows").arg(1).arg(names.meta()).arg(names.sidecars()).arg(names.holds_of());
    command.arg(names.subscriptions()).arg(names.funds());
    command
}

/// Commits. Sent once more, the same payload does no harm.
pub async fn commit(link: &Link, meta: &str, payload: &[u8]) -> Result<Committed, Failure> {
    let mut command = redis::cmd("FCALL");
    command.arg("purser_4_commit").arg(1).arg(meta).arg(payload);
    let words: Vec<String> = link.one(command).await?;
    match words.first().map(String::as_str) {
        Some("DONE") => Ok(Committed::Done),
        Some("CONFLICT" | "KNOWN") => Ok(Committed::Conflict),
        Some("BEGUN") => Ok(Committed::Begun),
        Some("STALE") => Ok(Committed::Stale),
        _ => Err(Failure::value("the commit", format!("answers {words:?}"))),
    }
}

/// Brings a library to a server that lacks it.
pub async fn load(link: &Link, text: &str) -> Result<(), Failure> {
    let mut command = redis::cmd("FUNCTION");
    command.arg("LOAD").arg(text);
    match link.one::<Value>(command).await {
        Err(Failure::Redis(error)) if error.to_string().contains("already exists") => Ok(()),
        answer => answer.map(drop),
    }
}
