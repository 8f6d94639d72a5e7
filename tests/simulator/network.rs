//! The network: messages under way, in any order, some twice, some never.

use purser::root::sync::{Reply, Request, SyncRefusal};
use purser::root::{Lease, Shares};

/// A process by its place and which one of those that were there: an answer comes over a connection of
/// the process that asked.
pub type Sender = (usize, u64);

/// What is under way.
#[derive(Clone)]
pub enum Message {
    /// From the process at that place.
    Ask(Sender, Box<Request>),
    /// To the process at that place, with what it had said; and what it had been lent before, for who counts
    /// by differences.
    Answer(Sender, Box<(Shares, Result<Reply, SyncRefusal>)>, Vec<Lease>),
}

/// More are lost.
pub const UNDER_WAY_MAX: usize = 24;
